//! Claims about reports, and what each format looks like.

mod advice;
mod held;
mod hostile;
mod interrupted;
mod merged;
mod path;

use dst_load_recording::recording::samples;
use dst_load_scenario::{
    published::{assert_published, pretty},
    scenario::Lifecycle,
};

use super::*;
use crate::terminal::Style;

fn report(lines: &[Line]) -> Report {
    Report::of(lines, &samples::criteria(), true).unwrap()
}

#[test]
fn a_pass_in_text() {
    insta::assert_snapshot!(text::render(&report(&samples::passed()), Style::PLAIN));
}

#[test]
fn every_form_says_who_asked_for_what() {
    let of = |targets: Option<&str>, proxy: bool| {
        let mut lines = samples::passed();
        let Some(Line::Header(header)) = lines.first_mut() else {
            panic!("a header");
        };
        header.clients = Some(ClientLoad {
            clients: 5_000,
            services: 400,
            targets: targets.map(|it| it.parse().unwrap()),
            streams_per_service: if proxy { 2 } else { 1 },
            lifecycle: if proxy {
                Lifecycle::Proxy
            } else {
                Lifecycle::Eternal
            },
            profiles: proxy,
        });
        lines
    };
    for (lines, said) in [
        (
            of(Some("12"), false),
            "5,000 clients, each of 12 of 400 Services (Zipf, exponent 1): 1,000 streams, lifecycle \
             eternal.",
        ),
        (
            of(None, true),
            "5,000 clients, each of all 400 Services, 2 streams each: 1,000 streams, lifecycle proxy, \
             with GetProfile streams.",
        ),
    ] {
        let wide = Style {
            columns: 200,
            ..Style::PLAIN
        };
        let report = report(&lines);
        let page = page::Page::of(&lines, report.clone()).unwrap();
        for form in [
            text::render(&report, wide),
            markdown::render(&report),
            html::render(&page),
        ] {
            assert!(form.contains(said), "{said} in {form}");
        }
        let again: Report = serde_json::from_str(&json::render(&report)).unwrap();
        assert_eq!(again.clients, report.clients);
    }
    // Older recordings do not say.
    assert_eq!(report(&samples::passed()).clients, None);
}

#[test]
fn a_pass_on_a_wide_terminal() {
    let style = Style {
        columns: 120,
        ..Style::PLAIN
    };
    insta::assert_snapshot!(text::render(&report(&samples::passed()), style));
}

#[test]
fn a_fail_in_text() {
    insta::assert_snapshot!(text::render(&report(&samples::failed()), Style::PLAIN));
}

#[test]
fn an_invalid_run_in_text() {
    insta::assert_snapshot!(text::render(&report(&samples::invalid()), Style::PLAIN));
}

#[test]
fn a_day_in_text() {
    insta::assert_snapshot!(text::render(&report(&samples::a_day()), Style::PLAIN));
}

#[test]
fn a_fail_in_markdown() {
    insta::assert_snapshot!(markdown::render(&report(&samples::failed())));
}

#[test]
fn a_fail_in_junit() {
    insta::assert_snapshot!(junit::render(&report(&samples::failed())));
}

#[test]
fn an_invalid_run_in_junit() {
    insta::assert_snapshot!(junit::render(&report(&samples::invalid())));
}

#[test]
fn a_fail_in_json() {
    insta::assert_snapshot!(json::render(&report(&samples::failed())));
}

#[test]
fn json_reads_back_to_the_same_report() {
    for lines in [samples::passed(), samples::failed(), samples::invalid()] {
        let report = report(&lines);
        let read: Report = serde_json::from_str(&json::render(&report)).unwrap();
        assert_eq!(read, report);
    }
}

#[test]
fn the_published_schema_has_not_drifted() {
    assert_published("docs/report.schema.json", &pretty(&json::schema()));
}

