//! From deliveries to a second's line, and from lines to a summary.

mod cycles;
mod growth;
mod replicas;
mod retained;
mod target;
mod window;

use std::{collections::BTreeMap, time::Duration};

use dst_load_oracle::ledger::{Counts, Delivered, Outbox, Outcome, RetainedCounts, UpdateCounts};
use dst_load_scenario::{
    action::Direction,
    federation::{DiscoveryMode, Via},
    time::At,
};

use self::{
    cycles::Cycles, replicas::Replicas, retained::RetainedFold, target::TargetFold, window::Window,
};
pub use self::{growth::HeapGrowth, target::Target};
use super::{
    clock::ClockFold,
    latency::{Latency, Stage},
    merged::Merged,
    observer::ObserverFold,
    pings::PingFold,
    summary::{
        Correctness, Generator, HeldStreams, KubernetesApi, LatencySummary, PathTaken,
        PolicyController, StalledStreams, Streams, Summary, Updates, Way, WrongService,
    },
};
use crate::recording::{
    End, EndStateLine, EndpointsLine, GeneratorSample, Header, Identities, LatencyLine, Line,
    ObserverLagLine, PathInfo, Phase, Second, StreamCounts, Totals, absorb,
};

type Key = (u32, Stage, Direction, Option<Via>);

/// What gathers between two flushes.
#[derive(Debug, Default)]
pub struct Interval {
    /// Bytes received.
    pub bytes: u64,
    /// Counts of `Get` streams.
    pub streams: StreamCounts,
    /// Calls made again.
    pub kubernetes_errors: BTreeMap<String, u64>,
    /// The event loop's lateness, weighted by deliveries.
    pub loop_lag: Latency,
    /// The observers' lags, weighted by deliveries.
    pub observer_lag: Vec<ObserverLagLine>,
    /// How many endpoints there are, if that is worth a line.
    pub endpoints: Option<EndpointsLine>,
    counts: Counts,
    updates: UpdateCounts,
    latencies: BTreeMap<Key, Latency>,
    /// The destination stage by replica, where there are several.
    replicas: BTreeMap<u32, Latency>,
    first_endpoint: Latency,
    /// Those of streams that were between two tries.
    reconnect_gap: Latency,
    retained: RetainedCounts,
}

/// What a recording's lines add up to.
#[derive(Debug, Default)]
pub struct Statistics {
    requested: u64,
    path: Option<PathInfo>,
    /// Whether only some replicas' metrics are read.
    scrapes_some: bool,
    churn_started: Option<At>,
    now: At,
    ended: Option<End>,
    streams: StreamCounts,
    counts: Counts,
    updates: UpdateCounts,
    /// Whether some second does not say them.
    lacks_updates: bool,
    bytes: u64,
    kubernetes_errors: BTreeMap<String, u64>,
    loop_lag: Latency,
    run: Window,
    ways: BTreeMap<Via, Window>,
    busy_seconds: u64,
    last_busy: Option<u64>,
    correctness: Correctness,
    generator: Option<(GeneratorSample, u64)>,
    cycles: Cycles,
    target: TargetFold,
    policy_controller: TargetFold,
    replicas: Replicas,
    /// Replicas of the start for which no metrics were named, where some were.
    replicas_unnamed: u64,
    first_endpoint: Latency,
    reconnect_gap: Latency,
    retained: RetainedFold,
    clock: ClockFold,
    pings: PingFold,
    identities: Identities,
    observer: ObserverFold,
    merged: Merged,
    lines: Totals,
}

// === impl Interval ===

impl Interval {
    /// Takes in what a ledger handed on, its closed changes aside. Returns the deliveries made.
    pub fn absorb(&mut self, outbox: &Outbox) -> u64 {
        self.absorb_via(outbox, |_| None)
    }

    /// As [`Self::absorb`], of a run over two clusters and a Service that is asked for `through`
    /// something, or not.
    pub fn absorb_federated(&mut self, outbox: &Outbox, through: Option<DiscoveryMode>) -> u64 {
        self.absorb_via(outbox, |disturbed| Some(Via::of(through, disturbed)))
    }

