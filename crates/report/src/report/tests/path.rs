//! Claims about the way by which clients reached the controller, and about clients that do not read.

use dst_load_recording::{
    recording::{PathInfo, StalledInfo, TargetSample},
    statistics::{PathTaken, StalledStreams},
};
use dst_load_scenario::time::At;

use super::*;
use crate::report::advice;

/// A run in which streams that are read missed something, beside `shared` streams that are not, for
/// which so many bytes came.
fn starved(shared: u64, bytes: u64) -> Report {
    let mut report = report(&samples::failed());
    report.latency.destination.add.never = 30;
    report.streams.unexpected_resets = 0;
    report.target.used.overflows = Some(0);
    report.streams.path = Some(PathTaken {
        connections: 1,
        ..PathTaken::default()
    });
    report.streams.stalled = Some(StalledStreams {
        clients: 10,
        streams: 20,
        shared,
        reader: "never".into(),
        opened: 20,
        bytes,
        open: 20,
        ..StalledStreams::default()
    });
    report
}

fn blames_windows(report: &Report) -> bool {
    let advice = advice::recommendations(report);
    advice
        .iter()
        .any(|it| it.contains("that nobody reads share a connection"))
}

#[test]
fn what_never_came_is_blamed_on_streams_that_nobody_reads_where_they_fill_the_connection() {
    let report = starved(20, 1_048_576);
    let said = advice::recommendations(&report);
    assert!(
        said[0].contains("No queue overflow was counted"),
        "{said:?}"
    );
    assert!(
        !said.iter().any(|it| it.contains("Look at the controller")),
        "{said:?}"
    );
    assert!(
        !said.iter().any(|it| it.contains("The controller: ")),
        "{said:?}"
    );
    // An overflow follows where nothing more is sent, and is no other cause.
    let mut overflowed = starved(20, 1_048_576);
    overflowed.target.used.overflows = Some(3);
    assert!(blames_windows(&overflowed));
    assert!(!advice::recommendations(&overflowed)[0].contains("No queue overflow"));
}

#[test]
fn nothing_is_blamed_on_them_without_proof() {
    assert!(!blames_windows(&starved(16, 1_048_576)));
    assert!(!blames_windows(&starved(20, 1_000_000)));
    // Past the sidecar they share no connection.
    assert!(!blames_windows(&starved(0, 9_000_000)));
    // On two connections, neither may be full.
    let mut two = starved(20, 1_048_576);
    two.streams.path.as_mut().unwrap().connections = 2;
    assert!(!blames_windows(&two));
    let mut all_came = starved(20, 1_048_576);
    all_came.latency.destination.add.never = 0;
    all_came.latency.destination.remove.never = 0;
    assert!(!blames_windows(&all_came));
}

/// What is said of the path where the controller had `before` file descriptors open without
/// streams, and `after` with all of them.
fn said(path: PathInfo, before: f64, after: f64) -> (Report, String) {
    let mut lines = samples::passed();
    let Some(Line::Header(header)) = lines.first_mut() else {
        panic!("no header");
    };
    header.path = Some(path);
    lines.retain(|line| !matches!(line, Line::Target(_)));
    let sample = |at, ours, open| {
        Line::Target(TargetSample {
            at: At::from_secs(at),
            our_streams: Some(ours),
            open_fds: Some(open),
            start_seconds: Some(1_000.0),
            ..TargetSample::default()
        })
    };
    lines.insert(1, sample(0, 0, before));
    lines.insert(2, sample(1, 1_000, after));
    let report = report(&lines);
    let facts = prose::facts(&report).into_iter();
    let facts: Vec<_> = facts
        .map(|(label, said)| format!("{label}: {said}"))
        .collect();
    (report, facts.join("\n"))
}

fn clients(sidecar: bool, connections: u64) -> PathInfo {
    PathInfo {
        clients: 50,
        connections,
        sidecar,
        apart: false,
        stalled: None,
    }
}

#[test]
fn connections_at_the_controller_tell_whether_something_between_shares_them() {
    let warned = |report: &Report| {
        let warnings = &report.warnings;
        warnings
            .iter()
            .any(|it| matches!(it.warning, Warning::SharedConnections { .. }))
    };
    let (report, text) = said(clients(false, 50), 12.0, 62.0);
    assert!(
        text.contains("direct: 50 connections for 50 clients; about 50 at the controller"),
        "{text}"
    );
    assert!(!warned(&report));
    let (report, text) = said(clients(false, 50), 12.0, 13.0);
    assert!(
        text.contains("about 1 at the controller: something between shares them"),
        "{text}"
    );
    assert!(warned(&report));
    // Each of several processes, or each of some replicas, shows a part.
    let apart = PathInfo {
        apart: true,
        ..clients(false, 50)
    };
    let (report, _) = said(apart, 12.0, 13.0);
    assert_eq!(report.streams.path.clone().unwrap().at_controller, None);
    assert!(!warned(&report));
    // As it was asked for.
    let (report, _) = said(clients(true, 1), 12.0, 13.0);
    assert!(!warned(&report));
    assert_eq!(report.streams.path.unwrap().at_controller, Some(1));
}

#[test]
fn a_sidecars_path_that_did_not_show_at_the_controller_is_a_warning() {
    let warned = |connections, after| {
        let (report, _) = said(clients(true, connections), 12.0, after);
        let texts = report.warnings.iter().map(|it| it.warning.to_string());
        texts
            .filter(|text| text.starts_with("client.path: sidecar asks for"))
            .collect::<Vec<_>>()
    };
    assert!(warned(1, 13.0).is_empty());
    assert!(warned(16, 28.0).is_empty());
    // Through a real sidecar.
    let once_more = warned(16, 13.0);
    assert!(
        once_more[0].starts_with(
            "client.path: sidecar asks for 16 connections, and about 1 came to the controller: \
             something between"
        ),
        "{once_more:?}"
    );
    // Of direct clients it is the other warning.
    let (report, _) = said(clients(false, 50), 12.0, 13.0);
    let mut warnings = report.warnings.iter();
    assert!(!warnings.any(|it| matches!(it.warning, Warning::UnexpectedConnections { .. })));
}

#[test]
fn what_is_not_known_is_not_said() {
    let old = report(&samples::passed());
    assert_eq!(old.streams.path, None::<PathTaken>);
    assert_eq!(old.streams.stalled, None::<StalledStreams>);
    let clients = PathInfo {
        stalled: Some(StalledInfo {
            clients: 10,
            streams: 20,
            shared: 20,
            reader: "never".into(),
        }),
        ..clients(true, 1)
    };
    let (report, text) = said(clients, 12.0, 13.0);
    assert!(
        text.contains("10 clients with 20 streams never read"),
        "{text}"
    );
    assert_eq!(report.streams.stalled.unwrap().bytes, 0);
}
