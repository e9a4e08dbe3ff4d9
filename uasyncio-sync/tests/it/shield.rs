//! `shield`: what goes on when the caller is cancelled.

#![cfg(feature = "alloc")]

use std::future::pending;

use crate::common::at_both_starts;
use uasyncio_core::{create_task, sleep_ms, yield_now};
use uasyncio_sync::{shield, wait_for_ms};

/// The caller is cancelled, or its time is up: the shielded future runs to its end. Unshielded, it would be dropped.
#[test]
fn goes_on_without_its_caller() {
    at_both_starts(|event_loop, trace| {
        let save = |name: &'static str| {
            let log = trace.clone();
            async move {
                sleep_ms(5).await;
                log.log(format_args!("{name} saved"));
            }
        };
        event_loop
            .run_until_complete(async {
                let (cancelled, plain) = (save("shielded"), save("plain"));
                let shielded = create_task(async { shield(cancelled).await });
                let plain = create_task(plain);
                yield_now().await;
                shielded.cancel();
                plain.cancel();
                assert!(shielded.await.is_err() && plain.await.is_err());
                assert!(wait_for_ms(shield(save("limited")), 1).await.is_err());
                sleep_ms(20).await;
            })
            .unwrap();
        trace.expect(&["5 shielded saved", "5 limited saved"]);
    });
}

/// Its value, its panic, and its cancel come to who awaits it.
#[test]
fn ends() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                assert_eq!(shield(async { 42 }).await.unwrap(), 42);
                let panic = shield(async { panic!("out of cheese") }).await.unwrap_err().into_panic().unwrap();
                assert_eq!(panic.message(), Some("out of cheese"));
                let shielded = shield(pending::<()>());
                shielded.cancel();
                assert!(shielded.await.unwrap_err().is_cancelled());
            })
            .unwrap();
    });
}

/// It begins although nobody awaits it, behind what is ready, as every task does.
#[test]
fn begins_at_once() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                drop(shield(async move { log.log("begun") }));
                trace.log("caller");
                yield_now().await;
            })
            .unwrap();
        trace.expect(&["0 caller", "0 begun"]);
    });
}
