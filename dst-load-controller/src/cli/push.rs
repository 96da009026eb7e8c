//! `--push-gateway`: what a run came to, for a Prometheus Pushgateway.

use std::{io, path::PathBuf};

use clap::Args;
use dst_load_report::report::Report;
use dst_load_session::push::PushGateway;

use super::{console::Console, credentials::Sources, usage::UsageError};

/// Where a run's numbers go when it is over.
#[derive(Clone, Debug, Default, Args)]
pub struct PushArgs {
    /// Push the results of the run as gauges (`dst_load_run_…`) to this Prometheus Pushgateway,
    /// such as http://127.0.0.1:9091. They replace earlier ones of the same scenario.
    #[arg(long, value_name = "URL", env)]
    pub push_gateway: Option<String>,
    /// File with the bearer token for the Pushgateway; the value of DST_LOAD_PUSH_GATEWAY_TOKEN by
    /// default.
    #[arg(long, value_name = "FILE", requires = "push_gateway", env)]
    pub push_gateway_token_file: Option<PathBuf>,
    /// File with USER:PASSWORD for the Pushgateway; the value of DST_LOAD_PUSH_GATEWAY_BASIC_AUTH
    /// by default.
    #[arg(long, value_name = "FILE", requires = "push_gateway", env)]
    pub push_gateway_basic_auth_file: Option<PathBuf>,
}

// === impl PushArgs ===

impl PushArgs {
    /// The Pushgateway, if one is wanted.
    ///
    /// # Errors
    /// If its address is none, or its credentials are none.
    pub(super) fn gateway(&self) -> Result<Option<PushGateway>, UsageError> {
        let Some(url) = &self.push_gateway else {
            return Ok(None);
        };
        let sources = Sources {
            service: "push-gateway",
            token_file: self.push_gateway_token_file.as_deref(),
            basic_auth_file: self.push_gateway_basic_auth_file.as_deref(),
        };
        let gateway = PushGateway::new(url, sources.credentials()?);
        (gateway.map(Some)).map_err(|error| UsageError(format!("--push-gateway: {error}")))
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
    console: &mut Console<'_>,
) -> io::Result<()> {
    let Some(gateway) = gateway else {
        return Ok(());
    };
    match gateway.push(report).await {
        Ok(()) => Ok(()),
        Err(error) => writeln!(console.warnings, "warning: nothing was pushed: {error}"),
    }
}
