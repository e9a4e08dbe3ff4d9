//! The timeouts of the runtimes that have no locks and queues of their own.

use super::seam::Timeouts;
use crate::runtimes::{Compio, Legacy, Monoio, Polling};
use std::future::Future;
use std::time::Duration;

impl Timeouts for Monoio<Legacy> {
    async fn timeout<F: Future>(future: F, time: Duration) -> bool {
        monoio::time::timeout(time, future).await.is_ok()
    }
}

impl Timeouts for Compio<Polling> {
    async fn timeout<F: Future>(future: F, time: Duration) -> bool {
        compio::time::timeout(time, future).await.is_ok()
    }
}
