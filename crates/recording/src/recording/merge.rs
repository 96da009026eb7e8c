//! Several clients' recordings of one scenario as one.
//!
//! Each client times against its own observer and its own start, so nothing is subtracted across
//! recordings: histograms and counts add up exactly, and of a change that several clients saw, the
//! first stream is the earliest's and the last stream the latest's.

mod replicas;

use std::collections::BTreeMap;

use dst_load_scenario::{action::Direction, quantile::nearest_rank, time::At};

use self::replicas::Replicas;
use super::{
    ChangeLine, End, GeneratorSample, GivenTwice, Header, Identity, Line, PathInfo, Phase,
    StreamTimes, align, each_once, endpoints::EndpointsOfAll,
};

/// Why recordings cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There is none.
    #[error("no recording was given")]
    Nothing,
    /// One does not start with a header.
    #[error("recording {number} has no header")]
    NoHeader {
        /// Which, from 1.
        number: usize,
    },
    /// One is given twice.
    #[error(transparent)]
    Twice(#[from] GivenTwice),
    /// One is of something else than the first.
    #[error(
        "recording {number} cannot be merged with the first: it has {what} {found}, the first has {first}"
    )]
    Differs {
        /// Which, from 1.
        number: usize,
        /// What differs.
        what: &'static str,
        /// What it is in that recording.
        found: String,
        /// What it is in the first.
        first: String,
    },
}

/// The lines of all recordings as one recording's, in order.
///
/// The target's samples are those of the first recording that has any, because all clients scrape
/// the same process. So are the comparisons with the churner's clock. A change's inner quantiles
/// are exact if all recordings have the time of each stream; otherwise they are the largest of the
/// recordings' quantiles, an upper bound.
///
/// # Errors
/// If there is none, one has no header, or they are not of the same scenario, seed and target.
pub fn merge(mut recordings: Vec<Vec<Line>>) -> Result<Vec<Line>, MergeError> {
    align::align(&mut recordings);
    let mut header = header(&recordings)?;
    let requested: Vec<u64> = recordings.iter().map(|lines| requested(lines)).collect();
    let first = |of: fn(&Line) -> bool| {
        let found = recordings.iter().position(|lines| lines.iter().any(of));
        found.unwrap_or_default()
    };
    let samples = first(|line| matches!(line, Line::Target(_)));
    let policy = first(|line| matches!(line, Line::PolicyController(_)));
    let clock = first(|line| matches!(line, Line::Clock(_)));
    let mut replicas = Replicas::of(&recordings, samples)?;
    header.replicas.clone_from(&replicas.header);
    let clients = Clients::of(&recordings);
    let mut all: Vec<(usize, Line)> = recordings
        .into_iter()
        .enumerate()
        .flat_map(|(source, lines)| lines.into_iter().map(move |line| (source, line)))
        .collect();
    all.sort_by(|(a_source, a), (b_source, b)| {
        a.order().cmp(&b.order()).then(a_source.cmp(b_source))
    });

    let mut merged = Merged::new(requested, clients);
    merged.lines.push(Line::Header(Box::new(header)));
    for (source, mut line) in all {
        if !replicas.number(source, &mut line) {
            continue;
        }
        let only_of = match line {
            // Each client has a clock of its own: one's comparisons say nothing about another's.
            Line::Clock(_) => clock,
            Line::PolicyController(_) | Line::PolicyControllerSilent { .. } => policy,
            _ => source,
        };
        if source == only_of {
            merged.take(source, line, samples);
        }
    }
    Ok(merged.finish())
}

/// Reads something of a header, as text.
type Read = fn(&Header) -> String;

/// What all headers must say alike.
const OF_ALL: [(&str, Read); 4] = [
    ("the scenario", |it| it.name.clone()),
    ("the seed", |it| it.seed.to_string()),
    ("the settings", |it| it.scenario.to_string()),
    ("the target", |it| format!("{:?}", it.target)),
];

