//! `cargo xtask ci`: everything that must pass before a change lands.

use crate::command::Cargo;
use crate::dependencies;
use crate::firmware;
use crate::matrix;
use crate::package;
use crate::poller;
use crate::steps::Steps;
use crate::toolchain::{self, OLDEST};
use crate::workspace;

pub(crate) fn add(steps: &mut Steps) {
    let peers = workspace::root().join("tests/peers/Cargo.toml").is_file();
    steps.step("fmt", |_| {
        toolchain::components(None, &["rustfmt"])?;
        Cargo::new("fmt --all --check").run()?;
        Cargo::new("fmt --all --check --manifest-path tests/firmware/Cargo.toml").run()?;
        if peers { Cargo::new("fmt --check --manifest-path tests/peers/Cargo.toml").run() } else { Ok(()) }
    });
    clippy(steps);
    firmware::add_clippy(steps);
    if peers {
        steps.step("clippy: benches beside other runtimes", |_| {
            let line = "clippy --manifest-path tests/peers/Cargo.toml --all-targets -- -D warnings";
            Cargo::new(line).folder("peers").run()
        });
    }
    for (name, line) in [
        ("rustdoc: default features", "doc --keep-going --workspace --no-deps"),
        ("rustdoc: all features", "doc --keep-going --workspace --no-deps --all-features"),
    ] {
        steps.step(name, |_| Cargo::new(line).variable("RUSTDOCFLAGS", "-D warnings").folder("rustdoc").run());
    }
    matrix::add(steps, false);
    firmware::add_embassy(steps);
    steps.step("oldest Rust", |_| {
        toolchain::toolchain(OLDEST)?;
        Cargo::new("check --workspace --all-features").toolchain(OLDEST).folder("oldest").run()
    });
    package::add(steps);
}

fn clippy(steps: &mut Steps) {
    let clippy =
        |line: &str| Cargo::new("clippy --keep-going").arguments(line.split_whitespace()).arguments(["--", "-D", "warnings"]);
    steps.step("clippy: workspace", |_| {
        toolchain::components(None, &["clippy"])?;
        clippy("--workspace --all-targets").run()
    });
    steps.step("clippy: all features", |_| clippy("--workspace --all-targets --all-features").run());
    steps.step("clippy: interleavings", |_| clippy("-p uasyncio-sync --test interleavings").run());
    steps.step("clippy: core with no features", |_| clippy("-p uasyncio-core --no-default-features").run());
    for set in &matrix::FEATURE_SETS {
        steps.step(&format!("clippy: {}", set.name), |_| {
            let targets = if set.targets.is_empty() { "--all-targets" } else { set.targets };
            clippy(&format!("{} {targets}", set.options)).run()
        });
    }
    steps.step("clippy: compat, feature by feature", |_| {
        let features = dependencies::BRINGS.iter().map(|(feature, _)| *feature);
        features.chain([""]).try_for_each(|feature| clippy(&format!("-p {} --features={feature}", dependencies::COMPAT)).run())
    });
    for poller in poller::OTHERS {
        steps.step(&format!("clippy: {poller} poller"), |_| {
            // The notes know nothing of pollers, and SQLite takes its time.
            clippy("--workspace --exclude uasyncio-notes --all-targets")
                .rustflags(&poller::flags(poller)) // Clippy is itself a wrapper
                .folder(format!("poller-{poller}"))
                .run()
        });
    }
    steps.step("clippy: loom models", |_| {
        clippy("-p uasyncio-core --lib --profile test").rustflags("--cfg loom").folder("loom").run()
    });
    for system in matrix::OTHER_SYSTEMS {
        steps.step(&format!("clippy: {system}"), |_| {
            toolchain::target(system)?;
            clippy(&format!("{} --target {system}", matrix::ON_OTHER_SYSTEMS)).run()
        });
    }
}
