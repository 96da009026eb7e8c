//! Claims about what the page shows.

use std::time::Duration;

use dst_load_recording::{
    recording::{EndpointsLine, Second, TargetKind, samples},
    statistics::Stage,
    warning::Warning,
};
use dst_load_scenario::{
    action::Direction,
    scenario::{Scenario, built_in},
    time::At,
};

use super::*;
use crate::report::{ReportFold, html, json};

fn page(lines: &[Line]) -> Page {
    let report = Report::of(lines, &samples::criteria(), true).unwrap();
    Page::of(lines, report).unwrap()
}

/// What the page embeds.
fn embedded(text: &str) -> serde_json::Value {
    let (_, rest) = text
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// Half an hour of the built-in `quick` in the header of these lines.
fn with_plan(mut lines: Vec<Line>) -> Vec<Line> {
    let (scenario, _) = Scenario::from_yaml(built_in("quick").unwrap(), "quick", &[]).unwrap();
    if let Some(Line::Header(header)) = lines.first_mut() {
        header.scenario = scenario.effective().unwrap();
    }
    lines
}

#[test]
fn a_fail_as_a_page() {
    // The style and the script are as they are; what they are given is what can go wrong.
    let text = html::render(&page(&samples::failed()));
    let (before, style) = text.split_once("<style>").unwrap();
    let (_, rest) = style.split_once("</style>").unwrap();
    let (body, _) = rest.rsplit_once("<script>").unwrap();
    let policy = before.find("sha256-").unwrap();
    let end = policy + before[policy..].find("&#x27;").unwrap();
    let before = [&before[..policy], "sha256-…", &before[end..]].concat();
    insta::assert_snapshot!(format!("{before}<style>…</style>{body}<script>…</script>"));
}

#[test]
fn the_embedded_report_is_report_json() {
    for lines in [
        samples::passed(),
        samples::failed(),
        samples::invalid(),
        samples::a_day(),
    ] {
        let page = page(&lines);
        let report: serde_json::Value = serde_json::from_str(&json::render(&page.report)).unwrap();
        assert_eq!(embedded(&html::render(&page))["report"], report);
    }
}

#[test]
fn the_distributions_count_what_the_report_counts() {
    for lines in [samples::passed(), samples::failed()] {
        let page = page(&lines);
        for of in &page.distributions {
            let reported = page.report.latency.get(of.stage, of.direction);
            assert_eq!((of.count, of.never), (reported.count, reported.never));
            let bars: u64 = of.bars.iter().map(|bar| bar.2).sum();
            assert_eq!(bars, reported.count);
        }
        for of in &page.quantiles {
            let reported = page.report.latency.get(of.stage, of.direction);
            let moments: u64 = of.moments.iter().map(|moment| moment.1).sum();
            assert_eq!(moments, reported.count);
            let most = of.moments.iter().map(|moment| moment.5).max().unwrap();
            let most = Duration::from_micros(most).as_secs_f64();
            assert_eq!(Some(most), reported.max_seconds);
        }
        let curves = &page.curves;
        assert_eq!(curves.changes, page.report.fan_out.changes);
        let known = (curves.worst.iter().chain(&curves.others)).filter(|it| it.never == 0);
        assert_eq!(known.count() as u64, page.report.fan_out.completed);
    }
}

#[test]
fn what_comes_from_elsewhere_stays_text() {
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'";
    let mut lines = samples::failed();
    for line in &mut lines {
        match line {
            Line::Header(header) => {
                header.namespace = evil.to_owned();
                header.target.version = Some(evil.to_owned());
                header.scenario = serde_json::json!({ evil: evil });
            }
            Line::Change(change) => change.service = evil.to_owned(),
            Line::EndState(end) => {
                end.service = evil.to_owned();
                end.examples = vec![evil.to_owned()];
            }
            _ => {}
        }
    }
    lines.push(Line::Warning {
        at: At::from_secs(3),
        warning: Warning::Scenario {
            message: evil.to_owned(),
        },
    });
    let page = page(&lines);
    let text = html::render(&page);
    // The page's own two elements, and no third.
    assert_eq!(text.matches("<script").count(), 2);
    assert_eq!(text.matches("</script").count(), 2);
    assert!(!text.contains("<img"));
    assert_eq!(embedded(&text)["namespace"], evil);
    assert_eq!(embedded(&text)["curves"]["worst"][0]["service"], evil);
}

#[test]
fn nothing_is_fetched_and_the_script_is_the_one_that_may_run() {
    let text = html::render(&page(&samples::passed()));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        let found = text
            .find(outside)
            .map(|at| &text[at.saturating_sub(60)..at + 40]);
        // The namespace of SVG is a name and no address.
        let found = found.filter(|it| !it.contains("http://www.w3.org/2000/svg"));
        assert_eq!(found, None);
    }
    assert!(text.contains("default-src &#x27;none&#x27;"));
    assert!(!text.contains("localhost"));
}

