//! The report for a terminal.

use super::{Report, blocks};
use crate::{document::text, terminal::Style};

/// The report as text, ending in a newline.
#[must_use]
pub fn render(report: &Report, style: Style) -> String {
    text::render(&blocks::document(report), style)
}
