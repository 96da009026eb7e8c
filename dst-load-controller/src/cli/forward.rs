//! How a destination controller is reached, where it is not simply at an address.

use anyhow::Context;
use clap::{
    Args,
    builder::{BoolishValueParser, NonEmptyStringValueParser},
};
use dst_load_destination::{
    dial::Windows,
    discovery::{self, Metrics, Replicas},
    forward::Forward,
    pods::{PodTarget, PodTargets, Pods},
    target::{Target, flags},
};
use dst_load_scenario::{
    flags::Flags,
    quantity::Bytes,
    scenario::{Client, ClientPath, Reader},
};
use dst_load_transport::world::{KubeFactory, ListedReplicas};

use super::{
    replicas::{Dials, dial_each},
    usage::UsageError,
};

/// Connections that a port-forward takes without refusing any.
const FORWARDED: u32 = 50;
/// Addresses of replicas that may be named; each is asked.
const MOST_REPLICAS: usize = 1_000;

/// Flags about the way to a destination controller, and what it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ForwardArgs {
    /// Pod of the destination controller, in namespace `linkerd` by default, `deploy/NAME` for all
    /// ready Pods of a Deployment, or a label selector such as `KEY=VALUE,KEY=VALUE` for all ready
    /// Pods that it selects. Pods of the latter two are looked up again every 5 s. Of several
    /// replicas, give each: repeat the flag, or separate names with commas. Connect to each by a
    /// port-forward through the API server, instead of to --destination. Latency is not judged then.
    #[arg(
        long,
        value_name = "[NAMESPACE/]POD",
        env,
        conflicts_with = "destination"
    )]
    pub destination_pod: Vec<PodTargets>,
    /// Treat the destination as a port-forward, such as kubectl's: latency is not judged, and
    /// clients share connections.
    #[arg(long, env)]
    pub forwarded: bool,
    /// Maximum number of connections to the destination, which virtual clients share in turn. By
    /// default each client has its own; through a port-forward, which refuses more than about 60,
    /// the default is 50.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), env)]
    pub connections: Option<u32>,
    /// Memory limit of the destination controller, such as 250Mi; with --destination-pod, that of
    /// the Pod by default. A run ends at four fifths of it.
    #[arg(long, value_name = "SIZE", env)]
    pub destination_memory_limit: Option<Bytes>,
    /// Whether the destination controller serves the IPv6 addresses of pods (its -enable-ipv6,
    /// which is off in Linkerd's chart), if its Pod cannot be read. If it is not known, Services
    /// with such addresses are not judged.
    #[arg(long, value_name = "BOOL", env, value_parser = BoolishValueParser::new())]
    pub destination_ipv6: Option<bool>,
    /// Whether the destination controller reads EndpointSlices (its -enable-endpoint-slices), if
    /// its Pod cannot be read; true by default. Without EndpointSlices nothing is judged.
    #[arg(long, value_name = "BOOL", env, value_parser = BoolishValueParser::new())]
    pub destination_endpoint_slices: Option<bool>,
    /// Version of the destination controller, which the report names; by default what the
    /// controller's process or its Deployment says. Ignored for the reference destination.
    #[arg(long, value_name = "VERSION", env, value_parser = NonEmptyStringValueParser::new())]
    pub destination_version: Option<String>,
}

/// Where a destination controller is.
pub(super) enum Addresses {
    /// At an address.
    Direct(Reached),
    /// In Pods; their metrics perhaps at addresses.
    Pods(Vec<PodTarget>, Option<Target>),
}

/// A destination controller that can be reached.
pub(super) struct Reached {
    pub(super) dials: Dials,
    /// The replicas by and by, where they were found under a name, a Deployment or labels.
    pub(super) listed: Option<ListedReplicas>,
    /// The Pods that are forwarded to.
    pub(super) pods: Vec<String>,
    pub(super) target: Option<Target>,
    /// Its flags that change what it promises, as far as they could be found out.
    pub(super) flags: Flags,
}

