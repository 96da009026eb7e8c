//! What one recording says of each measure, over the run and in each whole cycle.

use std::collections::BTreeMap;

use dst_load_recording::{
    recording::{ChangeLine, Header, Identities, Line, Phase, TargetSample},
    statistics::StageSummary,
    warning::{ProfiledChange, Warning},
};
use dst_load_scenario::{
    action::Direction, criteria::Criteria, plan::Planned, quantile::nearest_rank, time::At,
};
use strum::VariantArray;

use super::{
    measure::{Measure, Timed},
    profile::{Profile, ProfileKind, received},
};
use crate::{
    report::{Ending, Report},
    verdict::Verdict,
};

/// One run, as far as a comparison needs it. A recording of a day leaves no more than this.
#[derive(Clone, Debug)]
pub struct Run {
    /// Where its recording is, for people.
    pub place: String,
    /// Its recording's first line.
    pub header: Header,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why, most important first.
    pub reasons: Vec<String>,
    /// How it ended.
    pub ending: Ending,
    /// Its profiles that can be read.
    pub profiles: BTreeMap<ProfileKind, Profile>,
    /// What is wrong with those that cannot.
    pub profile_errors: Vec<String>,
    /// If it was profiled: how many addresses streams received while the CPU profile was taken, if
    /// that is known.
    pub(super) profiled: Option<Option<u64>>,
    values: BTreeMap<Measure, Values>,
}

/// What a run says of a measure.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// Over the run; `None` if it was not measured.
    pub(super) run: Option<f64>,
    /// In each whole cycle that says something of it.
    pub(super) cycles: Vec<f64>,
    /// Whether some of it is only a lower bound, for some deliveries never arrived.
    pub(super) at_least: bool,
    /// The resolution of the measure.
    pub(super) resolution: f64,
}

/// A sampled cost that only rises: CPU, bytes, objects.
type Counter = fn(&TargetSample) -> Option<f64>;

/// Between two samples lie 5 s, so that a shorter cycle would be given its neighbour's cost.
const SHORTEST_SAMPLED_CYCLE: f64 = 10.0;

/// Linux counts a process's CPU in ticks of so many seconds.
const TICK: f64 = 0.01;
/// Goroutines that scrapes and timers may have at one moment and not at another.
const SCRAPES: f64 = 5.0;
/// Heap that a collection may leave at one moment and not at another, bytes.
const LEFT_BYTES: f64 = 1_048_576.0;

/// What is gathered from the lines beside the report.
#[derive(Default)]
struct Gathered {
    opening: Option<At>,
    churning: Option<At>,
    settling: Option<At>,
    samples: Vec<TargetSample>,
    /// By direction: the cycle, and the time until the last stream received the change, seconds.
    last: BTreeMap<Direction, Vec<(u32, f64)>>,
    /// Which directions have changes that some stream never received.
    never: BTreeMap<Direction, u64>,
    /// By the slice's event: the cycle and the number of streams that should receive it.
    events: BTreeMap<(String, String, String), (u32, u32)>,
    /// Messages by the second's end.
    messages: Vec<(At, u64)>,
    snapshots: u64,
    /// Addresses that streams received, by the second's end.
    addresses: Vec<(At, u64)>,
    /// If it was profiled: the worst change's profile, if there is one.
    profiled: Option<Option<ProfiledChange>>,
}

/// The samples between which a run's costs lie.
struct Edges {
    before: Option<TargetSample>,
    opened: Option<TargetSample>,
    settled: Option<TargetSample>,
    left: Option<TargetSample>,
}

// === impl Run ===

