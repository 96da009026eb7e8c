//! With which flags a destination controller runs, as far as its Pods say.

use std::{net::IpAddr, time::Duration};

use dst_load_scenario::flags::Flags;
use dst_load_transport::retry::retrying;
use k8s_openapi::api::core::v1::{Container, Pod, Service};
use kube::{Api, ResourceExt, api::ListParams};

use super::COMPONENT;
use crate::address::Address;

/// The container that serves streams.
const CONTAINER: &str = "destination";
/// For how long the API server is asked.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The container of a Pod that serves streams.
pub(crate) fn container(pod: &Pod) -> Option<&Container> {
    let mut containers = pod.spec.as_ref()?.containers.iter();
    containers.find(|it| it.name == CONTAINER)
}

/// The flags of the controller in a Pod; `None` if it has no such container. An image whose own
/// command holds flags is not seen: Linkerd's holds none.
#[must_use]
pub fn of_pod(pod: &Pod) -> Option<Flags> {
    let container = container(pod)?;
    let words = [&container.command, &container.args];
    let words = words.into_iter().flatten().flatten();
    Some(Flags::of_args(words.map(String::as_str)))
}

/// The flags of what is behind these addresses (HOST:PORT), where that is a Pod or a Service of
/// `kube`'s cluster and may be read. An address of this machine says nothing.
pub async fn behind(kube: &kube::Client, addresses: &[String]) -> Flags {
    let all = async {
        let mut found: Option<Flags> = None;
        for address in addresses {
            let flags = at(kube, address).await?;
            found = Some(found.map_or(flags, |others| others.in_common(flags)));
        }
        found
    };
    let asked = tokio::time::timeout(TIMEOUT, all).await;
    asked.ok().flatten().unwrap_or_default()
}

async fn at(kube: &kube::Client, address: &str) -> Option<Flags> {
    let address: Address = address.parse().ok()?;
    match address.ip() {
        Some(ip) if ip.is_loopback() => None,
        Some(ip) => of_ip(kube, ip).await,
        None => {
            // NAME.NAMESPACE, with or without what follows in a cluster.
            let mut labels = address.host().split('.');
            let (name, namespace) = (labels.next()?, labels.next()?);
            if !matches!(labels.next(), None | Some("svc")) {
                return None;
            }
            let services: Api<Service> = Api::namespaced(retrying(kube.clone()), namespace);
            of_service(kube, &services.get_opt(name).await.ok()??).await
        }
    }
}

async fn of_ip(kube: &kube::Client, ip: IpAddr) -> Option<Flags> {
    let marked = ListParams::default().labels(COMPONENT);
    let ip = ip.to_string();
    let pods: Api<Pod> = Api::all(retrying(kube.clone()));
    let pods = pods.list(&marked).await.ok()?.items;
    let has = |pod: &&Pod| {
        let status = pod.status.as_ref();
        status.and_then(|it| it.pod_ip.as_ref()) == Some(&ip)
    };
    if let Some(pod) = pods.iter().find(has) {
        return of_pod(pod);
    }
    let services: Api<Service> = Api::all(retrying(kube.clone()));
    let services = services.list(&marked).await.ok()?.items;
    let service = services.iter().find(|it| {
        let spec = it.spec.as_ref();
        spec.and_then(|it| it.cluster_ip.as_ref()) == Some(&ip)
    });
    of_service(kube, service?).await
}

/// What all Pods of a Service have in common.
async fn of_service(kube: &kube::Client, service: &Service) -> Option<Flags> {
    let selector = service.spec.as_ref()?.selector.as_ref()?;
    let selector: Vec<_> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    if selector.is_empty() {
        return None;
    }
    let selected = ListParams::default().labels(&selector.join(","));
    let pods: Api<Pod> = Api::namespaced(retrying(kube.clone()), &service.namespace()?);
    let pods = pods.list(&selected).await.ok()?.items;
    let mut all = pods.iter().map(of_pod);
    let first = all.next()??;
    all.try_fold(first, |found, flags| Some(found.in_common(flags?)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use dst_load_transport::{
        clock::Clock,
        mock::{Answer, mock, refusal},
    };

    fn pod(ip: &str, args: &[&str]) -> Value {
        json!({
            "metadata": {"name": "destination-0", "namespace": "linkerd"},
            "spec": {"containers": [
                {"name": "linkerd-proxy", "args": ["-enable-ipv6=true"]},
                {"name": "destination", "args": args},
            ]},
            "status": {"podIP": ip},
        })
    }

    fn list(items: &[Value]) -> Answer {
        Answer::Json(200, json!({"metadata": {}, "items": items}))
    }

    async fn found(address: &str, pods: Vec<Value>) -> Flags {
        let service = json!({
            "metadata": {"name": "linkerd-dst", "namespace": "linkerd"},
            "spec": {"clusterIP": "10.96.0.7", "selector": {"app": "destination"}},
        });
        let (kube, _) = mock(Clock::start(), move |what| {
            if what.contains("/services/linkerd-dst") {
                Answer::Json(200, service.clone())
            } else if what.contains("/services") {
                list(std::slice::from_ref(&service))
            } else {
                list(&pods)
            }
        });
        behind(&kube, &[address.to_owned()]).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_pod_behind_an_address_says_its_flags() {
        let off = Flags::of_args(["-enable-ipv6=false"]);
        let pods = || {
            vec![
                pod("10.1.0.9", &["destination", "-enable-ipv6=false"]),
                pod("10.1.0.8", &["destination", "-enable-ipv6=false"]),
            ]
        };
        for address in [
            "10.1.0.9:8086",
            "10.96.0.7:8086",
            "linkerd-dst.linkerd:8086",
            "linkerd-dst.linkerd.svc.cluster.local:8086",
        ] {
            assert_eq!(found(address, pods()).await, off, "{address}");
        }
        for elsewhere in [
            "127.0.0.1:8086",
            "10.1.0.7:8086",
            "example.com.:8086",
            "dst:1",
        ] {
            assert_eq!(found(elsewhere, pods()).await, Flags::default());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pods_that_differ_and_those_that_may_not_be_read_leave_it_open() {
        let differ = vec![
            pod("10.1.0.9", &["-enable-ipv6=false"]),
            pod("10.1.0.8", &[]),
        ];
        let flags = found("linkerd-dst.linkerd:8086", differ).await;
        assert_eq!((flags.ipv6, flags.endpoint_slices), (None, Some(true)));
        let (kube, _) = mock(Clock::start(), |_| refusal(403, "Forbidden", "no"));
        let flags = behind(&kube, &["linkerd-dst.linkerd:8086".to_owned()]).await;
        assert_eq!(flags, Flags::default());
    }
}
