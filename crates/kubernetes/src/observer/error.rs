//! Why the observer cannot observe.

use std::time::Duration;

/// Why a watch cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// No client could be made.
    #[error("no client of the Kubernetes API: {0}")]
    Client(String),
    /// Nothing can be read of the cluster.
    #[error(
        "the Kubernetes API could not be read for {}s, and without it no update can be timed or \
         checked: {reason}",
        .after.as_secs()
    )]
    Unreachable {
        /// For how long it was tried.
        after: Duration,
        /// What the last try came to.
        reason: String,
    },
    /// The API server has not known for a while who asks.
    #[error(
        "cannot {verb} {resource}: the credentials have not been accepted for {}s ({message}): a \
         token may have expired", .after.as_secs()
    )]
    Unauthorized {
        /// What was refused.
        verb: &'static str,
        /// Of what.
        resource: &'static str,
        /// For how long.
        after: Duration,
        /// In the API server's words.
        message: String,
    },
    /// No LIST could be had to compare with.
    #[error("no LIST succeeded for {}s: {reason}", .after.as_secs())]
    NotListed {
        /// For how long it was tried.
        after: Duration,
        /// What the last try came to.
        reason: String,
    },
    /// The API server refuses.
    #[error("cannot {verb} {resource}: {message}")]
    Forbidden {
        /// What was refused.
        verb: &'static str,
        /// Of what.
        resource: &'static str,
        /// In the API server's words.
        message: String,
    },
}
