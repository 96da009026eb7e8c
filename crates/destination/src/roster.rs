//! The list of a destination controller's replicas, looked up again and again.

use std::{collections::BTreeMap, time::Duration};

use dst_load_transport::world::{ListedReplica, ListedReplicas};
use tokio::sync::watch;

/// How often replicas are looked up again. A proxy resolves a name again when the answer expires,
/// and at most this often (`linkerd/dns/src/minimum_ttl.rs` of linkerd2-proxy); that of Kubernetes
/// expires after 5 s (CoreDNS by itself) to 30 s. The system's resolver does not say when.
pub(crate) const REFRESH: Duration = Duration::from_secs(5);

/// Replicas that can be looked up again.
pub(crate) trait Roster: Send + 'static {
    /// All that have been known so far: each stays at its position, which is its number.
    fn replicas(&self) -> Vec<ListedReplica>;

    /// Looks them up again.
    fn refresh(&mut self) -> impl Future<Output = ()> + Send;
}

/// Where a replica was found, and whether it still is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What tells it from others.
    pub(crate) key: String,
    /// What it was found under; `None` where it was given itself.
    pub(crate) source: Option<String>,
    /// Whether it is there as far as is known.
    pub(crate) is_listed: bool,
}

// === impl Entry ===

impl Entry {
    /// One that is there.
    pub(crate) const fn new(key: String, source: Option<String>) -> Self {
        Self {
            key,
            source,
            is_listed: true,
        }
    }

    /// Takes over what is found `now`, by source. A source that has no answer says nothing: what
    /// was listed under it stays listed.
    pub(crate) fn look_up(&mut self, now: &BTreeMap<String, Vec<String>>) {
        let Some(source) = &self.source else {
            return;
        };
        // Under whichever source: two may lead to one replica.
        let is_found = now.values().any(|keys| keys.contains(&self.key));
        self.is_listed = is_found || self.is_listed && !now.contains_key(source);
    }
}

/// Looks replicas up every [`REFRESH`], as long as somebody reads what comes of it.
pub(crate) fn watch(mut roster: impl Roster) -> ListedReplicas {
    let (sender, receiver) = watch::channel(roster.replicas());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = sender.closed() => return,
                () = tokio::time::sleep(REFRESH) => {}
            }
            roster.refresh().await;
            let now = roster.replicas();
            sender.send_if_modified(|before| {
                let is_changed = !listed(before).eq(listed(&now));
                if is_changed {
                    *before = now;
                }
                is_changed
            });
        }
    });
    receiver
}

fn listed(replicas: &[ListedReplica]) -> impl Iterator<Item = bool> {
    replicas.iter().map(|it| it.is_listed)
}
