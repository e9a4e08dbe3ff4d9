//! The command line.

use board::memory::Memory;
use board::uart::{UART, Uart};
use board::{led, periodic};
use uasyncio_core::trace::{TaskState, for_each_task};
use uasyncio_core::{sleep_ms, time, yield_now};
use uasyncio_streams::LentReader;
use uasyncio_sync::{gather, wait_for_ms};

use crate::text::Text;
use crate::{SENSOR_PERIOD, Shared, TASKS};

const HELP: &str = "\
ps             the tasks, and what each waits for\r
mem            how the RAM is used\r
led N on|off   a LED: 0, 1 or 2\r
blink MS       all LEDs at once, for so long\r
sleep MS       sleeps\r
sensor         the oldest reading not yet shown\r
sensor on|off  starts or stops the sensor\r
alarm          wakes the task that raises the alarm\r
";

/// How long a reading is waited for, in milliseconds.
const PATIENCE: u32 = 200;

/// Reads lines and does what they say. A UART has no end and does not fail; if it did, nobody would be there to be told.
pub(crate) async fn serve(mut reader: LentReader<'_, Uart>, shared: &Shared) {
    let mut answer = Text::new();
    answer.add(format_args!("uasyncio\r\n"));
    loop {
        answer.add(format_args!("> "));
        shared.say(answer.bytes()).await;
        answer.clear();
        match reader.readuntil(b"\r").await {
            Ok(b"help\r") => shared.say(HELP.as_bytes()).await,
            Ok(line) => obey(core::str::from_utf8(line).unwrap_or("?"), &mut answer, shared).await,
            Err(_) => {
                let _ = reader.skip_until(b"\r").await;
                answer.add(format_args!("too long\r\n"));
            }
        }
    }
}

async fn obey(line: &str, answer: &mut Text, shared: &Shared) {
    let mut words = line.split_ascii_whitespace();
    let (command, first, second) = (words.next(), words.next(), words.next());
    let number = first.and_then(|word| word.parse::<u32>().ok());
    match (command, number, first, second) {
        (None, ..) => {}
        (Some("ps"), ..) => tasks(answer),
        (Some("mem"), ..) => memory(answer, shared),
        (Some("led"), Some(number), _, Some(state @ ("on" | "off"))) if number < led::LEDS => {
            led::set(number, state == "on");
            answer.add(format_args!("led {number} is {state}\r\n"));
        }
        (Some("blink"), Some(millis), ..) => {
            let blink = async |led: u32| {
                led::toggle(led);
                sleep_ms(millis).await;
                led::toggle(led);
            };
            gather([blink(0), blink(1), blink(2)]).await;
            answer.add(format_args!("blinked\r\n"));
        }
        (Some("sleep"), Some(millis), ..) => {
            let before = time();
            sleep_ms(millis).await;
            answer.add(format_args!("slept {} ms\r\n", time().diff(before).unsigned_abs()));
        }
        (Some("sensor"), _, None, _) => match wait_for_ms(shared.readings.get(), PATIENCE).await {
            Ok(reading) => answer.add(format_args!("reading {}\r\n", u32::from(reading))),
            Err(_) => answer.add(format_args!("no reading within {PATIENCE} ms\r\n")),
        },
        (Some("sensor"), _, Some("on"), _) => periodic::start(SENSOR_PERIOD),
        (Some("sensor"), _, Some("off"), _) => {
            periodic::stop();
            yield_now().await; // for what is under way already
            while shared.readings.get_nowait().is_some() {}
        }
        (Some("alarm"), ..) => shared.alarm.set(),
        _ => answer.add(format_args!("? (help says what there is)\r\n")),
    }
}

/// The table of the tasks.
fn tasks(answer: &mut Text) {
    let mut names = TASKS.iter();
    for_each_task(|task| {
        let name = names.next().unwrap_or(&"?");
        let (verb, what) = match task.state() {
            TaskState::Running => ("runs", ""),
            TaskState::Ready => ("is ready", ""),
            _ => ("waits for ", task.waiting_for().unwrap_or("something")),
        };
        let polls = task.polls().unwrap_or_default() as u32;
        answer.add(format_args!("{name} {verb}{what}, polled {polls} times\r\n"));
    });
}

fn memory(answer: &mut Text, shared: &Shared) {
    let memory = Memory::now();
    let Memory { total, variables, stack } = memory;
    answer.add(format_args!("{total} bytes: {variables} variables, {stack} stack, {} free\r\n", memory.free()));
    answer.add(format_args!("{} bytes lost by the UART, {} wake-ups\r\n", UART.lost(), shared.clock.wake_ups()));
}