/// What was found of a destination controller, beside what was named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Discovered {
    /// The address of each replica.
    pub(super) replicas: Vec<String>,
    /// Where they serve their metrics.
    pub(super) metrics: Metrics,
}

// === impl ForwardArgs ===

impl ForwardArgs {
    /// Whether streams go through a port-forward.
    pub(super) const fn is_forwarded(&self) -> bool {
        self.forwarded || !self.destination_pod.is_empty()
    }

    /// The Pods that are meant, as the command line says them.
    pub(super) fn pods(&self) -> impl Iterator<Item = &PodTarget> {
        self.destination_pod.iter().flat_map(PodTargets::all)
    }

    /// The controller's flags, as the command line says them.
    pub(super) const fn flags(&self) -> Flags {
        Flags {
            ipv6: self.destination_ipv6,
            endpoint_slices: self.destination_endpoint_slices,
        }
    }

    /// The most connections, as far as flags say; `otherwise` is what a scenario says.
    pub(super) fn connections(&self, otherwise: Option<u32>) -> Option<u32> {
        let forwarded = self.is_forwarded().then_some(FORWARDED);
        self.connections.or(otherwise).or(forwarded)
    }

    /// Whether clients can reach the controller by this way.
    ///
    /// # Errors
    /// If flags contradict it, or time is virtual and so has none of the windows that it is about.
    pub(super) fn check_path(&self, client: &Client, virtual_time: bool) -> Result<(), UsageError> {
        let reader = client.stalled.map(|it| it.reader);
        if virtual_time && matches!(reader, Some(Reader::SmallWindows { .. })) {
            return Err(UsageError(
                "client.stalled.reader: smallWindows is about HTTP/2 windows, and virtual time has \
                 none: it would show nothing of them; run it without --virtual"
                    .into(),
            ));
        }
        if client.path == ClientPath::Direct {
            return Ok(());
        }
        if virtual_time {
            return Err(UsageError(
                "client.path: sidecar is about HTTP/2 windows, and virtual time has none: it would \
                 show nothing of them; run it without --virtual"
                    .into(),
            ));
        }
        if self.connections.is_some() {
            return Err(UsageError(
                "--connections: with client.path: sidecar, the number of connections is \
                 client.identities for each replica of the controller; remove the flag"
                    .into(),
            ));
        }
        Ok(())
    }

    /// What can be said of the addresses before anybody is asked.
    ///
    /// # Errors
    /// If one is none, or none is given, or the memory limit means nothing.
    pub(super) fn addresses(
        &self,
        replicas: &[String],
        metrics: &[String],
        windows: Windows,
    ) -> Result<Addresses, UsageError> {
        let target = Target::of_replicas(metrics)
            .map_err(|error| UsageError(format!("--destination-metrics: {error}")))?;
        match &self.destination_pod[..] {
            [_, ..] => Ok(Addresses::Pods(self.pods().cloned().collect(), target)),
            [] if replicas.is_empty() => Err(UsageError(
                "no destination is given; add --destination HOST:PORT, or --destination-pod POD"
                    .into(),
            )),
            [] => Ok(Addresses::Direct(Reached {
                flags: Flags::default(),
                dials: dial_each(replicas, windows)?,
                listed: None,
                pods: Vec::new(),
                target: limited(target, self.destination_memory_limit)?,
            })),
        }
    }