impl Run {
    /// What the lines of a whole recording say, judged by these criteria. `None` if they have no
    /// header.
    #[must_use]
    pub fn of(
        place: String,
        lines: &[Line],
        criteria: &Criteria,
        planned: impl Into<Planned>,
    ) -> Option<Self> {
        let report = Report::of(lines, criteria, planned)?;
        let mut header = lines.iter().find_map(|line| match line {
            Line::Header(header) => Some(Header::clone(header)),
            _ => None,
        })?;
        header.target = Identities::of(lines).correct(&header.target);
        let mut gathered = Gathered::default();
        for line in lines {
            gathered.take(line, header.deadline_seconds);
        }
        let edges = gathered.edges();
        let values = Measure::VARIANTS
            .iter()
            .map(|&measure| (measure, gathered.values(measure, &report, &edges)))
            .collect();
        Some(Self {
            place,
            header,
            verdict: report.verdict,
            reasons: report.reasons,
            ending: report.ending,
            profiles: BTreeMap::new(),
            profile_errors: Vec::new(),
            profiled: (gathered.profiled)
                .map(|change| change.map(|change| received(&change, &gathered.addresses))),
            values,
        })
    }

    /// Whether its target was profiled, which disturbs it.
    pub(super) const fn was_profiled(&self) -> bool {
        self.profiled.is_some()
    }

    /// How many addresses streams received while the CPU profile was taken, if that is known.
    pub(super) fn profiled_addresses(&self) -> Option<u64> {
        self.profiled.flatten()
    }

    pub(super) fn values(&self, measure: Measure) -> &Values {
        &self.values[&measure]
    }

    /// Why this run says nothing that can be compared, if so.
    #[must_use]
    pub fn unfit(&self) -> Option<String> {
        let ended = match &self.ending {
            Ending::Complete => None,
            Ending::Interrupted => Some("it was interrupted before its plan ended".to_owned()),
            Ending::Failed { error } => Some(format!("it ended with an error: {error}")),
            Ending::Spared { reason } => Some(format!("it ended by itself: {reason}")),
            Ending::CutOff => Some("its recording was cut off".to_owned()),
        };
        ended.or_else(|| {
            let reason = self.reasons.first().map_or("", String::as_str);
            (self.verdict == Verdict::Invalid).then(|| format!("it is invalid: {reason}"))
        })
    }
}

// === impl Edges ===

impl Edges {
    /// Whether the target does not tell its heap.
    fn has_no_heap(&self) -> bool {
        let heap = |sample: &TargetSample| sample.heap_bytes;
        self.settled.as_ref().and_then(heap).is_none()
    }
}

// === impl Gathered ===

impl Gathered {
    fn take(&mut self, line: &Line, deadline: f64) {
        match line {
            Line::Phase { at, phase } => match phase {
                Phase::Opening => self.opening = Some(*at),
                Phase::Churning => self.churning = Some(*at),
                Phase::Settling => self.settling = Some(*at),
                Phase::Preparing | Phase::CleaningUp => {}
            },
            Line::Target(sample) => self.samples.push(sample.clone()),
            Line::Change(change) => self.change(change, deadline),
            Line::Second(second) => {
                self.messages.push((second.at, second.counts.messages));
                self.addresses.push((second.at, second.counts.addresses));
                self.snapshots += second.streams.snapshots;
            }
            Line::Warning {
                warning: Warning::Profiled { worst_change, .. },
                ..
            } => self.profiled = Some(*worst_change),
            _ => {}
        }
    }

    fn change(&mut self, change: &ChangeLine, deadline: f64) {
        if change.audience == 0 {
            return;
        }
        let last = change.last_us.map(|us| us as f64 * 1e-6);
        let last = if change.never > 0 {
            *self.never.entry(change.direction).or_default() += 1;
            Some(last.unwrap_or_default().max(deadline))
        } else {
            last
        };
        if let Some(last) = last {
            let all = self.last.entry(change.direction).or_default();
            all.push((change.cycle, last));
        }
        let event = (
            change.service.clone(),
            change.object.clone(),
            change.resource_version.clone(),
        );
        // The two directions of one event are two changes.
        let (_, audience) = self.events.entry(event).or_insert((change.cycle, 0));
        *audience = (*audience).max(change.audience);
    }