    fn absorb_via(&mut self, outbox: &Outbox, via: impl Fn(bool) -> Option<Via>) -> u64 {
        self.counts.absorb(&outbox.counts);
        self.updates.absorb(outbox.updates);
        self.retained.absorb(outbox.retained);
        for first in &outbox.first_endpoints {
            let gap = first.between_tries.then_some(&mut self.reconnect_gap);
            for latency in gap.into_iter().chain([&mut self.first_endpoint]) {
                if first.never {
                    latency.record_never(first.latency, 1);
                } else {
                    latency.record(first.latency, 1);
                }
            }
        }
        for delivered in &outbox.deliveries {
            if let Some(replica) = delivered.replica {
                let latency = self.replicas.entry(replica).or_default();
                record(latency, delivered, delivered.destination);
            }
            let stages = [
                (Stage::Destination, Some(delivered.destination)),
                (Stage::EndToEnd, delivered.end_to_end),
            ];
            for (stage, latency) in stages {
                let Some(latency) = latency else { continue };
                let via = via(delivered.disturbed);
                let key = (delivered.cycle, stage, delivered.direction, via);
                let histogram = self.latencies.entry(key).or_default();
                record(histogram, delivered, latency);
            }
        }
        for stage in &outbox.kubernetes {
            self.latencies
                .entry((
                    stage.cycle,
                    Stage::Kubernetes,
                    stage.direction,
                    via(stage.disturbed),
                ))
                .or_default()
                .record(stage.latency, stage.deliveries);
        }
        for claimed in &outbox.claimed {
            self.latencies
                .entry((
                    claimed.cycle,
                    Stage::EndToEnd,
                    claimed.direction,
                    via(claimed.disturbed),
                ))
                .or_default()
                .record(claimed.end_to_end, 1);
        }
        (outbox
            .deliveries
            .iter()
            .filter(|it| it.outcome == Outcome::Learnt))
        .map(|it| it.times)
        .sum()
    }

    /// The line of the second that ends at `at`, and a fresh start; `None` if nothing happened.
    pub fn take(&mut self, at: At, streams_active: u64) -> Option<Second> {
        let taken = std::mem::take(self);
        let latencies: Vec<_> = taken
            .latencies
            .iter()
            .filter(|(_, latency)| latency.count() > 0)
            .map(|(&(cycle, stage, direction, via), latency)| LatencyLine {
                cycle,
                stage,
                direction,
                via,
                latency: latency.recorded(),
            })
            .collect();
        let recorded = |it: &Latency| (it.count() > 0).then(|| it.recorded());
        let first_endpoint = recorded(&taken.first_endpoint);
        let reconnect_gap = recorded(&taken.reconnect_gap);
        let retained = taken.retained;
        let retained = (retained != RetainedCounts::default()).then_some(retained);
        let nothing = latencies.is_empty()
            && retained.is_none()
            && first_endpoint.is_none()
            && taken.counts == Counts::default()
            && taken.updates == UpdateCounts::default()
            && taken.streams == StreamCounts::default()
            && taken.kubernetes_errors.is_empty()
            && taken.observer_lag.is_empty()
            && taken.endpoints.is_none();
        (!nothing).then(|| Second {
            at,
            bytes: taken.bytes,
            counts: taken.counts,
            updates: Some(taken.updates),
            streams: taken.streams,
            kubernetes_errors: taken.kubernetes_errors,
            latencies,
            replicas: replicas::lines(taken.replicas.iter()),
            first_endpoint,
            reconnect_gap,
            retained,
            // A loop that was never late is not worth a histogram; virtual time never is.
            loop_lag: (taken.loop_lag.max().is_some_and(|lag| !lag.value.is_zero()))
                .then(|| taken.loop_lag.histogram()),
            observer_lag: taken.observer_lag,
            streams_active,
            endpoints: taken.endpoints,
        })
    }
}

/// Counts deliveries that took so long, or at least so long.
fn record(latency: &mut Latency, delivered: &Delivered, took: Duration) {
    match delivered.outcome {
        Outcome::Learnt => latency.record(took, delivered.times),
        Outcome::Censored => latency.record_censored(took, delivered.times),
        Outcome::Never => latency.record_never(took, delivered.times),
    }
}

// === impl Statistics ===

impl Statistics {
    /// Folds all lines of a recording.
    #[must_use]
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Self {
        let mut statistics = Self::default();
        for line in lines {
            statistics.absorb(line);
        }
        statistics
    }

