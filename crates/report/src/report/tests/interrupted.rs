//! An interrupted run in every form: invalid, and said so.

use dst_load_recording::recording::{Line, samples};

use super::{Report, html, json, junit, markdown, text};
use crate::{
    compare::Run,
    report::{Ending, page::Page},
    terminal::Style,
    verdict::Verdict,
};

const SAID: &str = "the run was interrupted before its plan ended";

/// These lines, interrupted.
fn interrupted(mut lines: Vec<Line>) -> Vec<Line> {
    for line in &mut lines {
        if let Line::End(end) = line {
            end.interrupted = true;
        }
    }
    lines
}

fn report(lines: &[Line]) -> Report {
    Report::of(lines, &samples::criteria(), true).unwrap()
}

#[test]
fn whatever_it_saw_it_is_invalid_and_every_form_says_that_it_was_interrupted() {
    for lines in [samples::passed(), samples::failed()] {
        assert_ne!(report(&lines).verdict, Verdict::Invalid);
        let lines = interrupted(lines);
        let report = report(&lines);
        assert_eq!(report.verdict, Verdict::Invalid);
        assert_eq!(report.ending, Ending::Interrupted);
        assert_eq!(report.reasons[0], SAID);
        assert!(report.criteria.iter().all(|it| it.met.is_none()));

        let page = Page::of(&lines, report.clone()).unwrap();
        let in_words = [
            text::render(&report, Style::PLAIN),
            markdown::render(&report),
            html::render(&page),
        ];
        for said in in_words {
            assert!(said.contains("the run was interrupted"), "{said}");
        }
        let json: serde_json::Value = serde_json::from_str(&json::render(&report)).unwrap();
        assert_eq!(json["verdict"], "invalid");
        assert_eq!(json["ending"]["how"], "interrupted");
        let junit = junit::render(&report);
        assert!(
            junit.contains(&format!("<error message=\"{SAID}\">")),
            "{junit}"
        );
        assert!(junit.contains("failures=\"0\" errors=\"1\""), "{junit}");
        assert!(!junit.contains("<failure"), "{junit}");
    }
}

#[test]
fn a_comparison_leaves_it_out_and_says_why() {
    let lines = interrupted(samples::passed());
    let run = Run::of("it".to_owned(), &lines, &samples::criteria(), true).unwrap();
    let unfit = run.unfit().unwrap();
    assert!(unfit.contains("interrupted"), "{unfit}");
}

#[test]
fn one_that_spared_its_target_keeps_what_it_proved() {
    let spared = |mut lines: Vec<Line>| {
        for line in &mut lines {
            if let Line::End(end) = line {
                (end.error, end.spared) = (Some("resident memory is at its limit".into()), true);
            }
        }
        report(&lines).verdict
    };
    assert_eq!(spared(samples::passed()), Verdict::Invalid);
    assert_eq!(spared(samples::failed()), Verdict::Fail);
}
