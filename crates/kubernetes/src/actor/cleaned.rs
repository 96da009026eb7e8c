//! What a cleanup did, as it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use dst_load_scenario::printable::line;

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

    /// What is still there, such as `still there: 2 Pods in ns`; `None` if nothing
    /// is.
    #[must_use]
    pub fn left(&self) -> Option<String> {
        let kinds = each_kind(&self.remaining);
        (!kinds.is_empty()).then(|| format!("still there: {}", kinds.join(", ")))
    }
}

impl fmt::Display for Cleaned {
    /// One line for each kind in each namespace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (verb, objects) in [
            ("removed", &self.removed),
            ("still there:", &self.remaining),
        ] {
            for kind in each_kind(objects) {
                writeln!(f, "{verb} {kind}")?;
            }
        }
        Ok(())
    }
}

/// How many there are of each kind in each namespace, such as `2 Pods in ns`.
fn each_kind(objects: &BTreeSet<Removed>) -> Vec<String> {
    let mut counts = BTreeMap::new();
    for object in objects {
        *counts
            .entry((&object.namespace, object.kind))
            .or_insert(0_u64) += 1;
    }
    let words = counts.into_iter().map(|((namespace, kind), count)| {
        let plural = if count == 1 { "" } else { "s" };
        match namespace.as_str() {
            "" => format!("{count} {kind}{plural}"),
            namespace => format!("{count} {kind}{plural} in {}", line(namespace)),
        }
    });
    words.collect()
}