    fn edges(&self) -> Edges {
        let (opening, churning) = (self.opening, self.churning);
        let open = |sample: &&TargetSample| sample.our_streams != Some(0);
        let upto = |sample: &&TargetSample| churning.is_some_and(|at| sample.at <= at);
        let since = |sample: &&TargetSample| opening.is_some_and(|at| sample.at >= at);
        let settled = |sample: &&TargetSample| self.settling.is_some_and(|at| sample.at >= at);
        let samples = || self.samples.iter();
        let before = samples().filter(upto).rfind(|sample| !open(sample));
        let opened = samples().filter(upto).filter(since).rfind(open);
        let end = samples().rfind(open);
        let left = samples().filter(settled).rfind(|sample| !open(sample));
        // A restarted process counts from zero again, and nothing can be said.
        let starts = samples().filter_map(|sample| sample.start_seconds);
        let (low, high) = starts.fold((f64::MAX, f64::MIN), |(low, high), start| {
            (low.min(start), high.max(start))
        });
        let whole = high - low <= 1.0;
        let kept = |sample: Option<&TargetSample>| sample.filter(|_| whole).cloned();
        Edges {
            before: kept(before),
            opened: kept(opened),
            settled: kept(end.filter(|end| opened.is_some_and(|opened| end.at > opened.at))),
            left: kept(left),
        }
    }

    fn values(&self, measure: Measure, report: &Report, edges: &Edges) -> Values {
        // Where it is not known of all replicas, it is none that could be compared.
        let used = &report.target.used;
        let is_part = !used.replicas_unread.is_empty() || used.replicas_unnamed > 0;
        if measure.is_cost() && is_part {
            return Values::default();
        }
        match measure.timed() {
            // A run may be proof of something else.
            Some(_) if report.latency_in_doubt => Values::default(),
            Some(Timed::LastStream(direction)) => self.last_stream(direction, report),
            Some(Timed::Destination(direction, key)) => destination(direction, key, report),
            None => self.untimed(measure, report, edges),
        }
    }

    fn untimed(&self, measure: Measure, report: &Report, edges: &Edges) -> Values {
        match measure {
            Measure::CpuPerMillion => Values {
                resolution: million(TICK, delivered(&report.latency)),
                ..self.per_address(|s| s.cpu_seconds, 1e6, report, edges)
            },
            Measure::AllocatedPerMillion => {
                self.per_address(|s| s.allocated_bytes, 1e6, report, edges)
            }
            Measure::AllocationsPerAddress => {
                self.per_address(|s| s.allocations, 1.0, report, edges)
            }
            Measure::MessagesPerEvent => self.messages_per_event(report),
            // Without Go's metrics the report's floor is resident memory.
            Measure::HeapFloor if edges.has_no_heap() => Values::default(),
            Measure::HeapFloor => Values {
                run: heap_floor(report),
                cycles: cycles(report, |cycle| cycle.heap_floor_bytes),
                ..Values::default()
            },
            Measure::PeakRss => Values {
                run: report.target.used.peak_rss_bytes.map(whole),
                cycles: cycles(report, |cycle| cycle.peak_rss_bytes.map(whole)),
                ..Values::default()
            },
            Measure::Never => Values {
                run: (report.fan_out.changes > 0).then(|| whole(never(&report.latency))),
                cycles: cycles(report, |cycle| Some(whole(never(&cycle.latency)))),
                ..Values::default()
            },
            measure => Values {
                run: of_run(measure, report, edges),
                resolution: resolution(measure, report),
                ..Values::default()
            },
        }
    }

