//! Claims about comparisons, and what each form looks like.

mod missing;
mod pages;
mod profiles;
mod sides;

use dst_load_recording::recording::{IdentifiedLine, Line, samples};
use dst_load_scenario::{
    published::{assert_published, pretty},
    time::At,
};

use self::sides::{Side as Made, runs};
use super::*;
use crate::terminal::Style;

fn tool() -> Tool {
    Tool {
        version: "0.1.0".into(),
        commit: "0123abc".into(),
    }
}

fn options() -> Options {
    Options {
        repeat: "dst-load-controller compare main branch".into(),
        ..Options::default()
    }
}

fn compared(baseline: &[Run], candidate: &[Run]) -> Comparison {
    Comparison::of(baseline, candidate, &options(), tool()).unwrap()
}

fn measure<'a>(comparison: &'a Comparison, key: &str) -> &'a Compared {
    let mut all = comparison.measures.iter();
    all.find(|it| it.key == key).unwrap()
}

/// A branch that allocates less, uses more CPU, and is late to the last stream.
fn branch() -> Comparison {
    let main = Made::default();
    let branch = Made {
        build: "dev-1a2b3c".into(),
        cpu: 1.2,
        allocated: 0.6,
        last: 1.6,
        ..Made::default()
    };
    let named = Options {
        names: [Some("main".into()), Some("a|branch".into())],
        ..options()
    };
    Comparison::of(&runs(&main, 5), &runs(&branch, 5), &named, tool()).unwrap()
}

/// One run a side of the tool's own, one of them with a wrong stream.
fn self_test() -> Comparison {
    let main = Made {
        kind: TargetKind::Reference,
        go: false,
        ..Made::default()
    };
    let wrong = Made {
        build: "dev-1a2b3c".into(),
        wrong: 1,
        never: 5,
        ..main.clone()
    };
    compared(&runs(&main, 1), &runs(&wrong, 1))
}

#[test]
fn a_branch_in_text() {
    insta::assert_snapshot!(text::render(&branch(), Style::PLAIN));
}

#[test]
fn a_branch_in_markdown() {
    insta::assert_snapshot!(markdown::render(&branch()));
}

#[test]
fn a_branch_in_json() {
    insta::assert_snapshot!(json::render(&branch()));
}

#[test]
fn a_self_test_of_one_run_a_side_in_text() {
    insta::assert_snapshot!(text::render(&self_test(), Style::PLAIN));
}

#[test]
fn a_self_test_of_one_run_a_side_in_markdown() {
    insta::assert_snapshot!(markdown::render(&self_test()));
}

#[test]
fn colours_change_nothing_but_colour() {
    let coloured = text::render(
        &branch(),
        Style {
            coloured: true,
            ..Style::PLAIN
        },
    );
    let escapes = regex::Regex::new("\u{1b}\\[[0-9]+m").unwrap();
    assert_ne!(coloured, escapes.replace_all(&coloured, ""));
    let plain = text::render(&branch(), Style::PLAIN);
    assert_eq!(escapes.replace_all(&coloured, ""), plain);
    let long: Vec<_> = plain.lines().filter(|it| it.chars().count() > 80).collect();
    assert_eq!(long, [] as [&str; 0]);
}

#[test]
fn json_reads_back_to_the_same_comparison() {
    for comparison in [branch(), self_test()] {
        let text = json::render(&comparison);
        let read: Comparison = serde_json::from_str(&text).unwrap();
        assert_eq!(read, comparison);
        assert!(
            !text.contains("-0.0\n") && !text.contains("-0.0,"),
            "{text}"
        );
    }
}

#[test]
fn the_published_schema_has_not_drifted() {
    assert_published("docs/compare.schema.json", &pretty(&json::schema()));
}

#[test]
fn every_measure_is_documented() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/measurement.md");
    let page = std::fs::read_to_string(page).unwrap();
    let missing: Vec<_> = keys()
        .filter(|key| !page.contains(&format!("`{key}`")))
        .collect();
    assert_eq!(missing, [] as [&str; 0]);
}

