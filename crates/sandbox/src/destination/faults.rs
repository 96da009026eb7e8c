//! What the reference destination does wrong on purpose: which faults are active, whom they
//! strike, and how often they did.
//!
//! Whom is drawn by name, so a fault strikes the same in every run of a seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use dst_load_scenario::{
    fault::{Fault, FaultKind},
    seed,
};

use super::{
    encode::{self, Diff},
    endpoint::Endpoint,
    objects::ObjectName,
};

/// The faults of a destination, and the time they go by.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    seed: u64,
    faults: Vec<Fault>,
    elapsed: Duration,
    pub(crate) struck: BTreeMap<FaultKind, u64>,
}

/// What the faults keep in mind of one stream.
#[derive(Debug)]
pub(crate) struct Victim {
    /// Names the stream for the draws: path, client and how many of the same came before.
    name: String,
    service: ObjectName,
    port: u16,
    /// Messages so far, for draws by message.
    messages: u64,
    /// An addition that waits for a removal of the same address to go first.
    held: Option<Message>,
    /// Faults that strike a stream once, and have.
    spent: BTreeSet<FaultKind>,
}

/// One message on its way to one stream.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) frame: Bytes,
    diff: Arc<Diff>,
    is_add: bool,
}

/// What is done to a stream.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// It is sent a frame, after a delay that holds up all that follow.
    Send(Bytes, Duration),
    /// It ends as if its queue had overflowed.
    Overflow,
    /// It ends with an error.
    Reset,
}

/// The messages of a difference, in the order in which they are sent.
pub(crate) fn messages(diff: &Arc<Diff>) -> impl Iterator<Item = Message> {
    let frames = diff.frames();
    [(&frames.add, true), (&frames.remove, false)]
        .into_iter()
        .filter_map(|(frame, is_add)| {
            Some(Message {
                frame: frame.clone()?,
                diff: diff.clone(),
                is_add,
            })
        })
}

// === impl Faults ===

impl Faults {
    /// The faults of `all` that strike streams.
    pub(crate) fn of_streams(seed: u64, all: &[Fault]) -> Self {
        Self::of(seed, all, |kind| {
            kind.is_of_the_destination() && !is_of_directory(kind)
        })
    }

    /// The faults of `all` that are defects of the directory.
    pub(crate) fn of_directory(seed: u64, all: &[Fault]) -> Self {
        Self::of(seed, all, is_of_directory)
    }

