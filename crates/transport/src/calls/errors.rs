//! How often calls failed, by kind.

use serde::Serialize;

/// How often each kind of failure was met, retried ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KubernetesErrors {
    /// Answers 429: the server asked us to slow down.
    pub too_many_requests: u64,
    /// Answers 409: somebody else wrote at the same time.
    pub conflicts: u64,
    /// Answers 500 to 599.
    pub server_errors: u64,
    /// Connections that failed or ended before the answer was whole.
    pub connection_errors: u64,
    /// Attempts without an answer within [`super::Limits::timeout`].
    pub timeouts: u64,
    /// Answers 403.
    pub forbidden: u64,
    /// Answers 401.
    pub unauthorized: u64,
    /// Any other refusal; `NotFound` and `AlreadyExists` are answers and not counted.
    pub refused: u64,
    /// Attempts after the first.
    pub retries: u64,
}

// === impl KubernetesErrors ===

impl KubernetesErrors {
    /// Each kind of failure by a name fit for a label, with its count. Retries are no failure and
    /// are left out.
    #[must_use]
    pub fn by_reason(&self) -> [(&'static str, u64); 8] {
        [
            ("too_many_requests", self.too_many_requests),
            ("conflict", self.conflicts),
            ("server_error", self.server_errors),
            ("connection_error", self.connection_errors),
            ("timeout", self.timeouts),
            ("forbidden", self.forbidden),
            ("unauthorized", self.unauthorized),
            ("refused", self.refused),
        ]
    }

    /// Failures of every kind.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, count)| count).sum()
    }
}
