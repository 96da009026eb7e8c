//! The report as GitHub Markdown, for a pull request's comment.

use super::{Report, blocks};
use crate::document::markdown;

/// The report as Markdown, ending in a newline.
#[must_use]
pub fn render(report: &Report) -> String {
    markdown::render(&blocks::document(report))
}
