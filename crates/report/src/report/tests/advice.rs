//! Claims about advice: none is given on what was not found.

use dst_load_oracle::promise::Unjudged;
use dst_load_recording::recording::EndStateLine;
use dst_load_scenario::flags::Flags;

use super::{super::advice::recommendations, *};

/// The recording of a run that passed, with another end and another target.
fn with(change: impl Fn(&mut EndStateLine), kind: TargetKind, flags: Option<Flags>) -> Report {
    let mut lines = samples::passed();
    for line in &mut lines {
        match line {
            Line::EndState(end) => change(end),
            Line::Header(header) => {
                header.target.kind = kind;
                header.target.flags = flags;
            }
            _ => {}
        }
    }
    report(&lines)
}

fn advice(report: &Report) -> String {
    recommendations(report).join("\n")
}

#[test]
fn what_is_only_missing_gets_no_traffic_and_the_tools_own_destination_is_no_build_of_linkerd() {
    let wrong = |missing, stale| {
        move |end: &mut EndStateLine| {
            (end.streams_wrong, end.missing, end.stale) = (1, missing, stale);
        }
    };
    let missing = advice(&with(wrong(1, 0), TargetKind::Linkerd, None));
    assert!(
        missing.contains("send nothing to what is missing"),
        "{missing}"
    );
    assert!(!missing.contains("send traffic there"), "{missing}");
    assert!(missing.contains("stale-state"), "{missing}");
    let stale = advice(&with(wrong(0, 1), TargetKind::Linkerd, None));
    assert!(stale.contains("send traffic there."), "{stale}");
    let own = advice(&with(wrong(1, 1), TargetKind::Reference, None));
    assert!(own.contains("tool's own destination"), "{own}");
    assert!(!own.contains("stale-state"), "{own}");
    for said in [missing, stale, own] {
        assert!(!said.contains("churn"), "{said}");
    }
}

#[test]
fn an_invalid_run_is_told_to_change_only_what_made_it_invalid() {
    let unjudged = |end: &mut EndStateLine| {
        (end.streams_checked, end.streams_unjudged) = (0, 3);
        end.unjudged = Some(Unjudged::Ipv6Unknown);
    };
    let report = with(unjudged, TargetKind::Linkerd, Some(Flags::default()));
    assert_eq!(report.verdict, Verdict::Invalid);
    let said = advice(&report);
    assert!(
        said.starts_with("Remove what made the run invalid"),
        "{said}"
    );
    assert!(
        !said.contains("machine") && !said.contains("Kubernetes"),
        "{said}"
    );
    let text = text::render(&report, Style::PLAIN).replace("\n               ", " ");
    assert!(text.contains("-enable-ipv6 is not known"), "{text}");
    assert!(text.contains("taken to be on"), "{text}");
    let known = with(|_| {}, TargetKind::Linkerd, Some(Flags::DEFAULT));
    assert!(!text::render(&known, Style::PLAIN).contains("-enable-"));

    let starved = advice(&self::report(&samples::invalid()));
    assert!(starved.contains("longer holds for Kubernetes"), "{starved}");
}
