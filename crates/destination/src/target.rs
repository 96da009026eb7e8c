//! What the target says of itself: its readiness and liveness, and its cost from its own metrics.

mod exposition;
pub mod flags;
mod guard;
pub(crate) mod page;
pub mod subscribers;
pub mod version;

use std::{sync::Arc, time::Duration};

use ::http::StatusCode;
use bytes::Bytes;
use dst_load_scenario::{
    printable::{line, line_of},
    quantity::Bytes as Size,
    time::At,
};
use dst_load_transport::{
    clock::Clock,
    http::{self, Address, Http, NotHttp},
};

use crate::lone_name::LoneName;

pub use self::guard::Guard;
pub use self::{guard::Endangered, page::Page};

/// Where a destination controller serves its metrics.
pub(crate) const ADMIN_PORT: u16 = 9996;
/// The label by which Linkerd's chart marks what belongs to the destination controller.
pub(crate) const COMPONENT: &str = "linkerd.io/control-plane-component=destination";

/// How long a scrape may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is asked whether it is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How large the metrics may be: a controller with 5,000 Services and many Nodes stays below.
pub const LARGEST: usize = 64 * 1024 * 1024;

/// How long a kubelet waits for an answer to `/ping` with the probe of Linkerd's chart.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// What only the metrics of a destination controller have: a gauge of its store of clusters, and,
/// once it was asked, its service.
const STORE_SIZE: &str = "cluster_store_size";
const SERVICE: &str = "grpc_service=\"io.linkerd.proxy.destination.Destination\"";
/// The metric by which the reference destination says what it is.
const REFERENCE_INFO: &str = "dst_load_reference_info";

/// The admin endpoint of a destination controller, or of several replicas of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The metrics of each replica, one at least. What they use is added up.
    replicas: Vec<Address>,
    http: Http,
    /// For pings: a kubelet connects each time.
    fresh: Http,
    memory_limit: Option<Size>,
    /// The names among its addresses that lead to one replica, as far as they do.
    lone: Vec<Arc<LoneName>>,
}

/// Why the target could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address is not one.
    #[error(transparent)]
    Address(#[from] NotHttp),
    /// It did not answer.
    #[error("{address}: {reason}")]
    Silent {
        /// What was asked.
        address: String,
        /// Why not.
        reason: String,
    },
}

// === impl Target ===

impl Target {
    /// The target whose metrics are at `address`: a URL, or HOST:PORT for its `/metrics`.
    ///
    /// # Errors
    /// If that is no address.
    pub fn new(address: &str) -> Result<Self, TargetError> {
        Ok(Self::at(vec![metrics(address)?]))
    }

    /// The target whose replicas' metrics are at `addresses`; `None` if there are none.
    ///
    /// # Errors
    /// If one is no address.
    pub fn of_replicas(addresses: &[String]) -> Result<Option<Self>, TargetError> {
        let replicas = addresses.iter().map(|address| metrics(address));
        let replicas: Vec<_> = replicas.collect::<Result<_, _>>()?;
        Ok((!replicas.is_empty()).then(|| Self::at(replicas)))
    }

    fn at(replicas: Vec<Address>) -> Self {
        Self {
            replicas,
            http: http::kept(),
            fresh: http::fresh(),
            memory_limit: None,
            lone: Vec::new(),
        }
    }

    /// Says which names among its addresses lead to one replica. Once one leads to several, the
    /// target is not sampled any more: a page might be any replica's.
    #[must_use]
    pub(crate) fn of_lone(self, lone: Vec<Arc<LoneName>>) -> Self {
        Self { lone, ..self }
    }

    /// Asks through these instead of over sockets of its own; the second connects each time.
    #[must_use]
    pub fn through(self, http: Http, fresh: Http) -> Self {
        Self {
            http,
            fresh,
            ..self
        }
    }

    /// Says how much memory the target, or each replica of it, may have before it is killed.
    #[must_use]
    pub fn limited(self, memory: Option<Size>) -> Self {
        Self {
            memory_limit: memory.or(self.memory_limit),
            ..self
        }
    }

    /// How much memory it may have, where that is known.
    #[must_use]
    pub const fn memory_limit(&self) -> Option<Size> {
        self.memory_limit
    }

    /// Whether the target says that it is ready, all replicas of it; `None` where one does not say
    /// (404, or no answer).
    pub async fn is_ready(&self) -> Option<bool> {
        let mut all = Some(true);
        for metrics in &self.replicas {
            match self.says_ready(metrics).await {
                Some(false) => return Some(false),
                Some(true) => {}
                None => all = None,
            }
        }
        all
    }

