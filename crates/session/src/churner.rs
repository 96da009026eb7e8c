//! Who moves the endpoints that a session watches, and what follows for its recording.

use dst_load_kubernetes::actor::Caller;

/// Who moves the endpoints that a session watches.
#[derive(Clone)]
pub(crate) enum Churner {
    /// This process, by these callers of the Kubernetes API, one for each cluster.
    ThisProcess(Vec<Caller>),
    /// Another process, which reports what it does.
    Partner,
    /// Somebody who reports nothing.
    Unknown,
}

// === impl Churner ===

impl Churner {
    /// The callers whose failures are recorded.
    pub(crate) fn callers(&self) -> &[Caller] {
        match self {
            Self::ThisProcess(callers) => callers,
            Self::Partner | Self::Unknown => &[],
        }
    }

    /// Whether other processes may watch the same churn, whose recordings are merged with this one:
    /// changes then keep each stream's time.
    pub(crate) const fn has_other_watchers(&self) -> bool {
        matches!(self, Self::Partner | Self::Unknown)
    }

    /// Whether the instants of some writes are known, by which the observer's lag is measured. If
    /// not, updates that arrive before its events are the evidence.
    pub(crate) const fn reports_writes(&self) -> bool {
        matches!(self, Self::ThisProcess(_) | Self::Partner)
    }
}
