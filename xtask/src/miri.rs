//! The unsafe code of core under Miri, the interpreter that knows what is undefined.
//!
//! A test that does not suit it (too long, or with a real socket) says so itself: `#[cfg_attr(miri, ignore = "why")]`, or
//! `#![cfg(not(miri))]` for a file. One that leaks on purpose has `leak` or `forg` (as in forgotten) in its name, and is not asked
//! about leaks.

use crate::command::{Cargo, side_by_side};
use crate::steps::Steps;
use crate::toolchain::{self, NIGHTLY};
use crate::workspace;

const CORE: &str = "-p uasyncio-core --all-features";
const SYNC: &str = "-p uasyncio-sync --all-features";

/// Of uasyncio-sync, which has no unsafe code, those that lead core's through most of its states. The others are for a full run.
const OF_SYNC: [&str; 5] = ["gather", "lock", "queue", "task_group", "task_group_edges"];

/// Those of core with threads, which each seed schedules otherwise.
const WITH_THREADS: [&str; 7] =
    ["closing", "cross_thread", "remote", "shared_ring", "shared_waker", "static_loop_threads", "wakers"];

/// A static loop has another run queue with critical sections.
const CRITICAL_SECTIONS: &str = "-p uasyncio-core --no-default-features --features critical-section,trace";
const WITH_CRITICAL_SECTIONS: [&str; 3] = ["static_loop", "static_loop_model", "static_loop_threads"];

/// Without `std` the platform says where a loop runs, and is foreign code in places where there is none otherwise.
const WITHOUT_STD: &str = "-p uasyncio-core --no-default-features --features alloc,virtual-time,trace";

/// Of core, those that say what happens when, and what it costs. They are over a third of the time, and so for a full run only. The module
/// `miri` goes through each file with unsafe code in small; whether these go through more of it has not been measured.
const OF_ORDER: [&str; 18] = [
    "budget",
    "callbacks",
    "clock",
    "deadlock",
    "futures_and_results",
    "order",
    "outside",
    "pass",
    "platform",
    "report",
    "send_sync",
    "sleep_until",
    "snapshot",
    "stop",
    "timers",
    "timers_far",
    "turn",
    "uasyncio_rows",
];
const OF_COSTS: [&str; 3] = ["allocations", "memory", "timers_cost"];

/// So many modules are one command at most, for it takes up to seven seconds until the first test begins. As many commands run at a
/// time as there are processors.
const AT_ONCE: usize = 10;

const NOTHING: [&str; 0] = [];
const NO_LEAKS: [&str; 4] = ["--skip", "leak", "--skip", "forg"];
const LEAKS: [&str; 2] = ["leak", "forg"];
const MAY_LEAK: &str = "-Zmiri-ignore-leaks";

/// Adds the step. With `full`, all of core and of sync runs, and the tests with threads with many seeds in place of one.
pub(crate) fn add(steps: &mut Steps, full: bool) {
    let is_left_out = |name: &str| !full && (OF_ORDER.contains(&name) || OF_COSTS.contains(&name));
    steps.step("miri", |tally| {
        toolchain::components(Some(NIGHTLY), &["miri", "rust-src"])?;
        // Built before, so that those side by side do not wait for each other.
        for options in [CORE, SYNC, CRITICAL_SECTIONS, WITHOUT_STD] {
            miri("", &format!("{options} --tests --no-run"), NOTHING).run()?;
        }
        // Those that take longest come first.
        let mut commands = Vec::new();
        let of_core = workspace::test_modules("uasyncio-core")?;
        let of_sync = workspace::test_modules("uasyncio-sync")?;
        let sync = of_sync.iter().map(String::as_str).filter(|name| full || OF_SYNC.contains(name)).collect::<Vec<_>>();
        let flags = if full { "-Zmiri-many-seeds=0..16" } else { "" };
        let threads = miri(flags, &format!("{CORE} --test it"), only(&WITH_THREADS, &of_core)).arguments(NO_LEAKS);
        let chosen = of_core.iter().map(String::as_str).filter(|name| !is_left_out(name) && !WITH_THREADS.contains(name));
        let chosen = chosen.collect::<Vec<_>>();
        for (options, chosen, all) in [(SYNC, &sync, &of_sync), (CORE, &chosen, &of_core)] {
            for group in chosen.chunks(chosen.len().div_ceil(chosen.len().div_ceil(AT_ONCE).max(1)).max(1)) {
                commands.push(miri("", &format!("{options} --test it"), only(group, all)).arguments(NO_LEAKS));
            }
            commands.push(miri(MAY_LEAK, &format!("{options} --tests"), LEAKS));
        }
        commands.push(miri(MAY_LEAK, &format!("{CRITICAL_SECTIONS} --test it"), only(&WITH_CRITICAL_SECTIONS, &of_core)));
        commands.push(miri(MAY_LEAK, &format!("{WITHOUT_STD} --test it"), ["without_std::"]));
        for program in workspace::test_programs("uasyncio-core")?.iter().filter(|name| !is_left_out(name)) {
            commands.push(miri("", &format!("{CORE} --test {program}"), NO_LEAKS));
        }
        commands.push(miri("", &format!("{CORE} --lib"), NO_LEAKS));
        if full {
            // The one that takes longest.
            commands.insert(0, miri("", &format!("{SYNC} --test interleavings"), NOTHING));
            side_by_side(commands, tally)?;
            threads.test(tally) // seeds run side by side by themselves
        } else {
            commands.insert(0, threads);
            side_by_side(commands, tally)
        }
    });
}

fn miri(flags: &str, options: &str, tests: impl IntoIterator<Item = impl Into<String>>) -> Cargo {
    Cargo::new("miri test --no-fail-fast")
        .arguments(options.split_whitespace())
        .arguments(["--"])
        .arguments(tests)
        .toolchain(NIGHTLY)
        .variable("MIRIFLAGS", format!("-Zmiri-strict-provenance {flags}").trim_end())
        .slow()
}

/// What makes the test harness run the tests of these modules. It looks for a name anywhere in a path, so those whose names end with it are
/// left out.
fn only(modules: &[&str], all: &[String]) -> Vec<String> {
    let others = all.iter().filter(|other| !modules.contains(&other.as_str()));
    let ends_alike = others.filter(|other| modules.iter().any(|module| other.ends_with(module)));
    let skips = ends_alike.flat_map(|other| ["--skip".to_owned(), format!("{other}::")]);
    modules.iter().map(|module| format!("{module}::")).chain(skips).collect()
}

#[cfg(test)]
mod tests {
    use super::only;

    #[test]
    fn modules_whose_names_end_alike_are_told_apart() {
        let all = ["cancel", "catch_cancel", "model", "stop"].map(str::to_owned);
        assert_eq!(only(&["cancel", "stop"], &all), ["cancel::", "stop::", "--skip", "catch_cancel::"]);
        assert_eq!(only(&["cancel", "catch_cancel"], &all), ["cancel::", "catch_cancel::"]);
    }
}
