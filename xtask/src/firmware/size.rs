//! `cargo xtask firmware size`: flash, RAM and the deepest stack of each program, of a task and of a timer, beside embassy's, and
//! the budgets that they keep. By default the test matrix leaves embassy's out.

use std::fs;
use std::time::Duration;
use std::{str, thread};

use super::elf::Sizes;
use super::qemu::{EXACT, Machine, Session};
use super::{build_embassy, file_of_firmware, prepare, program};
use crate::steps::{Problem, StepResult};

/// What is measured of a program.
#[derive(Clone, Copy, Debug, Default)]
struct Footprint {
    sizes: Sizes,
    stack: u32,
}

impl Footprint {
    fn memory(&self) -> u32 {
        self.sizes.ram() + self.stack
    }
}

/// A program, and the same on embassy where there is one.
const PROGRAMS: [(&str, Option<&str>); 3] = [("blink", Some("embassy_blink")), ("uart", None), ("empty", None)];

/// The programs with so few and with so many tasks or timers, from which the cost of one follows.
const FEW: u32 = 2;
const MANY: u32 = 8;

/// How long a program runs before its stack is looked at. On the exact machine that is many seconds of its own time.
const RUNNING: Duration = Duration::from_millis(400);

pub(super) fn check(beside_embassy: bool) -> StepResult {
    prepare()?;
    if beside_embassy {
        build_embassy()?;
    }
    let mut rows = Rows::default();
    println!("{:<28} {:>7} {:>6} {:>6} {:>8} {:>6} {:>7}", "bytes", "text", "data", "bss", "flash", "RAM", "stack");
    for (ours, theirs) in PROGRAMS {
        rows.whole(ours, &shown(ours, Machine::Microbit)?);
        if let Some(theirs) = theirs.filter(|_| beside_embassy) {
            shown(theirs, Machine::Microbit)?;
        }
    }
    println!("\nthe executor alone, Cortex-M3");
    let empty = shown("empty", Machine::Stellaris)?;
    for name in ["tasks_2", "embassy_tasks_2"].into_iter().take(if beside_embassy { 2 } else { 1 }) {
        let two = shown(name, Machine::Stellaris)?;
        let (flash, ram) = (two.sizes.flash() - empty.sizes.flash(), two.sizes.ram() - empty.sizes.ram());
        println!("    over the empty program: {flash} B flash, {ram} B RAM");
        rows.add(name, "flash-added", flash);
        rows.add(name, "ram-added", ram);
    }
    println!("\none more of them, Cortex-M0: flash, and RAM with the stack and the future");
    let theirs = if beside_embassy { Some(each("embassy_")?) } else { None };
    for (index, (name, what, ours)) in each("")?.into_iter().enumerate() {
        print!("{name:<12} {what:<12} {ours:>6} B");
        rows.add(name, what, ours);
        if let Some(theirs) = theirs {
            let (.., theirs) = theirs[index];
            print!("    embassy {theirs:>6} B");
            rows.compare(&format!("{name} {what}"), ours, theirs);
        }
        println!();
    }
    rows.judge(&fs::read_to_string(file_of_firmware("budget.txt"))?)
}

/// What one more task costs, and one more that sleeps. A timer is what that has beside the other.
fn each(prefix: &str) -> Result<[(&'static str, &'static str, u32); 5], Problem> {
    let cost = |name: &str| {
        let few = measure(&format!("{prefix}{name}_{FEW}"), Machine::Microbit)?;
        let many = measure(&format!("{prefix}{name}_{MANY}"), Machine::Microbit)?;
        let one = |few: u32, many: u32| many.saturating_sub(few).div_ceil(MANY - FEW);
        Ok::<_, Problem>((one(few.sizes.flash(), many.sizes.flash()), one(few.memory(), many.memory())))
    };
    let (task, sleeper) = (cost("tasks")?, cost("timers")?);
    Ok([
        ("task", "flash", task.0),
        ("task", "memory", task.1),
        ("sleeper", "flash", sleeper.0),
        ("sleeper", "memory", sleeper.1),
        ("timer", "memory", sleeper.1.saturating_sub(task.1)),
    ])
}

