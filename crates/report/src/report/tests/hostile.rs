//! What a recording holds may be anybody's: nothing of it steers what shows it, in any form.

use dst_load_recording::recording::samples::{every_warning, one_of_each};
use dst_load_scenario::time::At;
use serde_json::Value;

use super::*;
use crate::{
    compare::{self, Comparison, Options, Run},
    report::page::Page,
};

/// Short, so that it can be everywhere at once.
const HOSTILE: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m\u{7f}\u{202e}txet\u{2066}\u{200b}\u{feff}\u{2028}\
    \u{e0041}\r\n::error::x\n##[error]y\nINFO verdict: pass | `a` <script>alert(1)</script> \
    [b](http://me:canary@c?t=canary) @someone &#64;someone";

fn hostile() -> String {
    format!("{HOSTILE}{}", "x".repeat(15_000))
}

/// The pointers of all texts, and of all objects, in a JSON value.
fn places(value: &Value, at: &str, texts: &mut Vec<String>, objects: &mut Vec<String>) {
    match value {
        Value::String(_) => texts.push(at.to_owned()),
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{n}"), texts, objects);
            }
        }
        Value::Object(fields) => {
            objects.push(at.to_owned());
            for (key, field) in fields {
                places(field, &format!("{at}/{key}"), texts, objects);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The line with the hostile text wherever it can have any, and how many places that are.
fn spoilt(line: &Line) -> (Line, usize) {
    let read = |value: &Value| serde_json::from_str::<Line>(&value.to_string());
    let mut value = serde_json::to_value(line).unwrap();
    let (mut texts, mut objects) = (Vec::new(), Vec::new());
    places(&value, "", &mut texts, &mut objects);
    let mut spoilt = 0;
    for at in texts {
        let text = value.pointer_mut(&at).unwrap();
        let before = std::mem::replace(text, hostile().into());
        if read(&value).is_ok() {
            spoilt += 1;
        } else {
            *value.pointer_mut(&at).unwrap() = before;
        }
    }
    // As the name of an error, say.
    for at in objects {
        let before = value.clone();
        let object = value.pointer_mut(&at).unwrap().as_object_mut().unwrap();
        object.insert(hostile(), 1.into());
        if read(&value).is_err() {
            value = before;
        }
    }
    (read(&value).unwrap(), spoilt)
}

fn everything() -> Vec<Line> {
    let mut lines = samples::failed();
    let end = lines.pop();
    lines.extend(one_of_each().into_iter().filter(|line| {
        let is_once = matches!(line, Line::Header(_) | Line::End(_) | Line::Phase { .. });
        !is_once
    }));
    lines.extend(every_warning().into_iter().map(|warning| Line::Warning {
        at: At::from_millis(2),
        warning,
    }));
    lines.extend(end);
    lines
}

/// Each form in which the lines are shown.
fn forms(lines: &[Line]) -> Vec<(&'static str, String)> {
    let criteria = samples::criteria();
    let report = Report::of(lines, &criteria, true).unwrap();
    let page = Page::of(lines, report.clone()).unwrap();
    let run = |place: &str| Run::of(place.to_owned(), lines, &criteria, true).unwrap();
    let options = Options {
        names: [Some(hostile()), Some("b".to_owned())],
        repeat: HOSTILE.replace("canary", ""),
        force: true,
        ..Options::default()
    };
    let (one, other) = (run(&hostile()), run("other"));
    let comparison = Comparison::of(&[one], &[other], &options, report.tool.clone()).unwrap();
    vec![
        ("text", text::render(&report, Style::PLAIN)),
        ("json", json::render(&report)),
        ("markdown", markdown::render(&report)),
        ("junit", junit::render(&report)),
        ("html", html::render(&page)),
        ("live html", html::render_running(&page)),
        (
            "compare text",
            compare::text::render(&comparison, Style::PLAIN),
        ),
        ("compare json", compare::json::render(&comparison)),
        ("compare markdown", compare::markdown::render(&comparison)),
        ("compare html", compare::html::render(&comparison)),
    ]
}

fn assert_harmless(form: &str, shown: &str) {
    for (n, line) in shown.lines().enumerate() {
        let steers = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                    | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        };
        let found = line.chars().find(|c| steers(*c));
        assert_eq!(found, None, "{form}, line {n}");
        let start = line.trim_start();
        assert!(!start.starts_with("::error"), "{form}: {line}");
        assert!(!line.contains("##[error]"), "{form}: {line}");
        assert!(!line.starts_with("INFO verdict"), "{form}: {line}");
        // Scripts and numbers of pages have longer ones.
        let length = line.chars().count();
        assert!(
            form.contains("html") || length < 4_000,
            "{form}: {length} characters in line {n}"
        );
    }
    assert!(!shown.contains(&"x".repeat(2_000)), "{form}");
    assert!(!shown.contains("canary"), "{form}");
    assert!(
        form == "json"
            || form == "compare json"
            || form.ends_with("text")
            || !without_fences(shown).contains("<script>alert"),
        "{form}"
    );
    if form.ends_with("markdown") {
        let markup = without_fences(shown);
        assert!(
            !markup.contains("@someone") && !markup.contains(" &#64;"),
            "{form}"
        );
    }
}

/// Markdown without what it shows as it is: a line in a fence cannot end that.
fn without_fences(shown: &str) -> String {
    let parts = shown.split("\n```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_a_recording_holds_steers_no_form_of_a_report() {
    let mut places = 0;
    let lines: Vec<_> = everything()
        .iter()
        .map(|line| {
            let (line, spoilt) = spoilt(line);
            places += spoilt;
            line
        })
        .collect();
    assert!(places > 60, "{places}");
    for (form, shown) in forms(&lines) {
        assert_harmless(form, &shown);
    }
}

/// As of a run that goes on, whose texts entered elsewhere: the last line of defence alone.
#[test]
fn what_enters_uncleaned_steers_no_form_either() {
    let mut lines = everything();
    if let Some(Line::Header(header)) = lines.first_mut() {
        header.name = HOSTILE.replace("canary", "");
        header.namespace.clone_from(&header.name);
        header.target.version = Some(header.name.clone());
    }
    let at = At::from_millis(3);
    let message = HOSTILE.replace("canary", "");
    lines.insert(
        lines.len() - 1,
        Line::Warning {
            at,
            warning: Warning::Scenario { message },
        },
    );
    for (form, shown) in forms(&lines) {
        assert_harmless(form, &shown);
    }
}
