//! 2 tasks that wait for ever, on embassy.

#![no_std]
#![no_main]

use core::future::pending;

use embassy as _;
use embassy_executor::Spawner;

#[embassy_executor::task(pool_size = 2)]
async fn task() {
    pending().await
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    spawner.spawn(task().unwrap());
    spawner.spawn(task().unwrap());
}
