//! A virtual client's connections, one to each replica of the destination, and which of them a
//! stream is opened on.
//!
//! As a proxy's, a client has a connection to each replica that the name has, and a lost one is made
//! again, with ever longer waits. Streams are opened on those that stand. Where none does, they
//! are opened all the same, fail, and are tried again.
//!
//! With a single replica that nobody can join there is nothing to choose and nothing to keep: the
//! transport replaces the connection when the next stream is opened.

use std::{convert::Infallible, fmt, sync::Arc};

use dst_load_scenario::{printable::line, time::At};
use dst_load_transport::world::{Dial, Grpc, ListedReplica, ListedReplicas};
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinSet};

use super::{FleetError, Shared, connect, link::Link};
use crate::{
    balance::{PeakEwma, choose},
    ending::Ending,
    stream::Identity,
};

/// A virtual client's connections, or those of all clients that share them.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    /// Names the client, for seeds.
    name: String,
    /// What may be sent ahead on each stream of its connections, if that is not as usual, bytes.
    window: Option<u16>,
    /// Whether there are several replicas, or may be.
    is_balanced: bool,
    /// By the replicas' numbers.
    members: Mutex<Vec<Member>>,
    /// Somebody may have to be connected to.
    changed: Notify,
}

/// One replica.
struct Member {
    dial: Dial,
    /// Whether streams may be opened on it; not once it has left its name.
    is_listed: bool,
    /// The last connection to it, if there has been one.
    link: Option<Arc<Link>>,
    /// Whether that stands, as far as is known.
    is_ready: bool,
    /// Whether somebody connects to it.
    is_connecting: bool,
    load: PeakEwma,
}

/// One try of a stream, on the replica that was chosen for it.
#[derive(Debug)]
pub(super) struct Try {
    pool: Arc<Pool>,
    link: Arc<Link>,
    sent: At,
    /// Whether nothing has been received yet, where that is counted.
    is_pending: bool,
}

// === impl Pool ===

impl Pool {
    /// Connects to all replicas of the start.
    ///
    /// # Errors
    /// If one cannot be reached in the time for it.
    pub(super) async fn connect(
        shared: &Arc<Shared>,
        identity: &Identity,
        window: Option<u16>,
    ) -> Result<Arc<Self>, FleetError> {
        let name = &identity.pod;
        let connected = (0..).zip(&shared.replicas).map(async |(number, dial)| {
            let grpc = connect(shared, dial, window, &entity(name, number)).await?;
            Ok(Arc::new(shared.link(number, grpc)))
        });
        let links = join_all(connected).await;
        let members = shared.replicas.iter().zip(links).map(|(dial, link)| {
            Ok(Member {
                link: Some(link?),
                is_ready: true,
                ..Member::new(Arc::clone(dial), shared.clock.now())
            })
        });
        Ok(Arc::new(Self {
            shared: Arc::clone(shared),
            name: name.clone(),
            window,
            is_balanced: shared.replicas.len() > 1 || shared.listed.is_some(),
            members: Mutex::new(members.collect::<Result<_, _>>()?),
            changed: Notify::new(),
        }))
    }

    /// The replica that a stream has, if there are several or may be.
    pub(super) fn replica_of(&self, attempt: &Try) -> Option<u32> {
        self.is_balanced.then(|| attempt.link.replica())
    }

    /// The connections to the replicas of the start.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        let members = self.members.lock();
        members.iter().filter_map(|it| it.link.clone()).collect()
    }

    /// Sends a stream on one of the replicas, as power of two choices has it. `entity` names the
    /// stream and its life.
    pub(super) fn send(self: &Arc<Self>, entity: impl FnOnce() -> String) -> Try {
        let sent = self.shared.clock.now();
        let mut members = self.members.lock();
        let number = if self.is_balanced {
            choose_member(&mut members, self.shared.config.seed, &entity(), sent)
        } else {
            0
        };
        let member = &mut members[number];
        if self.is_balanced {
            member.load.send();
        }
        let link = member.link.as_ref();
        let link = Arc::clone(link.expect("invariant: only who has been connected to is chosen"));
        Try {
            pool: Arc::clone(self),
            link,
            sent,
            is_pending: self.is_balanced,
        }
    }

    /// Follows the replicas as their name has them, and connects to each that is not connected to.
    /// Never returns.
    pub(super) async fn keep(self: &Arc<Self>) -> Infallible {
        if !self.is_balanced {
            return std::future::pending().await;
        }
        let mut listed = self.shared.listed.clone();
        let mut connecting = JoinSet::new();
        loop {
            if let Some(listed) = &mut listed {
                self.follow(&listed.borrow_and_update());
            }
            for number in self.to_connect() {
                connecting.spawn(Arc::clone(self).connect_again(number));
            }
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = next(listed.as_mut()) => {}
                Some(_) = connecting.join_next() => {}
            }
        }
    }

    /// Takes over who is listed.
    fn follow(&self, listed: &[ListedReplica]) {
        let now = self.shared.clock.now();
        let mut members = self.members.lock();
        for (number, replica) in (0..).zip(listed) {
            match members.get_mut(number) {
                Some(member) => member.is_listed = replica.is_listed,
                None => {
                    let number = number_of(number);
                    let counters = &self.shared.counters;
                    counters.replica_found(number, &replica.address);
                    members.push(Member {
                        is_listed: replica.is_listed,
                        ..Member::new(Arc::clone(&replica.dial), now)
                    });
                }
            }
        }
    }

    /// The replicas that have to be connected to. They are marked as being connected to.
    fn to_connect(&self) -> Vec<usize> {
        let mut members = self.members.lock();
        let wanted = members
            .iter_mut()
            .enumerate()
            .filter(|(_, it)| it.is_wanted());
        wanted
            .map(|(number, member)| {
                member.is_connecting = true;
                number
            })
            .collect()
    }

    /// Connects to a replica, trying again until it is connected or no longer wanted.
    async fn connect_again(self: Arc<Self>, number: usize) {
        let shared = &self.shared;
        let dial = Arc::clone(&self.members.lock()[number].dial);
        let mut delays = shared.delays("reconnect", &entity(&self.name, number_of(number)));
        loop {
            match dial(self.window).await {
                Ok(grpc) => return self.connected(number, grpc),
                Err(status) => shared.count_connection_error(&line(status.message())),
            }
            tokio::time::sleep(delays.next_delay()).await;
            let mut members = self.members.lock();
            let member = &mut members[number];
            member.is_connecting = false;
            if !member.is_wanted() {
                return;
            }
            member.is_connecting = true;
        }
    }

    fn connected(&self, number: usize, grpc: Grpc) {
        let mut members = self.members.lock();
        let member = &mut members[number];
        member.is_connecting = false;
        // The transport may have connected again meanwhile.
        if !member.is_ready {
            member.is_ready = true;
            member.link = Some(Arc::new(self.shared.link(number_of(number), grpc)));
        }
    }

    /// Does something with the member that this is the current connection of, if there is one.
    fn with_current(&self, link: &Arc<Link>, with: impl FnOnce(&mut Member)) {
        if !self.is_balanced {
            return;
        }
        let mut members = self.members.lock();
        let member = &mut members[index_of(link.replica())];
        if (member.link.as_ref()).is_some_and(|current| Arc::ptr_eq(current, link)) {
            with(member);
        }
    }
}

