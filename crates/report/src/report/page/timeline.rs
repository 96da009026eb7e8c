//! What happened when, on one axis of time.

use dst_load_recording::recording::{Header, Line, Phase, Second, TargetSample};
use dst_load_scenario::time::At;
use serde::Serialize;

use super::{
    buckets::{Buckets, Extent},
    planned::{Origin, Planned, planned},
};

/// What happened when. Instants are seconds from the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// Seconds a bucket.
    pub bucket_seconds: f64,
    /// The last line's instant.
    pub end_seconds: f64,
    /// When each phase was entered.
    pub phases: Vec<Entered>,
    /// What the plan intended, if there was one.
    pub planned: Option<Planned>,
    /// Endpoints in Kubernetes, over all Services; empty where a recording does not say.
    pub kubernetes: Vec<Point>,
    /// Endpoints that a client holds, on average, over all Services.
    pub clients: Vec<Point>,
    /// Streams open.
    pub streams: Vec<Point>,
    /// Streams that were unexpectedly closed.
    pub resets: Vec<Amount>,
    /// The target's CPU between two samples, cores.
    pub cpu: Vec<Point>,
    /// The target's resident memory, bytes.
    pub resident: Vec<Point>,
    /// The target's heap in use, bytes.
    pub heap: Vec<Point>,
}

/// A phase and when it was entered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Entered {
    /// The phase.
    pub phase: Phase,
    /// When.
    pub at: f64,
}

/// A bucket's number, and the smallest, the largest and the last value in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point(pub u64, pub f64, pub f64, pub f64);

/// A bucket's number, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Amount(pub u64, pub u64);

#[derive(Debug, Default)]
pub(super) struct TimelineFold {
    now: At,
    phases: Vec<(Phase, At)>,
    first_cycle: Option<At>,
    kubernetes: Buckets<Extent>,
    clients: Buckets<Extent>,
    streams: Buckets<Extent>,
    resets: Buckets<u64>,
    cpu: Buckets<Extent>,
    resident: Buckets<Extent>,
    heap: Buckets<Extent>,
    /// The last sample's CPU, and when.
    used: Option<(At, f64)>,
}

// === impl TimelineFold ===

impl TimelineFold {
    pub(super) fn absorb(&mut self, line: &Line) {
        self.now = self.now.max(line.order().0);
        match line {
            Line::Phase { at, phase } => self.phases.push((*phase, *at)),
            Line::Cycle { at, cycle: 1 } => self.first_cycle = Some(*at),
            Line::Second(second) => self.second(second),
            Line::Target(sample) => self.sample(sample),
            // All that is known of the target ends here.
            Line::TargetSilent { .. } => self.used = None,
            _ => {}
        }
    }

    /// The widest buckets that are needed, microseconds: those of the whole run.
    pub(super) fn width(&self) -> u64 {
        let mut all = Buckets::<u64>::default();
        all.at(self.now);
        all.width()
    }

    pub(super) fn timeline(&self, header: &Header, width: u64) -> Timeline {
        let points = |buckets: &Buckets<Extent>| Point::all(&buckets.coarsened(width));
        let amounts = |buckets: &Buckets<u64>| Amount::all(&buckets.coarsened(width));
        let churning = self.phases.iter().find(|(it, _)| *it == Phase::Churning);
        let origin = Origin {
            churning: churning.map(|&(_, at)| at),
            first_cycle: self.first_cycle,
        };
        Timeline {
            bucket_seconds: At::from_micros(width).as_secs_f64(),
            end_seconds: self.now.as_secs_f64(),
            phases: (self.phases.iter())
                .map(|&(phase, at)| Entered {
                    phase,
                    at: at.as_secs_f64(),
                })
                .collect(),
            planned: planned(header, origin, self.now, width),
            kubernetes: points(&self.kubernetes),
            clients: points(&self.clients),
            streams: points(&self.streams),
            resets: amounts(&self.resets),
            cpu: points(&self.cpu),
            resident: points(&self.resident),
            heap: points(&self.heap),
        }
    }

    fn second(&mut self, second: &Second) {
        // The line bears the second's end.
        let at = At::from_micros(second.at.as_micros().saturating_sub(1));
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        if let Some(endpoints) = second.endpoints {
            self.kubernetes.at(at).add(endpoints.kubernetes as f64);
            if let Some(clients) = endpoints.clients {
                self.clients.at(at).add(clients);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        self.streams.at(at).add(second.streams_active as f64);
        let resets = second.streams.unexpected_resets();
        if resets > 0 {
            *self.resets.at(at) += resets;
        }
    }

    fn sample(&mut self, sample: &TargetSample) {
        if let Some(resident) = sample.rss_bytes {
            self.resident.at(sample.at).add(resident);
        }
        if let Some(heap) = sample.heap_bytes {
            self.heap.at(sample.at).add(heap);
        }
        let used = sample.cpu_seconds.map(|cpu| (sample.at, cpu));
        if let (Some((before, had)), Some((at, has))) = (self.used, used) {
            let seconds = at.since(before).as_secs_f64();
            // A process that has restarted counts from 0 again.
            if seconds > 0.0 && has >= had {
                self.cpu.at(at).add((has - had) / seconds);
            }
        }
        self.used = used;
    }
}

// === impl Point ===

impl Point {
    pub(super) fn all(buckets: &Buckets<Extent>) -> Vec<Self> {
        let point = |(number, extent): (u64, &Extent)| {
            let (min, max, last) = extent.get()?;
            Some(Self(number, tidy(min), tidy(max), tidy(last)))
        };
        buckets.iter().filter_map(point).collect()
    }
}

// === impl Amount ===

impl Amount {
    pub(super) fn all(buckets: &Buckets<u64>) -> Vec<Self> {
        (buckets.iter())
            .map(|(number, &count)| Self(number, count))
            .collect()
    }
}

/// To a ten-thousandth: more digits are noise, and longer than the rest of the page.
fn tidy(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
