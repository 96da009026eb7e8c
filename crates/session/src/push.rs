//! A run's numbers, pushed to a Prometheus Pushgateway, which keeps them for Prometheus to scrape.
//!
//! <https://github.com/prometheus/pushgateway#api>: `PUT` takes the place of all that the group had.

pub mod gauges;

use std::time::Duration;

use ::http::{Method, header::CONTENT_TYPE};
use axum::body::Body;
use base64::{Engine, prelude::BASE64_URL_SAFE};
use dst_load_report::report::Report;
use dst_load_scenario::printable::line_of;
use dst_load_transport::http::{self, Address, Credentials, Http, NotHttp};
use tokio::time::timeout;

/// For how long an answer is waited for.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// As much of an answer as is repeated, bytes.
const LARGEST: usize = 4096;
/// The job of every group.
const JOB: &str = "dst-load-controller";

/// Why nothing was pushed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] NotHttp),
    /// It does not take them.
    #[error("the Pushgateway at {url}: {cause}")]
    Refused {
        /// Where.
        url: String,
        /// What it says.
        cause: String,
    },
}

/// A Pushgateway.
#[derive(Clone, Debug)]
pub struct PushGateway {
    address: Address,
    http: Http,
}

// === impl PushGateway ===

impl PushGateway {
    /// The Pushgateway at `url`, with its route prefix if it has one, as whoever has these
    /// credentials.
    ///
    /// # Errors
    /// If that is no address of HTTP.
    pub fn new(url: &str, credentials: Option<Credentials>) -> Result<Self, PushError> {
        let gateway = Self::through(url, http::fresh())?;
        Ok(Self {
            address: gateway.address.with(credentials),
            ..gateway
        })
    }

    fn through(url: &str, http: Http) -> Result<Self, PushError> {
        Ok(Self {
            address: Address::parse(url, "http://127.0.0.1:9091")?,
            http,
        })
    }

    /// Pushes what a run came to, in place of what was known of the scenario before.
    ///
    /// # Errors
    /// If it is not taken.
    pub async fn push(&self, report: &Report) -> Result<(), PushError> {
        let refused = |cause| PushError::Refused {
            url: self.address.to_string(),
            cause,
        };
        // As base64, a name may have whatever a path may not.
        let scenario = BASE64_URL_SAFE.encode(&report.scenario.name);
        let group = format!("/metrics/job/{JOB}/scenario@base64/{scenario}");
        let address = self.address.below(&group).map_err(refused)?;
        let request = http::request(Method::PUT, &address)
            .header(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")
            .body(Body::from(gauges::render(report)))
            .map_err(|error| refused(error.to_string()))?;
        let asked = async {
            let answer = http::send(&self.http, request).await?;
            let status = answer.status();
            let body = http::whole(answer.into_body(), LARGEST).await?;
            Ok((status, body))
        };
        let (status, body) = timeout(PUSH_TIMEOUT, asked)
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
            .map_err(refused)?;
        if !status.is_success() {
            let said = line_of(&body);
            return Err(refused(format!("HTTP status {status}: {said}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{Router, extract::Path, http::StatusCode, routing::put};
    use parking_lot::Mutex;

    use super::*;
    use dst_load_recording::recording::samples;

    type Pushed = Arc<Mutex<Vec<(String, String)>>>;

    fn report() -> Report {
        Report::of(&samples::passed(), &samples::criteria(), true).unwrap()
    }

    /// A Pushgateway in this process that answers so.
    fn gateway(status: StatusCode, says: &'static str) -> (PushGateway, Pushed) {
        let pushed = Pushed::default();
        let kept = Arc::clone(&pushed);
        let take = move |Path(group): Path<String>, body: String| async move {
            kept.lock().push((group, body));
            (status, says)
        };
        let routes = Router::new().route("/behind/metrics/job/{*group}", put(take));
        let url = "http://pushgateway:9091/behind/";
        let gateway = PushGateway::through(url, http::routed(routes)).unwrap();
        (gateway, pushed)
    }

    #[tokio::test]
    async fn a_run_takes_the_place_of_its_scenarios_last() {
        let (gateway, pushed) = gateway(StatusCode::OK, "");
        gateway.push(&report()).await.unwrap();
        let pushed = pushed.lock();
        let [(group, body)] = pushed.as_slice() else {
            panic!("{pushed:?}");
        };
        let (job, scenario) = group.split_once("/scenario@base64/").unwrap();
        assert_eq!(job, JOB);
        let scenario = BASE64_URL_SAFE.decode(scenario).unwrap();
        assert_eq!(scenario, report().scenario.name.as_bytes());
        assert!(
            body.contains("\ndst_load_run_verdict{verdict=\"pass\"} 1"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn what_it_does_not_take_is_said_with_its_words() {
        let (gateway, _) = gateway(StatusCode::BAD_REQUEST, "text format parsing error\n");
        let error = gateway.push(&report()).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "the Pushgateway at http://pushgateway:9091/behind/: HTTP status 400 Bad Request: \
             text format parsing error"
        );
    }

    #[test]
    fn an_address_must_be_http() {
        for url in ["pushgateway:9091", "ftp://pushgateway", ""] {
            assert!(PushGateway::new(url, None).is_err(), "{url}");
        }
        assert!(PushGateway::new("https://pushgateway/behind", None).is_ok());
    }
}
