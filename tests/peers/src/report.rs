//! Tables and targets.

use crate::measure::{median, minimum};
use std::collections::BTreeMap;

/// The samples of a section, by contender and row.
#[derive(Default)]
pub struct Samples(BTreeMap<(String, String), Vec<f64>>);

impl Samples {
    pub fn add(&mut self, contender: &str, row: &str, value: f64) {
        self.0.entry((contender.into(), row.into())).or_default().push(value);
    }

    fn get(&self, contender: &str, row: &str) -> Option<&[f64]> {
        self.0.get(&(contender.into(), row.into())).map(Vec::as_slice)
    }

    pub fn median(&self, contender: &str, row: &str) -> Option<f64> {
        self.get(contender, row).map(median)
    }

    pub fn minimum(&self, contender: &str, row: &str) -> Option<f64> {
        self.get(contender, row).map(minimum)
    }

    /// The sample that this part of all, from 0 to 1, is below.
    pub fn quantile(&self, part: f64, contender: &str, row: &str) -> Option<f64> {
        let mut sorted = self.get(contender, row)?.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get((sorted.len() as f64 * part) as usize).copied()
    }

    /// The median of the ratios of the two contenders' samples of the same rounds.
    pub fn ratio(&self, contender: &str, other: &str, row: &str) -> Option<f64> {
        let pairs = self.get(contender, row)?.iter().zip(self.get(other, row)?);
        let ratios: Vec<f64> = pairs.map(|(a, b)| a / b).collect();
        Some(median(&ratios))
    }
}

/// What a section prints and which targets it missed.
#[derive(Default)]
pub struct Report {
    met: Vec<String>,
    missed: Vec<String>,
}

impl Report {
    /// Notes whether `value` is at most `limit`.
    pub fn target(&mut self, what: impl Into<String>, value: Option<f64>, limit: f64, unit: &str) {
        let what = what.into();
        let (list, shown) = match value {
            Some(value) if value <= limit => (&mut self.met, number(value)),
            Some(value) => (&mut self.missed, number(value)),
            None => (&mut self.missed, "not measured".into()),
        };
        list.push(format!("{what}: {shown}{unit} (at most {}{unit})", number(limit)));
    }

    /// Prints the targets; true if all are met.
    pub fn conclude(self) -> bool {
        println!("\ntargets met: {}", self.met.len());
        for line in &self.met {
            println!("  met     {line}");
        }
        println!("targets missed: {}", self.missed.len());
        for line in &self.missed {
            println!("  MISSED  {line}");
        }
        self.missed.is_empty()
    }
}

/// Three significant digits or so.
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub fn cell(value: Option<f64>) -> String {
    value.map_or("-".into(), number)
}

/// Prints rows under a header, the first column to the left, the others to the right.
pub fn print_table(title: &str, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    println!("\n{title}");
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            match column {
                0 => line.push_str(&format!("  {cell:<0$}", widths[0])),
                _ => line.push_str(&format!("  {cell:>0$}", widths[column])),
            }
        }
        println!("{}", line.trim_end());
        if index == 0 {
            println!("  {}", "-".repeat(widths.iter().sum::<usize>() + 2 * (columns - 1)));
        }
    }
}
