//! The numbers of the destination's replicas in a merge.
//!
//! Each client numbers them as it finds them, so that they are matched by address. The header of the
//! merge has those that any client found at its start; each that came later has one line of its own.

use std::collections::BTreeMap;

use dst_load_scenario::time::At;

use super::MergeError;
use crate::recording::{Header, Line, ReplicaInfo};

/// Whose number is which.
pub(super) struct Replicas {
    /// What the merge's header says.
    pub(super) header: Vec<ReplicaInfo>,
    /// By address.
    numbers: BTreeMap<String, u32>,
    /// How many the merge has named so far.
    named: u32,
    /// Of each recording: by its own numbers, those of the merge.
    of: Vec<Vec<u32>>,
}

// === impl Replicas ===

impl Replicas {
    /// The replicas of all recordings, each of which has a header. The samples of the target are
    /// those of the recording at `samples`.
    ///
    /// # Errors
    /// If one shares none with the first, or only one of them has several: that is another target.
    pub(super) fn of(recordings: &[Vec<Line>], samples: usize) -> Result<Self, MergeError> {
        let all: Vec<Vec<&str>> = recordings.iter().map(|lines| addresses(lines)).collect();
        let (first, rest) = all.split_first().ok_or(MergeError::Nothing)?;
        for (found, number) in rest.iter().zip(2..) {
            let is_alike = match (first.is_empty(), found.is_empty()) {
                (true, true) => true,
                (false, false) => found.iter().any(|it| first.contains(it)),
                _ => false,
            };
            if !is_alike {
                return Err(MergeError::Differs {
                    number,
                    what: "the replicas",
                    found: found.join(","),
                    first: first.join(","),
                });
            }
        }
        let mut replicas = Self {
            header: Vec::new(),
            numbers: BTreeMap::new(),
            named: 0,
            of: vec![Vec::new(); recordings.len()],
        };
        for (source, lines) in recordings.iter().enumerate() {
            for info in header(lines).map_or(&[][..], |header| &header.replicas) {
                replicas.start(source, info);
            }
        }
        let sampled = header(&recordings[samples]).map_or(&[][..], |header| &header.replicas);
        for info in &mut replicas.header {
            let is_sampled = |it: &ReplicaInfo| it.address == info.address && !it.unsampled;
            info.unsampled = !sampled.iter().any(is_sampled);
        }
        replicas.named = replicas.count();
        let each = recordings.iter().enumerate();
        let mut later: Vec<_> = each
            .flat_map(|(source, lines)| later(lines).map(move |(at, it)| (at, source, it)))
            .collect();
        later.sort_by_key(|&(at, source, _)| (at, source));
        for (_, source, addresses) in later {
            for address in addresses {
                let number = replicas.number_of(address);
                replicas.of[source].push(number);
            }
        }
        Ok(replicas)
    }

    /// A recording's header names this replica.
    fn start(&mut self, source: usize, info: &ReplicaInfo) {
        let number = match self.numbers.get(&info.address) {
            Some(&number) => {
                let merged = &mut self.header[number as usize];
                // Where one does not say it, nor does the merge.
                merged.streams = merged.streams.zip(info.streams).map(|(a, b)| a + b);
                number
            }
            None => {
                self.header.push(info.clone());
                self.number_of(&info.address)
            }
        };
        self.of[source].push(number);
    }

    /// The number of an address, a new one if it has none.
    fn number_of(&mut self, address: &str) -> u32 {
        let next = self.count();
        *self.numbers.entry(address.to_owned()).or_insert(next)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.numbers.len()).unwrap_or(u32::MAX)
    }

    /// Gives the replicas of the next line in order their numbers in the merge. Returns whether it
    /// says anything that is not known yet.
    pub(super) fn number(&mut self, source: usize, line: &mut Line) -> bool {
        match line {
            Line::Replicas { addresses, .. } => {
                addresses.retain(|address| {
                    let is_new = self.numbers.get(address) == Some(&self.named);
                    self.named += u32::from(is_new);
                    is_new
                });
                return !addresses.is_empty();
            }
            Line::Second(second) => {
                for line in &mut second.replicas {
                    line.replica = self.merged(source, line.replica);
                }
            }
            Line::EndState(end) => {
                for streams in [&mut end.wrong_by_replica, &mut end.streams_by_replica] {
                    let each = std::mem::take(streams).into_iter();
                    *streams = each
                        .map(|(replica, count)| (self.merged(source, replica), count))
                        .collect();
                }
            }
            // It has a number also where there is one replica.
            Line::Identified(line) if !self.of[source].is_empty() => {
                line.replica = self.merged(source, line.replica);
            }
            _ => {}
        }
        true
    }

    /// The number in the merge of a recording's replica, which it has named before.
    fn merged(&self, source: usize, replica: u32) -> u32 {
        let number = self.of[source].get(replica as usize).copied();
        number.unwrap_or(u32::MAX)
    }
}

fn header(lines: &[Line]) -> Option<&Header> {
    match lines.first() {
        Some(Line::Header(header)) => Some(header),
        _ => None,
    }
}

/// The addresses of all replicas that a recording names.
fn addresses(lines: &[Line]) -> Vec<&str> {
    let start = header(lines)
        .into_iter()
        .flat_map(|header| &header.replicas);
    let start = start.map(|it| it.address.as_str());
    let later = later(lines).flat_map(|(_, addresses)| addresses);
    start.chain(later.map(String::as_str)).collect()
}

/// When replicas came, and at which addresses.
fn later(lines: &[Line]) -> impl Iterator<Item = (At, &Vec<String>)> {
    lines.iter().filter_map(|line| match line {
        Line::Replicas { at, addresses } => Some((*at, addresses)),
        _ => None,
    })
}