fn shown(name: &str, machine: Machine) -> Result<Footprint, Problem> {
    let footprint = measure(name, machine)?;
    let Footprint { sizes, stack } = footprint;
    let (text, data, bss) = (sizes.text, sizes.data, sizes.bss);
    println!("{name:<28} {text:>7} {data:>6} {bss:>6} {:>8} {:>6} {stack:>7}", sizes.flash(), sizes.ram());
    Ok(footprint)
}

/// Runs the program with a painted stack, and through its paces if it listens.
fn measure(name: &str, machine: Machine) -> Result<Footprint, Problem> {
    let file = program(name, machine);
    let sizes = Sizes::of(&fs::read(&file)?)?;
    let stack = if name == "uart" {
        super::dialogue::stack()?
    } else {
        let mut session = Session::start(machine, &file, &EXACT)?;
        thread::sleep(RUNNING);
        session.stack()?
    };
    Ok(Footprint { sizes, stack })
}

/// What was measured, for the budgets.
#[derive(Default)]
struct Rows {
    measured: Vec<(String, &'static str, u32)>,
    wrong: Vec<String>,
}

impl Rows {
    fn add(&mut self, name: &str, what: &'static str, bytes: u32) {
        self.measured.push((name.to_owned(), what, bytes));
    }

    fn whole(&mut self, name: &str, footprint: &Footprint) {
        self.add(name, "flash", footprint.sizes.flash());
        self.add(name, "ram", footprint.sizes.ram());
        self.add(name, "stack", footprint.stack);
    }

    fn compare(&mut self, what: &str, ours: u32, theirs: u32) {
        if ours >= theirs {
            self.wrong.push(format!("{what} takes {ours} B, embassy's {theirs}"));
        }
    }

    /// Holds what was measured against the budgets: lines of a program, what of it, and the most that it may be.
    fn judge(mut self, budgets: &str) -> StepResult {
        println!();
        for line in budgets.lines().map(|line| line.split('#').next().unwrap_or_default()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (name, what, most) = match words[..] {
                [] => continue,
                [name, what, most] => (name, what, most.parse::<u32>().ok()),
                _ => (line, "", None),
            };
            let bytes = self.measured.iter().find(|row| row.0 == name && row.1 == what).map(|row| row.2);
            match (bytes, most) {
                (Some(bytes), Some(most)) => {
                    println!("{name:<12} {what:<12} {bytes:>6} of {most:>6} B");
                    if bytes > most {
                        self.wrong.push(format!("{name} {what}: {bytes} B, over the budget of {most}"));
                    }
                }
                _ => self.wrong.push(format!("budget.txt: what is `{}`?", line.trim())),
            }
        }
        if self.wrong.is_empty() { Ok(()) } else { Err(Problem::Failed(self.wrong.join("; "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;

    fn judge(budgets: &str) -> bool {
        let mut rows = Rows::default();
        rows.add("blink", "flash", 4000);
        rows.judge(budgets).is_ok()
    }

    #[test]
    fn budgets_are_kept_or_not() {
        assert!(judge("# nothing\n"));
        assert!(judge("blink flash 4000 # bytes\n"));
        assert!(!judge("blink flash 3999\n"));
    }

    #[test]
    fn a_budget_of_nothing_is_a_mistake() {
        for line in ["blink flesh 4000", "link flash 4000", "blink flash", "blink flash much"] {
            assert!(!judge(line), "{line}");
        }
    }

    #[test]
    fn embassy_has_to_be_beaten() {
        let mut rows = Rows::default();
        rows.compare("a task", 23, 24);
        assert!(rows.wrong.is_empty());
        rows.compare("a timer", 40, 40);
        assert_eq!(rows.wrong.len(), 1);
    }
}
