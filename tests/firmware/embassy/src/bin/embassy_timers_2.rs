//! 2 tasks that sleep again and again, on embassy.

#![no_std]
#![no_main]

use embassy as _;
use embassy_executor::Spawner;
use embassy_time::Timer;

#[embassy_executor::task(pool_size = 2)]
async fn task() {
    loop {
        Timer::after_millis(10).await;
    }
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::counter::start();
    spawner.spawn(task().unwrap());
    spawner.spawn(task().unwrap());
}
