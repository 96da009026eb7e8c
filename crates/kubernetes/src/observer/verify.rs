//! What the observer has seen, compared with a consistent LIST over a new connection: a watch that
//! went silent, or a cache that stands still, cannot answer for itself.

use std::time::Duration;

use dst_load_recording::recording::ObserverEvent;
use dst_load_scenario::{fault::WatchedResource, time::At};
use dst_load_transport::world::KubeFactory;

use super::{
    Observer, WatchError,
    objects::Object,
    seen::Difference,
    state::State,
    watch::{BACKOFF, Failure, Watch},
};

/// For how long what differs may be on its way to the observer.
const CATCH_UP: Duration = Duration::from_secs(5);
/// How often what differs is compared again.
const COMPARE_EVERY: Duration = Duration::from_millis(50);
/// For how long a LIST is tried.
const LIST_WITHIN: Duration = Duration::from_secs(30);
/// For how long one answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Differences that are put into words.
const QUOTED: usize = 10;

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// When the LIST was asked for: whatever was acknowledged before is in it.
    pub asked_at: At,
    /// Objects that were compared.
    pub objects: u64,
    /// Objects that still differed after 5 s. They were taken from the LIST, and what depends on
    /// them is untimed.
    pub differing: u64,
    /// The first few of them, in words.
    pub differences: Vec<String>,
}

/// All objects of a resource at one version.
struct Listed {
    resource: WatchedResource,
    asked: At,
    objects: Vec<Object>,
    version: String,
}

// === impl Verified ===

impl Verified {
    /// Whether the observer had seen all that the LIST has.
    #[must_use]
    pub const fn agreed(&self) -> bool {
        self.differing == 0
    }

    /// The same, for the recording.
    #[must_use]
    pub fn event(&self) -> ObserverEvent {
        ObserverEvent::Verified {
            objects: self.objects,
            differing: self.differing,
            differences: self.differences.clone(),
        }
    }
}

// === impl Listed ===

impl Listed {
    /// Where what was seen differs from it.
    fn differences(&self, state: &State) -> Vec<Difference> {
        (state.seen).differences(self.resource, &self.objects, &self.version, self.asked)
    }
}

// === impl Observer ===

impl Observer {
    /// Compares what it has seen with a consistent LIST of all that it watches, over a new
    /// connection. What differs for longer than 5 s is taken from the LIST, so that streams are
    /// judged by it. It may be called at any time after everything has been listed once.
    ///
    /// # Errors
    /// If there is no LIST to be had.
    pub async fn verify(
        &self,
        kube: &KubeFactory,
        namespace: &str,
    ) -> Result<Verified, WatchError> {
        let first = self.list(kube, namespace).await?;
        let mut verified = Verified {
            asked_at: first.iter().map(|it| it.asked).min().unwrap_or_default(),
            objects: first.iter().map(|it| it.objects.len() as u64).sum(),
            differing: 0,
            differences: Vec::new(),
        };
        let until = self.shared.clock.now() + CATCH_UP;
        loop {
            if self.differences(&first).is_empty() {
                return Ok(verified);
            }
            if self.shared.clock.now() >= until {
                break;
            }
            tokio::time::sleep(COMPARE_EVERY).await;
        }
        // By now the first one is old.
        let second = self.list(kube, namespace).await?;
        let before = self.differences(&first);
        let visible = self.shared.clock.now();
        {
            let mut state = self.shared.state.lock();
            let mut words = Vec::new();
            let mut corrections = Vec::new();
            for listed in second {
                let differences = listed.differences(&state);
                let still = differences.iter().filter(|now| {
                    let mut before = before.iter();
                    before.any(|(of, then)| *of == listed.resource && then.key == now.key)
                });
                words.extend(still.map(|it| it.words.clone()));
                corrections.push((listed, differences));
            }
            if words.is_empty() {
                return Ok(verified);
            }
            verified.differing = words.len() as u64;
            words.truncate(QUOTED);
            verified.differences = words;
            for (listed, differences) in corrections {
                let (objects, version) = (listed.objects, &listed.version);
                state.correct(listed.resource, visible, &differences, objects, version);
            }
        }
        self.resume();
        Ok(verified)
    }

    fn differences(&self, all: &[Listed]) -> Vec<(WatchedResource, Difference)> {
        let state = self.shared.state.lock();
        let of = |listed: &Listed| {
            let (resource, differences) = (listed.resource, listed.differences(&state));
            differences.into_iter().map(move |it| (resource, it))
        };
        all.iter().flat_map(of).collect()
    }

    /// All objects of all resources that are watched, tried again for a while.
    async fn list(&self, kube: &KubeFactory, namespace: &str) -> Result<Vec<Listed>, WatchError> {
        let clock = self.shared.clock;
        let until = clock.now() + LIST_WITHIN;
        let mut delays = BACKOFF.fixed();
        loop {
            let reason = match self.list_once(kube, namespace).await {
                Ok(all) => return Ok(all),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Gone) => "410 Gone".to_owned(),
                Err(Failure::Passing { reason, .. }) => reason,
            };
            let wait = delays.next_delay();
            if clock.now() + wait >= until {
                return Err(WatchError::NotListed {
                    after: LIST_WITHIN,
                    reason,
                });
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn list_once(&self, kube: &KubeFactory, namespace: &str) -> Result<Vec<Listed>, Failure> {
        let mut all = Vec::new();
        for resource in self.watched() {
            // A client of its own: a connection that is there already may be dead.
            let watch = Watch::new(kube, resource, namespace, &self.shared)
                .map_err(|error| Failure::passing(&error.to_string()))?;
            let asked = self.shared.clock.now();
            let (objects, version) = watch.read(ANSWER_WITHIN).await?;
            all.push(Listed {
                resource,
                asked,
                objects,
                version,
            });
        }
        Ok(all)
    }

    /// The resources that are watched, of those that should be.
    fn watched(&self) -> Vec<WatchedResource> {
        let refused = self.shared.refused.lock();
        let all = WatchedResource::ALL.into_iter();
        all.filter(|resource| self.should_watch(*resource) && !refused.contains(resource))
            .collect()
    }
}
