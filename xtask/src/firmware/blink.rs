//! `blink` on the target: the pins change exactly when, and in the order in which, three tasks that sleep would change them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::qemu::{self, EXACT, Machine};
use crate::steps::{Problem, StepResult};

/// The LEDs' periods in milliseconds, as in the program.
const PERIODS: [u32; 3] = [250, 400, 1000];
/// The pin of the first LED.
const FIRST_PIN: u32 = 13;
/// How many changes are compared: some ten seconds of the target's time.
const CHANGES: usize = 75;
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn check() -> StepResult {
    super::prepare()?;
    let mut child = qemu::command(Machine::Microbit, &super::program("blink", Machine::Microbit))
        .args(EXACT)
        .args(["-trace", "nrf51_gpio_write"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let (send, lines) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    }
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    while seen.len() < CHANGES {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => seen.extend(change(&line)),
            Err(_) => break,
        }
    }
    child.kill()?;
    child.wait()?;
    let expected = expected();
    if seen == expected {
        println!("{CHANGES} changes of LEDs, each where it should be");
        return Ok(());
    }
    let wrong = expected.iter().zip(&seen).take_while(|(expected, seen)| expected == seen).count();
    let what = format!("change {wrong} of {} is not {:?}: {:?}", seen.len(), expected.get(wrong), seen.get(wrong));
    Err(Problem::Failed(what))
}

/// A LED's change to lit or dark, from a line such as `nrf51_gpio_write offset 0x508 value 0x2000`.
fn change(line: &str) -> Option<(u32, bool)> {
    let (_, values) = line.split_once("nrf51_gpio_write offset 0x")?;
    let (offset, value) = values.split_once(" value 0x")?;
    let lit = match offset {
        "508" => true,
        "50c" => false,
        _ => return None,
    };
    let pins = u32::from_str_radix(value.trim(), 16).ok()?;
    pins.is_power_of_two().then(|| (pins.trailing_zeros() - FIRST_PIN, lit))
}

/// What tasks do that toggle a LED and sleep: in the order of the deadlines, and of equal ones the first to go to sleep first.
fn expected() -> Vec<(u32, bool)> {
    let mut lit = [false; 3];
    let mut sleeping: Vec<(u32, u32)> = vec![(0, 0), (0, 1), (0, 2)];
    let mut changes = Vec::new();
    while changes.len() < CHANGES {
        let first = (0..sleeping.len()).min_by_key(|&index| sleeping[index].0).unwrap_or_default();
        let (time, led) = sleeping.remove(first);
        let lit = &mut lit[led as usize];
        *lit = !*lit;
        changes.push((led, *lit));
        // A millisecond has begun when the task goes to sleep, and no sleep ends early: so one more.
        sleeping.push((time + PERIODS[led as usize] + 1, led));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::{change, expected};

    #[test]
    fn lines_of_the_trace_are_understood() {
        assert_eq!(change("7@1.2:nrf51_gpio_write offset 0x508 value 0x2000"), Some((0, true)));
        assert_eq!(change("nrf51_gpio_write offset 0x50c value 0x8000"), Some((2, false)));
        assert_eq!(change("nrf51_gpio_write offset 0x50c value 0xe000"), None); // all at once: the start
        assert_eq!(change("nrf51_gpio_write offset 0x518 value 0x2000"), None);
    }

    #[test]
    fn changes_come_in_the_order_of_the_deadlines() {
        // At 0 all of them; at 251, 401, 502, 753, 802, 1001, 1004.
        let leds: Vec<u32> = expected().iter().take(10).map(|change| change.0).collect();
        assert_eq!(leds, [0, 1, 2, 0, 1, 0, 0, 1, 2, 0]);
    }
}
