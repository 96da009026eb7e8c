//! Where a command prints.

use std::{
    fmt::Display,
    io::{self, Write},
};

use dst_load_scenario::printable;
use serde::Serialize;

use super::output::{Format, Output};

/// Where a command prints, and in which form.
pub struct Console<'a> {
    /// For results.
    pub out: &'a mut dyn Write,
    /// For warnings and progress.
    pub warnings: &'a mut dyn Write,
    /// The form of results.
    pub format: Format,
}

// === impl Console ===

impl Console<'_> {
    /// Prints each warning on a line of its own.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn warn(&mut self, warnings: &[String]) -> io::Result<()> {
        for warning in warnings {
            writeln!(self.warnings, "warning: {warning}")?;
        }
        Ok(())
    }

    /// Prints a result that has two forms.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn print(
        &mut self,
        output: Output,
        result: &(impl Display + Serialize),
    ) -> anyhow::Result<()> {
        match output {
            Output::Text => write!(self.out, "{result}")?,
            Output::Json => {
                let text = serde_json::to_string_pretty(result)?;
                writeln!(self.out, "{}", printable::json(&text))?;
            }
        }
        Ok(())
    }
}
