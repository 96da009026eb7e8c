//! Claims about numbers that a run does not have, or that say nothing.

use dst_load_recording::recording::{Line, samples};

use super::*;
use crate::{compare::measure::Measure, verdict::Verdict};

#[test]
fn what_the_candidate_alone_lacks_is_inconclusive() {
    let without = Made {
        edges: false,
        ..Made::default()
    };
    let whole = runs(&Made::default(), 5);
    let comparison = compared(&whole, &runs(&without, 5));
    let lost = measure(&comparison, "heap_fixed");
    assert_eq!(lost.outcome, Some(Outcome::Inconclusive));
    assert_eq!(lost.note.as_deref(), Some("not measured in the candidate"));
    assert_eq!(comparison.outcome, Outcome::Inconclusive);
    assert_eq!(compared(&whole, &whole).outcome, Outcome::NoDifference);
}

#[test]
fn a_run_of_a_late_generator_may_prove_a_wrong_end_and_has_no_latency_to_compare() {
    let mut lines = samples::invalid();
    for line in &mut lines {
        if let Line::EndState(end) = line {
            (end.streams_wrong, end.missing) = (1, 1);
        }
    }
    let run = Run::of("it".to_owned(), &lines, &samples::criteria(), true).unwrap();
    assert_eq!((run.verdict, run.unfit()), (Verdict::Fail, None));
    let value = |key: &str| {
        let measure = Measure::VARIANTS.iter().find(|it| it.key() == key).unwrap();
        run.values(*measure).run
    };
    assert_eq!(value("streams_wrong"), Some(1.0));
    assert_eq!(value("destination_add_p99"), None);
    assert_eq!(value("last_stream_add_p99"), None);
}
