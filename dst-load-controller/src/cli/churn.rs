//! `churn`: the churner, as a Pod: churns Services until it is stopped.
//!
//! Its flags come in two dialects that both mean a scenario: the load test plan's, which say what
//! a scenario file's `churn` says, and the mixed-workload form's, for stable and oscillating
//! Services side by side.

mod act;

use std::sync::Arc;

use clap::Args;
use dst_load_scenario::{
    quantity::{AddressRange, Span},
    scenario::{Draft, Scenario},
};
use dst_load_transport::listen::Listen;
use heck::ToKebabCase;

use super::{
    cluster::ClusterArgs, console::Console, namespace::NamespaceArgs, pace::PaceArgs, scenario,
    usage::UsageError,
};
use crate::exit::Exit;

const PATTERN: &str = "One pattern";
const MIXED: &str = "Mixed workload (stable-svc-N and oscillate-svc-N side by side)";

/// Flags of `churn`.
#[derive(Clone, Debug, Default, Args)]
pub struct ChurnArgs {
    /// Which cluster, and the namespace that the Services are made in.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Namespaces that are allowed by name.
    #[command(flatten)]
    pub allowed: NamespaceArgs,
    /// Take everything from this scenario file, or built-in scenario. Other flags override it.
    #[arg(long, value_name = "SCENARIO", env)]
    pub scenario: Option<String>,

    /// Number of Services, named test-service-1 and so on.
    #[arg(long, help_heading = PATTERN, env)]
    pub services: Option<u32>,
    /// Prefix of the Services' names, before the number.
    #[arg(long, help_heading = PATTERN, env)]
    pub service_prefix: Option<String>,
    /// Objects that make the endpoints: deployments, pods or slices. The last two need neither
    /// controllers nor KWOK.
    #[arg(long, env)]
    pub backend: Option<String>,
    /// Make the Pods of the backend pods look meshed.
    #[arg(long, env)]
    pub meshed: bool,
    /// Address range of the endpoints of the backends pods and slices.
    #[arg(long, value_name = "CIDR", env)]
    pub addresses: Option<AddressRange>,
    /// Pattern: stable, oscillate, scale-up, rolling-update, batch or spike.
    #[arg(long, help_heading = PATTERN, env)]
    pub pattern: Option<String>,
    /// Endpoints per Service (stable, rolling-update).
    #[arg(long, help_heading = PATTERN, env)]
    pub endpoints_per_service: Option<u32>,
    /// Endpoints per Service at the low end (oscillate, batch, spike).
    #[arg(long, help_heading = PATTERN, env)]
    pub min_endpoints: Option<u32>,
    /// Endpoints per Service at the high end (oscillate, batch, spike).
    #[arg(long, help_heading = PATTERN, env)]
    pub max_endpoints: Option<u32>,
    /// Time at the low end; for rolling-update, from one rollout to the next.
    #[arg(long, help_heading = PATTERN, env)]
    pub min_hold: Option<Span>,
    /// Time at the high end.
    #[arg(long, help_heading = PATTERN, env)]
    pub max_hold: Option<Span>,
    /// Maximum random delay before each scaling of a Service: 5s, or 5% of the hold.
    #[arg(long, help_heading = PATTERN, env)]
    pub jitter: Option<String>,
    /// First size of scale-up.
    #[arg(long, help_heading = PATTERN, env)]
    pub scale_from: Option<u32>,
    /// Last size of scale-up.
    #[arg(long, help_heading = PATTERN, env)]
    pub scale_to: Option<u32>,
    /// Duration of scale-up.
    #[arg(long, help_heading = PATTERN, env)]
    pub scale_duration: Option<Span>,
    /// Pods above the size during a rolling-update: 5 or 25%.
    #[arg(long, help_heading = PATTERN, env)]
    pub max_surge: Option<String>,
    /// Pods below the size during a rolling-update: 5 or 25%.
    #[arg(long, help_heading = PATTERN, env)]
    pub max_unavailable: Option<String>,
    /// Services that scale together in a batch.
    #[arg(long, help_heading = PATTERN, env)]
    pub batch_size: Option<u32>,
    /// Time from one batch to the next.
    #[arg(long, help_heading = PATTERN, env)]
    pub batch_interval: Option<Span>,

