//! The timer of a limited wait: armed when it is first needed, and gone with the wait.

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

pin_project_lite::pin_project! {
    /// A future, and the timer that limits it. Whether they have ended is told by the timer's tag, so it takes no room.
    #[project = LimitedProjection]
    pub(crate) enum Limited<F> {
        Running {
            // The earlier to be dropped.
            #[pin]
            timer: Timer,
            #[pin]
            inner: F,
        },
        Ended,
    }
}

impl<F> Limited<F> {
    pub(crate) fn new(inner: F, length: Duration) -> Limited<F> {
        Limited::Running { timer: Timer::new(length), inner }
    }

    /// `None` once it has ended.
    pub(crate) fn timer(&self) -> Option<&Timer> {
        match self {
            Limited::Running { timer, .. } => Some(timer),
            Limited::Ended => None,
        }
    }
}
