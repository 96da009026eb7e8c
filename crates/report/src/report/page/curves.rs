//! How changes spread: the worst, and an even sample of the others.

use dst_load_recording::recording::ChangeLine;
use dst_load_scenario::action::Direction;
use serde::Serialize;

/// Changes kept because they were the worst.
const WORST: usize = 20;

/// Of the others, between half of these and all of them are kept.
const SAMPLE: usize = 240;

/// How changes spread.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curves {
    /// Changes that had an audience.
    pub changes: u64,
    /// The worst, worst first: those with the most streams that never received it, then those with
    /// the latest last stream.
    pub worst: Vec<Curve>,
    /// Of the others an even sample, in the order in which they closed.
    pub others: Vec<Curve>,
}

/// How one change spread: the points of its curve. Durations are microseconds from the start of
/// the destination stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// When it became visible, seconds.
    pub at: f64,
    /// The Service.
    pub service: String,
    /// The resourceVersion of the object whose event made it.
    pub version: String,
    /// Whether endpoints were added or removed.
    pub direction: Direction,
    /// The cycle; 0 before the first.
    pub cycle: u32,
    /// Endpoints.
    pub endpoints: u32,
    /// From the intended instant until it was visible, microseconds.
    pub kubernetes: Option<u64>,
    /// Streams that should receive it.
    pub audience: u32,
    /// Streams that received it by the deadline.
    pub known: u32,
    /// Streams that did not.
    pub never: u32,
    /// Streams that closed before, or for which a later change overtook it.
    pub other: u32,
    /// Until the first stream received it.
    pub first: Option<u64>,
    /// Until half received it.
    pub p50: Option<u64>,
    /// Until 95 % received it.
    pub p95: Option<u64>,
    /// Until 99 % received it.
    pub p99: Option<u64>,
    /// Until the last stream that ever received it.
    pub last: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct CurveFold {
    changes: u64,
    worst: Vec<Curve>,
    others: Vec<Curve>,
    /// Every how manieth of the others is kept, as a power of two.
    stride: u32,
    /// Others so far.
    passed: u64,
}

// === impl CurveFold ===

impl CurveFold {
    pub(super) fn change(&mut self, change: &ChangeLine) {
        if change.audience == 0 {
            return;
        }
        self.changes += 1;
        let curve = Curve::of(change);
        // Before those that are as bad: the first of equals stays.
        let place = (self.worst).partition_point(|other| other.badness() >= curve.badness());
        self.worst.insert(place, curve);
        if self.worst.len() > WORST
            && let Some(other) = self.worst.pop()
        {
            self.sample(other);
        }
    }

    pub(super) fn curves(&self) -> Curves {
        Curves {
            changes: self.changes,
            worst: self.worst.clone(),
            others: self.others.clone(),
        }
    }

    fn sample(&mut self, curve: Curve) {
        let number = self.passed;
        self.passed += 1;
        if number.is_multiple_of(1 << self.stride) {
            self.others.push(curve);
        }
        if self.others.len() > SAMPLE {
            let mut index = 0;
            self.others.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride += 1;
        }
    }
}

// === impl Curve ===

impl Curve {
    fn of(change: &ChangeLine) -> Self {
        let kubernetes = change.intended.map(|intended| change.at.since(intended));
        Self {
            at: change.at.as_secs_f64(),
            service: change.service.clone(),
            version: change.resource_version.clone(),
            direction: change.direction,
            cycle: change.cycle,
            endpoints: change.endpoints,
            kubernetes: kubernetes.map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX)),
            audience: change.audience,
            known: change.known,
            never: change.never,
            other: change.left + change.superseded,
            first: change.first_us,
            p50: change.p50_us,
            p95: change.p95_us,
            p99: change.p99_us,
            last: change.last_us,
        }
    }

    fn badness(&self) -> (u32, Option<u64>) {
        (self.never, self.last)
    }
}