    /// As [`Self::addresses`]: a name with several addresses is a replica each, and metrics that
    /// are not named are looked for at each replica's admin port.
    ///
    /// # Errors
    /// As [`Self::addresses`].
    pub(super) async fn discover(
        &self,
        replicas: &[String],
        metrics: &[String],
        windows: Windows,
    ) -> Result<(Addresses, Discovered), UsageError> {
        let named = || Discovered {
            replicas: replicas.to_vec(),
            metrics: Metrics {
                addresses: metrics.to_vec(),
                sought: Vec::new(),
            },
        };
        if !self.destination_pod.is_empty() || replicas.is_empty() {
            return Ok((self.addresses(replicas, metrics, windows)?, named()));
        }
        if replicas.len() > MOST_REPLICAS {
            return Err(UsageError(format!(
                "--destination names {} addresses; there are at most {MOST_REPLICAS}",
                replicas.len()
            )));
        }
        // Before anybody is asked: it may be wrong.
        dial_each(replicas, windows)?;
        let of_metrics = |metrics: &[String]| {
            Target::of_replicas(metrics)
                .map_err(|error| UsageError(format!("--destination-metrics: {error}")))
        };
        of_metrics(metrics)?;
        let resolve = discovery::system();
        let found = Replicas::find(replicas, &resolve).await;
        let metrics = Metrics::find(metrics, &found).await;
        let usage = |reason| UsageError(format!("--destination: {reason}"));
        let dials = Dials::of(found.dials(windows).map_err(usage)?);
        let dials = dials.ok_or_else(|| UsageError("--destination: no address".into()))?;
        let listed = found.watch(&resolve, windows).map_err(usage)?;
        let target = of_metrics(&metrics.addresses)?
            .map(|target| found.watched_by(target, &metrics.addresses));
        let target = limited(target, self.destination_memory_limit)?;
        let found = Discovered {
            replicas: found.addresses(),
            metrics,
        };
        let reached = Reached {
            dials,
            listed,
            pods: Vec::new(),
            target,
            flags: Flags::default(),
        };
        Ok((Addresses::Direct(reached), found))
    }

    /// The controller at these addresses, and its metrics.
    ///
    /// # Errors
    /// If there is no such Pod, or none that is ready.
    pub(super) async fn reach(
        &self,
        kube: &KubeFactory,
        replicas: &[String],
        addresses: Addresses,
        windows: Windows,
    ) -> anyhow::Result<Reached> {
        match addresses {
            Addresses::Direct(reached) => {
                let flags = self.found(kube, replicas, reached.target.as_ref()).await;
                Ok(Reached { flags, ..reached })
            }
            Addresses::Pods(pods, target) => {
                let pods = Pods::find(kube, &pods).await;
                let pods = pods.context("--destination-pod")?;
                let forwards = pods.forwards();
                let target = match target {
                    Some(target) => Some(target),
                    None => Forward::target(&forwards)?,
                };
                // Of several the least: each may be killed.
                let limit = forwards.iter().filter_map(Forward::memory_limit).min();
                let target = target.map(|target| target.limited(limit));
                let dials = Dials::of(forwards.iter().map(|it| it.dial(windows)).collect());
                let flags = forwards.iter().map(Forward::flags);
                Ok(Reached {
                    dials: dials.context("--destination-pod: no Pod")?,
                    listed: pods.watch(windows),
                    pods: forwards.iter().map(|it| it.name().to_string()).collect(),
                    target: limited(target, self.destination_memory_limit)?,
                    flags: flags.reduce(Flags::in_common).unwrap_or_default(),
                })
            }
        }
    }

    /// What can be found out of the flags of the controller at these addresses.
    async fn found(
        &self,
        kube: &KubeFactory,
        replicas: &[String],
        target: Option<&Target>,
    ) -> Flags {
        if let Some(target) = target
            && let Some(ipv6) = target.reference_ipv6().await
        {
            return Flags {
                ipv6: Some(ipv6),
                ..Flags::DEFAULT
            };
        }
        match kube() {
            Ok(kube) => flags::behind(&kube, replicas).await,
            // Whoever needs the cluster says so.
            Err(_) => Flags::default(),
        }
    }
}

/// The target with its memory limit, if one is given.
///
/// # Errors
/// If the limit is zero.
pub(super) fn with_memory_limit(
    target: Target,
    limit: Option<Bytes>,
) -> Result<Target, UsageError> {
    Ok(target.limited(not_zero(limit)?))
}

