//! What belongs to what, looked up by either end of it.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
};

/// The members of each key; a key is forgotten with its last member.
#[derive(Debug)]
pub(crate) struct Index<K, V>(BTreeMap<K, BTreeSet<V>>);

// === impl Index ===

impl<K: Ord, V: Ord> Index<K, V> {
    pub(crate) fn insert(&mut self, key: K, member: V) {
        self.0.entry(key).or_default().insert(member);
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q, member: &V)
    where
        K: Borrow<Q>,
    {
        if let Some(members) = self.0.get_mut(key) {
            members.remove(member);
            if members.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// The members of `key`, in order.
    pub(crate) fn of<'a, Q: Ord + ?Sized>(
        &'a self,
        key: &Q,
    ) -> impl Iterator<Item = &'a V> + use<'a, K, V, Q>
    where
        K: Borrow<Q>,
    {
        self.0.get(key).into_iter().flatten()
    }
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}
