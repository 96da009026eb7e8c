//! Credentials of a plugin, which is run once for all who need them, and again when they expire.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use ::http::{HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, RwLock};
use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::plugin::{Plugin, PluginError, Printed};
use crate::http;

/// Credentials are taken for expired this long before they are; less if they live for less than ten
/// times that.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// A plugin whose credentials are refused is not run more often than this.
const AGAIN: Duration = Duration::from_secs(10);

/// The credentials of one plugin.
pub(super) struct Credentials {
    plugin: Plugin,
    /// Held while the plugin runs: the others wait for it.
    current: tokio::sync::Mutex<Option<Current>>,
    certificate: RwLock<Option<Arc<CertifiedKey>>>,
    refused: Mutex<bool>,
}

#[derive(Clone)]
struct Current {
    printed: Printed,
    /// When the plugin is run again.
    until: Option<Timestamp>,
    got: Instant,
}

// === impl Credentials ===

impl Credentials {
    /// Those of this plugin; the same for everybody in this process who names the same plugin.
    pub(super) fn of(plugin: Plugin) -> Arc<Self> {
        static ALL: LazyLock<Mutex<HashMap<String, Arc<Credentials>>>> =
            LazyLock::new(Mutex::default);
        let mut all = ALL.lock();
        let key = plugin.key();
        let made = || {
            Arc::new(Self {
                plugin,
                current: tokio::sync::Mutex::default(),
                certificate: RwLock::default(),
                refused: Mutex::default(),
            })
        };
        Arc::clone(all.entry(key).or_insert_with(made))
    }

    /// Sees to it that there are some that hold, and gives their header, if they have one.
    ///
    /// # Errors
    /// What the plugin says.
    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, PluginError> {
        let mut current = self.current.lock().await;
        let held = current.as_ref().filter(|it| !self.is_over(it));
        let printed = match held {
            Some(held) => held.printed.clone(),
            None => {
                let printed = self.plugin.run().await?;
                *self.refused.lock() = false;
                self.certificate.write().clone_from(&printed.certificate);
                *current = Some(Current {
                    until: printed.expires.map(|at| until(at, Timestamp::now())),
                    printed: printed.clone(),
                    got: Instant::now(),
                });
                printed
            }
        };
        let Some(token) = printed.token else {
            return Ok(None);
        };
        let bearer = http::Credentials::bearer(token.expose_secret());
        let bearer = bearer.map_err(|error| PluginError::Unreadable {
            command: self.plugin.command(),
            cause: format!("its token: {error}"),
        })?;
        Ok(Some(bearer.header()))
    }

    /// Notes what the API server answered: who is not known any more needs other credentials.
    pub(super) fn note(&self, status: StatusCode) {
        if status == StatusCode::UNAUTHORIZED {
            *self.refused.lock() = true;
        }
    }

    fn is_over(&self, current: &Current) -> bool {
        let expired = current.until.is_some_and(|until| Timestamp::now() >= until);
        expired || (*self.refused.lock() && current.got.elapsed() >= AGAIN)
    }
}

/// When credentials that were got at `now` and expire `at` are got again.
fn until(at: Timestamp, now: Timestamp) -> Timestamp {
    let margin = MARGIN.min(at.duration_since(now) / 10);
    at.checked_sub(margin.max(SignedDuration::ZERO))
        .unwrap_or(at)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// The certificate that is current when a connection is made.
impl ResolvesClientCert for Credentials {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.certificate.read().clone()
    }

    fn has_certs(&self) -> bool {
        self.certificate.read().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_shortly_is_not_got_for_each_call() {
        let now = Timestamp::from_second(1_000).unwrap();
        let after = |seconds| until(now + SignedDuration::from_secs(seconds), now);
        assert_eq!(after(3_600), now + SignedDuration::from_secs(3_540));
        assert_eq!(after(50), now + SignedDuration::from_secs(45));
        // What is over already is got each time.
        assert_eq!(after(-5), now - SignedDuration::from_secs(5));
    }
}
