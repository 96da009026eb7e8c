//! What is said of those beside the run: an acting half elsewhere.

use super::Report;
use crate::model::words::{counted, seconds};

/// The clock of an acting half elsewhere.
pub(super) fn clock(report: &Report) -> Option<String> {
    let clock = report.clock.as_ref()?;
    let way = if clock.offset_seconds < 0.0 {
        "behind"
    } else {
        "ahead of"
    };
    let mut said = format!(
        "churn's is {} {way} this one's, within {}; compared {}, at most {} apart",
        seconds(clock.offset_seconds.abs()),
        seconds(clock.uncertainty_seconds),
        counted(clock.measurements, "time", "times"),
        seconds(clock.drift_seconds),
    );
    if clock.processes > 1 {
        said.push_str(&format!(
            "; churn ran as {}",
            counted(clock.processes, "process", "processes")
        ));
    }
    Some(said)
}
