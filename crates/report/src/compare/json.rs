//! The comparison for machines. Its schema is `docs/compare.schema.json`.

use dst_load_scenario::printable;
use schemars::Schema;

use super::Comparison;

/// The comparison as indented JSON with a stable order of keys, ending in a newline.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let mut text = serde_json::to_string_pretty(comparison)
        .expect("invariant: a comparison is lists, text and numbers, and nothing can fail");
    text.push('\n');
    printable::json(&text).into_owned()
}

/// The schema of the JSON form.
#[must_use]
pub fn schema() -> Schema {
    schemars::schema_for!(Comparison)
}