#[test]
fn each_number_is_what_the_recording_says() {
    let made = Made::default();
    let run = &runs(&made, 1)[0];
    let value = |key: &str| {
        let measure = Measure::VARIANTS.iter().find(|it| it.key() == key).unwrap();
        run.values(*measure).run
    };
    // 4 directions × 1,000 streams × 10 endpoints; 4 s of CPU and 400 MB while churning.
    assert_eq!(value("deliveries"), Some(40_000.0));
    assert_eq!(value("cpu_per_million"), Some(100.0));
    assert_eq!(value("allocated_per_million"), Some(1e10));
    assert_eq!(value("allocations_per_address"), Some(100.0));
    // 1 s of CPU, 64 MB and 4,000 goroutines for 1,000 streams.
    assert_eq!(value("cpu_per_open"), Some(0.001));
    assert_eq!(value("allocated_per_open"), Some(64_000.0));
    assert_eq!(value("goroutines_per_stream"), Some(4.0));
    assert_eq!(value("heap_fixed"), Some(20e6));
    assert_eq!(value("heap_floor"), Some(60e6));
    assert_eq!(value("heap_per_stream"), Some(40_000.0));
    assert_eq!(value("heap_left"), Some(2e6));
    assert_eq!(value("goroutines_left"), Some(3.0));
    // An add and a removal of one event are one event: 3 events, 4,000 messages to 1,000 streams.
    assert_eq!(value("messages_per_event"), Some(4_000.0 / 3_000.0));
    assert_eq!(value("last_stream_add_p99"), Some(0.0304));
    assert_eq!(value("streams_wrong"), Some(0.0));
}

#[test]
fn what_a_recording_lacks_is_not_measured_and_never_zero() {
    let old = Made {
        edges: false,
        ..Made::default()
    };
    let comparison = compared(&runs(&old, 5), &runs(&Made::default(), 5));
    for key in [
        "cpu_per_open",
        "heap_fixed",
        "heap_per_stream",
        "heap_left",
        "goroutines_left",
        "allocated_per_million",
    ] {
        let found = measure(&comparison, key);
        assert_eq!((&found.baseline, found.outcome), (&None, None), "{key}");
        let note = found.note.as_deref();
        assert_eq!(note, Some("not measured in the baseline"), "{key}");
    }
    assert!(measure(&comparison, "cpu_per_million").baseline.is_some());
}

#[test]
fn a_restarted_target_has_no_cost() {
    let restarted = Made {
        restarts: true,
        ..Made::default()
    };
    // It makes the run invalid, too.
    let forced = Options {
        force: true,
        ..options()
    };
    let (restarted, whole) = (runs(&restarted, 5), runs(&Made::default(), 5));
    assert!(restarted[0].unfit().is_some());
    let comparison = Comparison::of(&restarted, &whole, &forced, tool()).unwrap();
    assert_eq!(measure(&comparison, "cpu_per_million").baseline, None);
    assert!(
        measure(&comparison, "last_stream_add_p99")
            .baseline
            .is_some()
    );
}

#[test]
fn a_target_that_a_replica_joined_has_no_cost() {
    let joined = Made {
        is_joined: true,
        ..Made::default()
    };
    // Its cost is judged, which makes the run invalid, too.
    let forced = Options {
        force: true,
        ..options()
    };
    let (joined, alone) = (runs(&joined, 5), runs(&Made::default(), 5));
    assert!(joined[0].unfit().is_some());
    let comparison = Comparison::of(&joined, &alone, &forced, tool()).unwrap();
    let whole = compared(&runs(&Made::default(), 5), &runs(&Made::default(), 5));
    for measure in Measure::VARIANTS {
        let found = self::measure(&comparison, measure.key());
        let was_measured = self::measure(&whole, measure.key()).baseline.is_some();
        let is_measured = was_measured && !measure.is_cost();
        assert_eq!(found.baseline.is_some(), is_measured, "{}", measure.key());
    }
    assert!(Measure::PeakRss.is_cost() && !Measure::Never.is_cost());
}

#[test]
fn heap_is_left_only_if_garbage_was_collected_since() {
    let uncollected = Made {
        collected_at_the_end: false,
        ..Made::default()
    };
    let comparison = compared(&runs(&uncollected, 2), &runs(&uncollected, 2));
    assert_eq!(measure(&comparison, "heap_left").baseline, None);
    assert!(measure(&comparison, "goroutines_left").baseline.is_some());
}

#[test]
fn what_never_arrived_makes_a_lower_bound() {
    let never = Made {
        never: 900,
        ..Made::default()
    };
    let comparison = compared(&runs(&Made::default(), 2), &runs(&never, 2));
    for key in ["last_stream_add_p99", "destination_add_p99"] {
        let found = measure(&comparison, key);
        let bound = |side: &Option<Estimate>| side.as_ref().unwrap().at_least;
        assert!(!bound(&found.baseline) && bound(&found.candidate), "{key}");
        let row = prose::row(found);
        assert!(
            row[2].starts_with("≥ ") && row[3].starts_with("≥ "),
            "{row:?}"
        );
    }
    let found = measure(&comparison, "never");
    assert_eq!(found.outcome, Some(Outcome::Regression));
}