    fn of(seed: u64, all: &[Fault], takes: impl Fn(FaultKind) -> bool) -> Self {
        Self {
            seed,
            faults: (all.iter().filter(|fault| takes(fault.kind)))
                .cloned()
                .collect(),
            elapsed: Duration::ZERO,
            struck: BTreeMap::new(),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Sets the time since the destination's start.
    pub(crate) const fn at(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// Whether `kind` strikes this Service now.
    pub(crate) fn strikes(&self, kind: FaultKind, service: &ObjectName) -> bool {
        // The name is built only where there is something to draw: this is on every event's path.
        !self.faults.is_empty()
            && (self.draw(kind, &format!("{}/{}", service.namespace, service.name))).is_some()
    }

    /// Counts strikes.
    pub(crate) fn count(&mut self, kind: FaultKind, times: usize) {
        *self.struck.entry(kind).or_default() += times as u64;
    }

    /// What becomes of a snapshot: it is sent, and perhaps an invented address after it.
    pub(crate) fn snapshot(&mut self, victim: &mut Victim, diff: &Arc<Diff>) -> Vec<Step> {
        let mut steps: Vec<Step> = messages(diff)
            .map(|message| Step::Send(message.frame, Duration::ZERO))
            .collect();
        self.invent(victim, &mut steps);
        steps
    }

    /// What becomes of a change.
    pub(crate) fn change(&mut self, victim: &mut Victim, diff: &Arc<Diff>) -> Vec<Step> {
        let mut steps = Vec::new();
        for message in messages(diff) {
            if self.once(FaultKind::OverflowStream, victim) {
                steps.push(Step::Overflow);
                return steps;
            }
            if self.once(FaultKind::ResetStream, victim) {
                steps.push(Step::Reset);
                return steps;
            }
            self.message(victim, message, &mut steps);
        }
        self.invent(victim, &mut steps);
        steps
    }

    fn message(&mut self, victim: &mut Victim, mut message: Message, steps: &mut Vec<Step>) {
        victim.messages += 1;
        let name = format!("{}/message-{}", victim.name, victim.messages);
        if self.hit(FaultKind::DropUpdate, &name).is_some() {
            return;
        }
        if message.is_add
            && victim.held.is_none()
            && self.hit(FaultKind::SwapUpdates, &name).is_some()
        {
            victim.held = Some(message);
            return;
        }
        if !message.is_add && self.once(FaultKind::KeepStaleAddress, victim) {
            match message.diff.remove.split_first() {
                Some((_, rest)) if !rest.is_empty() => message.frame = encode::remove(rest),
                _ => return,
            }
        }
        let delay = self.hit(FaultKind::LateUpdate, &name).unwrap_or_default();
        steps.push(Step::Send(message.frame.clone(), delay));
        if self.hit(FaultKind::DuplicateUpdate, &name).is_some() {
            steps.push(Step::Send(message.frame.clone(), Duration::ZERO));
        }
        if let Some(held) = victim.held.take_if(|held| held.is_answered_by(&message)) {
            steps.push(Step::Send(held.frame, Duration::ZERO));
        }
    }

    fn invent(&mut self, victim: &mut Victim, steps: &mut Vec<Step>) {
        if !self.once(FaultKind::InventAddress, victim) {
            return;
        }
        // TEST-NET-3 (RFC 5737): no cluster has Pods there.
        let draw = seed::hex(self.seed, "invented-address", &victim.name, 1);
        let last = u8::from_str_radix(&draw, 16).unwrap_or(1);
        let addr = SocketAddr::from((Ipv4Addr::new(203, 0, 113, last), victim.port));
        let endpoint = Arc::new(Endpoint::bare(addr));
        let frame = encode::add(&victim.service, "", &[endpoint]);
        steps.push(Step::Send(frame, Duration::ZERO));
    }

    /// Whether `kind` strikes the stream now, which it does once.
    fn once(&mut self, kind: FaultKind, victim: &mut Victim) -> bool {
        let strikes = !victim.spent.contains(&kind) && self.hit(kind, &victim.name).is_some();
        if strikes {
            victim.spent.insert(kind);
        }
        strikes
    }

    /// Draws, and counts a strike.
    fn hit(&mut self, kind: FaultKind, entity: &str) -> Option<Duration> {
        let delay = self.draw(kind, entity)?;
        self.count(kind, 1);
        Some(delay)
    }

    /// The delay of the first active fault of `kind` that strikes `entity`.
    fn draw(&self, kind: FaultKind, entity: &str) -> Option<Duration> {
        // Numbered within the kind, so that a fault of another kind moves no draw.
        ((self.faults.iter())
            .filter(|fault| fault.kind == kind)
            .enumerate())
        .filter(|(_, fault)| fault.is_active(self.elapsed))
        .find(|(index, fault)| {
            let purpose = format!("fault-{kind:?}-{index}");
            seed::chosen(self.seed, &purpose, entity, fault.share)
        })
        .map(|(_, fault)| fault.delay)
    }
}

const fn is_of_directory(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::IgnorePortChange
            | FaultKind::RemoveSharedEndpoint
            | FaultKind::ForgetRecreatedService
            | FaultKind::KeepAddressesOfDeletedSlice
    )
}

// === impl Victim ===

impl Victim {
    pub(crate) const fn new(name: String, service: ObjectName, port: u16) -> Self {
        Self {
            name,
            service,
            port,
            messages: 0,
            held: None,
            spent: BTreeSet::new(),
        }
    }
}

// === impl Message ===

impl Message {
    /// Whether `other` removes an address that this addition adds.
    fn is_answered_by(&self, other: &Self) -> bool {
        !other.is_add
            && (self.diff.add.iter()).any(|endpoint| other.diff.remove.contains(&endpoint.addr))
    }
}
