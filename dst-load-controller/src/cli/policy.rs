//! Where the policy API is asked.

use clap::Args;
use dst_load_destination::{dial::dial, fleet::Policies, target::Target};
use dst_load_scenario::scenario::Client;

use super::usage::UsageError;

/// The flag of `run` and `client`.
#[derive(Clone, Debug, Default, Args)]
pub struct PolicyArgs {
    /// Address of the policy controller, such as linkerd-policy.linkerd.svc.cluster.local:8090, for
    /// the streams of the policy API (`client.policies`). By default they are opened at the address
    /// of the destination controller.
    #[arg(long, value_name = "HOST:PORT", env)]
    pub policy: Option<String>,

    /// Metrics of the policy controller, such as 10.1.0.7:9990, for what these streams cost it: a URL,
    /// or HOST:PORT for its /metrics.
    #[arg(long, value_name = "URL", env)]
    pub policy_metrics: Option<String>,
}

// === impl PolicyArgs ===

impl PolicyArgs {
    /// Where `client` opens the streams of the policy API, if it does. In a Pod named `pod` it asks
    /// for that Pod's policy.
    ///
    /// # Errors
    /// If that is no address, or no such stream is to be opened.
    pub(super) fn policies(
        &self,
        client: &Client,
        pod: Option<String>,
    ) -> Result<Policies, UsageError> {
        let Some(address) = &self.policy else {
            return Ok(Policies { dial: None, pod });
        };
        if !client.policies {
            return Err(UsageError(
                "--policy is the address for streams of the policy API, and none are opened; add \
                 client.policies to the scenario, or --policies"
                    .into(),
            ));
        }
        let dial = dial(address, client.lifecycle);
        let dial = dial.map_err(|error| UsageError(format!("--policy: {error}")))?;
        let dial = Some(dial);
        Ok(Policies { dial, pod })
    }

    /// What serves the policy controller's metrics, if that was named.
    ///
    /// # Errors
    /// If that is no address, or no stream of the policy API is to be opened.
    pub(super) fn controller(&self, client: &Client) -> Result<Option<Target>, UsageError> {
        let Some(address) = &self.policy_metrics else {
            return Ok(None);
        };
        if !client.policies {
            return Err(UsageError(
                "--policy-metrics is for what streams of the policy API cost, and none are opened; \
                 add client.policies to the scenario, or --policies"
                    .into(),
            ));
        }
        let target = Target::new(address);
        let target = target.map_err(|error| UsageError(format!("--policy-metrics: {error}")))?;
        Ok(Some(target))
    }
}