#[test]
fn the_same_recordings_on_both_sides_never_differ() {
    let same = runs(&Made::default(), 5);
    let comparison = compared(&same, &same);
    for found in &comparison.measures {
        let differs = [Outcome::Regression, Outcome::Improvement].map(Some);
        assert!(!differs.contains(&found.outcome), "{found:?}");
        let zero = |it: &Difference| it.absolute == 0.0;
        assert!(found.difference.as_ref().is_none_or(zero), "{found:?}");
    }
    assert!(
        comparison
            .warnings
            .iter()
            .any(|it| it.contains("given twice"))
    );
}

#[test]
fn swapping_the_sides_mirrors_every_measure() {
    let main = runs(&Made::default(), 5);
    let slow = Made {
        cpu: 1.2,
        allocated: 0.6,
        last: 1.6,
        ..Made::default()
    };
    let slow = runs(&slow, 5);
    let (there, back) = (compared(&main, &slow), compared(&slow, &main));
    for (there, back) in there.measures.iter().zip(&back.measures) {
        let mirrored = match there.outcome {
            Some(Outcome::Regression) => Some(Outcome::Improvement),
            Some(Outcome::Improvement) => Some(Outcome::Regression),
            other => other,
        };
        assert_eq!(back.outcome, mirrored, "{}", there.key);
        let ends = |it: &Compared| it.difference.and_then(|it| it.interval);
        let flipped = ends(there).map(|(low, high)| (-high, -low));
        assert_eq!(ends(back), flipped, "{}", there.key);
    }
}

#[test]
fn the_same_runs_in_any_order_say_the_same() {
    let (main, mut slow) = (
        runs(&Made::default(), 5),
        runs(
            &Made {
                cpu: 1.1,
                ..Made::default()
            },
            5,
        ),
    );
    let before = compared(&main, &slow);
    slow.reverse();
    assert_eq!(before.measures, compared(&main, &slow).measures);
    assert_eq!(json::render(&branch()), json::render(&branch()));
}

#[test]
fn a_difference_below_the_threshold_does_not_matter() {
    let slow = Made {
        cpu: 1.2,
        ..Made::default()
    };
    let (main, slow) = (runs(&Made::default(), 5), runs(&slow, 5));
    let outcome = |options: &Options| {
        let comparison = Comparison::of(&main, &slow, options, tool()).unwrap();
        measure(&comparison, "cpu_per_million").outcome
    };
    assert_eq!(outcome(&options()), Some(Outcome::Regression));
    let all = Options {
        threshold: Some(0.5),
        ..options()
    };
    assert_eq!(outcome(&all), Some(Outcome::NoDifference));
    let one = Options {
        thresholds: BTreeMap::from([("cpu_per_million".to_owned(), 0.01)]),
        ..all
    };
    assert_eq!(outcome(&one), Some(Outcome::Regression));
    let unknown = Options {
        thresholds: BTreeMap::from([("cpu".to_owned(), 0.01)]),
        ..options()
    };
    let error = Comparison::of(&main, &slow, &unknown, tool()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is no measure cpu; there are cpu_per_million")
    );
}

#[test]
fn a_latency_below_the_floor_of_the_tool_does_not_matter() {
    // 30.4 ms become 30.6 ms: less than the 310 µs that the tool itself needs.
    let later = Made {
        last: 1.005,
        ..Made::default()
    };
    let strict = Options {
        threshold: Some(0.001),
        ..options()
    };
    let (main, later) = (runs(&Made::default(), 5), runs(&later, 5));
    let comparison = Comparison::of(&main, &later, &strict, tool()).unwrap();
    let found = measure(&comparison, "last_stream_add_p99");
    assert_eq!(found.margin, 0.000_31);
    assert_ne!(found.outcome, Some(Outcome::Regression));
}

#[test]
fn what_cannot_be_told_apart_does_not_matter_however_often_it_is_measured() {
    let noisy = Made {
        routines_left: 207.0,
        ..Made::default()
    };
    let leak = Made {
        routines_left: 1_203.0,
        ..Made::default()
    };
    let main = runs(&Made::default(), 5);
    let outcome = |other: &Made| {
        let comparison = compared(&main, &runs(other, 5));
        measure(&comparison, "goroutines_left").outcome
    };
    assert_eq!(outcome(&noisy), Some(Outcome::NoDifference));
    assert_eq!(outcome(&leak), Some(Outcome::Regression));
    // A tick of 10 ms, on 40,000 addresses and on 1,000 streams.
    let comparison = compared(&main, &main);
    let of_zero = Options {
        threshold: Some(0.0),
        ..options()
    };
    let strict = Comparison::of(&main, &main, &of_zero, tool()).unwrap();
    for (key, least) in [("cpu_per_million", 0.25), ("cpu_per_open", 0.000_01)] {
        let margin = measure(&strict, key).margin;
        assert!((margin / least - 1.0).abs() < 1e-9, "{key}: {margin}");
        assert!(measure(&comparison, key).margin > least);
    }
}

