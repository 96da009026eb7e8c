//! The endpoints that we write ourselves: which there are, in which slices, and what to write to
//! get from one state to the next.
//!
//! It writes nothing and waits for nothing: it says what is to be written, in which order, and
//! what may be written at once. It takes for granted that this is then done.

mod provoke;
mod slots;
#[cfg(test)]
mod tests;

use std::{net::Ipv4Addr, time::Duration};

use crate::{
    action::Verb,
    quantity::AddressRange,
    scenario::{Backend, Pattern},
};

use self::slots::Slots;
pub use self::slots::{ENDPOINTS_A_SLICE, Member, Slice};

/// Between Pods and the slices that name them, both ways: a controller hears of the two by
/// separate watches, without an order between them, and takes a slice without its Pod for wrong.
const LEAD: Duration = Duration::from_secs(1);

/// Between one handful of a rollout and the next, as a fast pod would take to start.
const HANDFUL: Duration = Duration::from_secs(1);

/// One write to Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The Service is made.
    MakeService,
    /// The Service is deleted.
    DropService,
    /// A Pod is made, without an address.
    MakePod(Member),
    /// A Pod is said to be ready and to have its address.
    ReadyPod(Member),
    /// The Pod of this number is deleted.
    DropPod(u32),
    /// A slice is made.
    MakeSlice(Slice),
    /// A slice is replaced.
    PutSlice(Slice),
    /// The slice of this number is deleted.
    DropSlice(u32),
}

/// Writes, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// One write.
    Write(Write),
    /// Nothing, for this long.
    Wait(Duration),
    /// One after the other.
    InTurn(Vec<Self>),
    /// All at once.
    Together(Vec<Self>),
}

/// The range has no further address for a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "all {given} addresses of {range} that are the Service's have been given, and none is given twice"
)]
pub struct UsedUp {
    range: AddressRange,
    given: u64,
}

/// A Service's share of the addresses. Each is given once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    range: AddressRange,
    /// The offset of its first address.
    first: u64,
    /// Addresses that are its.
    count: u64,
}

/// The endpoints of one Service.
#[derive(Clone, Debug)]
pub struct Roster {
    /// Whether there are Pods behind the addresses.
    pods: bool,
    /// Of the endpoints, now.
    port: u16,
    /// The Service's own, which the endpoints have at first.
    first_port: u16,
    pattern: Pattern,
    share: Share,
    given: u64,
    made: u32,
    slots: Slots,
    /// The slice that came before its Pods the last time.
    ahead: Option<u32>,
}

// === impl Share ===

impl Share {
    /// What the Service at position `index` of `services` has of `range`. Shares are equal, and
    /// stay where they are until twice as many Services as a power of two are there.
    #[must_use]
    pub fn of(range: AddressRange, index: usize, services: usize) -> Self {
        let count = range.count() / services.next_power_of_two().max(1) as u64;
        Self {
            range,
            first: index as u64 * count,
            count,
        }
    }

    /// Addresses in it.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }
}

// === impl Roster ===

impl Roster {
    /// A Service without endpoints, whose endpoints `backend` makes and `pattern` moves; `None` if
    /// that is not us.
    #[must_use]
    pub fn new(
        backend: Backend,
        pattern: &Pattern,
        port: u16,
        index: usize,
        services: usize,
    ) -> Option<Self> {
        let (pods, addresses) = match backend {
            Backend::Deployments { .. } => return None,
            Backend::Pods { addresses, .. } => (true, addresses),
            Backend::Slices { addresses } => (false, addresses),
        };
        Some(Self {
            pods,
            port,
            first_port: port,
            pattern: pattern.clone(),
            share: Share::of(addresses, index, services),
            given: 0,
            made: 0,
            slots: Slots::default(),
            ahead: None,
        })
    }

    /// What is to be written for `verb`. The roster is then as if it had been.
    ///
    /// # Errors
    /// [`UsedUp`]; what was planned until then is lost, and the Service keeps what it has.
    pub fn plan(&mut self, verb: &Verb) -> Result<Work, UsedUp> {
        let before = self.clone();
        let planned = match *verb {
            Verb::Create { endpoints } => self
                .grow(endpoints)
                .map(|grown| Work::InTurn(vec![Work::Write(Write::MakeService), grown])),
            Verb::Scale { to, .. } => self.resize(to),
            Verb::Restart { .. } => self.replace(),
            Verb::Provoke { case, round, .. } => self.provoke(case, round),
        };
        if planned.is_err() {
            *self = before;
        }
        planned
    }

