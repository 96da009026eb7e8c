//! What the target says of itself: its readiness, and its cost from its own metrics.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{
    live::clock::Clock,
    model::{recording::TargetSample, time::At},
};

/// How long a scrape may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(200);
/// How large the metrics may be: a controller with 5,000 Services and many Nodes stays below.
const LARGEST: usize = 64 * 1024 * 1024;

/// The metric by which the reference destination says what it is.
const REFERENCE_INFO: &str = "dst_load_reference_info";

/// The admin endpoint of a destination controller, or of several replicas of it.
#[derive(Clone, Debug)]
pub struct Target {
    metrics: Uri,
    /// The other replicas'. What they use is added up.
    further: Vec<Uri>,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// Why the target could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address is not one.
    #[error("{address:?} is not an http address such as http://127.0.0.1:9996/metrics")]
    Address {
        /// As given.
        address: String,
    },
    /// It did not answer.
    #[error("{uri}: {reason}")]
    Silent {
        /// What was asked.
        uri: Uri,
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
        Ok(Self {
            metrics: metrics(address)?,
            further: Vec::new(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        })
    }

    /// The target whose replicas' metrics are at `addresses`; `None` if there are none.
    ///
    /// # Errors
    /// If one is no address.
    pub fn of_replicas(addresses: &[String]) -> Result<Option<Self>, TargetError> {
        let Some((first, further)) = addresses.split_first() else {
            return Ok(None);
        };
        let further = further.iter().map(|address| metrics(address));
        Ok(Some(Self {
            further: further.collect::<Result<_, _>>()?,
            ..Self::new(first)?
        }))
    }

    /// Whether the target says that it is ready, all replicas of it; `None` where one does not say
    /// (404, or no answer).
    pub async fn is_ready(&self) -> Option<bool> {
        let mut all = Some(true);
        for metrics in self.replicas() {
            match self.says_ready(metrics).await {
                Some(false) => return Some(false),
                Some(true) => {}
                None => all = None,
            }
        }
        all
    }

    async fn says_ready(&self, metrics: &Uri) -> Option<bool> {
        let mut parts = metrics.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/ready"));
        let uri = Uri::from_parts(parts).ok()?;
        match self.get(uri).await {
            Ok((StatusCode::NOT_FOUND, _)) => None,
            Ok((status, _)) => Some(status.is_success()),
            Err(_) => Some(false),
        }
    }

    /// Whether this is the tool's own reference destination; `false` too where it does not answer.
    pub async fn is_reference(&self) -> bool {
        let answer = self.get(self.metrics.clone()).await;
        answer.is_ok_and(|(_, body)| {
            let text = String::from_utf8_lossy(&body);
            text.lines().any(|line| line.starts_with(REFERENCE_INFO))
        })
    }

    /// Waits until the target is ready, does not say, or `until` has passed.
    pub async fn ready(&self, clock: Clock, until: At) {
        while self.is_ready().await == Some(false) && clock.now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks for its cost, over all replicas.
    ///
    /// # Errors
    /// If one does not answer, or not with metrics.
    pub async fn sample(&self, at: At) -> Result<TargetSample, TargetError> {
        let mut all = self.sample_of(&self.metrics, at).await?;
        for metrics in &self.further {
            add(&mut all, &self.sample_of(metrics, at).await?);
        }
        Ok(all)
    }

    async fn sample_of(&self, metrics: &Uri, at: At) -> Result<TargetSample, TargetError> {
        let (status, body) = self.get(metrics.clone()).await?;
        if !status.is_success() {
            return Err(silent(metrics, &format!("HTTP status {status}")));
        }
        let text =
            std::str::from_utf8(&body).map_err(|error| silent(metrics, &error.to_string()))?;
        Ok(read(text, at))
    }

    fn replicas(&self) -> impl Iterator<Item = &Uri> {
        std::iter::once(&self.metrics).chain(&self.further)
    }

    async fn get(&self, uri: Uri) -> Result<(StatusCode, Bytes), TargetError> {
        let asked = async {
            let response = (self.client.get(uri.clone()).await).map_err(|e| e.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            Ok::<_, String>((status, body.map_err(|e| e.to_string())?.to_bytes()))
        };
        match tokio::time::timeout(TIMEOUT, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(reason)) => Err(silent(&uri, &reason)),
            Err(_) => Err(silent(&uri, "no answer in time")),
        }
    }
}

/// Where the metrics of `address` are.
fn metrics(address: &str) -> Result<Uri, TargetError> {
    let invalid = || TargetError::Address {
        address: address.to_owned(),
    };
    let url = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}/metrics")
    };
    let metrics: Uri = url.parse().map_err(|_| invalid())?;
    if metrics.scheme_str() != Some("http") || metrics.host().is_none() {
        return Err(invalid());
    }
    Ok(metrics)
}

