//! Named steps: run one after the other, each with its time, and a summary at the end.
//!
//! A failed step does not stop the ones after it: one run says everything that is wrong.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::command::Tally;

/// Why a step did not pass.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It ran and found something wrong.
    Failed(String),
    /// It could not run: this machine lacks something that can be installed.
    Missing(String),
    /// It could not run, and nothing that can be installed would help.
    Unavailable(String),
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Problem {
        Problem::Failed(error.to_string())
    }
}

/// The outcome of a step: the tests that it ran, if it ran any, are added up in the tally.
pub(crate) type StepResult = Result<(), Problem>;

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

struct Row {
    name: String,
    outcome: Outcome,
    time: Duration,
    tally: Tally,
}

/// Runs steps and remembers how they ended.
pub(crate) struct Steps {
    filter: Option<String>,
    list: bool,
    strict: bool,
    started: Instant,
    rows: Vec<Row>,
}

impl Steps {
    /// `filter`: only steps whose name contains it. `list`: print names only. `strict`: what cannot run has failed.
    pub(crate) fn new(filter: Option<String>, list: bool, strict: bool) -> Steps {
        Steps { filter, list, strict, started: Instant::now(), rows: Vec::new() }
    }

    /// Runs `body` now, unless the filter leaves it out.
    pub(crate) fn step(&mut self, name: &str, body: impl FnOnce(&mut Tally) -> StepResult) {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            return;
        }
        let mut row = Row { name: name.to_owned(), outcome: Outcome::Passed, time: Duration::ZERO, tally: Tally::default() };
        if self.list {
            println!("{name}");
            self.rows.push(row);
            return;
        }
        println!("\n==> {name}");
        let started = Instant::now();
        row.outcome = match body(&mut row.tally) {
            Ok(()) => self.outcome_of_tests(&row.tally),
            Err(Problem::Failed(why)) => Outcome::Failed(why),
            Err(Problem::Missing(what)) if self.strict => Outcome::Failed(format!("under CI this must be there: {what}")),
            Err(Problem::Missing(what) | Problem::Unavailable(what)) => Outcome::Skipped(what),
        };
        row.time = started.elapsed();
        let verdict = match &row.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        };
        println!("<== {name}: {verdict} in {:.1} s", row.time.as_secs_f32());
        self.rows.push(row);
    }

    /// Under CI a test must not leave itself out for want of something that can be installed, or that the step should have built.
    fn outcome_of_tests(&self, tally: &Tally) -> Outcome {
        let is_missing = |skip: &&String| ["not installed", "not built"].iter().any(|why| skip.contains(why));
        let missing = tally.skips.iter().find(|skip| self.strict && is_missing(skip));
        match missing {
            Some(skip) => Outcome::Failed(format!("under CI this must not be skipped: {skip}")),
            None if tally.failed > 0 => Outcome::Failed(format!("{} tests failed", tally.failed)),
            None => Outcome::Passed,
        }
    }

    /// Prints the summary. A failure if any step failed, or if no step has the filter in its name.
    pub(crate) fn finish(self) -> ExitCode {
        if self.rows.is_empty() {
            eprintln!("error: no step is called like that; `--list` prints the names");
            return ExitCode::from(2);
        }
        if self.list {
            return ExitCode::SUCCESS;
        }
        println!("\nSummary");
        for row in &self.rows {
            let tests = match row.tally.passed + row.tally.failed {
                0 => String::new(),
                count => format!("{count} tests"),
            };
            let mark = match row.outcome {
                Outcome::Passed => "ok",
                Outcome::Failed(_) => "FAILED",
                Outcome::Skipped(_) => "skipped",
            };
            println!("{:>8.1} s  {mark:<8} {:<52} {tests:>10}", row.time.as_secs_f32(), row.name);
        }
        println!("{:>8.1} s  in all", self.started.elapsed().as_secs_f32());
        println!();
        let mut total = Tally::default();
        let (mut failed_steps, mut skipped_steps) = (0, 0);
        for row in &self.rows {
            total.add(&row.tally);
            match &row.outcome {
                Outcome::Passed => {}
                Outcome::Skipped(why) => {
                    skipped_steps += 1;
                    println!("SKIPPED: {} ({why})", row.name);
                }
                Outcome::Failed(why) => {
                    failed_steps += 1;
                    println!("FAILED: {}: {why}", row.name);
                    for test in &row.tally.failures {
                        println!("    {test}");
                    }
                }
            }
            for skip in &row.tally.skips {
                println!("SKIPPED: {skip} [in {}]", row.name);
            }
        }
        let ran = self.rows.len() - skipped_steps;
        println!("steps: {ran} ran, {failed_steps} failed, {skipped_steps} skipped");
        // A program that was killed has named the tests that failed, but has not counted them.
        let failed = total.failed.max(u32::try_from(total.failures.len()).unwrap_or(u32::MAX));
        println!("{} passed, {failed} failed", total.passed);
        if failed_steps == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
