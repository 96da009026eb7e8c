//! What a report says about the run's surroundings: a churner in another process, other clients of
//! the same controller, and the liveness probes of a kubelet.

use dst_load_recording::statistics::{Delay, Pings};
use dst_load_scenario::{
    action::Direction,
    words::{bytes, count, counted, number, seconds, span},
};

use super::{Report, clauses::Clauses, prose::Fact};

/// The memory that a destination controller may have with Linkerd's values for high availability
/// (`values-ha.yaml`, `destinationResources.memory.limit`); without them it has no limit.
const LINKERDS_LIMIT: u64 = 250 << 20;

/// The change that took longest, and where its time went.
pub(super) fn slowest(report: &Report) -> Option<String> {
    let change = report.slowest.as_ref()?;
    let what = match change.direction {
        Direction::Add => "added",
        Direction::Remove => "removed",
    };
    let endpoints = counted(change.endpoints.into(), "endpoint", "endpoints");
    let mut said = Clauses::of(format!(
        "at {} {endpoints} of {} {what}, {}",
        span(change.at_seconds),
        change.service,
        counted(change.audience.into(), "stream", "streams")
    ));
    said.seconds("Kubernetes took", change.kubernetes_seconds, "");
    said.seconds("first stream after", change.first_seconds, "");
    said.seconds("half after", change.p50_seconds, "");
    said.seconds("the last after", change.last_seconds, "");
    let delay = match change.delay() {
        Delay::Lost => {
            let streams = counted(change.never.into(), "stream", "streams");
            format!("never delivered to {streams}")
        }
        Delay::Start => "delayed before the first stream".to_owned(),
        Delay::Tail => "delayed after the first half of the streams".to_owned(),
        Delay::Spread => "serialized sends".to_owned(),
    };
    Some(format!("{}: {delay}", said.joined()))
}

/// The clock of a churner in another process.
pub(super) fn clock(report: &Report) -> Option<String> {
    let clock = report.clock.as_ref()?;
    let way = if clock.offset_seconds < 0.0 {
        "behind"
    } else {
        "ahead of"
    };
    let mut said = Clauses::of(format!(
        "churn's is {} {way} this one's, within {}; compared {}, at most {} apart",
        seconds(clock.offset_seconds.abs()),
        seconds(clock.uncertainty_seconds),
        counted(clock.measurements, "time", "times"),
        seconds(clock.drift_seconds),
    ));
    if clock.processes > 1 {
        let processes = counted(clock.processes, "process", "processes");
        said.say(format!("churn ran as {processes}"));
    }
    said.any()
}

