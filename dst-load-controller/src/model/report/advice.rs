//! What to try next: it follows from what was found, and names the finding.

use super::{Ending, Report};
use crate::model::{
    statistics::Delay,
    verdict::{GENERATOR, Judged, STARVED, Unit, Verdict},
    words::{counted, seconds},
};

/// What follows from the findings, most important first; empty where there is nothing to do.
pub(super) fn recommendations(report: &Report) -> Vec<String> {
    let mut all = Vec::new();
    if report.ending == Ending::Interrupted {
        all.push("Run it again, and let its plan come to its end.".to_owned());
    } else if report.verdict == Verdict::Invalid {
        all.push(invalid(report));
    }
    all.extend(correctness(report));
    let broken = report.criteria.iter().filter(|it| it.held == Some(false));
    let mut latency = false;
    for judged in broken {
        let name = judged.name.split([' ', '.']).next().unwrap_or_default();
        match name {
            "updateLatency" | "everyClientWithin" if !latency => {
                latency = true;
                all.push(slow(report));
            }
            "endToEnd" => all.push(
                "End to end broke its limit: compare the Kubernetes stage with the destination stage \
                 in the table. What is Kubernetes' needs more of its controllers (their qps), not of \
                 Linkerd's."
                    .to_owned(),
            ),
            "sendTimeoutRate" | "unexpectedResets" => all.push(resets(report)),
            "errorRate" => all.push(
                "Streams ended with errors: the codes are beside the streams above; look for them in \
                 the controller's log (`kubectl logs -c destination`)."
                    .to_owned(),
            ),
            "redundant" => all.push(
                "Clients were told what they knew: addresses that nothing explains cost every proxy \
                 and the controller. Compare with a build that does not, under the same seed."
                    .to_owned(),
            ),
            "throughputMin" => all.push(
                "Fewer deliveries a second than asked for: look whether the controller's CPU was used \
                 up, or the streams' windows were full."
                    .to_owned(),
            ),
            "target" => all.extend(target(judged)),
            _ => {}
        }
    }
    all.dedup();
    all
}

/// What helps an invalid run, as far as its reasons say.
fn invalid(report: &Report) -> String {
    let because = |of: &str| report.reasons.iter().any(|reason| reason.starts_with(of));
    let mut helps = Vec::new();
    if because(GENERATOR) {
        helps.push("a machine with nothing else to do, or fewer streams");
    }
    if because(STARVED) {
        helps.push("longer holds for Kubernetes");
    }
    let helps = match helps.as_slice() {
        [] => String::new(),
        helps => format!(": {}", helps.join("; ")),
    };
    format!(
        "Remove what made the run invalid (the reasons above) before reading any number of \
         it{helps}."
    )
}

fn correctness(report: &Report) -> Option<String> {
    let c = &report.correctness;
    if c.streams_wrong > 0 && report.observer.is_blind() {
        return Some(format!(
            "{} held other than a LIST of the cluster says, and the observer was blind: run it again \
             over a connection that stays up before reporting anything.",
            counted(c.streams_wrong, "stream", "streams")
        ));
    }
    let proxies = match (c.stale + c.unexpected, c.missing) {
        (0, _) => "real proxies would send nothing to what is missing",
        (_, 0) => "real proxies would send traffic there",
        _ => "real proxies would send traffic there, and nothing to what is missing",
    };
    let next = if report.is_self_test() {
        "This is the tool's own destination: unless the scenario asks for a fault that does this, \
         attach this run's recording to an issue of the tool."
    } else {
        "Run `stale-state` on the same build to see which known behaviour it is, and attach this \
         run's recording to an issue."
    };
    (c.streams_wrong > 0).then(|| {
        format!(
            "{} held wrong endpoints at the end: {proxies}. {next}",
            counted(c.streams_wrong, "stream", "streams")
        )
    })
}

/// What broke a latency limit, as far as the slowest change and the target's CPU tell.
fn slow(report: &Report) -> String {
    let busy = match report.target.used.cpu_max_cores {
        Some(cores) => {
            let cores = Unit::Cores.words(cores);
            format!("it used at most {cores} between two samples: compare that with its limit")
        }
        None if report.virtual_time => {
            "virtual time has no CPU, so that nothing is slow for want of it".to_owned()
        }
        None => "its CPU is not known: give --destination-metrics or --prometheus".to_owned(),
    };
    let why = match report.slowest.as_ref().map(|it| (it.delay(), it)) {
        None => return format!("A latency limit broke. Look at the controller: {busy}."),
        Some((Delay::Lost, change)) => format!(
            "of the slowest change {} never learnt: look for queue overflows and resets",
            counted(change.never.into(), "stream", "streams")
        ),
        Some((Delay::Start, change)) => format!(
            "of the slowest change even the first stream waited {}: the controller was late to begin \
             (informers, locks, garbage collection), not slow to spread",
            change.first_seconds.map(seconds).unwrap_or_default()
        ),
        Some((Delay::Tail, _)) => {
            "half of the streams knew the slowest change early and others waited: look at streams with \
             full windows, and at the goroutines that send"
                .to_owned()
        }
        Some((Delay::Spread, _)) => {
            "the slowest change reached one stream after the other: sending is the bottleneck, and CPU \
             or another replica helps"
                .to_owned()
        }
    };
    format!("A latency limit broke: {why}. The controller: {busy}.")
}

fn resets(report: &Report) -> String {
    if report.streams.overflows > 0 {
        "Streams ended unasked, and the controller counted queues that were full: give the controller more CPU, spread the \
         streams over more replicas, or raise -stream-queue-capacity; each such stream asks for \
         everything again."
            .to_owned()
    } else if report.target.used.samples == 0 {
        "Streams ended unasked; whether a queue overflowed is not known without the controller's \
         metrics: give --destination-metrics, and look at what lies between (proxies, load \
         balancers, idle timeouts)."
            .to_owned()
    } else {
        "Streams ended unasked although no queue overflowed: look whether the controller restarted, \
         and at what lies between (proxies, load balancers, idle timeouts)."
            .to_owned()
    }
}

fn target(judged: &Judged) -> Option<String> {
    let said = match judged.name.as_str() {
        "target.memoryGrowthPerCycle" => {
            "Memory grew from one cycle to the next: take a heap profile at the end of two holds \
             and compare them; repeat with more cycles to see whether it goes on."
        }
        "target.memoryGrowthPerHour" => {
            "Memory grew over the run: take two heap profiles at equal load and compare them; repeat \
             for longer to see whether it goes on."
        }
        "target.memoryMax" | "target.memorySpike" => {
            "The controller used more memory than asked for: spread the streams over more replicas, or \
             raise its limit to what this run needed with one replica lost."
        }
        "target.cpuMax" => {
            "The controller used more CPU than asked for: below its limit latency holds, at it every \
             change waits. Raise the request, or add a replica."
        }
        "target.restarts" => {
            "The controller restarted: `kubectl logs --previous -c destination` says why, and out of \
             memory is in `kubectl describe pod`."
        }
        "target.viewsActive" => {
            "The number of views is not that of the streams: views that stay are a leak, views that \
             lack are streams that are not served."
        }
        _ => return None,
    };
    Some(said.to_owned())
}
