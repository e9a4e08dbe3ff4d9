//! Both kinds of loops in one program: the same code runs on either, on virtual time too, and they keep apart.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use crate::static_common::{TestClock, Trace, leaked};
use uasyncio_core::{
    Attention, EventLoop, RunError, StaticLoop, Ticks, VirtualTime, create_task, current_task, sleep_ms, spawn_pinned, time,
    trace, try_get_event_loop, yield_now,
};

const START: Ticks = Ticks::from_millis(u32::MAX - 7);

/// Written for a loop without a heap.
async fn program(trace: Trace) {
    let child = trace.clone();
    spawn_pinned(leaked(async move {
        child.log("child");
        sleep_ms(5).await;
        child.log("child slept");
    }))
    .unwrap();
    trace.log("main");
    yield_now().await;
    trace.log("main again");
    sleep_ms(9).await;
    let mut tasks = 0;
    trace::for_each_task(|_| tasks += 1);
    trace.log(format_args!("main slept, {tasks} task"));
    sleep_ms(24 * 60 * 60 * 1_000).await;
    assert!(current_task().is_some());
    trace.log("main slept long");
}

#[test]
fn the_same_code_runs_on_both() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    let expected = ["0 main", "0 child", "0 main again", "5 child slept", "9 main slept, 1 task", "86400009 main slept long"];
    let trace = Trace::new(START);
    let virtual_time = VirtualTime::starting_at(START);
    LOOP.run(&virtual_time, [pin!(program(trace.clone()))]);
    trace.expect(&expected);
    assert_eq!(virtual_time.jumps(), 3);

    let virtual_time = VirtualTime::starting_at(START);
    let event_loop = EventLoop::with_platform(virtual_time.clone());
    event_loop.run_until_complete(program(trace.clone())).unwrap();
    trace.expect(&expected);
    assert_eq!(virtual_time.jumps(), 3);
}

/// A deadlock names the tasks where there is a heap for them.
#[test]
fn a_deadlock_names_the_tasks() {
    static LOOP: StaticLoop<3> = StaticLoop::new();
    let end = LOOP.try_run(&VirtualTime::new(), [pin!(std::future::pending()), pin!(sleep_ms(1)), pin!(std::future::pending())]);
    match end {
        Err(RunError::Deadlock(deadlock)) => {
            let ids: Vec<_> = deadlock.tasks().iter().map(|task| task.id().to_string()).collect();
            assert_eq!(ids, ["task 0", "task 2"]);
        }
        other => panic!("{other:?}"),
    }
}

/// Neither runs inside the other, but turns of a loop on the heap nest in a task of a static one, and are the current loop meanwhile.
#[test]
fn they_do_not_run_inside_each_other() {
    static LOOP: StaticLoop<1> = StaticLoop::new();
    let log = Rc::new(RefCell::new(Vec::new()));
    let clock = TestClock::starting_at(START);
    LOOP.run(
        &clock,
        [pin!(async {
            assert!(try_get_event_loop().is_none());
            let inner = EventLoop::with_platform(VirtualTime::new());
            assert!(matches!(inner.run_until_complete(async {}), Err(RunError::Nested)));
            assert!(matches!(inner.run_forever(), Err(RunError::Nested)));
            let lines = log.clone();
            let task = inner.create_task(async move {
                lines.borrow_mut().push(time().as_millis());
                let child = create_task(async { yield_now().await });
                assert!(matches!(LOOP.try_run(&TestClock::new(), [pin!(async {})]), Err(RunError::Nested)));
                child.await.unwrap();
            });
            while inner.turn().unwrap() == Attention::Now {}
            assert!(task.done());
            log.borrow_mut().push(time().as_millis());
            sleep_ms(1).await;
            log.borrow_mut().push(time().as_millis());
        })],
    );
    assert_eq!(log.take(), [0, u32::MAX - 7, u32::MAX - 6]);
    uasyncio_core::run(async {
        assert!(matches!(LOOP.try_run(&TestClock::new(), [pin!(async {})]), Err(RunError::Nested)));
        sleep_ms(0).await;
    });
    LOOP.run(&clock, [pin!(yield_now())]);
}
