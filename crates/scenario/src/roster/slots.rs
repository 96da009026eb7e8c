//! Which endpoint is in which slice: never one in two, and never more than fit.

use std::{collections::BTreeMap, net::Ipv4Addr};

/// As kube-controller-manager's `--max-endpoints-per-slice`.
const MOST: usize = 100;

/// Endpoints in a full slice.
pub const ENDPOINTS_A_SLICE: u64 = MOST as u64;

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// From 1, by age; its Pod is named after it.
    pub number: u32,
    /// Its address.
    pub address: Ipv4Addr,
}

/// A slice as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// From 1; its name comes of it.
    pub number: u32,
    /// The endpoints' port.
    pub port: u16,
    /// The endpoints.
    pub members: Vec<Member>,
}

/// The slices of one Service, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    slices: BTreeMap<u32, Vec<Member>>,
    made: u32,
}

// === impl Slots ===

impl Slots {
    pub(super) fn len(&self) -> u32 {
        let count = self.slices.values().map(Vec::len).sum::<usize>();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    pub(super) const fn all(&self) -> &BTreeMap<u32, Vec<Member>> {
        &self.slices
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.slices.values_mut().flatten()
    }

    pub(super) fn of(&self, number: u32) -> &[Member] {
        self.slices.get(&number).map_or(&[], Vec::as_slice)
    }

    /// The `count` endpoints that came last, the last first.
    pub(super) fn newest(&self, count: u32) -> Vec<Member> {
        let mut members: Vec<_> = self.slices.values().flatten().copied().collect();
        members.sort_unstable_by_key(|member| std::cmp::Reverse(member.number));
        members.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        members
    }

    /// Puts endpoints where there is room, and then into new slices. Returns each slice that
    /// changed, whether it is new, and what it got.
    pub(super) fn fill(&mut self, members: &[Member]) -> Vec<(u32, bool, Vec<Member>)> {
        let mut filled = Vec::new();
        let mut rest = members;
        for (&number, slice) in &mut self.slices {
            let (some, others) = rest.split_at(rest.len().min(MOST.saturating_sub(slice.len())));
            rest = others;
            if !some.is_empty() {
                slice.extend_from_slice(some);
                filled.push((number, false, some.to_vec()));
            }
        }
        for some in rest.chunks(MOST) {
            filled.push((self.add(some), true, some.to_vec()));
        }
        filled
    }

    /// A slice of its own for these endpoints; returns its number.
    pub(super) fn add(&mut self, members: &[Member]) -> u32 {
        self.made += 1;
        self.slices.insert(self.made, members.to_vec());
        self.made
    }

    /// A number that no slice has had, for one that is not kept.
    pub(super) fn number(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    /// Takes a slice with its endpoints out.
    pub(super) fn take(&mut self, number: u32) -> Vec<Member> {
        self.slices.remove(&number).unwrap_or_default()
    }

    /// Takes endpoints out. Returns each slice that changed, whether anything is left in it, and
    /// what it lost; a slice with nothing left is no more.
    pub(super) fn thin(&mut self, going: &[Member]) -> Vec<(u32, bool, Vec<Member>)> {
        let mut sorted = going.to_vec();
        sorted.sort_unstable();
        let mut thinned = Vec::new();
        self.slices.retain(|&number, slice| {
            let goes = |member: &Member| sorted.binary_search(member).is_ok();
            let gone: Vec<_> = slice.iter().copied().filter(goes).collect();
            if !gone.is_empty() {
                slice.retain(|member| !goes(member));
                thinned.push((number, !slice.is_empty(), gone));
            }
            !slice.is_empty()
        });
        thinned
    }
}
