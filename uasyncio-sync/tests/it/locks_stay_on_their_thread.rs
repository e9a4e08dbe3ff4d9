//! T-26: nothing here may be shared with another thread, or sent to one while it waits.

#![cfg(feature = "alloc")]

use std::future::Ready;

use uasyncio_sync::{
    Barrier, BarrierWait, Condition, ConditionWait, ConditionWaitFor, Delay, DelayRun, DelayWait, Event, EventWait, Fifo,
    Interval, IntervalTick, LifoQueue, Lock, LockAcquire, LockGuard, PriorityQueue, Queue, QueueGet, QueueJoin, QueuePut,
    QueueStream, RingbufGet, RingbufQueue, RingbufStream, RunTaskGroup, RunTimeout, Semaphore, SemaphoreAcquire, SemaphorePermit,
    TaskGroup, Timeout, Watch, WatchChanged, WatchReceiver, WatchRef, WatchSender,
};

/// Whether a type is `Send`, and whether it is `Sync`: an inherent constant, which only those types have, hides the trait's.
macro_rules! send_sync {
    ($type:ty) => {{
        struct Asked<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "used for those types that are not")]
        trait Not {
            const SEND: bool = false;
            const SYNC: bool = false;
        }
        impl<T> Not for Asked<T> {}
        #[allow(dead_code, reason = "used for those types that are")]
        impl<T: Send> Asked<T> {
            const SEND: bool = true;
        }
        #[allow(dead_code, reason = "used for those types that are")]
        impl<T: Sync> Asked<T> {
            const SYNC: bool = true;
        }
        (<Asked<$type>>::SEND, <Asked<$type>>::SYNC)
    }};
}

#[test]
fn the_question_is_answered_both_ways() {
    assert_eq!(send_sync!(u8), (true, true));
    assert_eq!(send_sync!(std::cell::Cell<u8>), (true, false));
    assert_eq!(send_sync!(std::rc::Rc<u8>), (false, false));
}

#[test]
fn primitives_guards_and_futures_are_neither_send_nor_sync() {
    let neither = (false, false);
    assert_eq!([send_sync!(Lock<u8>), send_sync!(LockGuard<'_, u8>), send_sync!(LockAcquire<'_, u8>)], [neither; 3]);
    assert_eq!([send_sync!(Semaphore), send_sync!(SemaphorePermit<'_>), send_sync!(SemaphoreAcquire<'_>)], [neither; 3]);
    assert_eq!([send_sync!(Event), send_sync!(EventWait<'_>)], [neither; 2]);
    assert_eq!([send_sync!(Condition), send_sync!(ConditionWait<'_, '_, u8>)], [neither; 2]);
    assert_eq!(send_sync!(ConditionWaitFor<'_, '_, u8, fn(&mut u8) -> bool>), neither);
    assert_eq!([send_sync!(Barrier), send_sync!(BarrierWait<'_>)], [neither; 2]);
    assert_eq!([send_sync!(Queue<u8>), send_sync!(PriorityQueue<u8>), send_sync!(LifoQueue<u8>)], [neither; 3]);
    assert_eq!([send_sync!(QueuePut<'_, u8, Fifo<u8>>), send_sync!(QueueGet<'_, u8, Fifo<u8>>)], [neither; 2]);
    assert_eq!([send_sync!(QueueJoin<'_, u8, Fifo<u8>>), send_sync!(QueueStream<'_, u8, Fifo<u8>>)], [neither; 2]);
    assert_eq!([send_sync!(Watch<u8>), send_sync!(WatchSender<'_, u8>), send_sync!(WatchReceiver<'_, u8>)], [neither; 3]);
    assert_eq!([send_sync!(WatchRef<'_, u8>), send_sync!(WatchChanged<'_, '_, u8>)], [neither; 2]);
    type Ring = RingbufQueue<u8, 4>;
    assert_eq!([send_sync!(Ring), send_sync!(RingbufGet<'_, Ring>), send_sync!(RingbufStream<'_, Ring>)], [neither; 3]);
    assert_eq!([send_sync!(Delay), send_sync!(DelayWait<'_>)], [neither; 2]);
    assert_eq!(send_sync!(DelayRun<'_, fn() -> Ready<()>, Ready<()>>), neither);
    assert_eq!([send_sync!(IntervalTick<'_>), send_sync!(RunTimeout<'_, Ready<()>>)], [neither; 2]);
    type Group = RunTaskGroup<'static, u8, u8, Ready<Result<u8, u8>>>;
    assert_eq!([send_sync!(TaskGroup<'_, u8>), send_sync!(Group)], [neither; 2]);
}

/// Points in time, which belong to no loop until somebody waits for them.
#[test]
fn intervals_and_time_limits_may_be_sent_before_they_run() {
    assert_eq!([send_sync!(Interval), send_sync!(Timeout)], [(true, true), (true, false)]);
}
