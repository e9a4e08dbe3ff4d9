//! The timer of a limited wait: armed when it is first needed.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use uasyncio_core::{Sleep, sleep};

pin_project_lite::pin_project! {
    /// Ready when its length has passed since the first poll. The clock is not touched before that, and never for a length of
    /// zero, which is over at once.
    #[derive(Debug)]
    #[project = TimerProjection]
    pub(crate) enum Timer {
        Unarmed {
            length: Duration,
        },
        Armed {
            #[pin]
            sleep: Sleep,
        },
    }
}

impl Timer {
    pub(crate) fn new(length: Duration) -> Timer {
        Timer::Unarmed { length }
    }

    /// Takes the timer out of the loop's clock.
    pub(crate) fn disarm(mut self: Pin<&mut Self>) {
        self.set(Timer::new(Duration::ZERO));
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.as_mut().project() {
                TimerProjection::Armed { sleep } => return sleep.poll(cx),
                TimerProjection::Unarmed { length: &mut Duration::ZERO } => return Poll::Ready(()),
                TimerProjection::Unarmed { length: &mut length } => self.set(Timer::Armed { sleep: sleep(length) }),
            }
        }
    }
}
