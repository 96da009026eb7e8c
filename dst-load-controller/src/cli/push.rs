//! `--push-gateway`: what a run came to, for a Prometheus Pushgateway.

use std::io::{self, Write};

use clap::Args;

use super::UsageError;
use crate::{live::push::PushGateway, model::report::Report};

/// Where a run's numbers go when it is over.
#[derive(Clone, Debug, Default, Args)]
pub struct PushArgs {
    /// Pushes what the run came to as gauges (`dst_load_run_…`) to this Prometheus Pushgateway, such
    /// as http://127.0.0.1:9091, in place of what it had of the scenario.
    #[arg(long, value_name = "URL", env = "DST_LOAD_PUSH_GATEWAY")]
    pub push_gateway: Option<String>,
}

// === impl PushArgs ===

impl PushArgs {
    /// The Pushgateway, if one is wanted.
    ///
    /// # Errors
    /// If its address is none.
    pub(super) fn gateway(&self) -> Result<Option<PushGateway>, UsageError> {
        let gateway = self.push_gateway.as_deref().map(PushGateway::new);
        (gateway.transpose()).map_err(|error| UsageError(format!("--push-gateway: {error}")))
    }
}

/// Pushes the report, if it is wanted. A Pushgateway that does not take it changes no verdict, and is
/// told.
///
/// # Errors
/// If that cannot be told.
pub(super) async fn push(
    gateway: Option<&PushGateway>,
    report: &Report,
    warnings: &mut impl Write,
) -> io::Result<()> {
    let Some(gateway) = gateway else {
        return Ok(());
    };
    match gateway.push(report).await {
        Ok(()) => Ok(()),
        Err(error) => writeln!(warnings, "warning: nothing was pushed: {error}"),
    }
}