    /// Folds one line in.
    pub fn absorb(&mut self, line: &Line) {
        self.now = self.now.max(line.order().0);
        let mut merged = std::mem::take(&mut self.merged);
        merged.line(line, || self.totals());
        self.merged = merged;
        self.lines.add(line);
        match line {
            Line::Header(header) => {
                self.requested = header.streams_requested;
                self.path.clone_from(&header.path);
                let replicas = header.replicas.len().max(1);
                self.scrapes_some = ![0, replicas].contains(&header.metrics.len());
                self.replicas_unnamed = unnamed(header);
                self.replicas = Replicas::new(&header.replicas);
                self.cycles
                    .set_deadline(Duration::from_secs_f64(header.deadline_seconds));
            }
            Line::Phase { at, phase } => {
                if *phase == Phase::Churning {
                    self.churn_started = Some(*at);
                }
                self.target.phase(*at, *phase);
            }
            Line::Cycle { at, cycle } => {
                self.cycles.start(*cycle, *at);
                self.target.cycle_starts(*at);
            }
            Line::LastCycleEnds { at, whole } => {
                self.cycles.end_last(*at, *whole);
                self.target.last_cycle_ends(*at, *whole);
            }
            Line::Change(change) => {
                self.run.change(change);
                self.cycles
                    .window(change.cycle, |window| window.change(change));
            }
            Line::Second(second) => self.second(second),
            Line::Target(sample) => {
                if self.target.sample(sample) {
                    self.cycles.target(sample);
                }
            }
            Line::TargetSilent { at, error } => self.target.silent(*at, error),
            Line::PolicyController(sample) => {
                self.policy_controller.sample(sample);
            }
            Line::PolicyControllerSilent { at, error } => {
                self.policy_controller.silent(*at, error);
            }
            Line::Generator(sample) => {
                let peak = self
                    .generator
                    .as_ref()
                    .map_or(sample.rss_bytes, |(_, peak)| sample.rss_bytes.max(*peak));
                self.generator = Some((sample.clone(), peak));
            }
            Line::Ping(line) => self.pings.line(line),
            Line::Clock(line) => self.clock.line(line),
            Line::Identified(line) => self.identities.absorb(line),
            Line::Replicas { addresses, .. } => self.replicas.found(addresses),
            Line::Warning { .. } => {}
            Line::Observer(line) => self.observer.line(line),
            Line::EndState(end) => {
                self.replicas.ended(end);
                self.retained.ended(end.retained);
                let all = &mut self.correctness;
                all.streams_checked += end.streams_checked;
                all.streams_wrong += end.streams_wrong;
                all.streams_unchecked += end.streams_unchecked;
                all.missing += end.missing;
                all.stale += end.stale;
                all.unexpected += end.unexpected;
                all.stale_endpoint_seconds += end.stale_seconds;
                all.streams_unjudged += end.streams_unjudged;
                if let Some(reason) = end.unjudged {
                    let services = all.unjudged.entry(reason).or_default();
                    services.insert(end.service.clone());
                }
                if end.streams_wrong > 0 {
                    wrong_service(&mut all.services, end);
                }
                all.examples.extend(
                    end.examples
                        .iter()
                        .take(EXAMPLES.saturating_sub(all.examples.len()))
                        .cloned(),
                );
            }
            Line::End(end) => self.ended = Some(end.clone()),
        }
    }

    /// The last line, if the recording has one.
    #[must_use]
    pub const fn ended(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    /// What the destination's responses have said of whose it is.
    #[must_use]
    pub const fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The summary of what has been folded so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut target = self.target.summary();
        target.pings = self.pings.summary();
        target.replicas_unread = self.replicas.unsampled().to_vec();
        target.replicas_unnamed = self.replicas_unnamed;
        let mut correctness = self.correctness.clone();
        correctness.redundant = self.counts.redundant;
        correctness.repeated = self.counts.repeated;
        correctness.stale_endpoint_seconds += self.counts.stale_seconds;
        correctness.unexpected_mended = self.counts.unexpected_mended;
        correctness.late = self.counts.late;
        correctness.superseded = self.counts.superseded;
        correctness.excluded = self.counts.excluded;
        correctness.premature = self.counts.premature;
        correctness.early = self.counts.early;
        let updates = (!self.lacks_updates).then_some(self.updates);
        let (latency, fan_out) = (self.run.stages(), self.run.fan_out());
        let deliveries = latency.destination.add.count + latency.destination.remove.count
            - latency.destination.add.censored
            - latency.destination.remove.censored;
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let rate = (self.busy_seconds > 0).then(|| deliveries as f64 / self.busy_seconds as f64);
        Summary {
            duration_seconds: self
                .now
                .since(self.churn_started.unwrap_or_default())
                .as_secs_f64(),
            streams: Streams {
                requested: self.requested,
                opened: self.streams.opened,
                reopened: self.streams.reopened,
                snapshots: self.streams.snapshots,
                unexpected_resets: self.streams.unexpected_resets(),
                overflows: target.overflows.unwrap_or_default(),
                drained: self.streams.drained,
                errors: self.streams.foreign_errors(),
                errors_by_code: self.streams.errors.clone(),
                not_found: self.streams.not_found,
                connection_errors: self.streams.connection_errors.clone(),
                closed: self.streams.closed,
                proxy: self.streams.proxy,
                path: (self.path.as_ref()).map(|path| {
                    let seen = self.target.connections();
                    PathTaken::of(path, seen.filter(|_| !self.scrapes_some))
                }),
                stalled: (self.path.as_ref())
                    .and_then(|path| StalledStreams::of(path, &self.streams.stalled)),
                first_endpoint: LatencySummary::of(&self.first_endpoint),
                reconnect_gap: LatencySummary::of(&self.reconnect_gap),
                retained: self.retained.summary(),
            },
            profiles: HeldStreams::of(&self.streams.profiles),
            policies: HeldStreams::of(&self.streams.policies),
            policy_controller: PolicyController::of(self.policy_controller.summary()),
            replicas: self.replicas.summaries(),
            latency,
            ways: (self.ways.iter())
                .map(|(&via, window)| Way {
                    via,
                    latency: window.stages(),
                })
                .collect(),
            fan_out,
            slowest: self.run.slowest(),
            correctness,
            updates: Updates {
                messages: self.counts.messages,
                addresses: self.counts.addresses,
                bytes: self.bytes,
                counted: updates.map(|it| it.counted),
                due: updates.map(|it| it.due),
                repeated: updates.map(|it| it.repeated),
                resync: updates.map(|it| it.resync),
                deliveries_per_second: rate,
            },
            generator: Generator {
                cpu_seconds: self.generator.as_ref().map(|(last, _)| last.cpu_seconds),
                peak_rss_bytes: self.generator.as_ref().map(|&(_, peak)| peak),
                loop_lag_p99_seconds: self
                    .loop_lag
                    .quantile(0.99)
                    .map(|quantile| quantile.value.as_secs_f64()),
            },
            observer: self.observer.summary(),
            target,
            kubernetes: KubernetesApi {
                errors: self.kubernetes_errors.clone(),
                starved: self.counts.starved,
                untimed_changes: self.counts.untimed_changes,
            },
            cycles: self.cycles.summaries(self.now),
            clock: self.clock.summary(),
            merged: self.merged.clone(),
        }
    }

