//! The comparison as GitHub Markdown, for a pull request's comment: what a maintainer wants at a
//! glance, and the rest folded away.

use super::{Comparison, blocks};
use crate::document::markdown;

/// The comparison as Markdown, ending in a newline.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    markdown::render(&blocks::document(comparison))
}
