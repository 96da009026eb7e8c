//! The target's own series, from a Prometheus that scraped it while a run went on.

use std::{collections::BTreeMap, time::Duration};

use ::http::StatusCode;
use dst_load_recording::recording::{Line, OverReplicas, SERIES, TargetSample};
use dst_load_scenario::{printable::line, time::At};
use dst_load_transport::http::{self, Address, Credentials, Http, NotHttp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::timeout;

/// How far samples are apart, at best: as where the tool asks the target itself.
const STEP: Duration = Duration::from_secs(5);
/// Points that Prometheus hands out for one question.
const POINTS: u32 = 10_000;
/// For how long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer, bytes.
const LARGEST: usize = 16 << 20;

/// What picks out the destination container of Linkerd's controllers, as a `PodMonitor` labels it:
/// their Pods have others, with metrics of the same names.
pub const SELECTOR: &str = r#"namespace="linkerd",container="destination""#;

/// Why there are no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrometheusError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] NotHttp),
    /// It does not answer, or says what is wrong.
    #[error("Prometheus at {url}: {cause}")]
    Silent {
        /// Where.
        url: String,
        /// Why.
        cause: String,
    },
    /// It knows no such series.
    #[error(
        "Prometheus at {url} has no series of {{{selector}}} in the time of the run: does it scrape \
         the destination controller, and with these labels? (--prometheus-selector)"
    )]
    Nothing {
        /// Where.
        url: String,
        /// Whose series.
        selector: String,
    },
}

/// A Prometheus, and which of its series are the target's.
#[derive(Clone, Debug)]
pub struct Prometheus {
    address: Address,
    selector: String,
    http: Http,
}

/// What an escaped query leaves as it is: letters, digits and these (RFC 3986, 2.3).
const ESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Data,
    #[serde(default)]
    error: String,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    result: Vec<Matrix>,
}

#[derive(Deserialize)]
struct Matrix {
    values: Vec<(f64, String)>,
}

// === impl Prometheus ===

impl Prometheus {
    /// The Prometheus at `url`, as whoever has these credentials.
    ///
    /// # Errors
    /// If that is no address of HTTP.
    pub fn new(
        url: &str,
        selector: &str,
        credentials: Option<Credentials>,
    ) -> Result<Self, PrometheusError> {
        let prometheus = Self::through(url, selector, http::kept())?;
        Ok(Self {
            address: prometheus.address.with(credentials),
            ..prometheus
        })
    }

    fn through(url: &str, selector: &str, http: Http) -> Result<Self, PrometheusError> {
        Ok(Self {
            address: Address::parse(url, "http://127.0.0.1:9090")?,
            selector: selector.trim_matches(['{', '}']).to_owned(),
            http,
        })
    }

    /// What it knows of the target for `lasted` from `started` on (microseconds of the epoch), as
    /// samples whose instants count from there. One in which a series has a value that it cannot
    /// have is a scrape that failed.
    ///
    /// # Errors
    /// If it does not answer, or knows nothing.
    pub async fn samples(
        &self,
        started: i64,
        lasted: Duration,
    ) -> Result<Vec<Line>, PrometheusError> {
        let mut samples: BTreeMap<At, Result<TargetSample, String>> = BTreeMap::new();
        for series in SERIES {
            // As where the tool adds up the pages of replicas itself.
            let one = match series.over_replicas {
                OverReplicas::Sum | OverReplicas::SumOfCounted => "sum",
                OverReplicas::Least => "min",
            };
            let query = format!("{one}({}{{{}}})", series.name, self.selector);
            for (at, value) in self.range(&query, started, lasted).await? {
                let entry = samples.entry(at).or_insert_with(|| {
                    Ok(TargetSample {
                        at,
                        ..TargetSample::default()
                    })
                });
                let parsed = value.parse().unwrap_or(f64::NAN);
                if let Ok(sample) = entry {
                    *(series.slot)(sample) = Some(parsed);
                    if let Some(fault) = sample.fault() {
                        *entry = Err(fault);
                    }
                }
            }
        }
        if samples.is_empty() {
            return Err(PrometheusError::Nothing {
                url: self.address.to_string(),
                selector: self.selector.clone(),
            });
        }
        let line = |(at, sample)| match sample {
            Ok(sample) => Line::Target(sample),
            Err(fault) => Line::TargetSilent {
                at,
                error: format!("Prometheus at {}: {fault}", self.address),
            },
        };
        Ok(samples.into_iter().map(line).collect())
    }

