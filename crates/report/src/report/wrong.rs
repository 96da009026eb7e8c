//! Which Services left clients with something else than they were promised, in words.

use dst_load_scenario::{
    stale_state::StaleStateCase,
    words::{count, counted},
};

use super::Report;

/// The Services whose streams were wrong, a line each; with what is known of it where the
/// Service's name says what was done to it.
pub(super) fn services(report: &Report) -> Vec<String> {
    let services = report.correctness.services.iter();
    services
        .map(|it| {
            let mut said = format!(
                "{}: {} wrong, {} missing, {} stale, {} unexpected",
                it.service,
                counted(it.streams_wrong, "stream", "streams"),
                count(it.missing),
                count(it.stale),
                count(it.unexpected)
            );
            if let Some(case) = StaleStateCase::of_service(&it.service) {
                let defect = case.defect();
                said.push_str(&format!(" (known of Linkerd: {defect})"));
            }
            said
        })
        .collect()
}
