//! A dialogue with the command line of `uart`, through QEMU's serial port.

use super::qemu::{Machine, Session};
use super::{prepare, program};
use crate::steps::{Problem, StepResult};

/// What is typed, and what the answers must contain, in this order.
const DIALOGUE: [(&str, &[&str]); 18] = [
    ("help", &["ps ", "mem ", "led N on|off", "sensor"]),
    ("led 1 on", &["led 1 is on"]),
    ("led 1 off", &["led 1 is off"]),
    ("led 7 on", &["?"]),
    ("nonsense", &["?"]),
    ("sleep 30", &["slept ", " ms"]),
    ("blink 20", &["blinked"]),
    ("sensor", &["reading "]),
    ("sensor off", &[]),
    ("sensor", &["no reading within 200 ms"]),
    // Nothing comes from the sensor now, so it is known what its task does.
    ("ps", &["command runs", "sensor waits for a thread-safe flag", "alarm waits for an event"]),
    ("sensor on", &[]),
    ("sensor", &["reading "]),
    ("alarm", &["alarm!"]),
    // Longer than the line that the program keeps, though not than the ring of its UART: QEMU knows no baud rate. It is refused as a whole,
    // and the next one is understood.
    ("a line that is longer than 48 characters, so: led 0 on", &["too long"]),
    ("", &[]),
    ("sleep 1", &["slept"]),
    ("mem", &["16384 bytes", "\n0 bytes lost", "wake-ups"]),
];

pub(super) fn check() -> StepResult {
    prepare()?;
    talk().map(|_| ())
}

/// How deep the stack of `uart` is after the dialogue.
pub(super) fn stack() -> Result<u32, Problem> {
    talk()?.stack()
}

fn talk() -> Result<Session, Problem> {
    let mut session = Session::start(Machine::Microbit, &program("uart", Machine::Microbit), &[])?;
    session.hear("> ")?;
    for (line, expected) in DIALOGUE {
        session.send(line)?;
        for text in expected {
            session.hear(text)?;
        }
        session.hear("> ")?;
    }
    Ok(session)
}
