//! `cargo xtask test`: the test matrix.
//!
//! Builds with the same flags share a target folder; builds with other flags have a sub-folder of their own, so that no
//! step throws away what another has built. A test may leave itself out where a tool is missing: it then writes the line
//! `SKIPPED: what (why)` to the handle of its standard output (the test harness hides what `println!` writes).

use crate::command::{Cargo, side_by_side};
use crate::dependencies;
use crate::firmware;
use crate::miri;
use crate::poller;
use crate::python;
use crate::soak;
use crate::steps::{Problem, Steps};
use crate::tidy;
use crate::toolchain::{self, NIGHTLY};
use crate::workspace;

/// A set of features beside the default ones.
pub(crate) struct FeatureSet {
    pub(crate) name: &'static str,
    /// The package and the features, as options of cargo.
    pub(crate) options: &'static str,
    /// The examples in the docs may use all of the default features, so without these only the other tests are built.
    pub(crate) targets: &'static str,
}

pub(crate) const FEATURE_SETS: [FeatureSet; 16] = [
    FeatureSet { name: "compat with all features", options: "-p uasyncio-compat --all-features", targets: "" },
    FeatureSet {
        name: "core with alloc, virtual-time",
        options: "-p uasyncio-core --no-default-features --features alloc,virtual-time",
        targets: "--lib --tests",
    },
    FeatureSet {
        name: "core with alloc, virtual-time, trace",
        options: "-p uasyncio-core --no-default-features --features alloc,virtual-time,trace",
        targets: "--lib --tests",
    },
    FeatureSet { name: "core with no features", options: "-p uasyncio-core --no-default-features", targets: "--lib --tests" },
    FeatureSet {
        name: "core with critical-section",
        options: "-p uasyncio-core --no-default-features --features critical-section,trace",
        targets: "--lib --tests",
    },
    FeatureSet {
        name: "core with critical-section, multi-core",
        options: "-p uasyncio-core --no-default-features --features critical-section,multi-core",
        targets: "--test static_loop_cores", // which says what a core is
    },
    FeatureSet { name: "core with std, virtual-time", options: "-p uasyncio-core --features virtual-time", targets: "" },
    FeatureSet { name: "core with std, trace", options: "-p uasyncio-core --features trace", targets: "" },
    FeatureSet { name: "io with trace", options: "-p uasyncio-io --features trace", targets: "" },
    FeatureSet {
        name: "streams with no features",
        options: "-p uasyncio-streams --no-default-features",
        targets: "--lib --tests",
    },
    FeatureSet {
        name: "streams with alloc",
        options: "-p uasyncio-streams --no-default-features --features alloc",
        targets: "--lib --tests",
    },
    FeatureSet {
        name: "streams with std",
        options: "-p uasyncio-streams --no-default-features --features std",
        targets: "--lib --tests",
    },
    FeatureSet { name: "streams with all features", options: "-p uasyncio-streams --all-features", targets: "" },
    FeatureSet { name: "sync with no features", options: "-p uasyncio-sync --no-default-features", targets: "--lib --tests" },
    FeatureSet { name: "sync with trace", options: "-p uasyncio-sync --features trace", targets: "--lib --tests" },
    FeatureSet { name: "udp without batch", options: "-p uasyncio-udp --no-default-features", targets: "" },
];

/// Microcontrollers and the browser: core, sync and streams build there without the standard library.
const BARE_TARGETS: [&str; 3] = ["thumbv7em-none-eabi", "riscv32imac-unknown-none-elf", "wasm32-unknown-unknown"];

/// Microcontrollers without compare-and-swap, where critical sections take its place.
const WITHOUT_SWAP: [&str; 2] = ["thumbv6m-none-eabi", "riscv32imc-unknown-none-elf"];

/// The crates that build without the standard library: their features on the targets above, and on those without compare-and-swap.
const WITHOUT_STD: [(&str, &[&str], &[&str]); 3] = [
    ("core", &["", "alloc", "alloc,virtual-time,trace", "critical-section,multi-core"], &SECTIONS),
    ("sync", &["", "alloc", "alloc,trace"], &SECTIONS),
    ("streams", &["", "alloc", "alloc,trace"], &["", "trace", "alloc,uasyncio-core/critical-section"]),
];
const SECTIONS: [&str; 3] = ["", "critical-section", "alloc,critical-section,trace"];

