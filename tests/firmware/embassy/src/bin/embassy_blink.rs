//! `blink` of the package `microbit`, on embassy.

#![no_std]
#![no_main]

use board::{counter, led};
use embassy as _;
use embassy_executor::Spawner;
use embassy_time::Timer;

#[embassy_executor::task(pool_size = 3)]
async fn blink(led: u32, period: u32) {
    loop {
        led::toggle(led);
        Timer::after_millis(period.into()).await;
    }
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    led::start();
    counter::start();
    for (led, period) in [(0, 250), (1, 400), (2, 1000)] {
        spawner.spawn(blink(led, period).unwrap());
    }
}
