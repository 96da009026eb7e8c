//! `report`: renders recordings again, or several clients' as one.

mod from_pods;

use std::{io, path::PathBuf};

use anyhow::Context;
use clap::Args;
use dst_load_recording::recording::{Header, Line, each_once, header_of, merge};
use dst_load_report::{
    report::{Report, html, json, junit, markdown, next, page::Page, text},
    terminal::Style,
    verdict::Verdict,
};
use dst_load_scenario::{
    criteria::Criteria,
    plan::{Plan, Planned},
    scenario::Scenario,
};
use dst_load_session::recorder::{RunDirectory, write_whole};
use rustix::termios::tcgetwinsize;

use super::{
    console::Console,
    output::Format,
    push::{self, PushArgs},
    recording_file,
    usage::UsageError,
};
use crate::exit::Exit;

pub use self::from_pods::FromPodsArgs;

/// Flags of `report`.
#[derive(Clone, Debug, Default, Args)]
pub struct ReportArgs {
    /// Recordings, or directories of runs. Several, of clients of the same scenario and seed, are
    /// merged into one report. A recording may be compressed with gzip.
    #[arg(required_unless_present = "from_pods", value_name = "RECORDING")]
    pub recordings: Vec<PathBuf>,
    /// A run in a cluster.
    #[command(flatten)]
    pub pods: FromPodsArgs,
    /// The Pushgateway for its results.
    #[command(flatten)]
    pub push: PushArgs,
    /// Write the report to this file instead of standard output.
    #[arg(long, value_name = "FILE", env)]
    pub output_file: Option<PathBuf>,
    /// Exit with 3 if the run failed and with 4 if it is invalid, as `run` does.
    #[arg(long, env)]
    pub exit_code: bool,
}

/// Collects the recordings of a cluster's clients, and renders what they come to.
///
/// # Errors
/// As [`run`]; and no cluster, no pods, or one that does not answer.
pub async fn run_from_pods(args: &ReportArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    from_pods::run(args, console).await
}

/// Renders the recordings.
///
/// # Errors
/// If one cannot be read, they cannot be merged, or the report cannot be written.
pub async fn run(args: &ReportArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let gateway = args.push.gateway()?;
    let page = load(&args.recordings)?;
    match &args.output_file {
        Some(path) => write_whole(path, &render(&page, console.format, Style::PLAIN))?,
        None => print(&page, console)?,
    }
    push::push(gateway.as_ref(), &page.report, console).await?;
    Ok(if args.exit_code {
        exit(&page.report)
    } else {
        Exit::Pass
    })
}

/// Prints the report.
///
/// # Errors
/// If it cannot be written.
pub(super) fn print(page: &Page, console: &mut Console<'_>) -> io::Result<()> {
    let text = render(page, console.format, style());
    console.out.write_all(text.as_bytes())
}

/// Says where the recording and the reports are, and which command goes on from there.
///
/// # Errors
/// If it cannot be written.
pub(super) fn announce(
    what: &str,
    page: &Page,
    directory: &RunDirectory,
    console: &mut Console<'_>,
) -> io::Result<()> {
    let path = directory.path().display().to_string();
    writeln!(console.warnings, "{what}: {path}")?;
    writeln!(console.warnings, "{}", next::command(&page.report, &path))
}

/// The exit code that a report's verdict means.
#[must_use]
pub const fn exit(report: &Report) -> Exit {
    match report.verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Fail => Exit::Failed,
        Verdict::Invalid => Exit::Invalid,
    }
}

/// The report in a form; the style is for text alone.
#[must_use]
pub fn render(page: &Page, format: Format, style: Style) -> String {
    let report = &page.report;
    match format {
        Format::Text => text::render(report, style),
        Format::Json => json::render(report),
        Format::Markdown => markdown::render(report),
        Format::Junit => junit::render(report),
        Format::Html => html::render(page),
    }
}

/// On a terminal as wide as that is, and in colours unless they are declined
/// (<https://no-color.org>); plain elsewhere.
#[must_use]
pub fn style() -> Style {
    /// Longer lines are hard to follow.
    const WIDEST: usize = 120;
    let Ok(size) = tcgetwinsize(io::stdout()) else {
        return Style::PLAIN;
    };
    Style {
        coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        columns: usize::from(size.ws_col).clamp(Style::PLAIN.columns, WIDEST),
    }
}

/// The report of the recordings at these paths, judged by the scenario that they hold. It depends on
/// what they hold alone.
///
/// # Errors
/// If one cannot be read, or they cannot be merged.
pub fn load(paths: &[PathBuf]) -> anyhow::Result<Page> {
    let mut recordings = Vec::new();
    for path in paths {
        recordings.push(recording_file::open(path)?);
    }
    let places = paths.iter().map(|path| path.display().to_string());
    once(places.zip(&recordings))?;
    judged(&merge(recordings).map_err(|error| UsageError(error.to_string()))?)
}

/// Refuses recordings that hold the same one, under whatever name.
fn once<'a>(all: impl Iterator<Item = (String, &'a Vec<Line>)>) -> Result<(), UsageError> {
    let headers = all.filter_map(|(place, lines)| Some((place, header_of(lines)?)));
    each_once(headers).map_err(|error| UsageError(error.to_string()))
}

/// The report of these lines, judged by the scenario that they hold.
fn judged(lines: &[Line]) -> anyhow::Result<Page> {
    let Some(Line::Header(header)) = lines.first() else {
        anyhow::bail!("the recording has no header");
    };
    let (criteria, planned) = judged_by(header)?;
    Report::of(lines, &criteria, planned)
        .and_then(|report| Page::of(lines, report))
        .context("the recording has no header")
}

/// The criteria that a recording holds, and whether its plan changes any endpoints. A client that
/// watched alone had neither criteria nor a plan.
pub(super) fn judged_by(header: &Header) -> anyhow::Result<(Criteria, Planned)> {
    if header.scenario.get("churn").is_none() {
        return Ok((Criteria::default(), Planned::NONE));
    }
    let scenario = Scenario::from_effective(&header.scenario, &header.name)
        .context("the scenario within the recording")?;
    let planned = Plan::changes(&scenario);
    Ok((scenario.criteria, planned))
}

#[cfg(test)]
mod tests;
