//! What `client` watches, where Services stand for those of another cluster.

use std::collections::BTreeMap;

use anyhow::bail;
use dst_load_kubernetes::actor::remote_services;
use dst_load_oracle::ledger::WatchedService;
use dst_load_scenario::{
    federation::{Site, Watched},
    scenario::Scenario,
};
use dst_load_transport::cluster::Cluster;

use super::{ClientArgs, Watch};
use crate::cli::{cluster::CLUSTER_DOMAIN, usage::UsageError};

/// What is watched, and the name of the linked cluster that has the endpoints of some of it.
pub(super) struct Linked {
    pub(super) services: Vec<WatchedService>,
    pub(super) cluster: Option<String>,
}

/// The cluster that has the endpoints, if the flags name one beside `source`.
///
/// # Errors
/// There is no such cluster, or it is the same.
pub(super) async fn observed(
    args: &ClientArgs,
    source: &Cluster,
) -> anyhow::Result<Option<Cluster>> {
    if args.observe_context.is_none() && args.observe_kubeconfig.is_none() {
        return Ok(None);
    }
    let (file, context) = (
        args.observe_kubeconfig.as_deref(),
        args.observe_context.as_deref(),
    );
    let same = |url: &str| {
        format!(
            "the source cluster and the observed cluster are both {url}; remove --observe-context, or \
             name the cluster that has the endpoints"
        )
    };
    let found = (args.cluster.cluster)
        .find_second(source, file, context, same)
        .await?;
    Ok(Some(found))
}

/// What a scenario's clients ask for: beside a second cluster that churns, nothing of this one's own.
pub(super) fn churned(scenario: &Scenario) -> impl Iterator<Item = Watched> {
    let alone = scenario.federation.is_none();
    let watched = scenario.watched().into_iter();
    watched.filter(move |it| alone || it.site == Site::Target)
}

/// What a scenario has watched, which says itself what stands for what.
///
/// # Errors
/// It spans two clusters, and the other one is not `observed`; or the other way round.
pub(super) fn of(
    scenario: &Scenario,
    observed: bool,
    namespace: &str,
) -> Result<Linked, UsageError> {
    let cluster = scenario.federation.as_ref().map(|it| it.cluster.clone());
    let message = match (&cluster, observed) {
        (Some(cluster), false) => format!(
            "the scenario's Services have their endpoints in the cluster {cluster}; add \
             --observe-context or --observe-kubeconfig"
        ),
        (None, true) => {
            "--observe-context names a second cluster, and the scenario has no section \
                         federation"
                .to_owned()
        }
        (Some(_), true) | (None, false) => {
            let port = scenario.churn.port;
            let services = churned(scenario)
                .map(|it| WatchedService::of(&it, namespace, CLUSTER_DOMAIN, port));
            return Ok(Linked {
                services: services.collect(),
                cluster,
            });
        }
    };
    Err(UsageError(message))
}

/// Looks up in the `source` cluster what each Service stands for.
///
/// # Errors
/// One stands for a Service of another cluster and none is `observed`, or for several; or one is
/// not there that should say what it stands for.
pub(super) async fn resolve(
    source: &Cluster,
    observed: Option<&Cluster>,
    watch: &Watch,
) -> anyhow::Result<Linked> {
    let kube = source.client()?;
    let mut linked = Linked {
        services: Vec::new(),
        cluster: None,
    };
    let mut namespaces: Vec<&str> = watch
        .targets
        .iter()
        .map(|it| it.namespace.as_str())
        .collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let mut standings = BTreeMap::new();
    for namespace in namespaces {
        let wanted = watch.targets.iter().filter(|it| it.namespace == namespace);
        let wanted: Vec<&str> = wanted.map(|it| it.service.as_str()).collect();
        let found = remote_services(&kube, namespace, &wanted).await;
        // The observer meets the same trouble, and knows which of it passes.
        match found {
            Err(error) if observed.is_none() => {
                tracing::warn!(%error, "assuming local Service");
            }
            found => drop(standings.insert(namespace, found?)),
        }
    }
    for (position, target) in watch.targets.iter().enumerate() {
        let stood = standings
            .get(target.namespace.as_str())
            .and_then(|all| all.get(&target.service));
        let watched = match stood {
            None => Watched {
                name: target.service.clone(),
                behind: target.service.clone(),
                position,
                site: Site::Source,
                through: None,
            },
            Some(stood) if observed.is_none() => bail!(UsageError(format!(
                "{} stands for {} of the cluster {}, which has the endpoints; add \
                 --observe-context",
                target.service, stood.service, stood.cluster
            ))),
            Some(stood) => {
                let known = linked.cluster.get_or_insert_with(|| stood.cluster.clone());
                if *known != stood.cluster {
                    bail!(UsageError(format!(
                        "{} is of the cluster {}, and others are of {known}; a client observes one",
                        target.service, stood.cluster
                    )));
                }
                Watched {
                    name: target.service.clone(),
                    behind: stood.service.clone(),
                    position,
                    site: Site::Target,
                    through: Some(stood.through),
                }
            }
        };
        linked.services.push(WatchedService::of(
            &watched,
            &target.namespace,
            CLUSTER_DOMAIN,
            target.port,
        ));
    }
    if let (Some(observed), None) = (observed, &linked.cluster) {
        bail!(UsageError(format!(
            "--observe-context names {}, and no watched Service stands for one of that cluster; make \
             such Services with `dst-load-controller link --scenario`",
            observed.url()
        )));
    }
    Ok(linked)
}