/// Of those that are listed and connected one is chosen; where there are none, of those that are
/// listed and have been connected to; and else of those that have been.
fn choose_member(members: &mut [Member], seed: u64, entity: &str, at: At) -> usize {
    let usable: [fn(&Member) -> bool; 3] = [
        |it| it.is_listed && it.is_ready,
        |it| it.is_listed && it.link.is_some(),
        |it| it.link.is_some(),
    ];
    let candidates = usable.iter().find_map(|is_usable| {
        let all = members.iter().enumerate().filter(|(_, it)| is_usable(it));
        let all: Vec<_> = all.map(|(number, _)| number).collect();
        (!all.is_empty()).then_some(all)
    });
    let candidates = candidates.unwrap_or_default();
    let cost = |index: usize| members[candidates[index]].load.cost(at);
    let chosen = choose(candidates.len(), seed, entity, cost);
    candidates[chosen.expect("invariant: all replicas of the start have been connected to")]
}

/// Waits for the next change of the list, if there is one.
async fn next(listed: Option<&mut ListedReplicas>) {
    let changed = match listed {
        Some(listed) => listed.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        // Nobody looks any more: the replicas stay.
        std::future::pending().await
    }
}

/// What seeds the waits of a client and a replica.
fn entity(name: &str, number: u32) -> String {
    match number {
        0 => name.to_owned(),
        _ => format!("{name}/{number}"),
    }
}

fn number_of(index: usize) -> u32 {
    u32::try_from(index).expect("invariant: there are few replicas")
}

const fn index_of(number: u32) -> usize {
    number as usize
}

// === impl Member ===

impl Member {
    /// A replica that is new at `at`, and not connected to.
    const fn new(dial: Dial, at: At) -> Self {
        Self {
            dial,
            is_listed: true,
            link: None,
            is_ready: false,
            is_connecting: false,
            load: PeakEwma::new(at),
        }
    }

    /// Whether it has to be connected to, and nobody does.
    const fn is_wanted(&self) -> bool {
        self.is_listed && !self.is_ready && !self.is_connecting
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("link", &self.link)
            .field("is_listed", &self.is_listed)
            .field("is_ready", &self.is_ready)
            .finish_non_exhaustive()
    }
}

// === impl Try ===

impl Try {
    /// The connection that it is on.
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// When it was sent.
    pub(super) const fn sent(&self) -> At {
        self.sent
    }

    /// It has received its first message: the connection stands.
    pub(super) fn received(&mut self) {
        let shared = &self.pool.shared;
        self.link.received(&shared.counters, shared.clock);
        self.complete();
        self.pool
            .with_current(&self.link, |member| member.is_ready = true);
    }

    /// It has ended unexpectedly, with its connection or without.
    pub(super) fn ended(&self, ending: &Ending) {
        let shared = &self.pool.shared;
        let at = shared.clock.now();
        if self.link.ended(&shared.counters, self.sent, at, ending) {
            self.pool.with_current(&self.link, |member| {
                member.is_ready = false;
                self.pool.changed.notify_one();
            });
        }
    }

    /// Its first data has come, or none will.
    pub(super) fn complete(&mut self) {
        if std::mem::take(&mut self.is_pending) {
            let at = self.pool.shared.clock.now();
            let mut members = self.pool.members.lock();
            members[index_of(self.link.replica())]
                .load
                .complete(self.sent, at);
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        self.complete();
    }
}