    async fn range(
        &self,
        query: &str,
        started: i64,
        lasted: Duration,
    ) -> Result<Vec<(At, String)>, PrometheusError> {
        let silent = |cause: String| PrometheusError::Silent {
            url: self.address.to_string(),
            cause,
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a date of our time in microseconds is below 2^52"
        )]
        let start = started as f64 / 1e6;
        let step = STEP.max(lasted / POINTS);
        let question = format!(
            "/api/v1/query_range?query={}&start={start:.3}&end={:.3}&step={:.3}",
            utf8_percent_encode(query, &ESCAPED),
            start + lasted.as_secs_f64(),
            step.as_secs_f64()
        );
        let address = self.address.below(&question).map_err(silent)?;
        let answer = http::get_within(&self.http, &address, TIMEOUT).await;
        let answer = answer.map_err(silent)?;
        let status = answer.status();
        let body = timeout(TIMEOUT, http::whole(answer.into_body(), LARGEST)).await;
        let body = body.map_err(|_| silent("it stopped answering".to_owned()))?;
        let body = body.map_err(silent)?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| {
            silent(format!(
                "HTTP status {status}, and no answer of Prometheus'"
            ))
        })?;
        if status != StatusCode::OK {
            return Err(silent(line(&answer.error)));
        }
        let values = answer.data.result.into_iter().flat_map(|it| it.values);
        let counted = values.filter_map(|(at, value)| {
            let since = Duration::try_from_secs_f64(at - start).ok()?;
            // Dates have fewer digits than the run's end.
            Some((At::from(since.min(lasted)), value))
        });
        Ok(counted.collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{Json, Router, extract::Query, routing::get};
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;

    type Asked = Arc<Mutex<Vec<BTreeMap<String, String>>>>;

    /// A Prometheus that knows the CPU and the heap of one start, 1,000 s after the epoch.
    fn prometheus() -> (Prometheus, Asked) {
        let asked = Asked::default();
        let seen = Arc::clone(&asked);
        let answer = move |Query(query): Query<BTreeMap<String, String>>| async move {
            let of = query["query"].clone();
            seen.lock().push(query);
            let values = match of.as_str() {
                it if it.contains("cpu_seconds") => json!([[1_000.0, "1.5"], [1_005.0, "2"]]),
                it if it.contains("heap") => json!([[1_005.0, "3e7"], [1_010.0, "NaN"]]),
                _ => return Json(json!({"status": "success", "data": {"result": []}})),
            };
            Json(json!({"status": "success", "data": {"result": [{"values": values}]}}))
        };
        let routes: Router = Router::new().route("/api/v1/query_range", get(answer));
        let http = http::routed(routes);
        let url = "http://prometheus:9090/";
        (Prometheus::through(url, SELECTOR, http).unwrap(), asked)
    }

    #[tokio::test]
    async fn its_series_become_samples_of_the_run() {
        let (prometheus, asked) = prometheus();
        let lasted = Duration::from_secs(100_000);
        let samples = prometheus.samples(1_000_000_000, lasted).await.unwrap();
        let sample = |at, cpu_seconds, heap_bytes| TargetSample {
            at: At::from_secs(at),
            cpu_seconds,
            heap_bytes,
            ..TargetSample::default()
        };
        let expected = [
            Line::Target(sample(0, Some(1.5), None)),
            Line::Target(sample(5, Some(2.0), Some(3e7))),
            Line::TargetSilent {
                at: At::from_secs(10),
                error: "Prometheus at http://prometheus:9090/: go_memstats_heap_inuse_bytes is NaN"
                    .to_owned(),
            },
        ];
        assert_eq!(samples, expected);
        let asked = asked.lock();
        assert_eq!(
            asked[0]["query"],
            r#"sum(process_cpu_seconds_total{namespace="linkerd",container="destination"})"#
        );
        assert_eq!(
            (&*asked[0]["start"], &*asked[0]["end"]),
            ("1000.000", "101000.000")
        );
        // No more points than it would hand out.
        assert_eq!(asked[0]["step"], "10.000");
    }

    #[tokio::test]
    async fn what_it_does_not_know_is_said() {
        let nothing: Router = Router::new().route(
            "/api/v1/query_range",
            get(|| async { Json(json!({"status": "success", "data": {"result": []}})) }),
        );
        let refusing: Router = Router::new().route(
            "/api/v1/query_range",
            get(|| async {
                (
                    StatusCode::BAD_REQUEST,
                    Json(json!({"error": "parse error"})),
                )
            }),
        );
        let said = |routes: Router| async move {
            let selector = "{a=\"b\"}";
            let prometheus =
                Prometheus::through("http://p:9090", selector, http::routed(routes)).unwrap();
            let samples = prometheus.samples(0, Duration::from_secs(1)).await;
            samples.unwrap_err().to_string()
        };
        assert!(
            said(nothing)
                .await
                .starts_with("Prometheus at http://p:9090/ has no series of {a=\"b\"}")
        );
        assert_eq!(
            said(refusing).await,
            "Prometheus at http://p:9090/: parse error"
        );
        let wrong = Prometheus::new("p:9090", SELECTOR, None).unwrap_err();
        assert!(
            wrong
                .to_string()
                .contains("is not an http or https address"),
            "{wrong}"
        );
    }
}
