//! Whether a merge of clients' recordings holds all that they measured.

use dst_load_recording::statistics::Summary;
use dst_load_scenario::words::counted;

/// Why it does not; empty if it does, or if nothing was merged.
pub(super) fn doubts(summary: &Summary) -> Vec<String> {
    let merged = &summary.merged;
    let mut doubts = Vec::new();
    if let Some(expected) = merged.expected
        && merged.recordings < expected
    {
        doubts.push(format!(
            "recordings are missing: {} of {}; what the others measured is unknown",
            counted(
                merged.recordings,
                "recording is there",
                "recordings are there"
            ),
            counted(expected, "client replica", "client replicas")
        ));
    }
    for pod in &merged.restarted {
        doubts.push(format!(
            "the client {pod} restarted: what it had measured before is lost"
        ));
    }
    for replica in &merged.same_replicas {
        doubts.push(format!(
            "two clients were replica {replica}: they asked for the same Services, and those of \
             another replica were left out"
        ));
    }
    doubts.extend(merged.difference.clone());
    doubts
}
