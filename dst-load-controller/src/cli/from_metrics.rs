//! `scenario from-metrics`: a scenario of the shape of what a live destination controller serves, from
//! the metrics of its replicas.

use std::{
    fs::File,
    io::{self, Read},
    mem,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, Subcommand};
use dst_load_destination::target::{
    LARGEST, Target,
    subscribers::{SubscriberPage, SubscribersError, observed},
};
use dst_load_scenario::{
    derive::{DeriveError, Derived, Wanted},
    quantity::{NonZeroSpan, Span},
    words::excerpt,
};
use dst_load_session::recorder::write_whole;
use dst_load_transport::{clock::Clock, http::shown};

use super::{console::Console, output::Format, usage::UsageError};
use crate::exit::Exit;

/// The commands below `scenario`.
#[derive(Clone, Debug, Subcommand)]
pub enum ScenarioCommand {
    /// Write a scenario from the metrics of a live destination controller.
    FromMetrics(FromMetricsArgs),
}

/// Flags of `scenario from-metrics`.
#[derive(Clone, Debug, Args)]
pub struct FromMetricsArgs {
    /// The metrics of each replica of the destination controller: a URL such as
    /// http://10.0.0.1:9996/metrics, HOST:PORT, or a file with a saved page; `-` is standard input.
    #[arg(required = true, value_name = "URL")]
    pub pages: Vec<String>,
    /// Read the metrics twice, this far apart, and take the rate of changes from the difference.
    #[arg(
        long = "for",
        id = "for",
        value_name = "DURATION",
        env = "DST_LOAD_FOR"
    )]
    pub window: Option<NonZeroSpan>,
    /// Number of meshed pods, if you know it; by default the fewest that can hold these streams.
    #[arg(long, env)]
    pub clients: Option<u64>,
    /// Share of the clients that the scenario is to have, such as 0.1 for a lab.
    #[arg(long, default_value = "1", value_parser = scale, env)]
    pub scale: f64,
    /// Write the scenario to this file instead of standard output.
    #[arg(long, value_name = "FILE", env)]
    pub output_file: Option<PathBuf>,
}

/// Where a page is.
#[derive(Debug)]
enum Source {
    /// A replica's own.
    Replica(Target),
    /// One that was saved.
    Saved(SubscriberPage),
}

/// The pages of all replicas.
#[derive(Debug)]
pub struct Sources(Vec<Source>);

/// Finds the pages, and reads those that are saved: nobody could interrupt that later.
///
/// # Errors
/// A [`UsageError`] if one is neither an address nor a file with the page of a controller.
pub fn open(command: &ScenarioCommand) -> anyhow::Result<Sources> {
    let ScenarioCommand::FromMetrics(args) = command;
    if args.window.is_some()
        && let Some(name) = args.pages.iter().find(|it| !is_address(it))
    {
        let name = excerpt(&shown(name));
        let message = format!("--for reads metrics twice, and {name} is a saved page");
        return Err(UsageError(message).into());
    }
    let sources = args.pages.iter().map(|it| Source::of(it));
    Ok(Sources(sources.collect::<Result<_, _>>()?))
}

/// Writes the scenario.
///
/// # Errors
/// A [`UsageError`] for what is no page of a controller; else if one does not answer, or nothing can be
/// written.
pub async fn run(
    command: &ScenarioCommand,
    sources: Sources,
    console: &mut Console<'_>,
) -> anyhow::Result<Exit> {
    let ScenarioCommand::FromMetrics(args) = command;
    if console.format != Format::Text {
        return Err(UsageError("a scenario is written as YAML; leave out --output".into()).into());
    }
    let clock = Clock::start();
    let (begun, mut pages) = (clock.now(), sources.read().await?);
    // What is wrong with them is said before anybody waits.
    let mut all = observed(&pages, None).map_err(UsageError::from)?;
    if let Some(window) = args.window {
        let waiting = Span(window.0);
        writeln!(console.warnings, "reading the metrics again in {waiting}")?;
        tokio::time::sleep(window.0).await;
        let lasted = clock.now().since(begun);
        let earlier = mem::replace(&mut pages, sources.read().await?);
        all = observed(&pages, Some((&earlier, lasted))).map_err(UsageError::from)?;
    }
    let wanted = Wanted {
        clients: args.clients,
        scale: args.scale,
    };
    let derived = Derived::of(all, wanted).map_err(UsageError::from)?;
    match &args.output_file {
        Some(path) => write_whole(path, &derived.to_string())?,
        None => write!(console.out, "{derived}")?,
    }
    Ok(Exit::Pass)
}

/// A share of the clients, which may be more than all.
fn scale(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|it| (1e-6..=1e6).contains(it));
    number.ok_or_else(|| "it is no share of the clients; write for example 0.1".to_owned())
}

/// Whether this is an address, and no file: it has a scheme, or a port and there is no such file.
fn is_address(name: &str) -> bool {
    let has_port = (name.rsplit_once(':')).is_some_and(|it| it.1.parse::<u16>().is_ok());
    name.contains("://") || has_port && !Path::new(name).exists()
}

// === impl Sources ===

impl Sources {
    /// What all pages say now.
    async fn read(&self) -> anyhow::Result<Vec<SubscriberPage>> {
        let mut pages = Vec::new();
        for source in &self.0 {
            pages.push(match source {
                Source::Saved(page) => page.clone(),
                Source::Replica(target) => {
                    let answer = target.text().await;
                    let (place, text) = answer.context("the metrics cannot be read")?;
                    SubscriberPage::read(&place, &text).map_err(UsageError::from)?
                }
            });
        }
        Ok(pages)
    }
}

// === impl Source ===

impl Source {
    fn of(name: &str) -> Result<Self, UsageError> {
        if is_address(name) {
            let target = Target::new(name);
            return (target.map(Self::Replica)).map_err(|error| UsageError(error.to_string()));
        }
        let place = excerpt(&shown(name));
        let text = saved(name).map_err(|error| UsageError(format!("{place}: {error}")))?;
        Ok(Self::Saved(SubscriberPage::read(&place, &text)?))
    }
}

/// A saved page; `-` is standard input.
fn saved(name: &str) -> io::Result<String> {
    let source: Box<dyn Read> = if name == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(name)?)
    };
    let (mut text, most) = (String::new(), LARGEST as u64);
    let read = source.take(most + 1).read_to_string(&mut text)? as u64;
    if read > most {
        let message = format!("it has more than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

impl From<SubscribersError> for UsageError {
    fn from(error: SubscribersError) -> Self {
        Self(error.to_string())
    }
}

impl From<DeriveError> for UsageError {
    fn from(error: DeriveError) -> Self {
        Self(error.to_string())
    }
}