/// A day of churn on 50 Services, with a sample of the target every 5 s: the kinds of lines of a
/// real recording, as many as one has.
fn a_long_day() -> impl Iterator<Item = Line> {
    let header = samples::header(TargetKind::Linkerd);
    let start = [
        Line::Header(Box::new(header)),
        samples::phase(0, dst_load_recording::recording::Phase::Churning),
    ];
    let each = (1..=86_400_u64).flat_map(|at| {
        let direction = Direction::BOTH[usize::from(at % 20 >= 10)];
        let mut lines = Vec::new();
        if at % 300 == 1 {
            let cycle = u32::try_from(at / 300).unwrap() + 1;
            lines.push(samples::cycle(at, cycle));
        }
        if at % 5 == 0 {
            let grown = u32::try_from(at / 2_000).unwrap();
            lines.push(samples::target(
                at,
                at as f64 * 0.1,
                100 + grown,
                40 + grown,
            ));
        }
        if at % 4 == 0 {
            lines.push(samples::change(at, 1, direction, u32::from(at == 40_000)));
        }
        let endpoints = Some(EndpointsLine {
            kubernetes: at % 1_000,
            clients: Some((at % 997) as f64 + 0.123),
        });
        lines.push(Line::Second(Box::new(Second {
            at: At::from_secs(at),
            streams_active: 5_000,
            endpoints,
            ..match samples::second(at, 1, direction, 3, 0) {
                Line::Second(second) if at % 4 == 0 => *second,
                _ => Second::default(),
            }
        })));
        lines
    });
    start.into_iter().chain(each).chain([samples::end(86_401)])
}

#[test]
fn a_day_is_a_page_of_less_than_5_mb() {
    let mut fold = PageFold::default();
    let mut reported = ReportFold::default();
    for line in a_long_day() {
        fold.absorb(&line);
        reported.absorb(&line);
    }
    let report = reported.report(&samples::criteria(), true).unwrap();
    let page = fold.page(report).unwrap();
    let text = html::render(&page);
    assert!(text.len() < 5_000_000, "{} bytes", text.len());
    assert!(text.len() > 200_000, "{} bytes", text.len());

    assert_eq!(page.timeline.bucket_seconds, 256.0);
    for series in [
        &page.timeline.kubernetes,
        &page.timeline.resident,
        &page.timeline.cpu,
    ] {
        assert!((300..=512).contains(&series.len()), "{}", series.len());
    }
    assert_eq!(page.curves.changes, 21_600);
    // The only one that not everybody knew is kept, and the others are from the whole day.
    assert_eq!(
        (page.curves.worst[0].never, page.curves.worst[0].at),
        (1, 40_000.8)
    );
    let others = &page.curves.others;
    assert!((100..=240).contains(&others.len()));
    assert!(others[0].at < 1_000.0 && others[others.len() - 1].at > 85_000.0);
}

#[test]
fn the_plan_lies_on_the_runs_axis() {
    let page = page(&with_plan(samples::passed()));
    let planned = page.timeline.planned.unwrap();
    // Cycle 1 of `quick` starts 3 s after churn, and was seen to start at 10 s.
    let Point(first, _, _, last) = planned.endpoints[0];
    assert_eq!((first, last), (28, 25.0), "{planned:?}");
    let added: u64 = planned.additions.iter().map(|it| it.1).sum();
    let removed: u64 = planned.removals.iter().map(|it| it.1).sum();
    assert_eq!((added, removed), (250, 250));
    let Amount(bucket, _) = *planned.additions.iter().find(|it| it.1 > 0).unwrap();
    let seconds = bucket as f64 * page.timeline.bucket_seconds;
    assert!((10.0..10.25).contains(&seconds), "{seconds}");
}

#[test]
fn without_a_plan_none_is_drawn() {
    assert_eq!(page(&samples::passed()).timeline.planned, None);
}

#[test]
fn a_restart_and_a_silence_are_no_cpu() {
    let mut fold = PageFold::default();
    let lines = [
        Line::Header(Box::new(samples::header(TargetKind::Linkerd))),
        samples::target(5, 10.0, 90, 40),
        samples::target(10, 12.5, 90, 40),
        samples::target(15, 0.5, 90, 40),
        samples::target(20, 1.5, 90, 40),
        Line::TargetSilent {
            at: At::from_secs(25),
            error: "refused".to_owned(),
        },
        samples::target(30, 9.5, 90, 40),
        samples::target(35, 10.5, 90, 40),
    ];
    lines.iter().for_each(|line| fold.absorb(line));
    let report = Report::of(&lines, &samples::criteria(), true).unwrap();
    let cpu = fold.page(report).unwrap().timeline.cpu;
    let cores: Vec<_> = cpu.iter().map(|point| point.3).collect();
    assert_eq!(cores, [0.5, 0.2, 0.2]);
}

#[test]
fn every_stage_has_its_quantiles() {
    let page = page(&samples::passed());
    let stages: Vec<_> = page.quantiles.iter().map(|it| it.stage).collect();
    for stage in Stage::ALL {
        assert_eq!(stages.iter().filter(|it| **it == stage).count(), 2);
    }
}