fn header(recordings: &[Vec<Line>]) -> Result<Header, MergeError> {
    let mut headers = Vec::new();
    for (index, lines) in recordings.iter().enumerate() {
        match lines.first() {
            Some(Line::Header(header)) => headers.push(header),
            _ => return Err(MergeError::NoHeader { number: index + 1 }),
        }
    }
    let (first, rest) = headers.split_first().ok_or(MergeError::Nothing)?;
    let named = headers.iter().zip(1..);
    each_once(named.map(|(header, number)| (format!("recording {number}"), &***header)))?;
    for (header, number) in rest.iter().zip(2..) {
        for (what, of) in OF_ALL {
            let (found, first) = (of(header), of(first));
            if found != first {
                return Err(MergeError::Differs {
                    number,
                    what,
                    found,
                    first,
                });
            }
        }
    }
    let mut header = Header::clone(first);
    header.identity = Identity::merged(headers.iter().map(|header| &header.identity));
    header.started = headers
        .iter()
        .min_by_key(|header| align::started(header))
        .and_then(|header| header.started.clone());
    header.path = PathInfo::merged(headers.iter().map(|header| &header.path));
    header.streams_requested = headers.iter().map(|h| h.streams_requested).sum();
    // The settings are the same, and so is everything else about them.
    if let Some(load) = &mut header.clients {
        let of_each = headers.iter().filter_map(|header| header.clients);
        load.clients = of_each.map(|it| it.clients).sum();
    }
    // The worst of the machines bounds what all of them can tell apart.
    header.floor_seconds = headers
        .iter()
        .filter_map(|h| h.floor_seconds)
        .max_by(f64::total_cmp);
    Ok(header)
}

fn requested(lines: &[Line]) -> u64 {
    match lines.first() {
        Some(Line::Header(header)) => header.streams_requested,
        _ => 0,
    }
}

/// What names a change across recordings.
type ChangeKey = (String, String, String, Direction);

/// The number of each client in the merge: of which recording it is, and its number there. A merge
/// may hold merges, whose clients stay apart.
struct Clients(BTreeMap<(usize, Option<u32>), u32>);

struct Merged {
    /// Streams that each was to open.
    requested: Vec<u64>,
    clients: Clients,
    lines: Vec<Line>,
    changes: BTreeMap<ChangeKey, ChangeLine>,
    phases: BTreeMap<Phase, At>,
    cycles: BTreeMap<u32, At>,
    last_cycle: Vec<(At, bool)>,
    generators: Vec<GeneratorSample>,
    endpoints: EndpointsOfAll,
    ends: Vec<End>,
}

// === impl Clients ===

impl Clients {
    fn of(recordings: &[Vec<Line>]) -> Self {
        let mut clients = BTreeMap::new();
        for (source, lines) in recordings.iter().enumerate() {
            for line in lines {
                match line {
                    Line::Second(second) => {
                        let lags = second.observer_lag.iter();
                        clients.extend(lags.map(|lag| ((source, lag.client), 0)));
                    }
                    Line::Observer(line) => {
                        clients.insert((source, line.client), 0);
                    }
                    _ => {}
                }
            }
        }
        for (number, (_, client)) in (0..).zip(clients.iter_mut()) {
            *client = number;
        }
        Self(clients)
    }

    /// Gives a line's client its number in the merge.
    fn number(&self, source: usize, client: &mut Option<u32>) {
        *client = self.0.get(&(source, *client)).copied();
    }
}

// === impl Merged ===

impl Merged {
    fn new(requested: Vec<u64>, clients: Clients) -> Self {
        let sources = requested.len();
        Self {
            requested,
            clients,
            lines: Vec::new(),
            changes: BTreeMap::new(),
            phases: BTreeMap::new(),
            cycles: BTreeMap::new(),
            last_cycle: Vec::new(),
            generators: vec![GeneratorSample::default(); sources],
            endpoints: EndpointsOfAll::new(sources),
            ends: Vec::new(),
        }
    }

