//! The doubts that follow from the observer's health.
//!
//! Latencies, and everything else that depends on the order of events, need an observer that sees
//! each change in time. The end state depends on a consistent LIST only, so it is judged even if
//! the observer was late or blind.

use dst_load_recording::statistics::{Observer, Summary};
use dst_load_scenario::{
    criteria::{Criteria, Unit},
    words::counted,
};

use super::{
    Circumstances,
    doubt::{Doubt, Voids},
    validity::LAG_SHARE,
};

/// The doubts that the observer causes.
pub(super) fn doubts(
    criteria: &Criteria,
    summary: &Summary,
    circumstances: Circumstances,
) -> Vec<Doubt> {
    let observer = &summary.observer;
    let unverified = observer.unverified_reason.as_ref().map(|reason| Doubt {
        voids: Voids::Observed,
        short: "no LIST of the cluster could be read at the end",
        words: format!(
            "what the observer had seen could not be compared with a LIST of the cluster at the \
             end: {reason}"
        ),
    });
    let blind = blind(observer).map(|words| Doubt {
        voids: Voids::Order,
        short: "the observer was blind",
        words,
    });
    unverified
        .into_iter()
        .chain(late(criteria, observer, circumstances))
        .chain(blind)
        .collect()
}

/// The doubt that the observer saw changes late.
fn late(criteria: &Criteria, observer: &Observer, circumstances: Circumstances) -> Option<Doubt> {
    let limit = criteria
        .smallest_latency_limit()
        .filter(|_| circumstances.latency_is_judged)?;
    let (lag, most) = (observer.lag_p99_seconds?, limit.as_secs_f64() * LAG_SHARE);
    (lag > most).then(|| Doubt {
        voids: Voids::Timing,
        short: "the observer was late",
        words: format!(
            "latencies are unjudged: the observer was late by {} at p99, more than the {} that \
             these limits allow",
            Unit::Seconds.words(lag),
            Unit::Seconds.words(most)
        ),
    })
}

/// Why the observer was blind, if it was.
fn blind(observer: &Observer) -> Option<String> {
    if let Some(since) = observer.blind_since_seconds {
        let reason = observer
            .blind_reason
            .as_deref()
            .unwrap_or("no reason given");
        return Some(format!(
            "latencies are unjudged: the observer was blind from {} on: {reason}",
            Unit::Seconds.words(since)
        ));
    }
    (observer.differing_objects > 0).then(|| {
        let example = (observer.differences.first())
            .map_or_else(String::new, |example| format!("; for example {example}"));
        format!(
            "latencies are unjudged: the observer was blind: {} other than a LIST over a new \
             connection for longer than 5 s{example}",
            counted(observer.differing_objects, "object was", "objects were")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::verdict::tests::REAL;
    use dst_load_scenario::criteria::Criterion;

    fn within(millis: u64) -> Criteria {
        Criteria::from([
            (Criterion::EveryClientWithin, 10.0),
            (
                Criterion::UpdateLatencyP99,
                Duration::from_millis(millis).as_secs_f64(),
            ),
        ])
    }

    fn seen(observer: Observer) -> Summary {
        Summary {
            observer,
            ..Summary::default()
        }
    }

    fn late(seconds: f64) -> Summary {
        seen(Observer {
            lag_p99_seconds: Some(seconds),
            ..Observer::default()
        })
    }

    #[test]
    fn the_observer_may_be_late_by_a_fifth_of_the_smallest_limit() {
        let timing = |seconds, criteria: &Criteria| doubts(criteria, &late(seconds), REAL);
        assert!(timing(0.1, &within(500)).is_empty());
        let said = timing(0.101, &within(500));
        assert_eq!(said[0].voids, Voids::Timing);
        assert_eq!(
            said[0].words,
            "latencies are unjudged: the observer was late by 101 ms at p99, more than the 100 ms \
             that these limits allow"
        );
        assert!(timing(30.0, &Criteria::default()).is_empty());
        let forwarded = Circumstances {
            latency_is_judged: false,
            ..REAL
        };
        assert!(doubts(&within(500), &late(30.0), forwarded).is_empty());
    }

    #[test]
    fn a_blind_observer_voids_what_rests_on_the_order_of_events_and_no_end_state() {
        let blind = seen(Observer {
            blind_since_seconds: Some(9.0),
            blind_reason: Some("a heartbeat was not seen".into()),
            ..Observer::default()
        });
        let differed = seen(Observer {
            verified: Some(false),
            differing_objects: 2,
            differences: vec!["EndpointSlice shop/web-1: listed at 7, not seen".into()],
            ..Observer::default()
        });
        for summary in [&blind, &differed] {
            for criteria in [&within(500), &Criteria::default()] {
                let found = doubts(criteria, summary, REAL);
                assert_eq!(found.len(), 1);
                assert_eq!(found[0].voids, Voids::Order);
                assert!(
                    found[0].words.contains("the observer was blind"),
                    "{found:?}"
                );
            }
        }
    }

    #[test]
    fn without_a_list_at_the_end_nothing_can_be_said_of_it() {
        let unverified = seen(Observer {
            unverified_reason: Some("no answer for 30s".into()),
            ..Observer::default()
        });
        let found = doubts(&Criteria::default(), &unverified, REAL);
        assert_eq!(found[0].voids, Voids::Observed);
        assert!(found[0].words.ends_with("at the end: no answer for 30s"));
    }
}