    async fn says_ready(&self, metrics: &Address) -> Option<bool> {
        match self.get(&metrics.beside("/ready")).await {
            Ok((StatusCode::NOT_FOUND, _)) => None,
            Ok((status, _)) => Some(status.is_success()),
            Err(_) => Some(false),
        }
    }

    /// Whether this is the tool's own reference destination; `false` too where it does not answer.
    pub async fn is_reference(&self) -> bool {
        self.reference_info().await.is_some()
    }

    /// Whether these are the metrics of a destination controller, Linkerd's or the tool's own;
    /// `false` too where nobody answers.
    pub async fn is_controller(&self) -> bool {
        let answer = self.get(&self.replicas[0]).await;
        answer.is_ok_and(|(status, body)| {
            status.is_success() && is_controllers(&String::from_utf8_lossy(&body))
        })
    }

    /// Whether the tool's own reference destination serves Pods by IPv6, if this is it and it says
    /// so.
    pub async fn reference_ipv6(&self) -> Option<bool> {
        let info = self.reference_info().await?;
        let (_, value) = info.split_once("ipv6=\"")?;
        value.split('"').next()?.parse().ok()
    }

    /// What the tool's own reference destination says that it is.
    async fn reference_info(&self) -> Option<String> {
        let (_, body) = self.get(&self.replicas[0]).await.ok()?;
        let text = String::from_utf8_lossy(&body);
        let info = text.lines().find(|it| it.starts_with(REFERENCE_INFO))?;
        Some(info.to_owned())
    }

    /// Waits until the target is ready, does not say, or `until` has passed.
    pub async fn ready(&self, clock: Clock, until: At) {
        while self.is_ready().await == Some(false) && clock.now() < until {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Asks whether it lives, as a kubelet does: how long the answer took, of several replicas the
    /// slowest.
    ///
    /// # Errors
    /// Why a kubelet would say that it does not.
    pub async fn ping(&self, clock: Clock) -> Result<Duration, String> {
        let mut slowest = Duration::ZERO;
        for metrics in &self.replicas {
            let sent = clock.now();
            let ping = metrics.beside("/ping");
            let asked = http::get(&self.fresh, &ping);
            let answer = tokio::time::timeout(PING_TIMEOUT, asked)
                .await
                .map_err(|_| format!("no answer within {} s", PING_TIMEOUT.as_secs()))??;
            let status = answer.status();
            // What a kubelet takes for success.
            if !status.is_success() && !status.is_redirection() {
                return Err(format!("HTTP status {status}"));
            }
            slowest = slowest.max(clock.now().since(sent));
        }
        Ok(slowest)
    }

    /// Asks for its cost, over all replicas.
    ///
    /// # Errors
    /// If one does not answer, or not with metrics, or it is not known which replica would answer.
    pub async fn sample(&self, at: At) -> Result<Page, TargetError> {
        for lone in &self.lone {
            if !lone.is_lone().await {
                let reason = "the name has several addresses by now, and any replica may answer";
                return Err(silent(&self.replicas[0], reason));
            }
        }
        let mut all = self.page(&self.replicas[0], at).await?;
        for metrics in &self.replicas[1..] {
            all.absorb(&self.page(metrics, at).await?);
        }
        match all.sample.fault() {
            Some(fault) => Err(silent(&self.replicas[0], &fault)),
            None => Ok(all),
        }
    }

    /// Its metrics as text, of several replicas those of the first, and where they are from.
    ///
    /// # Errors
    /// If it does not answer, or not with text.
    pub async fn text(&self) -> Result<(String, String), TargetError> {
        let metrics = &self.replicas[0];
        Ok((metrics.to_string(), self.text_of(metrics).await?))
    }

    async fn text_of(&self, metrics: &Address) -> Result<String, TargetError> {
        let (status, body) = self.get(metrics).await?;
        if !status.is_success() {
            return Err(silent(metrics, &format!("HTTP status {status}")));
        }
        let text = String::from_utf8(body.into());
        text.map_err(|error| silent(metrics, &error.to_string()))
    }

    async fn page(&self, metrics: &Address, at: At) -> Result<Page, TargetError> {
        let text = self.text_of(metrics).await?;
        let mut page = Page::read(&text, at).map_err(|reason| silent(metrics, &reason))?;
        page.sample.memory_limit_bytes = self.memory_limit.map(|limit| limit.0 as f64);
        Ok(page)
    }

    /// A profile of it, of several replicas of the first, as `net/http/pprof` serves it at `path`;
    /// `None` if it serves none.
    ///
    /// # Errors
    /// If it does not answer `within` that time, or with something else.
    pub async fn profile(
        &self,
        path: &'static str,
        within: Duration,
    ) -> Result<Option<Bytes>, TargetError> {
        let address = self.replicas[0].beside(path);
        let (status, body) = self.get_within(&address, within).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            let reason = format!("HTTP status {status}: {}", line_of(&body));
            return Err(silent(&address, &reason));
        }
        Ok(Some(body))
    }

    /// How many replicas there are of it.
    #[must_use]
    pub fn replica_count(&self) -> u64 {
        self.replicas.len() as u64
    }

    async fn get(&self, address: &Address) -> Result<(StatusCode, Bytes), TargetError> {
        self.get_within(address, TIMEOUT).await
    }

    async fn get_within(
        &self,
        address: &Address,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), TargetError> {
        let asked = async {
            let response = http::get(&self.http, address).await?;
            let status = response.status();
            let body = http::whole(response.into_body(), LARGEST).await?;
            Ok::<_, String>((status, body))
        };
        match tokio::time::timeout(within, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(reason)) => Err(silent(address, &reason)),
            Err(_) => Err(silent(address, "no answer in time")),
        }
    }
}