fn silent(uri: &Uri, reason: &str) -> TargetError {
    TargetError::Silent {
        uri: uri.clone(),
        reason: reason.to_owned(),
    }
}

/// Adds a replica's sample to those of others. What only some say is their sum all the same.
///
/// Start times are added too: the sum changes when any replica restarts, which is all that is
/// asked of them. Garbage counts as collected once all have collected theirs.
fn add(all: &mut TargetSample, one: &TargetSample) {
    for (all, one) in [
        (&mut all.cpu_seconds, one.cpu_seconds),
        (&mut all.rss_bytes, one.rss_bytes),
        (&mut all.heap_bytes, one.heap_bytes),
        (&mut all.overflows, one.overflows),
        (&mut all.send_timeouts, one.send_timeouts),
        (&mut all.views_active, one.views_active),
        (&mut all.start_seconds, one.start_seconds),
    ] {
        if let Some(one) = one {
            *all.get_or_insert(0.0) += one;
        }
    }
    all.collected_seconds = match (all.collected_seconds, one.collected_seconds) {
        (Some(all), Some(one)) => Some(all.min(one)),
        (all, one) => all.or(one),
    };
}

/// The sample in a page of Prometheus text. Series of one name are added up.
fn read(text: &str, at: At) -> TargetSample {
    let mut sample = TargetSample {
        at,
        ..TargetSample::default()
    };
    for line in text.lines() {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let slot = match name {
            "process_cpu_seconds_total" => &mut sample.cpu_seconds,
            "process_resident_memory_bytes" => &mut sample.rss_bytes,
            "go_memstats_heap_inuse_bytes" => &mut sample.heap_bytes,
            "go_memstats_last_gc_time_seconds" => &mut sample.collected_seconds,
            "process_start_time_seconds" => &mut sample.start_seconds,
            "endpoint_updates_queue_overflow" => &mut sample.overflows,
            "destination_stream_send_timeouts_total" => &mut sample.send_timeouts,
            "destination_endpoint_views_active" => &mut sample.views_active,
            _ => continue,
        };
        // After the labels, whose values may hold spaces: the value, and perhaps a timestamp.
        let rest = line
            .rsplit_once('}')
            .map_or(&line[name.len()..], |(_, rest)| rest);
        let value = rest
            .split_whitespace()
            .next()
            .and_then(|v| v.parse::<f64>().ok());
        if let Some(value) = value {
            *slot.get_or_insert(0.0) += value;
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_linkerds_metrics_is_read() {
        let page = "# HELP process_cpu_seconds_total Total.\n\
            process_cpu_seconds_total 12.5\n\
            process_resident_memory_bytes 9.5e+07\n\
            go_memstats_heap_inuse_bytes 4.2e+07 1700000000000\n\
            go_memstats_last_gc_time_seconds 1.8e+09\n\
            endpoint_updates_queue_overflow{service=\"a b:80\"} 2\n\
            endpoint_updates_queue_overflow{service=\"c{}:80\"} 3\n\
            process_start_time_seconds 1.7e9\n\
            something_else 1\n";
        let sample = read(page, At::from_secs(3));
        assert_eq!(
            sample,
            TargetSample {
                at: At::from_secs(3),
                cpu_seconds: Some(12.5),
                rss_bytes: Some(9.5e7),
                heap_bytes: Some(4.2e7),
                collected_seconds: Some(1.8e9),
                overflows: Some(5.0),
                send_timeouts: None,
                views_active: None,
                start_seconds: Some(1.7e9),
            }
        );
    }

    #[test]
    fn what_replicas_use_is_added_up_and_garbage_is_collected_when_all_have() {
        let sample = |cpu, collected| TargetSample {
            cpu_seconds: Some(cpu),
            collected_seconds: collected,
            start_seconds: Some(100.0),
            ..TargetSample::default()
        };
        let mut all = sample(1.5, Some(7.0));
        add(&mut all, &sample(2.0, Some(5.0)));
        add(&mut all, &sample(0.5, None));
        assert_eq!(
            (all.cpu_seconds, all.collected_seconds),
            (Some(4.0), Some(5.0))
        );
        assert_eq!((all.start_seconds, all.rss_bytes), (Some(300.0), None));
    }

    #[test]
    fn an_address_is_a_url_or_a_host_and_port() {
        assert!(Target::new("127.0.0.1:9996").is_ok());
        assert!(Target::new("http://10.0.0.1:9996/metrics").is_ok());
        for wrong in ["", "https://a/metrics", "http:///metrics"] {
            assert!(Target::new(wrong).is_err(), "{wrong}");
        }
    }
}