    /// What a counter rose by while churning, for so many addresses that a stream learnt of:
    /// redundant ones are cost and no gain.
    fn per_address(&self, counter: Counter, each: f64, report: &Report, edges: &Edges) -> Values {
        let between = |from: &TargetSample, to: &TargetSample| {
            Some(counter(to)? - counter(from)?).filter(|used| *used >= 0.0)
        };
        let (Some(from), Some(to)) = (&edges.opened, &edges.settled) else {
            return Values::default();
        };
        let ratio = |used: Option<f64>, latency: &StageSummary| {
            let delivered = delivered(latency);
            used.filter(|_| delivered > 0)
                .map(|used| used / whole(delivered) * each)
        };
        Values {
            run: ratio(between(from, to), &report.latency),
            cycles: cycles(report, |cycle| {
                if cycle.to_seconds - cycle.from_seconds < SHORTEST_SAMPLED_CYCLE {
                    return None;
                }
                let at = |seconds| self.reading(counter, seconds);
                let used = at(cycle.to_seconds)? - at(cycle.from_seconds)?;
                ratio(Some(used), &cycle.latency)
            }),
            ..Values::default()
        }
    }

    /// What a counter said at an instant, on the line between the samples around it.
    fn reading(&self, counter: Counter, seconds: f64) -> Option<f64> {
        let after = self
            .samples
            .partition_point(|sample| sample.at.as_secs_f64() < seconds);
        let (before, after) = (
            self.samples.get(after.checked_sub(1)?)?,
            self.samples.get(after)?,
        );
        let (from, to) = (before.at.as_secs_f64(), after.at.as_secs_f64());
        let (low, high) = (counter(before)?, counter(after)?);
        Some(low + (high - low) * (seconds - from) / (to - from).max(1e-6))
    }

    fn messages_per_event(&self, report: &Report) -> Values {
        let ratio = |messages: u64, audience: u64| {
            (audience > 0).then(|| whole(messages) / whole(audience))
        };
        let audience = |of: &dyn Fn(u32) -> bool| -> u64 {
            let events = self.events.values().filter(|(cycle, _)| of(*cycle));
            events.map(|(_, audience)| u64::from(*audience)).sum()
        };
        let messages: u64 = self.messages.iter().map(|(_, messages)| messages).sum();
        Values {
            run: ratio(messages.saturating_sub(self.snapshots), audience(&|_| true)),
            cycles: cycles(report, |cycle| {
                let within = |at: &At| {
                    let at = at.as_secs_f64();
                    at > cycle.from_seconds && at <= cycle.to_seconds
                };
                let seconds = self.messages.iter().filter(|(at, _)| within(at));
                let messages = seconds.map(|(_, messages)| messages).sum();
                ratio(messages, audience(&|of| of == cycle.cycle))
            }),
            ..Values::default()
        }
    }

    fn last_stream(&self, direction: Direction, report: &Report) -> Values {
        let Some(all) = self.last.get(&direction) else {
            return Values::default();
        };
        let p99 = |of: &dyn Fn(u32) -> bool| {
            let of = all.iter().filter(|(cycle, _)| of(*cycle));
            let mut times: Vec<_> = of.map(|&(_, time)| time).collect();
            times.sort_by(f64::total_cmp);
            let rank = nearest_rank(0.99, times.len() as u64)?;
            times.get(usize::try_from(rank).ok()? - 1).copied()
        };
        // Changes that some stream never learnt of are the last in rank.
        let rank = nearest_rank(0.99, all.len() as u64).unwrap_or_default();
        let never = self.never.get(&direction).copied().unwrap_or_default();
        Values {
            run: p99(&|_| true),
            cycles: cycles(report, |cycle| p99(&|of| of == cycle.cycle)),
            at_least: rank > all.len() as u64 - never,
            resolution: 0.0,
        }
    }
}