/// Whether a page is a destination controller's, Linkerd's or the tool's own.
fn is_controllers(page: &str) -> bool {
    let begins = |name: &str| page.starts_with(name) || page.contains(&format!("\n{name}"));
    begins(STORE_SIZE) || page.contains(SERVICE) || begins(REFERENCE_INFO)
}

/// Where the metrics of `address` are.
fn metrics(address: &str) -> Result<Address, NotHttp> {
    const EXAMPLE: &str = "http://127.0.0.1:9996/metrics";
    if address.contains("://") {
        return Address::parse(address, EXAMPLE);
    }
    Address::parse(&format!("http://{address}/metrics"), EXAMPLE)
}

fn silent(address: &Address, reason: &str) -> TargetError {
    TargetError::Silent {
        address: address.to_string(),
        reason: line(reason),
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};

    use super::*;

    #[test]
    fn an_address_is_a_url_or_a_host_and_port() {
        assert!(Target::new("127.0.0.1:9996").is_ok());
        assert!(Target::new("http://10.0.0.1:9996/metrics").is_ok());
        assert!(Target::new("https://a/metrics").is_ok());
        for wrong in ["", "ftp://a/metrics", "http:///metrics"] {
            assert!(Target::new(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ping_fails_as_a_kubelets_does_by_its_status_and_after_a_second() {
        let slow = |millis| async move || tokio::time::sleep(Duration::from_millis(millis)).await;
        let routes = |ping| Router::new().route("/ping", ping);
        for (routes, wanted) in [
            (routes(get(slow(990))), Ok(Duration::from_millis(990))),
            (routes(get(slow(1_010))), Err("no answer within 1 s")),
            (Router::new(), Err("HTTP status 404 Not Found")),
        ] {
            let http = http::routed(routes);
            let target = Target::new("linkerd:9996")
                .unwrap()
                .through(http.clone(), http);
            let answered = target.ping(Clock::start()).await;
            assert_eq!(answered, wanted.map_err(str::to_owned));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_scrape_with_a_value_that_is_none_failed_and_names_the_series() {
        let of = |page: &'static str| {
            let http =
                http::routed(Router::new().route("/metrics", get(move || async move { page })));
            Target::new("linkerd:9996")
                .unwrap()
                .through(http.clone(), http)
        };
        let sample = |page| async move { of(page).sample(At::from_secs(5)).await };
        let good = sample("process_resident_memory_bytes 9.5e+07\n")
            .await
            .unwrap();
        assert_eq!(good.sample.rss_bytes, Some(9.5e7));
        for (page, reason) in [
            (
                "process_resident_memory_bytes NaN\n",
                "process_resident_memory_bytes is NaN",
            ),
            (
                "process_resident_memory_bytes -5\n",
                "process_resident_memory_bytes is -5",
            ),
        ] {
            let error = sample(page).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("http://linkerd:9996/metrics: {reason}")
            );
        }
    }
}
