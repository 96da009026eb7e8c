//! Sentences of clauses, of which those are left out that would say nothing.

use std::collections::BTreeMap;

use dst_load_scenario::words::{count, counted, seconds};

/// The clauses of one sentence.
#[derive(Default)]
pub(super) struct Clauses(Vec<String>);

// === impl Clauses ===

impl Clauses {
    pub(super) fn of(first: String) -> Self {
        Self(vec![first])
    }

    /// Adds a clause.
    pub(super) fn say(&mut self, clause: impl Into<String>) {
        self.0.push(clause.into());
    }

    /// Adds the words for a value, if there is one.
    pub(super) fn value<T>(&mut self, value: Option<T>, words: impl FnOnce(T) -> String) {
        self.0.extend(value.map(words));
    }

    /// Adds a number of seconds between these words, if there is one.
    pub(super) fn seconds(&mut self, before: &str, value: Option<f64>, after: &str) {
        self.value(value, |it| format!("{before} {}{after}", seconds(it)));
    }

    /// Adds how many there are, unless there are none.
    pub(super) fn count(&mut self, n: u64, rest: &str) {
        self.value(Some(n).filter(|&n| n > 0), |n| {
            format!("{} {rest}", count(n))
        });
    }

    /// The same with a noun.
    pub(super) fn counted(&mut self, n: u64, singular: &str, plural: &str, rest: &str) {
        self.value(Some(n).filter(|&n| n > 0), |n| {
            format!("{} {rest}", counted(n, singular, plural))
        });
    }

    /// Adds counts by name, unless there are none.
    pub(super) fn named(&mut self, what: &str, counts: &BTreeMap<String, u64>) {
        if !counts.is_empty() {
            self.say(format!("{what}: {}", by_name(counts)));
        }
    }

    /// The sentence; `None` if it has no clause.
    pub(super) fn any(self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("; "))
    }

    /// The sentence.
    pub(super) fn joined(self) -> String {
        self.any().unwrap_or_default()
    }
}

pub(super) fn by_name(counts: &BTreeMap<String, u64>) -> String {
    let each = counts.iter();
    let each: Vec<_> = each
        .map(|(name, &n)| format!("{} × {name}", count(n)))
        .collect();
    each.join(", ")
}