    /// Takes the next line in order.
    fn take(&mut self, source: usize, line: Line, samples_of: usize) {
        match line {
            Line::Header(_) => {}
            // Work starts with the first client and is over with the last.
            Line::Phase { at, phase } => {
                let noted = self.phases.entry(phase).or_insert(at);
                if matches!(phase, Phase::Settling | Phase::CleaningUp) {
                    *noted = at;
                }
            }
            Line::Cycle { at, cycle } => {
                self.cycles.entry(cycle).or_insert(at);
            }
            Line::LastCycleEnds { at, whole } => self.last_cycle.push((at, whole)),
            Line::Change(change) => self.change(change),
            Line::Target(mut sample) => {
                if source == samples_of {
                    // To one client the others' streams are foreign.
                    let others = self.requested.iter().sum::<u64>() - self.requested[source];
                    let foreign = sample.foreign_streams.as_mut();
                    foreign
                        .into_iter()
                        .for_each(|it| *it = it.saturating_sub(others));
                    self.lines.push(Line::Target(sample));
                }
            }
            Line::TargetSilent { .. } | Line::Ping(_) => {
                if source == samples_of {
                    self.lines.push(line);
                }
            }
            Line::Generator(sample) => {
                let at = sample.at;
                self.generators[source] = sample;
                self.lines.push(Line::Generator(GeneratorSample {
                    at,
                    cpu_seconds: self.generators.iter().map(|g| g.cpu_seconds).sum(),
                    rss_bytes: self.generators.iter().map(|g| g.rss_bytes).sum(),
                }));
            }
            Line::Second(mut second) => {
                self.endpoints.combine(source, &mut second);
                for lag in &mut second.observer_lag {
                    self.clients.number(source, &mut lag.client);
                }
                self.lines.push(Line::Second(second));
            }
            // Each client has an observer of its own, and the worst of them counts.
            Line::Observer(mut line) => {
                self.clients.number(source, &mut line.client);
                self.lines.push(Line::Observer(line));
            }
            Line::Clock(_)
            | Line::PolicyController(_)
            | Line::PolicyControllerSilent { .. }
            | Line::Identified(_)
            | Line::Replicas { .. }
            | Line::Warning { .. }
            | Line::EndState(_) => self.lines.push(line),
            Line::End(end) => self.ends.push(end),
        }
    }

    fn change(&mut self, change: ChangeLine) {
        let key = (
            change.service.clone(),
            change.object.clone(),
            change.resource_version.clone(),
            change.direction,
        );
        match self.changes.entry(key) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(change);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                entry.get_mut().absorb(&change);
            }
        }
    }

    fn finish(mut self) -> Vec<Line> {
        let phases = self.phases.into_iter();
        self.lines
            .extend(phases.map(|(phase, at)| Line::Phase { at, phase }));
        let cycles = self.cycles.into_iter();
        self.lines
            .extend(cycles.map(|(cycle, at)| Line::Cycle { at, cycle }));
        self.lines
            .extend(self.changes.into_values().map(Line::Change));
        if let Some(at) = self.last_cycle.iter().map(|&(at, _)| at).max() {
            let whole = self.last_cycle.iter().all(|&(_, whole)| whole);
            self.lines.push(Line::LastCycleEnds { at, whole });
        }
        // A client that was cut off leaves the whole cut off.
        if self.ends.len() == self.generators.len()
            && let Some(at) = self.ends.iter().map(|end| end.at).max()
        {
            self.lines.push(Line::End(End {
                at,
                interrupted: self.ends.iter().any(|end| end.interrupted),
                spared: self.ends.iter().any(|end| end.spared),
                error: self.ends.into_iter().find_map(|end| end.error),
                // Those of the whole, once it is written.
                totals: None,
            }));
        }
        self.lines.sort_by(Line::compare_places);
        self.lines
    }
}

// === impl ChangeLine ===

impl ChangeLine {
    /// Adds what other streams made of the same change.
    fn absorb(&mut self, other: &Self) {
        self.audience += other.audience;
        self.known += other.known;
        self.never += other.never;
        self.left += other.left;
        self.superseded += other.superseded;
        self.first_us = match (self.first_us, other.first_us) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.last_us = self.last_us.max(other.last_us);
        if let (Some(times), Some(others)) = (&self.times, &other.times) {
            let mut all: Vec<_> = times.iter().chain(others.iter()).collect();
            all.sort_unstable();
            let quantile = |q| {
                let rank = nearest_rank(q, all.len() as u64 + u64::from(self.never))?;
                all.get(usize::try_from(rank).ok()? - 1).copied()
            };
            (self.p50_us, self.p95_us) = (quantile(0.5), quantile(0.95));
            self.p99_us = quantile(0.99);
            self.times = Some(StreamTimes::pack(all));
            return;
        }
        self.times = None;
        // Where one side did not get that far, the whole may not have either.
        let both = |a: Option<u64>, b: Option<u64>| Some(a?.max(b?));
        self.p50_us = both(self.p50_us, other.p50_us);
        self.p95_us = both(self.p95_us, other.p95_us);
        self.p99_us = both(self.p99_us, other.p99_us);
    }
}

#[cfg(test)]
mod tests;
