//! The pods' addresses: each free one in turn, and none again before all were had.

use std::{collections::BTreeSet, net::Ipv4Addr};

/// A range of addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    first: u32,
    count: u32,
    next: u32,
    taken: BTreeSet<u32>,
}

// === impl Addresses ===

impl Addresses {
    /// `count` addresses from `first` on.
    pub(crate) fn new(first: Ipv4Addr, count: u32) -> Self {
        Self {
            first: first.to_bits(),
            count,
            next: 0,
            taken: BTreeSet::new(),
        }
    }

    /// The next free address; none if all are taken.
    pub(crate) fn take(&mut self) -> Option<Ipv4Addr> {
        for _ in 0..self.count {
            let offset = self.next;
            self.next = (self.next + 1) % self.count;
            if self.taken.insert(offset) {
                return Some(Ipv4Addr::from_bits(self.first + offset));
            }
        }
        None
    }

    /// Notes that an address was given by someone else.
    pub(crate) fn occupy(&mut self, address: Ipv4Addr) {
        if let Some(offset) = self.offset(address) {
            self.taken.insert(offset);
        }
    }

    /// Gives an address back.
    pub(crate) fn free(&mut self, address: Ipv4Addr) {
        if let Some(offset) = self.offset(address) {
            self.taken.remove(&offset);
        }
    }

    fn offset(&self, address: Ipv4Addr) -> Option<u32> {
        let offset = address.to_bits().checked_sub(self.first)?;
        (offset < self.count).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_had_again_only_after_all_others() {
        let mut addresses = Addresses::new(Ipv4Addr::new(10, 0, 0, 1), 3);
        let first = addresses.take().unwrap();
        addresses.free(first);
        assert_eq!(addresses.take(), Some(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(addresses.take(), Some(Ipv4Addr::new(10, 0, 0, 3)));
        assert_eq!(addresses.take(), Some(first));
        assert_eq!(addresses.take(), None);
    }

    #[test]
    fn an_address_that_someone_else_gave_is_not_given() {
        let mut addresses = Addresses::new(Ipv4Addr::new(10, 0, 0, 1), 2);
        addresses.occupy(Ipv4Addr::new(10, 0, 0, 1));
        addresses.occupy(Ipv4Addr::new(192, 168, 0, 1));
        assert_eq!(addresses.take(), Some(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(addresses.take(), None);
    }
}
