//! The floors: the least code that still does the work of a row, soundly. What a runtime costs above them is its own.
//!
//! They leave out what a runtime must have and a benchmark need not: catching panics, cancelling, names, budgets.

mod executor;
pub mod raw_loop;
mod wheel;

pub use executor::Floor;
