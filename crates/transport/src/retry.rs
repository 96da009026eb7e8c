//! A client of the Kubernetes API for whoever asks now and then, through kube's typed `Api`.

use std::{num::NonZeroU32, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    calls::{CallOptions, Calls, Limits},
    clock::Clock,
};

/// Neither paced nor limited in concurrency. Whoever is not there at all is reported soon; by the
/// sixth failure in a row some three seconds have passed.
fn limits() -> Limits {
    Limits {
        concurrency: Semaphore::MAX_PERMITS,
        unanswered: NonZeroU32::new(3).expect("invariant: 3 is not zero"),
        timeout: Duration::from_secs(10),
        warn_after: Some(6),
        ..Limits::default()
    }
}

/// A refusal is an answer, unless the API server is busy or fails.
const OPTIONS: CallOptions = CallOptions {
    conflict_is_final: true,
    unauthorized_is_final: true,
    urgent: true,
    streams: true,
};

/// A client that calls through `kube`, again where the API server is busy (429), fails (500 to 599)
/// or does not answer. Its calls belong to no run, and so to no seed and to no counts. A watch or a
/// stream is begun again only until its answer begins.
#[must_use]
pub fn retrying(kube: kube::Client) -> kube::Client {
    Calls::new(Clock::start(), 0, limits()).client(kube, OPTIONS)
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
}
