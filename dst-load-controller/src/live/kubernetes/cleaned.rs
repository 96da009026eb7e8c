//! What a cleanup did, as it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// One object that is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Removed {
    /// Its namespace; empty for a namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// What a cleanup did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// What is gone, sorted.
    pub removed: BTreeSet<Removed>,
    /// What was still there when the time was up, sorted.
    pub remaining: BTreeSet<Removed>,
}

// === impl Cleaned ===

impl Cleaned {
    /// Adds what another cleanup did.
    pub fn absorb(&mut self, other: Self) {
        self.removed.extend(other.removed);
        self.remaining.extend(other.remaining);
    }
}

impl fmt::Display for Cleaned {
    /// One line for each kind in each namespace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (verb, objects) in [
            ("removed", &self.removed),
            ("still there:", &self.remaining),
        ] {
            let mut counts = BTreeMap::new();
            for object in objects {
                *counts
                    .entry((&object.namespace, object.kind))
                    .or_insert(0_u64) += 1;
            }
            for ((namespace, kind), count) in counts {
                let plural = if count == 1 { "" } else { "s" };
                match namespace.as_str() {
                    "" => writeln!(f, "{verb} {count} {kind}{plural}")?,
                    namespace => writeln!(f, "{verb} {count} {kind}{plural} in {namespace}")?,
                }
            }
        }
        Ok(())
    }
}
