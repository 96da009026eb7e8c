//! Claims about reports of several clients' recordings.

use dst_load_recording::recording::{merge, samples};
use dst_load_scenario::criteria::Criteria;

use super::*;
use crate::verdict::Verdict;

#[test]
fn one_recording_merged_says_what_it_said() {
    let merged = merge(vec![samples::failed()]).unwrap();
    let criteria = samples::criteria();
    assert_eq!(
        Report::of(&merged, &criteria, true),
        Report::of(&samples::failed(), &criteria, true)
    );
}

#[test]
fn one_clients_failure_fails_them_all_and_one_cut_off_makes_all_invalid() {
    let criteria = Criteria::default();
    let verdict = |other: Vec<Line>| {
        let mut first = samples::failed();
        first.retain(|line| !matches!(line, Line::EndState(_)));
        let merged = merge(vec![first, other]).unwrap();
        Report::of(&merged, &criteria, true).unwrap().verdict
    };
    assert_eq!(verdict(samples::failed()), Verdict::Fail);
    let mut cut_off = samples::failed();
    cut_off.retain(|line| !matches!(line, Line::End(_)));
    assert_eq!(verdict(cut_off), Verdict::Invalid);
}
