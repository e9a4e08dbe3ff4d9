//! The tasks beside the command line.

use board::led;
use uasyncio_core::sleep_ms;

use crate::{DUE, Shared};

/// The LED that an alarm lights, and for how long, in milliseconds.
const ALARM_LED: u32 = 2;
const ALARM_LENGTH: u32 = 100;

/// Takes a reading whenever the timer says so. The latest four are kept.
pub(crate) async fn sensor(shared: &Shared) {
    let mut reading = 0x5EED_u16;
    loop {
        DUE.wait().await;
        // A noisy sensor: a linear feedback shift register, x^16 + x^14 + x^13 + x^11 + 1.
        let low = reading & 1;
        reading = reading >> 1 ^ if low == 1 { 0xB400 } else { 0 };
        shared.readings.put(reading);
    }
}

/// Says when there is an alarm, and lights a LED for a moment.
pub(crate) async fn alarm(shared: &Shared) {
    loop {
        shared.alarm.wait().await;
        shared.alarm.clear();
        led::set(ALARM_LED, true);
        shared.say(b"\r\nalarm!\r\n> ").await;
        sleep_ms(ALARM_LENGTH).await;
        led::set(ALARM_LED, false);
    }
}
