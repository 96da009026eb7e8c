//! List, then watch, for as long as it takes: by resourceVersion across ends, by a new list
//! where the API server has forgotten.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use dst_load_scenario::{
    fault::WatchedResource,
    printable::{line, sentence},
    time::At,
};
use dst_load_transport::{
    backoff::Backoff,
    calls::reason,
    world::{KubeFactory, OBSERVER_AGENT},
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Shared, WatchError,
    objects::{Metadata, Object},
    seen::MISSED_AFTER,
    state::Event,
};

/// Asked of the server; it ends a watch that lasts longer, and we resume.
const WATCH_SECONDS: u32 = 290;
/// Objects a list answers at once.
const PAGE: u32 = 500;
/// The delays between attempts.
pub(super) const BACKOFF: Backoff =
    Backoff::new(Duration::from_millis(100), Duration::from_secs(10));

/// For how long a page of a list is waited for.
const PAGE_WITHIN: Duration = Duration::from_secs(30);

/// For how long the API server may not know who asks: kubelets renew a Pod's token in time, and a
/// client reads it again every minute.
const UNAUTHORIZED_FOR: Duration = Duration::from_secs(90);

/// One resource's list and watch.
pub(super) struct Watch<'a> {
    factory: &'a KubeFactory,
    /// The client in use: a new one has new connections.
    kube: Mutex<kube::Client>,
    /// Since when the API server has not known who asks.
    unauthorized: Mutex<Option<At>>,
    /// When the last bytes came.
    heard: Mutex<At>,
    resource: WatchedResource,
    path: String,
    shared: &'a Arc<Shared>,
}

/// Why a list or a watch ended.
pub(super) enum Failure {
    /// The server has forgotten where we were.
    Gone,
    /// Something that may mend itself.
    Passing {
        /// What.
        reason: String,
        /// Whether the connection may be dead without a word. This watch's is dropped with it, but
        /// one that the client keeps idle may be as dead, and a multiplexed one would be used again.
        silent: bool,
    },
    /// Trying again does not mend it.
    Fatal(WatchError),
}

#[derive(Deserialize)]
struct List {
    metadata: ListMetadata,
    items: Vec<Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct ListMetadata {
    resource_version: String,
    r#continue: Option<String>,
}

#[derive(Deserialize)]
struct WatchEvent<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
    message: String,
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: Metadata,
}

// === impl Watch ===

impl<'a> Watch<'a> {
    /// Over connections of its own. `namespace` is all of them, if it is empty.
    ///
    /// # Errors
    /// If no client can be made.
    pub(super) fn new(
        factory: &'a KubeFactory,
        resource: WatchedResource,
        namespace: &str,
        shared: &'a Arc<Shared>,
    ) -> Result<Self, WatchError> {
        let scope = if namespace.is_empty() || resource == WatchedResource::Nodes {
            String::new()
        } else {
            format!("namespaces/{namespace}/")
        };
        let group = match resource {
            WatchedResource::Nodes | WatchedResource::Services => "/api/v1",
            WatchedResource::EndpointSlices => "/apis/discovery.k8s.io/v1",
        };
        let kube = factory().map_err(|error| WatchError::Client(reason(&error)))?;
        Ok(Self {
            factory,
            kube: Mutex::new(kube),
            unauthorized: Mutex::default(),
            heard: Mutex::default(),
            resource,
            path: format!("{group}/{scope}{}", resource.plural()),
            shared,
        })
    }

