//! The report as JUnit XML: one test case a criterion, so that a CI system shows each.

use std::time::Duration;

use dst_load_scenario::printable::whole;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{Report, criteria};
use crate::verdict::{Judged, Verdict};

/// The report as JUnit XML, ending in a newline.
///
/// A violated criterion is a failure, an unjudged one is skipped, and a run
/// that cannot say is an error of its own beside them.
#[must_use]
pub fn render(report: &Report) -> String {
    let kind = if report.is_self_test() {
        "SELF-TEST: "
    } else {
        ""
    };
    let took = Duration::try_from_secs_f64(report.duration_seconds).unwrap_or_default();
    let mut suite = TestSuite::new(on_one_line(&format!("{kind}{}", report.scenario.name)));
    suite.set_time(took);
    suite.add_test_cases(report.criteria.iter().map(|it| criterion(report, it)));
    if report.verdict == Verdict::Invalid {
        suite.add_test_case(validity(report));
    }
    let mut junit = quick_junit::Report::new("dst-load-controller");
    junit.set_time(took);
    junit.add_test_suite(suite);
    junit
        .to_string()
        .expect("invariant: XML is written into memory, and as UTF-8")
}

fn criterion(report: &Report, judged: &Judged) -> TestCase {
    let said = on_one_line(&criteria::sentence(judged));
    let status = match judged.met {
        Some(true) => TestCaseStatus::success(),
        Some(false) => {
            let own = format!("{}:", judged.name);
            let reason = report.reasons.iter().find(|it| it.starts_with(&own));
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_description(reason.map_or_else(|| said.clone(), |it| on_one_line(it)));
            status.set_message(said);
            status
        }
        None => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(said);
            status
        }
    };
    case(report, &judged.name.to_string(), status)
}

fn validity(report: &Report) -> TestCase {
    let reasons: Vec<_> = report.reasons.iter().map(|it| on_one_line(it)).collect();
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(reasons.first().cloned().unwrap_or_default());
    status.set_description(reasons.join("\n"));
    case(report, "validity", status)
}

fn case(report: &Report, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(on_one_line(&report.scenario.name));
    case
}

/// As an attribute is; what XML 1.0 has no way to write is written out.
fn on_one_line(text: &str) -> String {
    whole(text).replace(['\n', '\t'], " ")
}
