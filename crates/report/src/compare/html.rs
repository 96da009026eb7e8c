//! The comparison as one HTML page that needs nothing else: no network, no other file, no script.
//!
//! Its bars are drawn in the page, as SVG. It looks as `report.html` does.

use super::{Comparison, blocks};
use crate::document::html::{self, Extras, Script};

/// The comparison as a page.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let tool = &comparison.tool;
    let extras = Extras {
        tool: format!("{} ({})", tool.version, tool.commit),
        source: "the runs’ recordings.",
        script: Script::default(),
        data: "",
    };
    html::render(&blocks::document(comparison), &extras)
}