/// One for each readiness interface of `polling`: IOCP, kqueue on macOS, kqueue on FreeBSD.
pub(crate) const OTHER_SYSTEMS: [&str; 3] = ["x86_64-pc-windows-gnu", "x86_64-apple-darwin", "x86_64-unknown-freebsd"];

/// What is checked for other systems.
pub(crate) const ON_OTHER_SYSTEMS: &str = "-p uasyncio-io -p uasyncio-streams -p uasyncio-udp --lib --examples";

/// What stands on a poller itself.
const ON_POLLER: &str = "-p uasyncio-io -p uasyncio-udp -p uasyncio-tests";

/// What stands on that. By default it is tested over the first one of the other pollers only.
const ABOVE_POLLER: &str = "-p uasyncio-streams -p uasyncio-compat";

/// Adds the steps of the matrix, cheap ones first; with `full` also those that take long.
pub(crate) fn add(steps: &mut Steps, full: bool) {
    steps.step("tidy", |_| tidy::check());
    dependencies::add(steps);
    match workspace::libraries() {
        Ok(libraries) => {
            for library in libraries {
                steps.step(&format!("test: {library} alone"), |tally| {
                    Cargo::new("test --no-fail-fast -p").arguments([library.as_str()]).test(tally)
                });
            }
        }
        Err(error) => steps.step("test: every crate alone", |_| Err(error.into())),
    }
    steps.step("test: workspace", |tally| python::for_tests(Cargo::new("test --no-fail-fast --workspace")).test(tally));
    features(steps);
    // Optimised, for there are millions. The tests of sync build core with `std` whatever its own features are, so once is enough.
    steps.step("interleavings", |tally| {
        Cargo::new("test -p uasyncio-sync --test interleavings")
            .variable("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .folder("interleavings")
            .test(tally)
    });
    for (poller, is_first) in poller::OTHERS.into_iter().zip([true, false]) {
        steps.step(&format!("test: {poller} poller"), |tally| {
            let above = if is_first || full { ABOVE_POLLER } else { "" };
            let packages = format!("{ON_POLLER} {above}");
            let test = Cargo::new("test --no-fail-fast --all-features").arguments(packages.split_whitespace());
            poller::with(poller, test)?.test(tally)
        });
    }
    steps.step("examples", |_| examples());
    steps.step("check: other systems", |_| {
        for options in [ON_OTHER_SYSTEMS, "-p uasyncio-compat --lib --all-features"] {
            Cargo::new("check").arguments(options.split_whitespace()).arguments(for_targets(&OTHER_SYSTEMS)?).run()?;
        }
        Ok(())
    });
    steps.step("loom", |tally| {
        // Optimised, for a model runs thousands of times; assertions stay on, link-time optimisation would only cost time.
        let loom = |arguments: &str| {
            Cargo::new("test -p uasyncio-core --lib --release")
                .arguments(arguments.split_whitespace())
                .rustflags("--cfg loom -C debug-assertions")
                .variable("CARGO_PROFILE_RELEASE_LTO", "off")
                .variable("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                .folder("loom")
                .slow()
        };
        loom("--no-run").run()?;
        // A model maps stacks and unmaps them all the time, and threads of one process wait for each other there: 44 s in place of 19.
        let halves = ["-- remote::loom --test-threads=1", "-- loom --skip remote:: --test-threads=1"];
        side_by_side(halves.map(loom).into(), tally)
    });
    firmware::add(steps);
    miri::add(steps, full);
    if full {
        firmware::add_embassy(steps);
        sanitizers(steps);
        stress(steps);
        steps.step("soak", |_| soak::soak(60));
    }
}

fn features(steps: &mut Steps) {
    for set in &FEATURE_SETS {
        steps.step(&format!("test: {}", set.name), |tally| {
            let test = Cargo::new("test --no-fail-fast").arguments(set.options.split_whitespace());
            test.arguments(set.targets.split_whitespace()).test(tally)
        });
    }
    steps.step("check: compat, feature by feature", |_| {
        let check = |options: &str| Cargo::new("check -p uasyncio-compat").arguments(options.split_whitespace()).run();
        check("")?;
        dependencies::BRINGS.iter().try_for_each(|(feature, _)| check(&format!("--features={feature}")))
    });
    // With `std` and compare-and-swap those that it has more change nothing, and its tests run with the others when the workspace's do.
    steps.step("check: core with all features", |_| Cargo::new("check -p uasyncio-core --all-features --all-targets").run());
    for (name, bare, without_swap) in WITHOUT_STD {
        let check = move |features: &str| {
            let line = format!("check -p uasyncio-{name} --no-default-features --features={features}");
            Cargo::new(&line)
        };
        steps.step(&format!("check: {name} with no features"), |_| check("").run());
        for (targets, which, sets) in
            [(&BARE_TARGETS[..], "bare targets", bare), (&WITHOUT_SWAP, "targets without compare-and-swap", without_swap)]
        {
            steps.step(&format!("check: {name} on {which}"), |_| {
                let targets = for_targets(targets)?;
                sets.iter().try_for_each(|features| check(features).arguments(&targets).run())
            });
        }
    }
}

/// Options for all of these at once, which takes less time than one after the other. Installs what they need.
fn for_targets(targets: &[&str]) -> Result<Vec<String>, Problem> {
    targets.iter().try_for_each(|target| toolchain::target(target))?;
    Ok(targets.iter().map(|target| format!("--target={target}")).collect())
}

/// Builds the examples and asks each for its help.
fn examples() -> Result<(), Problem> {
    Cargo::new("build --workspace --examples").run()?;
    let mut wrong = Vec::new();
    for library in workspace::libraries()? {
        for example in workspace::examples(&library)? {
            let line = format!("run --quiet -p {library} --example {example} -- --help");
            match Cargo::new(&line).output() {
                Ok(help) if help.contains(&example) => {}
                Ok(_) => wrong.push(format!("`{example} --help` does not say how to use {example}")),
                Err(_) => wrong.push(format!("`{example} --help` failed")),
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Problem::Failed(wrong.join("; "))) }
}

fn sanitizers(steps: &mut Steps) {
    // Not the crate of the system-call counts: a sanitizer makes calls of its own.
    // Nor that of the notes: SQLite is C, and not instrumented; and a browser takes its time.
    const PACKAGES: &str = "--workspace --exclude xtask --exclude uasyncio-tests --exclude uasyncio-notes";
    // Under the thread sanitizer a program of the web crate did not end when it was interrupted: it holds signals back until the program calls
    // the C library, and a loop that waits calls the kernel. That this is why has not been verified.
    for (name, options) in [("address", ""), ("thread", "-Zbuild-std --exclude uasyncio-web")] {
        steps.step(&format!("{name} sanitizer"), |tally| {
            if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
                return Err(Problem::Unavailable("used on x86_64 Linux only".into()));
            }
            toolchain::components(Some(NIGHTLY), &["rust-src"])?;
            let sanitized = |line: &str| {
                Cargo::new(line)
                    .arguments(PACKAGES.split_whitespace())
                    .arguments(["--target", "x86_64-unknown-linux-gnu"])
                    .arguments(options.split_whitespace())
                    .toolchain(NIGHTLY)
                    // Some tests leak on purpose; Miri knows which.
                    .variable("ASAN_OPTIONS", "detect_leaks=0")
                    .rustflags(&format!("-Zsanitizer={name}"))
                    .folder(format!("sanitizer-{name}"))
                    .slow()
            };
            sanitized("build --examples").run()?; // some are started by tests
            sanitized("test --no-fail-fast --lib --tests").test(tally)
        });
    }
}

/// The same tests again and again, optimised: what depends on the order of threads shows itself in the end.
fn stress(steps: &mut Steps) {
    const TIMES: u32 = 30;
    steps.step("stress", |tally| {
        let optimised = |line: &str| {
            Cargo::new(line)
                .arguments("--workspace --exclude xtask --exclude uasyncio-notes --release".split_whitespace())
                .variable("CARGO_PROFILE_RELEASE_LTO", "off")
                .variable("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                .folder("stress")
        };
        optimised("build --examples").run()?; // some are started by tests
        (0..TIMES).try_for_each(|_| optimised("test --no-fail-fast --lib --tests").test(tally))
    });
}
