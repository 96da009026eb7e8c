//! Claims about profiles by function.

use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::*;
use crate::compare::profile::{self, ProfileError, wire};

/// A stack of functions, the innermost first, and what was sampled there.
type Stack = (Vec<u8>, i64);

fn name(function: u8) -> String {
    format!("example.com/pkg.(*T).f{function}")
}

/// A profile of this type with these stacks. Two functions share a location where one was inlined.
fn bytes(kind: &str, stacks: &[Stack]) -> Vec<u8> {
    let mut strings = vec![String::new(), "samples".into(), kind.into()];
    strings.extend((0..=u8::MAX).map(name));
    let functions = (0..=u8::MAX).map(|function| wire::Function {
        id: u64::from(function) + 1,
        name: i64::from(function) + 3,
    });
    let mut locations = Vec::new();
    let mut samples = Vec::new();
    for (stack, value) in stacks {
        let at: Vec<_> = stack
            .chunks(2)
            .map(|pair| {
                let id = locations.len() as u64 + 1;
                let lines = pair.iter().map(|function| wire::Line {
                    function: u64::from(*function) + 1,
                });
                locations.push(wire::Location {
                    id,
                    lines: lines.collect(),
                });
                id
            })
            .collect();
        samples.push(wire::Sample {
            locations: at,
            values: vec![2, *value],
        });
    }
    wire::Profile {
        types: vec![wire::ValueType { name: 1 }, wire::ValueType { name: 2 }],
        samples,
        locations,
        functions: functions.collect(),
        strings,
    }
    .encode_to_vec()
}

fn profiled(kind: ProfileKind, stacks: &[Stack]) -> Run {
    let values = match kind {
        ProfileKind::CpuWorstChange => "cpu",
        ProfileKind::HeapPeak => "inuse_space",
    };
    let mut run = runs(&Made::default(), 1).remove(0);
    let profile = Profile::read(kind, &bytes(values, stacks)).unwrap();
    run.profiles.insert(kind, profile);
    run
}

fn one(kind: ProfileKind, baseline: &[Stack], candidate: &[Stack]) -> Profiled {
    let [baseline, candidate] = [baseline, candidate].map(|stacks| profiled(kind, stacks));
    profile::compared(&[&baseline], &[&candidate]).remove(0)
}

fn stacks() -> impl Strategy<Value = Vec<Stack>> {
    // Few functions, so that all are named; deep enough to call themselves.
    vec((vec(0_u8..8, 0..6), 1_i64..1_000_000), 1..20)
}

proptest! {
    #[test]
    fn what_functions_cost_by_themselves_adds_up_to_all(a in stacks(), b in stacks()) {
        let found = one(ProfileKind::HeapPeak, &a, &b);
        let total = |stacks: &[Stack]| stacks.iter().map(|(_, value)| *value as f64).sum::<f64>();
        prop_assert_eq!(found.baseline.total, total(&a));
        prop_assert_eq!(found.candidate.total, total(&b));
        let difference: f64 = found.functions.iter().map(|it| it.difference).sum();
        prop_assert_eq!(difference, total(&b) - total(&a));
        for function in &found.functions {
            prop_assert!(function.baseline <= function.baseline_cumulative);
            prop_assert!(function.candidate <= function.candidate_cumulative);
            prop_assert!(function.baseline_cumulative <= found.baseline.total);
            prop_assert!(function.candidate_cumulative <= found.candidate.total);
        }
    }

    #[test]
    fn a_swapped_comparison_is_the_mirror(a in stacks(), b in stacks()) {
        for kind in ProfileKind::ALL {
            let (found, swapped) = (one(kind, &a, &b), one(kind, &b, &a));
            prop_assert_eq!(found.baseline, swapped.candidate);
            prop_assert_eq!(found.functions.len(), swapped.functions.len());
            for (one, other) in found.functions.iter().zip(&swapped.functions) {
                prop_assert_eq!(&one.name, &other.name);
                prop_assert_eq!(one.difference, -other.difference);
                prop_assert_eq!(one.candidate_cumulative, other.baseline_cumulative);
            }
        }
    }

    #[test]
    fn a_profile_that_is_cut_off_is_an_error_or_holds_less_and_never_a_panic(
        a in stacks(), share in 0.0..1.0_f64,
    ) {
        let whole = bytes("cpu", &a);
        let cut = &whole[..(whole.len() as f64 * share) as usize];
        let _ = Profile::read(ProfileKind::CpuWorstChange, cut);
    }
}