#[test]
fn every_promised_key_is_there() {
    let json = serde_json::to_value(report(&samples::passed())).unwrap();
    let mut missing = Vec::new();
    let mut need = |path: String| {
        if json.pointer(&path).is_none() {
            missing.push(path);
        }
    };
    for key in [
        "schema_version",
        "scenario/name",
        "scenario/seed",
        "verdict",
        "warnings",
        "duration_seconds",
        "cycles",
        "target/kind",
    ] {
        need(format!("/{key}"));
    }
    let sections: [(&str, &[&str]); 7] = [
        ("criteria/0", &["name", "limit", "observed", "met"]),
        (
            "streams",
            &[
                "requested",
                "opened",
                "unexpected_resets",
                "overflows",
                "errors",
            ],
        ),
        (
            "fan_out",
            &[
                "changes",
                "completed",
                "first_seconds",
                "p50_seconds",
                "last_seconds_max",
            ],
        ),
        (
            "correctness",
            &[
                "streams_checked",
                "streams_wrong",
                "missing",
                "stale",
                "unexpected",
                "redundant",
                "stale_endpoint_seconds",
            ],
        ),
        ("updates", &["messages", "addresses", "bytes"]),
        (
            "generator",
            &["cpu_seconds", "peak_rss_bytes", "loop_lag_p99_seconds"],
        ),
        (
            "target",
            &["version", "cpu_seconds", "peak_rss_bytes", "overflows"],
        ),
    ];
    for (section, keys) in sections {
        for key in keys {
            need(format!("/{section}/{key}"));
        }
    }
    for stage in ["kubernetes", "destination", "end_to_end"] {
        for direction in ["add", "remove"] {
            for key in [
                "count",
                "never",
                "p50_seconds",
                "p95_seconds",
                "p99_seconds",
            ] {
                need(format!("/latency/{stage}/{direction}/{key}"));
            }
            need(format!("/latency/{stage}/{direction}/p999_seconds"));
            need(format!("/latency/{stage}/{direction}/max_seconds"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn text_fits_a_terminal_and_colour_changes_no_word() {
    for lines in [
        samples::passed(),
        samples::failed(),
        samples::invalid(),
        samples::a_day(),
    ] {
        let report = report(&lines);
        let plain = text::render(&report, Style::PLAIN);
        let wide: Vec<_> = plain.lines().filter(|l| l.chars().count() > 80).collect();
        assert_eq!(wide, Vec::<&str>::new());
        let mut coloured = text::render(
            &report,
            Style {
                coloured: true,
                ..Style::PLAIN
            },
        );
        assert_ne!(coloured, plain);
        for code in ["0", "1", "31", "32", "33"] {
            coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(coloured, plain);
    }
}

#[test]
fn a_self_test_says_so_and_names_no_cost_of_linkerd() {
    let report = report(&samples::failed());
    let text = text::render(&report, Style::PLAIN);
    assert!(text.starts_with("SELF-TEST: "));
    assert!(markdown::render(&report).starts_with("## SELF-TEST: "));
    assert!(!text.contains("Target's cost") && !text.contains("above idle"));
}

#[test]
fn linkerds_cost_is_stated_net_of_the_idle_baseline() {
    let report = report(&samples::passed());
    // 0.02 cores idle; from 8 s on, 3 s of CPU in 22 s.
    let above = report.target.used.cpu_above_idle_seconds.unwrap();
    assert!((above - (3.0 - 0.02 * 22.0)).abs() < 1e-9, "{above}");
    assert!(text::render(&report, Style::PLAIN).contains("above idle"));
}

#[test]
fn a_recording_that_was_cut_off_is_invalid_and_says_why() {
    let mut lines = samples::passed();
    lines.retain(|line| !matches!(line, Line::End(_)));
    let report = report(&lines);
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(report.ending, Ending::CutOff);
    let cut_off = |told: &&Told| told.warning == Warning::CutOff;
    assert_eq!(report.warnings.iter().filter(cut_off).count(), 1);
}

#[test]
fn what_the_numbers_say_is_warned_of_once() {
    let mut lines = samples::invalid();
    lines.push(Line::Warning {
        at: dst_load_scenario::time::At::from_secs(3),
        warning: Warning::Starved { endpoints: 1 },
    });
    let report = report(&lines);
    let starved: Vec<_> = report
        .warnings
        .iter()
        .filter(|told| matches!(told.warning, Warning::Starved { .. }))
        .map(|told| &told.warning)
        .collect();
    assert_eq!(starved, [&Warning::Starved { endpoints: 140 }]);
}

#[test]
fn a_recording_without_a_header_has_no_report() {
    assert_eq!(Report::of(&[], &samples::criteria(), true), None);
}

#[test]
fn markup_in_an_error_stays_text() {
    let mut lines = samples::passed();
    lines.push(Line::Warning {
        at: dst_load_scenario::time::At::from_secs(3),
        warning: Warning::Scenario {
            message: "a|b <script> & \"@someone\" \u{7}".to_owned(),
        },
    });
    let mut report = report(&lines);
    report
        .reasons
        .push("a|b <b> & \"@someone\" \u{7}".to_owned());
    report.verdict = Verdict::Invalid;
    let markdown = markdown::render(&report);
    assert!(markdown.contains("a\\|b \\<script\\>") && !markdown.contains("@someone"));
    let junit = junit::render(&report);
    assert!(junit.contains("a|b &lt;b&gt; &amp; &quot;@someone&quot; \\u{7}"));
}
