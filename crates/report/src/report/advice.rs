//! What to try next: it follows from what was found, and names the finding.

use dst_load_recording::statistics::Delay;
use dst_load_scenario::{
    criteria::Unit,
    words::{counted, seconds},
};

use super::{Ending, Report, path};
use crate::verdict::{Advice, GENERATOR, STARVED, Verdict};

/// What follows from the findings, most important first; empty where there is nothing to do.
pub(super) fn recommendations(report: &Report) -> Vec<String> {
    let mut all = Vec::new();
    if report.ending == Ending::Interrupted {
        all.push("Run it again, and let its plan come to its end.".to_owned());
    } else if report.verdict == Verdict::Invalid {
        all.push(invalid(report));
    }
    let starved = path::starved_by_stalled(report);
    let is_starved = starved.is_some();
    all.extend(starved);
    // Those held what they had when nothing more came.
    all.extend(correctness(report).filter(|_| !is_starved));
    for judged in report.criteria.iter().filter(|it| it.met == Some(false)) {
        let said = match judged.observation().advice {
            // Why is said above.
            Advice::Slow if is_starved => continue,
            Advice::Slow => slow(report),
            Advice::Resets => resets(report),
            Advice::Words(words) => words.to_owned(),
            // What streams hold has been said above, of a violation or not.
            Advice::WrongStreams | Advice::Nothing => continue,
        };
        if !all.contains(&said) {
            all.push(said);
        }
    }
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
        None => return format!("A latency criterion is violated. Look at the controller: {busy}."),
        Some((Delay::Lost, change)) => format!(
            "the slowest change was never delivered to {}: look for queue overflows and resets",
            counted(change.never.into(), "stream", "streams")
        ),
        Some((Delay::Start, change)) => format!(
            "the slowest change was delayed by {} before the first stream: the controller was late to begin \
             (informers, locks, garbage collection), not slow to send",
            change.first_seconds.map(seconds).unwrap_or_default()
        ),
        Some((Delay::Tail, _)) => {
            "the slowest change was delayed after the first half of the streams: look at streams with \
             full windows, and at the goroutines that send"
                .to_owned()
        }
        Some((Delay::Spread, _)) => {
            "the slowest change shows serialized sends: sending is the bottleneck, and CPU \
             or another replica helps"
                .to_owned()
        }
    };
    format!("A latency criterion is violated: {why}. The controller: {busy}.")
}

fn resets(report: &Report) -> String {
    if report.streams.overflows > 0 {
        "Streams closed unexpectedly, and the controller counted queues that were full: give the controller more CPU, spread the \
         streams over more replicas, or raise -stream-queue-capacity; each such stream asks for \
         everything again."
            .to_owned()
    } else if report.target.used.samples == 0 {
        "Streams closed unexpectedly; whether a queue overflowed is not known without the controller's \
         metrics: give --destination-metrics, and look at what lies between (proxies, load \
         balancers, idle timeouts)."
            .to_owned()
    } else {
        "Streams closed unexpectedly although no queue overflowed: look whether the controller restarted, \
         and at what lies between (proxies, load balancers, idle timeouts)."
            .to_owned()
    }
}