/// The memory limit, if it is one.
fn not_zero(limit: Option<Bytes>) -> Result<Option<Bytes>, UsageError> {
    if limit == Some(Bytes(0)) {
        return Err(UsageError(
            "--destination-memory-limit: 0 is no limit; remove the flag".into(),
        ));
    }
    Ok(limit)
}

/// As [`with_memory_limit`], where there may be no target.
///
/// # Errors
/// If the limit is zero, or there is no target whose memory could be read.
fn limited(target: Option<Target>, limit: Option<Bytes>) -> Result<Option<Target>, UsageError> {
    match (target, not_zero(limit)?) {
        (None, Some(_)) => Err(UsageError(
            "--destination-memory-limit needs the destination's metrics, where its memory is read; \
             add --destination-metrics"
                .into(),
        )),
        (target, limit) => target
            .map(|target| with_memory_limit(target, limit))
            .transpose(),
    }
}

#[cfg(test)]
mod tests {
    use dst_load_scenario::scenario::Lifecycle;

    use super::*;

    #[test]
    fn through_a_forward_clients_share_fifty_connections_unless_somebody_says_otherwise() {
        let direct = ForwardArgs::default();
        let forwarded = ForwardArgs {
            forwarded: true,
            ..ForwardArgs::default()
        };
        let pod = ForwardArgs {
            destination_pod: vec!["destination-0".parse().unwrap()],
            ..ForwardArgs::default()
        };
        assert_eq!(direct.connections(None), None);
        assert_eq!(direct.connections(Some(9)), Some(9));
        assert_eq!(forwarded.connections(None), Some(50));
        assert_eq!(pod.connections(None), Some(50));
        assert_eq!(pod.connections(Some(9)), Some(9));
        let asked = ForwardArgs {
            connections: Some(4),
            ..pod
        };
        assert_eq!(asked.connections(Some(9)), Some(4));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_before_anybody_is_asked() {
        let limited = ForwardArgs {
            destination_memory_limit: Some(Bytes(250 << 20)),
            ..ForwardArgs::default()
        };
        let wrong = |way: &ForwardArgs, destination: Option<&str>, metrics: Option<&str>| {
            let given = |it: Option<&str>| it.map(str::to_owned).into_iter().collect::<Vec<_>>();
            let (destination, metrics) = (given(destination), given(metrics));
            let error = way.addresses(&destination, &metrics, Lifecycle::Eternal.into());
            let error = error.err();
            error.map(|UsageError(said)| said).unwrap_or_default()
        };
        let direct = ForwardArgs::default();
        let at = Some("127.0.0.1:8086");
        assert!(wrong(&direct, None, None).starts_with("no destination is given; "));
        assert!(wrong(&direct, Some("a b"), None).starts_with("--destination: "));
        assert!(wrong(&direct, at, Some("ftp://x")).starts_with("--destination-metrics: "));
        assert!(wrong(&limited, at, None).contains("--destination-metrics"));
        assert_eq!(wrong(&limited, at, Some("127.0.0.1:9996")), "");
        // A Pod's metrics are forwarded too.
        let pod = ForwardArgs {
            destination_pod: vec!["destination-0".parse().unwrap()],
            ..limited
        };
        assert_eq!(wrong(&pod, None, None), "");
    }

    #[test]
    fn a_memory_limit_needs_somebody_who_says_how_much_there_is() {
        let limit = Some(Bytes(250 << 20));
        let target = || Some(Target::new("127.0.0.1:9996").unwrap());
        let told = limited(target(), limit).unwrap().unwrap();
        assert_eq!(told.memory_limit(), limit);
        // What the Pod says stays where the flag says nothing.
        let told = limited(Some(told), None).unwrap().unwrap();
        assert_eq!(told.memory_limit(), limit);
        let error = limited(None, limit).unwrap_err().to_string();
        assert!(error.contains("--destination-metrics"), "{error}");
        assert!(limited(target(), Some(Bytes(0))).is_err());
    }
}
