//! Claims about merges that lack something.

use dst_load_recording::{
    recording::{Header, Identity, Line, header_of, merge, samples},
    warning::Warning,
};

use crate::{report::Report, verdict::Verdict};

/// The recording of a client in this Pod, of so many replicas.
fn client(pod: &str, replicas: u32, id: &str) -> Vec<Line> {
    let mut lines = samples::passed();
    if let Some(Line::Header(header)) = lines.first_mut() {
        header.identity = Identity {
            pods: vec![pod.to_owned()],
            client_replicas: Some(replicas),
            ..Identity::new(1, id)
        };
    }
    lines
}

fn judged(lines: &[Line]) -> (Verdict, Vec<String>) {
    let report = Report::of(lines, &samples::criteria(), true).unwrap();
    (report.verdict, report.reasons)
}

fn identity(lines: &[Line]) -> &Identity {
    let header: &Header = header_of(lines).unwrap();
    &header.identity
}

#[test]
fn all_clients_together_are_judged() {
    let merged = merge(vec![client("a", 2, "1"), client("b", 2, "2")]).unwrap();
    assert_eq!(identity(&merged).expected, Some(2));
    assert_eq!(judged(&merged), (Verdict::Pass, Vec::new()));
    // More than the scenario says have been added since, and are no doubt.
    let more = merge(vec![client("a", 1, "1"), client("b", 1, "2")]).unwrap();
    assert_eq!(judged(&more).0, Verdict::Pass);
}

#[test]
fn fewer_recordings_than_client_replicas_are_invalid() {
    for (given, said) in [(1, "1 recording is there"), (2, "2 recordings are there")] {
        let all = ["a", "b"].map(|pod| client(pod, 3, pod));
        let merged = merge(all[..given].to_vec()).unwrap();
        let expected = format!(
            "recordings are missing: {said} of 3 client replicas; what the others measured is unknown"
        );
        assert_eq!(judged(&merged), (Verdict::Invalid, vec![expected]));
    }
    // A client's own report is of what it measured itself.
    assert_eq!(judged(&client("a", 3, "1")).0, Verdict::Pass);
}

#[test]
fn two_clients_of_one_number_are_another_load_and_invalid() {
    let numbered = |pod: &str, number| {
        let mut lines = client(pod, 2, pod);
        if let Some(Line::Header(header)) = lines.first_mut() {
            header.identity.replicas = vec![number];
        }
        lines
    };
    let both = |other| merge(vec![numbered("a", 0), numbered("b", other)]).unwrap();
    assert_eq!(judged(&both(1)), (Verdict::Pass, Vec::new()));
    let reason = "two clients were replica 0: they asked for the same Services, and those of \
                  another replica were left out";
    assert_eq!(
        judged(&both(0)),
        (Verdict::Invalid, vec![reason.to_owned()])
    );
}

#[test]
fn a_client_that_restarted_is_invalid() {
    let reason = "the client a restarted: what it had measured before is lost".to_owned();
    let twice = merge(vec![client("a", 2, "1"), client("a", 2, "2")]).unwrap();
    assert_eq!(judged(&twice), (Verdict::Invalid, vec![reason.clone()]));
    // As Kubernetes says it.
    let mut merged = merge(vec![client("a", 1, "1")]).unwrap();
    let end = merged.len() - 1;
    let at = merged[end].order().0;
    merged.insert(
        end,
        Line::Warning {
            at,
            warning: Warning::ReplicaRestarted {
                pod: "a".to_owned(),
                times: 1,
            },
        },
    );
    assert_eq!(judged(&merged), (Verdict::Invalid, vec![reason]));
}

#[test]
fn a_fold_that_does_not_meet_the_totals_is_invalid() {
    let mut lines = samples::passed();
    let totals = dst_load_recording::recording::Totals::of(&lines[..lines.len() - 1]);
    let mut with = |latencies: u64| {
        if let Some(Line::End(end)) = lines.last_mut() {
            end.totals = Some(dst_load_recording::recording::Totals {
                latencies,
                ..totals
            });
        }
        judged(&lines)
    };
    assert_eq!(with(totals.latencies).0, Verdict::Pass);
    assert_eq!(
        with(totals.latencies + 1),
        (
            Verdict::Invalid,
            vec![format!(
                "the recording does not add up: it says {} latencies, and {} were counted",
                totals.latencies + 1,
                totals.latencies
            )]
        )
    );
}
