//! Claims about lines as bytes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::recording::samples::{self, every_warning, one_of_each};

mod damage;

fn written(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(lines, &mut bytes).unwrap();
    bytes
}

/// As they are in a file: the end has its totals.
fn with_totals(mut lines: Vec<Line>) -> Vec<Line> {
    let totals = Totals::of(&lines[..lines.len() - 1]);
    if let Some(Line::End(end)) = lines.last_mut() {
        end.totals = Some(totals);
    }
    lines
}

#[test]
fn every_kind_of_line_reads_back_as_it_was_written() {
    let lines = one_of_each();
    let text = String::from_utf8(written(&lines)).unwrap();
    for kind in [
        "header",
        "phase",
        "cycle",
        "last_cycle_ends",
        "change",
        "second",
        "target",
        "target_silent",
        "generator",
        "warning",
        "end_state",
        "end",
    ] {
        assert!(text.contains(&format!("{{\"kind\":\"{kind}\"")), "{kind}");
    }
    assert_eq!(read(text.as_bytes()).unwrap(), with_totals(lines));
}

/// As a generator sample's, which is a sum over replicas.
fn read_back(cpu_seconds: f64) -> f64 {
    let sample = Line::Generator(GeneratorSample {
        at: At::ZERO,
        cpu_seconds,
        rss_bytes: 1,
    });
    let lines = [&samples::passed()[..1], &[sample]].concat();
    match read(&written(&lines)[..]).unwrap().pop() {
        Some(Line::Generator(sample)) => sample.cpu_seconds,
        other => panic!("{other:?}"),
    }
}

proptest! {
    // A report that is made again from its recording says the same to the last digit.
    #[test]
    fn numbers_read_back_to_the_last_bit(number in prop::num::f64::NORMAL | prop::num::f64::ZERO) {
        prop_assert_eq!(read_back(number).to_bits(), number.to_bits());
    }
}

#[test]
fn a_sum_of_hundredths_reads_back() {
    assert_eq!(read_back(0.2 + 0.21), 0.2 + 0.21);
}

#[test]
fn every_warning_reads_back_and_says_something() {
    let warnings = every_warning();
    let kinds = schemars::schema_for!(Warning).to_value();
    let kinds = kinds["oneOf"].as_array().unwrap().iter();
    let kinds: BTreeSet<_> = kinds
        .map(|kind| kind["properties"]["warning"]["const"].clone().to_string())
        .collect();
    let said = warnings
        .iter()
        .map(|it| serde_json::json!(it)["warning"].to_string());
    assert_eq!(said.collect::<BTreeSet<_>>(), kinds);
    let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(texts.join("\n"));
    for warning in warnings {
        let text = serde_json::to_string(&warning).unwrap();
        assert_eq!(serde_json::from_str::<Warning>(&text).unwrap(), warning);
    }
}

#[test]
fn a_last_line_that_was_cut_off_is_passed_over_wherever_the_cut_is() {
    let lines = samples::passed();
    let bytes = written(&lines);
    let last = written(&lines[lines.len() - 1..]).len();
    // Up to the closing brace, whose loss leaves only the newline away.
    for cut in 2..=last {
        let read = read(&bytes[..bytes.len() - cut]).unwrap();
        assert_eq!(read, lines[..lines.len() - 1], "{cut} bytes cut");
    }
    assert_eq!(read(&bytes[..bytes.len() - 1]).unwrap(), with_totals(lines));
}

#[test]
fn lines_of_one_instant_are_ordered_by_kind_and_the_end_comes_last() {
    let mut kinds: Vec<_> = one_of_each()
        .into_iter()
        .map(|line| (line.order().1, line))
        .collect();
    kinds.sort_by_key(|(rank, _)| *rank);
    let (first, last) = (&kinds[0].1, &kinds[kinds.len() - 1].1);
    assert!(matches!(first, Line::Header(_)) && matches!(last, Line::End(_)));
}

#[test]
fn what_this_tool_ends_or_lacks_is_no_error_and_no_reset_of_the_target() {
    let own = [(OWN_LIMIT, 50), (OWN_SOCKETS, 7)];
    let named = |(name, count): (&str, u64)| (name.to_owned(), count);
    let mut counts = StreamCounts {
        ended_ok: 1,
        drained: 40,
        errors: own.map(named).into(),
        ..StreamCounts::default()
    };
    assert_eq!(
        (counts.foreign_errors(), counts.unexpected_resets()),
        (0, 1)
    );
    counts.errors.extend([named(("connection reset", 3))]);
    assert_eq!(
        (counts.foreign_errors(), counts.unexpected_resets()),
        (3, 4)
    );
    let profiles = HeldCounts {
        errors: counts.errors.clone(),
        ..HeldCounts::default()
    };
    assert_eq!(profiles.unexpected_resets(), 3);
}
