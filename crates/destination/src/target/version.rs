//! Which version of the controller a cluster has, as its chart writes it down: the controller's
//! own metrics do not say.

use std::time::Duration;

use dst_load_scenario::printable::line;
use dst_load_transport::retry::retrying;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt, api::ListParams};

use super::COMPONENT;

/// The label of its Deployment with the version.
const VERSION: &str = "app.kubernetes.io/version";
/// For how long the API server is asked.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The version of the destination controller that is deployed in `kube`'s cluster; `None` if there
/// is none, there are several, or it may not be read.
pub async fn deployed(kube: &kube::Client) -> Option<String> {
    let all: Api<Deployment> = Api::all(retrying(kube.clone()));
    let marked = ListParams::default().labels(COMPONENT);
    let listed = tokio::time::timeout(TIMEOUT, all.list(&marked)).await;
    let found = listed.ok()?.ok()?.items;
    let mut versions: Vec<_> = found
        .iter()
        .filter_map(|deployment| deployment.labels().get(VERSION))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    match versions.as_slice() {
        [version] => Some(line(version)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use dst_load_transport::{
        clock::Clock,
        mock::{Answer, mock, refusal},
    };

    async fn of(answer: impl Fn() -> Answer + Send + 'static) -> Option<String> {
        let (kube, _) = mock(Clock::start(), move |_| answer());
        deployed(&kube).await
    }

    fn deployments(versions: &[&str]) -> Value {
        let item =
            |version: &&str| json!({ "metadata": { "name": "d", "labels": { VERSION: version } } });
        let items: Vec<_> = versions.iter().map(item).collect();
        json!({ "metadata": {}, "items": items })
    }

    #[tokio::test(start_paused = true)]
    async fn the_version_is_what_the_chart_wrote_unless_several_disagree() {
        let said = |versions: &'static [&str]| of(move || Answer::Json(200, deployments(versions)));
        let version = Some("edge-26.8.3".to_owned());
        assert_eq!(said(&["edge-26.8.3"]).await, version);
        assert_eq!(said(&["edge-26.8.3", "edge-26.8.3"]).await, version);
        assert_eq!(said(&["edge-26.8.3", "edge-26.8.2"]).await, None);
        assert_eq!(said(&[]).await, None);
        assert_eq!(of(|| refusal(403, "Forbidden", "no")).await, None);
    }
}