    /// Number of Services that never change.
    #[arg(long, help_heading = MIXED, env)]
    pub stable_services: Option<u32>,
    /// Endpoints of each of them.
    #[arg(long, help_heading = MIXED, env)]
    pub stable_endpoints: Option<u32>,
    /// Number of Services that are scaled up and down.
    #[arg(long, help_heading = MIXED, env)]
    pub oscillate_services: Option<u32>,
    /// Endpoints of each of them at the low end.
    #[arg(long, help_heading = MIXED, env)]
    pub oscillate_min_endpoints: Option<u32>,
    /// Endpoints of each of them at the high end.
    #[arg(long, help_heading = MIXED, env)]
    pub oscillate_max_endpoints: Option<u32>,
    /// Time at either end.
    #[arg(long, help_heading = MIXED, env)]
    pub oscillate_hold_duration: Option<Span>,
    /// Maximum random delay before each scaling, in percent of the hold.
    #[arg(long, help_heading = MIXED, env)]
    pub oscillate_jitter_percent: Option<f64>,

    /// End after this many cycles. Without this and --duration, run until stopped.
    #[arg(long, env)]
    pub cycles: Option<u32>,
    /// End after this time.
    #[arg(long, env)]
    pub duration: Option<Span>,
    /// Port of the Services and of their endpoints.
    #[arg(long, env)]
    pub port: Option<u16>,
    /// Seed of every random choice.
    #[arg(long, env)]
    pub seed: Option<u64>,

    /// Limits of requests to the API server.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Schedule the pods on KWOK's nodes only (label `type=kwok`), for clusters that have others
    /// too.
    #[arg(long, env)]
    pub kwok_nodes: bool,
    /// Keep what was made in Kubernetes at the end.
    #[arg(long, env)]
    pub keep: bool,
    /// Wait this long between creating the Services and starting the plan, so that clients
    /// elsewhere can open their streams.
    #[arg(long, env)]
    pub start_delay: Option<Span>,
    /// Keep the Services and serve events after the plan is over, until stopped.
    #[arg(long, env)]
    pub linger: bool,
    /// Wait at most this long until the namespace is free, if another run uses it.
    #[arg(long, value_name = "DURATION", env)]
    pub wait_for_namespace: Option<Span>,
    /// Pod, in the same namespace, that owns all objects, so that Kubernetes deletes them with it.
    /// Within a Pod, its own name.
    #[arg(long, value_name = "POD", env, requires = "pod_uid")]
    pub pod: Option<String>,
    /// UID of that Pod.
    #[arg(long, value_name = "UID", env, requires = "pod")]
    pub pod_uid: Option<String>,
    /// Address to serve metrics, events and probes at: IP:PORT, or a port alone. By default port
    /// 9990, or a free one if that is taken. Without an IP, on loopback; in a Pod, on all
    /// interfaces.
    #[arg(long, value_name = "ADDR", env)]
    pub admin_addr: Option<Listen>,
    /// Label of all objects; random by default.
    #[arg(long, env)]
    pub run_id: Option<String>,
}

/// Churns until the plan ends or a signal asks for the end, then takes everything away again.
///
/// # Errors
/// A [`UsageError`], no cluster, a missing permission, a namespace in use; after a second signal
/// [`dst_load_session::runtime::Aborted`].
pub async fn run(args: &ChurnArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let (scenario, noticed) = args.scenario()?;
    console.warn(&noticed)?;
    // A second cluster concerns the client only: the churner churns this one.
    let scenario = Scenario {
        federation: None,
        ..scenario
    };
    act::run(args, Arc::new(scenario), console.out).await?;
    Ok(Exit::Pass)
}

// === impl ChurnArgs ===

