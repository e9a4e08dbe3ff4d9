//! `LocalPool` of futures: an executor alone, without timers or sockets.

use super::Runtime;
use futures_executor::LocalSpawner;
use futures_util::task::LocalSpawnExt;
use std::future::Future;

pub struct LocalPool;

scoped_tls::scoped_thread_local!(static SPAWNER: LocalSpawner);

impl Runtime for LocalPool {
    const NAME: &'static str = "futures LocalPool";

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        let mut pool = futures_executor::LocalPool::new();
        SPAWNER.set(&pool.spawner(), || pool.run_until(future))
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        SPAWNER.with(|spawner| spawner.spawn_local_with_handle(future)).expect("the pool is running")
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        SPAWNER.with(|spawner| spawner.spawn_local(future)).expect("the pool is running");
    }
}
