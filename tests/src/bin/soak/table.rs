//! What was checked, and whether it was as it has to be.

use std::fmt::Display;

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 3]>,
    failures: usize,
}

impl Table {
    /// A figure, what it has to be, and whether it is.
    pub(crate) fn check(&mut self, what: impl Display, figure: impl Display, wanted: impl Display, is_right: bool) {
        let verdict = if is_right { String::new() } else { "  FAILED".to_owned() };
        self.failures += usize::from(!is_right);
        self.rows.push([what.to_string(), figure.to_string(), format!("{wanted}{verdict}")]);
    }

    pub(crate) fn failures(&self) -> usize {
        self.failures
    }

    pub(crate) fn print(&self) {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        for [what, figure, wanted] in &self.rows {
            println!("{}", format!("  {what:<first$}  {figure:>second$}  {wanted}").trim_end());
        }
    }
}