#[test]
fn a_function_has_what_it_calls_once_and_the_innermost_what_it_does() {
    // f1 was inlined into f2, and calls itself through it.
    let found = one(
        ProfileKind::HeapPeak,
        &[(vec![1, 2, 1, 3], 10)],
        &[(vec![3], 4)],
    );
    let of = |function| {
        let found = found.functions.iter().find(|it| it.name == name(function));
        found.map(|it| (it.baseline, it.baseline_cumulative, it.candidate))
    };
    assert_eq!(of(1), Some((10.0, 10.0, 0.0)));
    assert_eq!(of(3), Some((0.0, 10.0, 4.0)));
    // By itself it costs nothing on either side.
    assert_eq!(of(2), None);
}

#[test]
fn cpu_is_for_a_million_addresses_where_they_are_known_and_a_share_where_not() {
    let second = 1_000_000_000;
    let stacks = [(vec![1], 3 * second), (vec![2], second)];
    let share = one(ProfileKind::CpuWorstChange, &stacks, &[(vec![1], second)]);
    assert_eq!(share.unit, Unit::Fraction);
    assert_eq!(share.functions[0].baseline, 0.75);
    assert_eq!(share.functions[0].candidate, 1.0);
    assert_eq!((share.baseline.samples, share.candidate.samples), (4, 2));

    let known = |stacks: &[Stack], addresses| {
        let mut run = profiled(ProfileKind::CpuWorstChange, stacks);
        run.profiled = Some(Some(addresses));
        run
    };
    // Two runs are added up: 4 s and 1 s, for 150,000 and 50,000 addresses.
    let baseline = [known(&stacks, 150_000), known(&[(vec![1], second)], 50_000)];
    let candidate = [known(&stacks, 100_000)];
    let found = compared(&baseline, &candidate).profiles.remove(0);
    assert_eq!(found.unit, Unit::Seconds);
    assert!((found.baseline.total - 25.0).abs() < 1e-9, "{found:?}");
    assert!((found.candidate.total - 40.0).abs() < 1e-9, "{found:?}");
    assert_eq!((found.baseline.runs, found.candidate.runs), (2, 1));
}

#[test]
fn what_is_no_profile_or_of_another_kind_is_refused() {
    let read = |bytes: &[u8]| Profile::read(ProfileKind::CpuWorstChange, bytes);
    assert!(matches!(read(b"<html>"), Err(ProfileError::Format(_))));
    let heap = bytes("inuse_space", &[(vec![1], 1)]);
    assert!(matches!(read(&heap), Err(ProfileError::Type("cpu"))));
}

#[test]
fn a_side_without_profiles_is_told_of_and_not_compared() {
    let mut with = profiled(ProfileKind::HeapPeak, &[(vec![1], 1)]);
    with.profiled = Some(None);
    let comparison = compared(&[with], &runs(&Made::default(), 1));
    assert_eq!(comparison.profiles, []);
    let told = "1 of 1 runs of the baseline were profiled, and 0 of 1 of the candidate";
    let mut warnings = comparison.warnings.iter();
    assert!(warnings.any(|it| it.starts_with(told)));
}

#[test]
fn functions_that_differ_are_named_in_every_form_and_no_line_is_too_long() {
    let a = [(vec![1, 2], 40_000_000), (vec![3], 1_000_000)];
    let b = [(vec![4, 2], 10_000_000), (vec![3], 1_000_000)];
    let comparison = compared(
        &[profiled(ProfileKind::CpuWorstChange, &a)],
        &[profiled(ProfileKind::CpuWorstChange, &b)],
    );
    let text = text::render(&comparison, Style::PLAIN);
    assert!(text.contains("CPU by function"), "{text}");
    // Two stacks of two samples each.
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("(4 and 4 samples of 1 and 1 run)"), "{text}");
    assert!(flat.contains("so few samples"), "{text}");
    assert!(
        text.lines()
            .any(|it| it.contains("pkg.(*T).f1") && it.contains("97.6 %"))
    );
    // All but the command that says it again, which a shell must read.
    let lines = text.lines().filter(|it| !it.starts_with("Again"));
    assert!(
        lines
            .max_by_key(|it| it.chars().count())
            .unwrap()
            .chars()
            .count()
            <= 80
    );
    let markdown = markdown::render(&comparison);
    assert!(markdown.contains("| `pkg.(*T).f4` |"), "{markdown}");
    let page = html::render(&comparison);
    assert!(page.contains("><code>pkg.(*T).f4</code></th>"), "{page}");
    let read: Comparison = serde_json::from_str(&json::render(&comparison)).unwrap();
    assert_eq!(read.profiles[0].functions[0].name, name(1));
}
