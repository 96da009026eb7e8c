//! Claims about runs in which some Services could not be judged.

use std::collections::BTreeSet;

use dst_load_oracle::promise::Unjudged;

use super::*;

fn seen(wrong: u64, checked: u64) -> Summary {
    let mut seen = summary();
    seen.correctness.streams_wrong = wrong;
    seen.correctness.streams_checked = checked;
    seen.correctness.streams_unjudged = 4;
    let services = BTreeSet::from(["web".to_owned()]);
    seen.correctness
        .unjudged
        .insert(Unjudged::Ipv6Unknown, services);
    seen
}

#[test]
fn what_is_not_judged_is_no_pass_and_says_what_would_make_it_judgeable() {
    for checked in [0, 10] {
        let judged = judge(&Criteria::default(), &seen(0, checked), REAL);
        assert_eq!(judged.verdict, Verdict::Invalid);
        assert_eq!(judged.reasons.len(), 1, "{:?}", judged.reasons);
        let said = &judged.reasons[0];
        assert!(
            said.contains("the Service web could not be judged"),
            "{said}"
        );
        assert!(said.contains("target: {ipv6: false}"), "{said}");
        let correctness = &judged.criteria[0];
        assert_eq!(correctness.met, None);
        assert!(correctness.scope.contains("4 streams could not be judged"));
    }
}

#[test]
fn what_is_wrong_elsewhere_fails_all_the_same() {
    let judged = judge(&Criteria::default(), &seen(1, 10), REAL);
    assert_eq!(judged.verdict, Verdict::Fail);
    assert_eq!(judged.criteria[0].met, Some(false));
    assert!(judged.reasons[0].starts_with("correctness: 1 of 10"));
    assert!(judged.reasons[1].contains("could not be judged"));
}
