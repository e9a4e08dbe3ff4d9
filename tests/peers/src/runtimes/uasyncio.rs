//! Ours: the core alone on a parked thread, and the same tasks on the reactor.

use super::{OURS, Renewable, Runtime, Timers};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub struct UasyncioCore;
pub struct UasyncioIo;

impl Runtime for UasyncioCore {
    const NAME: &'static str = OURS[0];

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        uasyncio_core::run(future)
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        uasyncio_core::create_task(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        uasyncio_core::spawn(future);
    }
}

impl Runtime for UasyncioIo {
    const NAME: &'static str = OURS[1];

    fn unavailable() -> Option<String> {
        uasyncio_io::Reactor::new().err().map(|error| error.to_string())
    }

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        uasyncio_io::run(future)
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        UasyncioCore::spawn(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        UasyncioCore::detach(future);
    }
}

impl Renewable for uasyncio_core::Sleep {
    fn renew(self: Pin<&mut Self>, time: Duration) -> bool {
        self.reset(time);
        true
    }
}

impl Timers for UasyncioCore {
    fn sleep(time: Duration) -> impl Renewable {
        uasyncio_core::sleep(time)
    }
}

impl Timers for UasyncioIo {
    fn sleep(time: Duration) -> impl Renewable {
        uasyncio_core::sleep(time)
    }
}