#[test]
fn one_wrong_stream_is_a_regression_whatever_the_threshold() {
    let comparison = self_test();
    assert_eq!(
        measure(&comparison, "streams_wrong").outcome,
        Some(Outcome::Regression)
    );
    assert_eq!(comparison.outcome, Outcome::Regression);
    assert!(comparison.self_test && comparison.weak);
}

#[test]
fn one_run_a_side_is_resampled_by_cycles() {
    let slow = Made {
        last: 3.0,
        ..Made::default()
    };
    let comparison = compared(&runs(&Made::default(), 1), &runs(&slow, 1));
    let found = measure(&comparison, "last_stream_add_p99");
    let side = found.candidate.as_ref().unwrap();
    assert_eq!((side.of, side.values.len()), (Resampled::Cycles, 2));
    assert_eq!(found.outcome, Some(Outcome::Regression));
    // What only a whole run has is shown without an interval.
    let found = measure(&comparison, "cpu_per_open");
    assert_eq!(found.difference.unwrap().interval, None);
    assert_eq!(found.outcome, Some(Outcome::Inconclusive));
}

#[test]
fn what_is_not_the_same_is_refused_unless_forced() {
    let seeded = Made {
        seed: 8,
        ..Made::default()
    };
    let reference = Made {
        kind: TargetKind::Reference,
        ..Made::default()
    };
    let larger = Made {
        services: 20,
        ..Made::default()
    };
    let some = Made {
        targets: Some(3),
        ..Made::default()
    };
    let main = runs(&Made::default(), 1);
    for (other, said) in [
        (some, "it has client.targets.count 3, that has nothing"),
        (seeded, "it has the seed 8, that has 7"),
        (reference, "as its target the reference destination"),
        (larger, "it has churn.services 20, that has 10"),
    ] {
        let other = runs(&other, 1);
        let error = Comparison::of(&main, &other, &options(), tool()).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        let forced = Options {
            force: true,
            ..options()
        };
        let comparison = Comparison::of(&main, &other, &forced, tool()).unwrap();
        assert!(
            comparison.warnings[0].contains(said),
            "{:?}",
            comparison.warnings
        );
    }
    let judged = Made {
        limit: "900ms".into(),
        ..Made::default()
    };
    assert!(Comparison::of(&main, &runs(&judged, 1), &options(), tool()).is_ok());
}

#[test]
fn what_is_beyond_any_table_is_cut() {
    let comparison = compared(
        &runs(&Made::default(), 2),
        &runs(
            &Made {
                last: 400.0,
                ..Made::default()
            },
            2,
        ),
    );
    let row = prose::row(measure(&comparison, "last_stream_add_p99"));
    assert_eq!(row[3], ">+999 %");
    let both = text::render(&comparison, Style::PLAIN);
    assert!(
        both.lines().all(|line| line.chars().count() <= 80),
        "{both}"
    );
}

#[test]
fn runs_that_say_nothing_are_left_out_and_named() {
    let cut = Made {
        cut_off: true,
        ..Made::default()
    };
    let mut some = runs(&Made::default(), 5);
    some.extend(runs(&cut, 1));
    let main = runs(&Made::default(), 5);
    let comparison = compared(&main, &some);
    assert_eq!(comparison.candidate.runs, 5);
    assert_eq!(comparison.candidate.recordings.len(), 6);
    let told = "was left out: its recording was cut off";
    assert!(comparison.warnings.iter().any(|it| it.contains(told)));
    let error = Comparison::of(&main, &runs(&cut, 2), &options(), tool());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no run of the candidate is valid"));
    let nothing = Comparison::of(&[], &main, &options(), tool()).unwrap_err();
    assert_eq!(nothing.to_string(), "the baseline has no recording");
}

#[test]
fn a_self_test_is_not_compared_with_linkerd_though_both_headers_say_linkerd() {
    let run = |reference: Option<&str>| {
        let reference = reference.map(str::to_owned);
        let mut lines = samples::passed();
        let answered = Line::Identified(IdentifiedLine {
            at: At::ZERO,
            replica: 0,
            reference,
        });
        lines.insert(1, answered);
        let criteria = samples::criteria();
        vec![Run::of("run".into(), &lines, &criteria, true).unwrap()]
    };
    let tool = || Tool {
        version: "0".into(),
        commit: "0".into(),
    };
    let compared = |baseline, candidate| {
        let (baseline, candidate) = (run(baseline), run(candidate));
        Comparison::of(&baseline, &candidate, &Options::default(), tool())
    };
    let error = compared(None, Some("0.1.0")).unwrap_err().to_string();
    assert!(error.contains("the reference destination"), "{error}");
    assert!(compared(None, None).is_ok());
}
