//! `report.json`: the report for machines. Its schema is `docs/report.schema.json`.

use dst_load_scenario::printable;
use schemars::Schema;

use super::Report;

/// The report as indented JSON with a stable order of keys, ending in a newline.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report)
        .expect("invariant: the report's maps have text keys and nothing else can fail");
    text.push('\n');
    printable::json(&text).into_owned()
}

/// The schema of `report.json`.
#[must_use]
pub fn schema() -> Schema {
    schemars::schema_for!(Report)
}