    /// What has been folded so far, as an end says it.
    fn totals(&self) -> Totals {
        let mut totals = self.lines;
        let latencies = self.run.latencies.values();
        (totals.latencies, totals.never) = latencies.fold((0, 0), |(all, never), latency| {
            (all + latency.count(), never + latency.never())
        });
        totals.changes = self.run.changes();
        totals.messages = self.counts.messages;
        totals.streams_checked = self.correctness.streams_checked;
        totals.streams_wrong = self.correctness.streams_wrong;
        totals
    }

    fn second(&mut self, second: &Second) {
        self.bytes += second.bytes;
        self.counts.absorb(&second.counts);
        self.lacks_updates |= second.updates.is_none();
        self.updates.absorb(second.updates.unwrap_or_default());
        self.streams.absorb(&second.streams);
        absorb(&mut self.kubernetes_errors, &second.kubernetes_errors);
        if let Some(lag) = &second.loop_lag {
            self.loop_lag.add_known(lag);
        }
        for line in &second.observer_lag {
            self.observer.lag(line);
        }
        for line in &second.replicas {
            self.replicas.delivered(line);
        }
        if let Some(line) = &second.first_endpoint {
            self.first_endpoint.add(line);
        }
        if let Some(line) = &second.reconnect_gap {
            self.reconnect_gap.add(line);
        }
        self.retained.second(second.retained);
        let mut busy = false;
        for line in &second.latencies {
            busy |= line.stage == Stage::Destination && line.latency.known().count() > 0;
            let merge = |window: &mut Window| {
                window
                    .latencies
                    .entry((line.stage, line.direction))
                    .or_default()
                    .add(&line.latency);
            };
            merge(&mut self.run);
            if let Some(via) = line.via {
                merge(self.ways.entry(via).or_default());
            }
            self.cycles.window(line.cycle, merge);
        }
        // Merged recordings have a line each for the same second.
        let number = second.at.as_micros().div_ceil(1_000_000);
        if busy && self.last_busy != Some(number) {
            self.busy_seconds += 1;
            self.last_busy = Some(number);
        }
    }
}

/// Adds a Service's wrong streams to those of the same Service, which merged recordings have, or
/// to the list while that is short.
fn wrong_service(services: &mut Vec<WrongService>, end: &EndStateLine) {
    let known = services.iter().position(|it| it.service == end.service);
    let index = known.unwrap_or(services.len());
    if index == WRONG_SERVICES {
        return;
    }
    if known.is_none() {
        services.push(WrongService {
            service: end.service.clone(),
            ..WrongService::default()
        });
    }
    let service = &mut services[index];
    service.streams_wrong += end.streams_wrong;
    service.missing += end.missing;
    service.stale += end.stale;
    service.unexpected += end.unexpected;
}

/// Services with wrong streams that a report names.
const WRONG_SERVICES: usize = 20;

/// Wrong holdings quoted in a report.
const EXAMPLES: usize = 10;

/// How many of the replicas of the start had no metrics that were named, where some were.
fn unnamed(header: &Header) -> u64 {
    let sampled = header.replicas.iter().filter(|it| !it.unsampled).count();
    match header.metrics.len() {
        0 => 0,
        named => sampled.saturating_sub(named) as u64,
    }
}
