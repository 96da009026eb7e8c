//! The report as JUnit XML: one test case a criterion, so that a CI system shows each.

use dst_load_scenario::printable::whole;

use super::{Report, criteria};
use crate::verdict::{Judged, Verdict};

/// The report as JUnit XML, ending in a newline.
///
/// A criterion that did not hold is a failure, one that could not be judged is skipped, and a run
/// that cannot say is an error of its own beside them.
#[must_use]
pub fn render(report: &Report) -> String {
    let suite = escape(&format!(
        "{}{}",
        if report.is_self_test() {
            "SELF-TEST: "
        } else {
            ""
        },
        report.scenario.name
    ));
    let mut cases: Vec<_> = report
        .criteria
        .iter()
        .map(|judged| case(report, judged))
        .collect();
    let invalid = report.verdict == Verdict::Invalid;
    if invalid {
        cases.push(validity(report));
    }
    let of = |held| report.criteria.iter().filter(|c| c.held == held).count();
    let (failures, skipped) = (of(Some(false)), of(None));
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"{}\" skipped=\"{skipped}\" time=\"{:.3}\"",
        cases.len(),
        u8::from(invalid),
        report.duration_seconds,
    );
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"dst-load-controller\" {counts}>\n\
         \x20 <testsuite name=\"{suite}\" {counts}>\n\
         {}\n\
         \x20 </testsuite>\n\
         </testsuites>\n",
        cases.join("\n")
    )
}

fn case(report: &Report, judged: &Judged) -> String {
    let open = format!(
        "    <testcase classname=\"{}\" name=\"{}\"",
        escape(&report.scenario.name),
        escape(&judged.name.to_string())
    );
    let said = escape(&criteria::sentence(judged));
    match judged.held {
        Some(true) => format!("{open}/>"),
        Some(false) => {
            let reason = report
                .reasons
                .iter()
                .find(|reason| reason.starts_with(&format!("{}:", judged.name)))
                .map_or_else(|| said.clone(), |reason| escape(reason));
            format!(
                "{open}>\n      <failure message=\"{said}\">{reason}</failure>\n    </testcase>"
            )
        }
        None => format!("{open}>\n      <skipped message=\"{said}\"/>\n    </testcase>"),
    }
}

fn validity(report: &Report) -> String {
    let reasons: Vec<_> = report.reasons.iter().map(|it| escape(it)).collect();
    let first = report
        .reasons
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    format!(
        "    <testcase classname=\"{}\" name=\"validity\">\n      \
         <error message=\"{}\">{}</error>\n    </testcase>",
        escape(&report.scenario.name),
        escape(first),
        reasons.join("\n")
    )
}

/// On one line, as an attribute is.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // XML 1.0 has no way to write most control characters.
    for c in whole(text).chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
