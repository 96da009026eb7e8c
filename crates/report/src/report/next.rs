//! What to type next, once a run is saved.

use dst_load_scenario::words::quoted;

use super::Report;
use crate::verdict::Verdict;

/// What comes next and the command for it, where the run and its reports are saved at `place`.
#[must_use]
pub fn command(report: &Report, place: &str) -> String {
    let place = place.trim_end_matches('/');
    let page = format!("xdg-open {}", quoted(&format!("{place}/report.html")));
    match report.verdict {
        Verdict::Pass => format!(
            "next, with this run as the baseline: dst-load-controller compare {} OTHER",
            quoted(place)
        ),
        Verdict::Fail => format!("next, to see where it broke: {page}"),
        Verdict::Invalid => format!("next, to see what made it invalid: {page}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dst_load_recording::recording::{Line, samples};

    fn next(lines: &[Line], place: &str) -> String {
        let report = Report::of(lines, &samples::criteria(), true).unwrap();
        command(&report, place)
    }

    #[test]
    fn what_passed_is_a_baseline_and_what_did_not_is_looked_at() {
        assert_eq!(
            next(&samples::passed(), "runs/it"),
            "next, with this run as the baseline: dst-load-controller compare runs/it OTHER"
        );
        assert_eq!(
            next(&samples::failed(), "runs/it"),
            "next, to see where it broke: xdg-open runs/it/report.html"
        );
        assert_eq!(
            next(&samples::invalid(), "runs/it"),
            "next, to see what made it invalid: xdg-open runs/it/report.html"
        );
    }

    #[test]
    fn a_path_is_as_a_shell_reads_it() {
        let said = next(&samples::failed(), "my runs/it/");
        assert!(said.ends_with(" 'my runs/it/report.html'"), "{said}");
    }
}
