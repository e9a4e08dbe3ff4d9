//! The first column of LEDs. A LED is lit when its row is high and its column low.

use crate::registers::gpio;

/// The pin of the first row, and how many rows there are.
const FIRST_ROW: u32 = 13;
/// How many LEDs there are: one for each row.
pub const LEDS: u32 = 3;
const ROWS: u32 = ((1 << LEDS) - 1) << FIRST_ROW;

/// Makes the pins of the rows outputs, with all LEDs dark.
pub fn start() {
    gpio::OUT_CLEAR.write(ROWS);
    gpio::DIRECTION_SET.write(ROWS);
}

/// Lights a LED, or darkens it. Numbers from [`LEDS`] on are ignored.
pub fn set(led: u32, lit: bool) {
    if led < LEDS {
        let register = if lit { gpio::OUT_SET } else { gpio::OUT_CLEAR };
        register.write(1 << (FIRST_ROW + led));
    }
}

/// Whether the LED is lit.
pub fn is_lit(led: u32) -> bool {
    led < LEDS && gpio::OUT.read() & 1 << (FIRST_ROW + led) != 0
}

/// Lights a dark LED and darkens a lit one.
pub fn toggle(led: u32) {
    set(led, !is_lit(led));
}