impl ChurnArgs {
    /// What the flags mean, whatever their dialect; beside it come warnings. The namespace is no
    /// part of a scenario and stays in [`ChurnArgs::cluster`].
    ///
    /// # Errors
    /// A [`UsageError`] if flags contradict each other or the scenario, or say too little.
    pub fn scenario(&self) -> anyhow::Result<(Scenario, Vec<String>)> {
        let draft = match &self.scenario {
            Some(name) => scenario::open(name)?,
            None if self.names_services() => Draft::from_flags("churn", "command line"),
            None => {
                let message = "no Services are given; add --services, or --stable-services and \
                               --oscillate-services, or --scenario";
                return Err(UsageError(message.to_owned()).into());
            }
        };
        Ok(self.finish(draft)?)
    }

    fn names_services(&self) -> bool {
        self.services.is_some()
            || self.stable_services.is_some()
            || self.oscillate_services.is_some()
    }

    fn finish(&self, mut draft: Draft) -> Result<(Scenario, Vec<String>), UsageError> {
        for (key, value) in self.overrides() {
            if let Some(value) = value {
                draft.put(&flag(key), key, &value)?;
            }
        }
        Ok(draft.finish()?)
    }

    /// Each flag by the key of a scenario file that it stands for.
    fn overrides(&self) -> Vec<(&'static str, Option<String>)> {
        fn text<T: ToString>(value: &Option<T>) -> Option<String> {
            value.as_ref().map(T::to_string)
        }
        vec![
            ("churn.services", text(&self.services)),
            ("churn.servicePrefix", text(&self.service_prefix)),
            ("churn.backend", text(&self.backend)),
            ("churn.meshed", self.meshed.then(|| "true".to_owned())),
            ("churn.addresses", text(&self.addresses)),
            ("churn.pattern", text(&self.pattern)),
            ("churn.endpoints", text(&self.endpoints_per_service)),
            ("churn.minEndpoints", text(&self.min_endpoints)),
            ("churn.maxEndpoints", text(&self.max_endpoints)),
            ("churn.minHold", text(&self.min_hold)),
            ("churn.maxHold", text(&self.max_hold)),
            ("churn.jitter", text(&self.jitter)),
            ("churn.scaleFrom", text(&self.scale_from)),
            ("churn.scaleTo", text(&self.scale_to)),
            ("churn.scaleDuration", text(&self.scale_duration)),
            ("churn.maxSurge", text(&self.max_surge)),
            ("churn.maxUnavailable", text(&self.max_unavailable)),
            ("churn.batchSize", text(&self.batch_size)),
            ("churn.batchInterval", text(&self.batch_interval)),
            ("churn.stable.services", text(&self.stable_services)),
            ("churn.stable.endpoints", text(&self.stable_endpoints)),
            ("churn.oscillate.services", text(&self.oscillate_services)),
            (
                "churn.oscillate.minEndpoints",
                text(&self.oscillate_min_endpoints),
            ),
            (
                "churn.oscillate.maxEndpoints",
                text(&self.oscillate_max_endpoints),
            ),
            ("churn.oscillate.hold", text(&self.oscillate_hold_duration)),
            (
                "churn.oscillate.jitterPercent",
                text(&self.oscillate_jitter_percent),
            ),
            ("churn.cycles", text(&self.cycles)),
            ("churn.duration", text(&self.duration)),
            ("churn.port", text(&self.port)),
            ("scenario.seed", text(&self.seed)),
        ]
    }
}

/// The flag that stands for a scenario's key: named after it, but for two.
fn flag(key: &str) -> String {
    match key {
        "churn.endpoints" => "--endpoints-per-service".to_owned(),
        "churn.oscillate.hold" => "--oscillate-hold-duration".to_owned(),
        _ => {
            let name = key.split_once('.').map_or(key, |(_, name)| name);
            format!("--{}", name.to_kebab_case())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_flag_of_its_name() {
        let command = ChurnArgs::augment_args(clap::Command::new("churn"));
        for (key, _) in ChurnArgs::default().overrides() {
            let flag = flag(key);
            let has = |it: &clap::Arg| it.get_long() == flag.strip_prefix("--");
            assert!(command.get_arguments().any(has), "{key}: {flag}");
        }
    }
}