/// What else there is to say of the target; nothing of the reference.
pub(super) fn about_target(report: &Report) -> Vec<Fact> {
    if report.is_self_test() {
        return Vec::new();
    }
    let used = &report.target.used;
    let memory = used
        .peak_rss_bytes
        .map(|peak| memory(peak, used.memory_limit_bytes));
    let others = used.foreign_streams.filter(|&streams| streams > 0);
    let others = others.map(|streams| {
        format!(
            "{} that this tool did not open, at most, at the edges of phases",
            counted(streams, "stream", "streams")
        )
    });
    [
        ("Memory limit", memory),
        ("Liveness", used.pings.as_ref().map(liveness)),
        ("Others", others),
    ]
    .into_iter()
    .filter_map(|(label, said)| Some((label, said?)))
    .collect()
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn memory(peak: u64, limit: Option<u64>) -> String {
    let share = |limit: u64| number((100.0 * peak as f64 / limit as f64).round());
    match limit {
        Some(limit) => format!(
            "at most {} % of its {} were resident",
            share(limit),
            bytes(limit as f64)
        ),
        None => format!(
            "not known; at most {} % of the {} that Linkerd's values for high availability set \
             were resident",
            share(LINKERDS_LIMIT),
            bytes(LINKERDS_LIMIT as f64)
        ),
    }
}

fn liveness(pings: &Pings) -> String {
    let slowest = pings.slowest_seconds.map_or_else(String::new, |slowest| {
        format!("; the slowest answer took {}", seconds(slowest))
    });
    format!(
        "liveness probes: {} sent, {} failed{slowest}",
        count(pings.sent),
        count(pings.failed)
    )
}

#[cfg(test)]
mod tests {
    use crate::{report::Report, verdict::Verdict};
    use dst_load_recording::{
        recording::{ClockLine, Line, PingLine, samples},
        warning::Warning,
    };
    use dst_load_scenario::{
        criteria::{Criterion, Unit},
        time::At,
    };

    fn report(more: impl IntoIterator<Item = Line>) -> Report {
        let mut lines = samples::passed();
        lines.extend(more);
        Report::of(&lines, &samples::criteria(), true).unwrap()
    }

    fn warnings(report: &Report) -> Vec<&Warning> {
        report.warnings.iter().map(|told| &told.warning).collect()
    }

    fn compared(uncertainty_us: u64) -> Line {
        Line::Clock(ClockLine {
            at: At::from_secs(1),
            start: "p1".into(),
            offset_us: -9_090_000,
            uncertainty_us,
        })
    }

    #[test]
    fn clocks_that_agree_well_enough_are_said_and_not_warned_of() {
        let told = report([compared(31), compared(40)]);
        assert_eq!(
            super::clock(&told).unwrap(),
            "churn's is 9.09 s behind this one's, within 40 µs; compared 2 times, at most 0 µs apart"
        );
        assert_eq!(warnings(&told), warnings(&report([])));
    }

    #[test]
    fn a_doubt_of_more_than_a_tenth_of_the_smallest_median_is_warned_of() {
        // Kubernetes took 800 ms.
        let told = report([compared(81_000)]);
        let warned = warnings(&told)
            .into_iter()
            .find_map(|warning| match warning {
                Warning::ClockUncertain {
                    uncertainty_seconds,
                    median_seconds,
                } => Some((*uncertainty_seconds, *median_seconds)),
                _ => None,
            });
        let (doubt, median) = warned.unwrap();
        assert!(
            doubt > 0.08 && (0.8..0.81).contains(&median),
            "{doubt} {median}"
        );
    }

    #[test]
    fn the_memory_that_linkerd_would_allow_is_information_where_no_limit_is_known() {
        let facts = super::about_target(&report([]));
        let (label, said) = &facts[0];
        assert_eq!(*label, "Memory limit");
        assert!(
            said.contains("of the 250 MiB that Linkerd's values"),
            "{said}"
        );
        assert!(
            super::memory(200 << 20, Some(400 << 20)).starts_with("at most 50 % of its 400 MiB")
        );
    }

    #[test]
    fn liveness_probes_are_counted_with_the_slowest() {
        let ping = |second, took_us| {
            Line::Ping(PingLine {
                at: At::from_secs(second),
                took_us,
                error: None,
            })
        };
        let told = report([ping(10, Some(900)), ping(20, None), ping(30, Some(3_200))]);
        let facts = super::about_target(&told);
        let said = facts.iter().find(|(label, _)| *label == "Liveness");
        assert_eq!(
            said.unwrap().1,
            "liveness probes: 3 sent, 1 failed; the slowest answer took 3.2 ms"
        );
        assert_eq!(told.verdict, Verdict::Pass);
    }

    #[test]
    fn through_a_forward_no_latency_is_judged_and_all_else_is() {
        let mut lines = samples::passed();
        if let Some(Line::Header(header)) = lines.first_mut() {
            header.target.forwarded = true;
        }
        // Not all of them meet this.
        let criteria = samples::criteria().with(Criterion::EveryClientWithin, 0.000_7);
        let told = Report::of(&lines, &criteria, true).unwrap();
        assert_eq!(told.verdict, Verdict::Pass, "{:?}", told.reasons);
        for judged in &told.criteria {
            let latency = judged.unit == Unit::Seconds;
            assert_eq!(judged.met.is_none(), latency, "{judged:?}");
            assert_eq!(judged.scope.contains("port-forward"), latency);
        }
        assert!(warnings(&told).contains(&&Warning::Forwarded));
        let direct = Report::of(&samples::passed(), &criteria, true).unwrap();
        assert_eq!(direct.verdict, Verdict::Fail);
    }
}
