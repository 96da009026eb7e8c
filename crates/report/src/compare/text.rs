//! The comparison for a terminal.

use super::{Comparison, blocks};
use crate::{document::text, terminal::Style};

/// The comparison as text, ending in a newline.
#[must_use]
pub fn render(comparison: &Comparison, style: Style) -> String {
    text::render(&blocks::document(comparison), style)
}
