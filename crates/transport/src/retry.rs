//! When a call to the Kubernetes API is made again: by kube's typed API here, and by a run's actor.

use std::time::Duration;

use dst_load_scenario::seed;
use http::{HeaderMap, Request, Response, StatusCode, header::RETRY_AFTER};
use kube::client::Body;
use tower::{BoxError, service_fn};

/// Calls in all that are answered with a passing refusal.
const ATTEMPTS: u32 = 10;
/// Calls in all that are not answered: whoever is not there at all is told so soon.
const UNANSWERED: u32 = 3;
/// Failures in a row that somebody who waits is told of: by then some three seconds have passed.
const TOLD_AFTER: u32 = 6;
/// For how long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The wait before the second attempt, at most; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// No wait of our own is longer than this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// A server that asks for a longer wait than this is asked again all the same.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// A client that calls through `kube`, again where the API server is busy (429), fails (500 to 599)
/// or does not answer. Its calls are neither paced nor counted. A watch or a stream is begun again
/// only until its answer begins.
#[must_use]
pub fn retrying(kube: kube::Client) -> kube::Client {
    let namespace = kube.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let kube = kube.clone();
        async move { send(&kube, request).await }
    });
    kube::Client::new(service, namespace)
}

async fn send(kube: &kube::Client, request: Request<Body>) -> Result<Response<Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let what = format!("{} {}", parts.method, parts.uri.path());
    let (mut attempts, mut unanswered) = (0, 0);
    loop {
        let Some(body) = body.try_clone() else {
            // A body that is read once is sent once.
            let request = Request::from_parts(parts, body);
            return Ok(kube.send(request).await?);
        };
        let sent = kube.send(Request::from_parts(parts.clone(), body));
        let answer = tokio::time::timeout(TIMEOUT, sent).await;
        attempts += 1;
        let (why, wait) = match answer {
            Ok(Ok(response)) if !passing(response.status()) || attempts >= ATTEMPTS => {
                return Ok(response);
            }
            Ok(Ok(response)) => (
                response.status().to_string(),
                retry_after(response.headers()),
            ),
            Ok(Err(error)) => {
                unanswered += 1;
                if unanswered >= UNANSWERED {
                    return Err(error.into());
                }
                (error.to_string(), None)
            }
            Err(_) => {
                unanswered += 1;
                let why = format!("no answer within {} s", TIMEOUT.as_secs());
                if unanswered >= UNANSWERED {
                    return Err(why.into());
                }
                (why, None)
            }
        };
        // It belongs to no run, and so to no seed.
        let wait = wait.unwrap_or_else(|| backoff(0, &what, attempts - 1));
        if attempts == TOLD_AFTER {
            tracing::warn!(call = what, %why, "Kubernetes API not available, retrying");
        } else {
            tracing::debug!(call = what, %why, ?wait, "Kubernetes API call failed, retrying");
        }
        tokio::time::sleep(wait).await;
    }
}

/// Between half and the whole of a doubling wait, by the name of what is asked: two calls that were
/// refused together do not come back together.
pub fn backoff(seed: u64, what: &str, retries: u32) -> Duration {
    let most = FIRST_BACKOFF
        .saturating_mul(1 << retries.min(10))
        .min(LONGEST_BACKOFF);
    let entity = format!("{what}/{retries}");
    seed::delay(seed, "kubernetes-backoff", &entity, most / 2, most)
}

/// How long the server asks to be left alone.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(wait.min(LONGEST_RETRY_AFTER))
}

fn passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;
    use kube::{Api, api::ListParams};
    use serde_json::json;

    use super::*;
    use crate::{
        clock::Clock,
        mock::{Answer, mock, refusal},
    };
    use dst_load_scenario::{time::At, words::chain};

    fn nodes() -> Answer {
        Answer::Json(200, json!({ "metadata": {}, "items": [] }))
    }

    /// What a list comes to where these are the answers in turn, and when each call was made.
    async fn listed(answers: Vec<Answer>) -> (Result<usize, String>, Vec<At>) {
        let mut answers = std::collections::VecDeque::from(answers);
        let (kube, log) = mock(Clock::start(), move |_| {
            answers.pop_front().unwrap_or_else(nodes)
        });
        let nodes: Api<Node> = Api::all(retrying(kube));
        let listed = nodes.list(&ListParams::default()).await;
        let listed = listed
            .map(|it| it.items.len())
            .map_err(|error| chain(&error));
        let calls = log.lock().iter().map(|seen| seen.at).collect();
        (listed, calls)
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_tried_again() {
        let unavailable = || refusal(503, "ServiceUnavailable", "not now");
        let html = || Answer::Json(502, json!("<html>Bad Gateway</html>"));
        for (first, calls) in [
            (vec![], 1),
            (vec![Answer::Busy(1)], 2),
            (vec![unavailable()], 2),
            (vec![html(), html(), html()], 4),
            (vec![Answer::HangUp, Answer::HangUp], 3),
            (vec![Answer::Silence], 2),
            (vec![Answer::Silence, unavailable(), Answer::HangUp], 4),
        ] {
            let (listed, made) = listed(first).await;
            assert_eq!((listed, made.len()), (Ok(0), calls));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_says_how_long_to_wait() {
        let (_, made) = listed(vec![Answer::Busy(7)]).await;
        assert_eq!(made[1].since(made[0]), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_is_told() {
        let many = |answer: fn() -> Answer| (0..20).map(|_| answer()).collect();
        let (refused, made) = listed(many(|| refusal(403, "Forbidden", "no"))).await;
        assert_eq!(made.len(), 1);
        assert!(refused.unwrap_err().contains("no"));
        let (failed, made) = listed(many(|| refusal(503, "ServiceUnavailable", "later"))).await;
        assert_eq!(made.len(), 10);
        assert!(failed.unwrap_err().contains("later"));
        let (gone, made) = listed(many(|| Answer::HangUp)).await;
        assert_eq!(made.len(), 3);
        assert!(gone.unwrap_err().contains("reset"));
        let (silent, made) = listed(many(|| Answer::Silence)).await;
        assert_eq!(made.len(), 3);
        assert!(silent.unwrap_err().contains("no answer within 10 s"));
    }

    #[test]
    fn a_wait_that_the_server_asks_for_has_a_bound() {
        let answer = |value: &str| {
            let response = Response::builder().header(RETRY_AFTER, value);
            retry_after(response.body(()).unwrap().headers())
        };
        assert_eq!(answer("3"), Some(Duration::from_secs(3)));
        assert_eq!(answer("86400"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(answer("soon"), None);
    }
}