    /// Enters events until something happens that trying again does not mend.
    pub(super) async fn run(&self) -> Result<(), WatchError> {
        let mut version: Option<String> = None;
        let mut listed = false;
        let mut delays = BACKOFF.fixed();
        // Since when nothing has come, where that is so long that something may have been missed.
        let mut silent_since = None;
        // The delays while the server forgets a version which it has just given. The first list
        // follows at once, for nothing is seen until then.
        let mut relists = BACKOFF.fixed();
        let mut forgotten = false;
        loop {
            let outcome = match version.take() {
                None => self.list().await.inspect(|_| {
                    if listed {
                        self.shared.relists.fetch_add(1, Ordering::Relaxed);
                    } else {
                        self.shared.synced.send_modify(|synced| *synced += 1);
                    }
                    listed = true;
                }),
                Some(at) => {
                    let mut last = at.clone();
                    let ended = match self.note_silence(&mut silent_since).await {
                        Ok(()) => self.follow(&mut last).await,
                        Err(failure) => Err(failure),
                    };
                    if last != at {
                        forgotten = false;
                        relists.reset();
                    }
                    match ended {
                        Ok(()) => Ok(last),
                        // What was seen is kept: the next watch resumes from there.
                        Err(Failure::Passing { reason, silent }) => {
                            version = Some(last);
                            let heard = *self.heard.lock();
                            if silent || self.now().since(heard) > MISSED_AFTER {
                                silent_since.get_or_insert(heard);
                            }
                            Err(Failure::Passing { reason, silent })
                        }
                        Err(other) => Err(other),
                    }
                }
            };
            match outcome {
                Ok(at) => {
                    version = Some(at);
                    delays.reset();
                }
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Gone) => {
                    self.note("410 Gone");
                    if forgotten {
                        tokio::time::sleep(relists.next_delay()).await;
                    }
                    forgotten = true;
                }
                Err(Failure::Passing { reason, silent }) => {
                    tracing::debug!(resource = self.name(), reason, "watch interrupted");
                    self.note(&reason);
                    if silent {
                        self.reconnect();
                    }
                    tokio::time::sleep(delays.next_delay()).await;
                }
            }
        }
    }

    /// As permissions and error messages name it.
    const fn name(&self) -> &'static str {
        match self.resource {
            WatchedResource::Nodes => "nodes",
            WatchedResource::Services => "services",
            WatchedResource::EndpointSlices => "endpointslices.discovery.k8s.io",
        }
    }

    /// What follows goes over new connections.
    fn reconnect(&self) {
        match (self.factory)() {
            Ok(kube) => *self.kube.lock() = kube,
            Err(error) => *self.shared.trouble.lock() = Some(reason(&error)),
        }
    }

    /// After a silence: whatever has happened until now came too late to be timed.
    async fn note_silence(&self, since: &mut Option<At>) -> Result<(), Failure> {
        let Some(silent_since) = *since else {
            return Ok(());
        };
        let page = self.page("limit=1", PAGE_WITHIN).await?;
        let mut state = self.shared.state.lock();
        let version = page.metadata.resource_version;
        state.seen.was_silent(self.resource, silent_since, &version);
        *since = None;
        Ok(())
    }

    fn note(&self, reason: &str) {
        let mut errors = self.shared.errors.lock();
        *errors.entry(format!("watch: {reason}")).or_default() += 1;
    }

    /// Lists everything and enters it; returns the resourceVersion to watch from.
    async fn list(&self) -> Result<String, Failure> {
        let (objects, version) = self.read(PAGE_WITHIN).await?;
        let event = Event::Listed {
            objects,
            version: version.clone(),
        };
        let visible = self.now();
        self.shared
            .state
            .lock()
            .enter(self.resource, visible, event);
        Ok(version)
    }

    /// Reads everything, page by page, each within a time; returns it with its resourceVersion.
    pub(super) async fn read(&self, within: Duration) -> Result<(Vec<Object>, String), Failure> {
        let mut objects = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.page(&format!("limit={PAGE}{token}"), within).await?;
            objects.extend(page.items);
            match page.metadata.r#continue.filter(|token| !token.is_empty()) {
                Some(next) => token = format!("&continue={next}"),
                None => return Ok((objects, page.metadata.resource_version)),
            }
        }
    }

    async fn page(&self, query: &str, within: Duration) -> Result<List, Failure> {
        let answered = async {
            let response = self.get(query, "list").await?;
            let body = response.into_body().collect().await;
            Ok(body
                .map_err(|_| Failure::passing("connection lost"))?
                .to_bytes())
        };
        let body = match tokio::time::timeout(within, answered).await {
            Ok(body) => body?,
            Err(_) => return Err(Failure::silent("a list was not answered", within)),
        };
        *self.heard.lock() = self.now();
        serde_json::from_slice(&body)
            .map_err(|error| Failure::passing(&format!("unreadable list ({error})")))
    }

    /// Watches from `version` on, which follows what was seen, until the watch ends.
    async fn follow(&self, version: &mut String) -> Result<(), Failure> {
        let query = format!(
            "watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}"
        );
        let silence = self.shared.silence;
        let answer = tokio::time::timeout(silence, self.get(&query, "watch")).await;
        let answer = answer.map_err(|_| Failure::silent("a watch was not answered", silence))?;
        let mut body = answer?.into_body();
        *self.heard.lock() = self.now();
        let mut partial = BytesMut::new();
        loop {
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = self.shared.resume(self.resource).notified() => {
                    return Err(Failure::Passing {
                        reason: "resumed, for it was not up to date".to_owned(),
                        silent: true,
                    });
                }
                () = tokio::time::sleep(silence) => {
                    return Err(Failure::silent("silent", silence));
                }
            };
            let Some(frame) = frame else { break };
            // Stamped before anything else: decoding takes longer than a controller's work.
            let visible = self.now();
            *self.heard.lock() = visible;
            let frame = frame.map_err(|_| Failure::passing("connection lost"))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            for line in lines(&mut partial, data) {
                self.event(&line, visible, version)?;
            }
        }
        if partial.is_empty() {
            Ok(())
        } else {
            Err(Failure::passing("connection lost within an event"))
        }
    }

    fn event(&self, line: &[u8], visible: At, version: &mut String) -> Result<(), Failure> {
        let unreadable =
            |error: serde_json::Error| Failure::passing(&format!("unreadable event ({error})"));
        let event: WatchEvent<'_> = serde_json::from_slice(line).map_err(unreadable)?;
        let object = || serde_json::from_str::<Object>(event.object.get()).map_err(unreadable);
        let event = match event.r#type {
            "ADDED" | "MODIFIED" => Event::Applied(object()?),
            "DELETED" => Event::Deleted(object()?),
            "BOOKMARK" => {
                let bookmark: Bookmark =
                    serde_json::from_str(event.object.get()).map_err(unreadable)?;
                *version = bookmark.metadata.resource_version;
                return Ok(());
            }
            _ => {
                let status: Status = serde_json::from_str(event.object.get()).unwrap_or_default();
                return Err(match status.code {
                    410 => Failure::Gone,
                    code => Failure::passing(&format!("{code} within the watch")),
                });
            }
        };
        if let Event::Applied(object) | Event::Deleted(object) = &event {
            version.clone_from(&object.metadata.resource_version);
        }
        self.shared
            .state
            .lock()
            .enter(self.resource, visible, event);
        Ok(())
    }

    async fn get(&self, query: &str, verb: &'static str) -> Result<Response<Body>, Failure> {
        let request = Request::get(format!("{}?{query}", self.path))
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::USER_AGENT, OBSERVER_AGENT)
            .body(Body::empty())
            .map_err(|error| Failure::passing(&error.to_string()))?;
        let kube = self.kube.lock().clone();
        let response = kube.send(request).await.map_err(|error| {
            *self.shared.trouble.lock() = Some(reason(&error));
            Failure::passing("no connection")
        })?;
        let status = response.status();
        if status.is_success() {
            *self.unauthorized.lock() = None;
            return Ok(response);
        }
        let body = response.into_body().collect().await;
        let body: Bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
        let said: Status = serde_json::from_slice(&body).unwrap_or_default();
        let message = line(&said.message);
        Err(match status {
            StatusCode::GONE => Failure::Gone,
            // A token may be renewed meanwhile.
            StatusCode::UNAUTHORIZED => {
                let now = self.now();
                let since = *self.unauthorized.lock().get_or_insert(now);
                let after = now.since(since);
                if after < UNAUTHORIZED_FOR {
                    return Err(Failure::passing(&status.to_string()));
                }
                Failure::Fatal(WatchError::Unauthorized {
                    verb,
                    resource: self.name(),
                    after,
                    message,
                })
            }
            StatusCode::FORBIDDEN => Failure::Fatal(WatchError::Forbidden {
                verb,
                resource: self.name(),
                message,
            }),
            status => {
                let trouble = format!("{verb} {}: {status} {message}", self.name());
                *self.shared.trouble.lock() = Some(trouble);
                Failure::passing(&status.to_string())
            }
        })
    }

    fn now(&self) -> At {
        self.shared.clock.now()
    }
}

// === impl Failure ===

impl Failure {
    pub(super) fn passing(reason: &str) -> Self {
        Self::Passing {
            reason: sentence(reason),
            silent: false,
        }
    }

    /// Nothing has come for a while, where something should have.
    fn silent(what: &str, span: Duration) -> Self {
        Self::Passing {
            reason: format!("{what} for {span:?}"),
            silent: true,
        }
    }
}

/// The whole lines among the bytes so far; what follows the last stays in `partial`.
fn lines(partial: &mut BytesMut, data: Bytes) -> Vec<Bytes> {
    let mut rest = if partial.is_empty() {
        data
    } else {
        partial.extend_from_slice(&data);
        std::mem::take(partial).freeze()
    };
    let mut lines = Vec::new();
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = rest.split_to(end + 1);
        if line.len() > 1 {
            lines.push(line.slice(..end));
        }
    }
    if !rest.is_empty() {
        partial.extend_from_slice(&rest);
    }
    lines
}