/// A measure that only the whole run has.
fn of_run(measure: Measure, report: &Report, edges: &Edges) -> Option<f64> {
    let streams = whole(report.streams.opened);
    let delivered = delivered(&report.latency);
    let each = |total: f64| (delivered > 0).then(|| total / whole(delivered) * 1e6);
    let opened = |counter: Counter| {
        let (before, opened) = (edges.before.as_ref()?, edges.opened.as_ref()?);
        let used = counter(opened)? - counter(before)?;
        (streams > 0.0 && used >= 0.0).then(|| used / streams)
    };
    let beyond = |after: &Option<TargetSample>, gauge: Counter| {
        Some(gauge(after.as_ref()?)? - gauge(edges.before.as_ref()?)?)
    };
    match measure {
        Measure::CpuPerOpen => opened(|s| s.cpu_seconds),
        Measure::AllocatedPerOpen => opened(|s| s.allocated_bytes),
        Measure::GoroutinesPerStream => opened(|s| s.goroutines),
        Measure::CpuIdle => report.target.used.idle_cpu_cores,
        Measure::HeapFixed => edges.before.as_ref()?.heap_bytes,
        Measure::HeapPerStream => {
            let fixed = edges.before.as_ref()?.heap_bytes?;
            (streams > 0.0).then_some((heap_floor(report)? - fixed) / streams)
        }
        Measure::HeapLeft => {
            // Until garbage is collected the heap holds what the streams left as much as what is
            // still used.
            let (settled, left) = (edges.settled.as_ref()?, edges.left.as_ref()?);
            let collected = left.collected_seconds? != settled.collected_seconds?;
            beyond(&edges.left, |s| s.heap_bytes).filter(|_| collected)
        }
        Measure::GoroutinesLeft => beyond(&edges.left, |s| s.goroutines),
        Measure::StreamsWrong => (report.correctness.streams_checked > 0)
            .then(|| whole(report.correctness.streams_wrong)),
        Measure::Resets => Some(whole(report.streams.unexpected_resets)),
        Measure::Redundant => each(whole(report.correctness.redundant)),
        Measure::Deliveries => Some(whole(delivered)),
        _ => None,
    }
}

/// The resolution of a measure of the whole run.
fn resolution(measure: Measure, report: &Report) -> f64 {
    let streams = whole(report.streams.opened.max(1));
    match measure {
        Measure::CpuPerOpen => TICK / streams,
        // Those that answer the scrape itself come and go.
        Measure::GoroutinesLeft => (streams / 100.0).max(SCRAPES),
        Measure::HeapLeft => LEFT_BYTES,
        _ => 0.0,
    }
}

fn million(total: f64, delivered: u64) -> f64 {
    if delivered == 0 {
        return 0.0;
    }
    total / whole(delivered) * 1e6
}

fn destination(direction: Direction, key: &str, report: &Report) -> Values {
    let of = |latency: &StageSummary| {
        let both = &latency.destination;
        match direction {
            Direction::Add => both.add.quantile(key),
            Direction::Remove => both.remove.quantile(key),
        }
    };
    let run = of(&report.latency);
    Values {
        run: run.map(|(value, _)| value),
        cycles: cycles(report, |cycle| of(&cycle.latency).map(|(value, _)| value)),
        at_least: run.is_some_and(|(_, censored)| censored),
        resolution: 0.0,
    }
}

/// A value of each whole cycle that has one.
fn cycles(
    report: &Report,
    of: impl Fn(&dst_load_recording::statistics::CycleSummary) -> Option<f64>,
) -> Vec<f64> {
    let whole = report.cycles.iter().filter(|cycle| cycle.whole);
    whole.filter_map(of).collect()
}

/// The median over cycles of the lowest live heap in their second half.
fn heap_floor(report: &Report) -> Option<f64> {
    let mut floors = cycles(report, |cycle| cycle.heap_floor_bytes);
    floors.sort_by(f64::total_cmp);
    let (low, high) = (floors.len().checked_sub(1)? / 2, floors.len() / 2);
    Some(f64::midpoint(floors[low], floors[high]))
}

fn delivered(latency: &StageSummary) -> u64 {
    let both = &latency.destination;
    both.add.count + both.remove.count - both.add.never - both.remove.never
}

const fn never(latency: &StageSummary) -> u64 {
    latency.destination.add.never + latency.destination.remove.never
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
const fn whole(count: u64) -> f64 {
    count as f64
}