    /// Endpoints that its slices list.
    #[must_use]
    pub fn endpoints(&self) -> u32 {
        self.slots.len()
    }

    fn resize(&mut self, to: u32) -> Result<Work, UsedUp> {
        let now = self.endpoints();
        if to >= now {
            self.grow(to - now)
        } else {
            let going = self.slots.newest(now - to);
            Ok(self.shrink(&going))
        }
    }

    /// `count` endpoints more: slices with room are filled up first, as Kubernetes does it.
    fn grow(&mut self, count: u32) -> Result<Work, UsedUp> {
        let members = self.members(count)?;
        let filled = self.slots.fill(&members);
        let slices = filled.into_iter().map(|(number, new, members)| {
            let slice = self.slice(number, new);
            self.led_by_pods(&members, slice)
        });
        Ok(Work::Together(slices.collect()))
    }

    /// These endpoints fewer.
    fn shrink(&mut self, going: &[Member]) -> Work {
        let thinned = self.slots.thin(going);
        let slices = thinned.into_iter().map(|(number, left, gone)| {
            let slice = if left {
                self.slice(number, false)
            } else {
                Work::Write(Write::DropSlice(number))
            };
            self.followed_by_pods(slice, &gone)
        });
        Work::Together(slices.collect())
    }

    /// All endpoints replaced, a handful at a time, as a Deployment's rollout does it: never more
    /// than `max_surge` above the size, never more than `max_unavailable` below.
    fn replace(&mut self) -> Result<Work, UsedUp> {
        let (surge, unavailable) = match self.pattern {
            Pattern::RollingUpdate {
                max_surge,
                max_unavailable,
                ..
            } => (max_surge, max_unavailable),
            _ => (1, 0),
        };
        let size = self.endpoints();
        let mut old = self.slots.newest(size);
        let mut new = 0;
        let mut work = Vec::new();
        while !old.is_empty() || new < size {
            let left = u32::try_from(old.len()).unwrap_or(u32::MAX);
            let add = (size + surge - left - new).min(size - new);
            if add > 0 {
                work.push(self.grow(add)?);
                new += add;
            }
            let remove = (left + new).saturating_sub(size.saturating_sub(unavailable));
            let going: Vec<_> = (0..remove).map_while(|_| old.pop()).collect();
            if !going.is_empty() {
                work.push(self.shrink(&going));
            }
            work.push(Work::Wait(HANDFUL));
        }
        // Nothing follows the last handful.
        work.pop();
        Ok(Work::InTurn(work))
    }

    /// New endpoints, with addresses that nobody has had.
    fn members(&mut self, count: u32) -> Result<Vec<Member>, UsedUp> {
        (0..count)
            .map(|_| {
                let address = self.address()?;
                self.made += 1;
                Ok(Member {
                    number: self.made,
                    address,
                })
            })
            .collect()
    }

    fn address(&mut self) -> Result<Ipv4Addr, UsedUp> {
        let Share {
            range,
            first,
            count,
        } = self.share;
        let offset = (self.given < count).then_some(first + self.given);
        let address = offset.and_then(|offset| range.nth(offset));
        self.given += 1;
        address.ok_or(UsedUp {
            range,
            given: count,
        })
    }

    /// The slice of this number as it now is.
    fn slice(&self, number: u32, new: bool) -> Work {
        let slice = Slice {
            number,
            port: self.port,
            members: self.slots.of(number).to_vec(),
        };
        Work::Write(if new {
            Write::MakeSlice(slice)
        } else {
            Write::PutSlice(slice)
        })
    }

    /// First the Pods, then their slice.
    fn led_by_pods(&self, members: &[Member], slice: Work) -> Work {
        if !self.pods {
            return slice;
        }
        Work::InTurn(vec![make_pods(members), Work::Wait(LEAD), slice])
    }

    /// First the slice, then its Pods.
    fn followed_by_pods(&self, slice: Work, members: &[Member]) -> Work {
        if !self.pods {
            return slice;
        }
        Work::InTurn(vec![slice, Work::Wait(LEAD), drop_pods(members)])
    }
}

fn make_pods(members: &[Member]) -> Work {
    let pods = members.iter().map(|&member| {
        Work::InTurn(vec![
            Work::Write(Write::MakePod(member)),
            Work::Write(Write::ReadyPod(member)),
        ])
    });
    Work::Together(pods.collect())
}

fn drop_pods(members: &[Member]) -> Work {
    let pods = members.iter();
    Work::Together(
        pods.map(|member| Work::Write(Write::DropPod(member.number)))
            .collect(),
    )
}
