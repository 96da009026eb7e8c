//! `report --from-pods`: the way a run in a cluster ends.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use dst_load_destination::{
    prometheus::{Prometheus, SELECTOR},
    target::version::deployed,
};
use dst_load_recording::{
    recording::{Header, Identities, Line, TargetKind, merge, read, started, write},
    warning::Warning,
};
use dst_load_scenario::{quantity::Span, words::counted};
use dst_load_session::{
    collect::{CollectError, Replica, desired, replicas},
    recorder::RunDirectory,
};

use super::{ReportArgs, announce, exit, judged, once, print, push};
use crate::{
    cli::{cluster::ClusterArgs, console::Console, credentials::Sources, usage::UsageError},
    exit::Exit,
};

/// How often it is looked whether the replicas are done.
const LOOK: Duration = Duration::from_secs(2);

/// Flags about a run in a cluster.
#[derive(Clone, Debug, Default, Args)]
pub struct FromPodsArgs {
    /// Collect the recordings of the client pods in a cluster, through the API server, and judge
    /// them as one. The exit code is that of `run`.
    #[arg(long, env, conflicts_with = "recordings")]
    pub from_pods: bool,
    /// Which cluster, and the namespace of the clients.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Helm release of the pods, if the namespace has several.
    #[arg(long, requires = "from_pods", env)]
    pub release: Option<String>,
    /// Wait until churn's plan is over and every client has checked the end, at most this long. By
    /// default, report the current state.
    #[arg(long, value_name = "DURATION", requires = "from_pods", env)]
    pub wait: Option<Span>,
    /// Read the destination controller's own series from this Prometheus, such as
    /// http://127.0.0.1:9090.
    #[arg(long, value_name = "URL", requires = "from_pods", env)]
    pub prometheus: Option<String>,
    /// File with the bearer token for Prometheus; the value of DST_LOAD_PROMETHEUS_TOKEN by
    /// default.
    #[arg(long, value_name = "FILE", requires = "prometheus", env)]
    pub prometheus_token_file: Option<PathBuf>,
    /// File with USER:PASSWORD for Prometheus; the value of DST_LOAD_PROMETHEUS_BASIC_AUTH by
    /// default.
    #[arg(long, value_name = "FILE", requires = "prometheus", env)]
    pub prometheus_basic_auth_file: Option<PathBuf>,
    /// Label matchers of these series.
    #[arg(long, value_name = "MATCHERS", default_value = SELECTOR, env)]
    pub prometheus_selector: String,
    /// Directory for the recordings and reports; `runs/<scenario>-<time>` by default.
    #[arg(long, value_name = "DIR", requires = "from_pods", env)]
    pub output_dir: Option<PathBuf>,
}

/// Collects, merges, judges and writes.
///
/// # Errors
/// A [`UsageError`]; no cluster, no pods, one that does not answer, or a directory that cannot be
/// written. What was collected until then stays there.
pub(super) async fn run(args: &ReportArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let flags = &args.pods;
    let prometheus = match &flags.prometheus {
        Some(url) => {
            let sources = Sources {
                service: "prometheus",
                token_file: flags.prometheus_token_file.as_deref(),
                basic_auth_file: flags.prometheus_basic_auth_file.as_deref(),
            };
            let credentials = sources.credentials()?;
            let found = Prometheus::new(url, &flags.prometheus_selector, credentials);
            Some(found.map_err(|error| UsageError(format!("--prometheus: {error}")))?)
        }
        None => None,
    };
    let gateway = args.push.gateway()?;
    let cluster = flags.cluster.find().await?;
    let kube = cluster.factory();
    let namespace = flags.cluster.namespace_in(&cluster);
    let release = flags.release.as_deref();
    if let Some(Span(patience)) = flags.wait {
        let find = || replicas(&kube, &namespace, release);
        wait(patience, find, console).await?;
    }
    let replicas = replicas(&kube, &namespace, release).await?;

    let collected = tempfile::tempdir().context("cannot make a directory to collect into")?;
    let mut recordings = Vec::new();
    for replica in &replicas {
        let file = format!("{}.jsonl", replica.name.pod);
        // Whatever an API server says, files are written here and nowhere else.
        anyhow::ensure!(
            Path::new(&file).file_name() == Some(OsStr::new(&file)),
            "the API server lists a Pod {:?}, which is no name of a Pod",
            replica.name.pod
        );
        let path = collected.path().join(file);
        recordings.push((collect(replica, &path).await?, path));
    }
    let Some(Line::Header(first)) = recordings.first().and_then(|(lines, _)| lines.first()) else {
        bail!("the recordings have no header");
    };
    let directory = directory(flags, first)?;
    for (_, path) in &recordings {
        keep(path, &directory.path().join("replicas"))?;
    }
    let pods = replicas.iter().map(|replica| replica.name.to_string());
    once(pods.zip(recordings.iter().map(|(lines, _)| lines)))?;
    let mut lines = merge(recordings.into_iter().map(|(lines, _)| lines).collect())?;
    note_restarts(&replicas, &mut lines);
    if let Some(prometheus) = &prometheus {
        add_series(prometheus, &mut lines).await?;
    }
    if let Some(Line::Header(header)) = lines.first_mut() {
        // They may have been scaled since the scenario was written.
        let release = replicas.first().map(|replica| replica.release.as_str());
        let running = desired(&kube, &namespace, release.filter(|it| !it.is_empty())).await;
        header.identity.expected = running.or(header.identity.expected);
    }
    // The header stays first, and the end last.
    lines.sort_by(Line::compare_places);
    let identities = Identities::of(&lines);
    if let Some(Line::Header(header)) = lines.first_mut()
        && let kind = identities.correct(&header.target).kind
        && kind == TargetKind::Linkerd
        && header.target.version.is_none()
        && let Ok(client) = cluster.client()
    {
        header.target.version = deployed(&client).await;
    }
    let mut whole = BufWriter::new(File::create_new(directory.recording())?);
    write(&lines, &mut whole)?;
    whole.flush()?;
    let page = judged(&lines)?;
    directory.write_reports(&page)?;
    print(&page, console)?;
    let count = counted(replicas.len() as u64, "client pod", "client pods");
    let what = format!("recordings of {count} and reports");
    announce(&what, &page, &directory, console)?;
    push::push(gateway.as_ref(), &page.report, console).await?;
    Ok(exit(&page.report))
}

/// Waits until every replica has measured all that it is going to.
async fn wait<F>(
    patience: Duration,
    find: impl Fn() -> F,
    console: &mut Console<'_>,
) -> anyhow::Result<()>
where
    F: Future<Output = Result<Vec<Replica>, CollectError>>,
{
    let mut said = String::new();
    let waited = async {
        loop {
            let missing = match find().await {
                // Who is not permitted to look will not be later.
                Err(error @ (CollectError::Kubernetes { .. } | CollectError::Several { .. })) => {
                    return Err(error.into());
                }
                Err(error) => error.to_string(),
                Ok(replicas) => {
                    let mut measuring = Vec::new();
                    for replica in &replicas {
                        match replica.state().await {
                            Ok(state) if state.over => {}
                            Ok(_) => measuring.push(replica.name.pod.clone()),
                            Err(error) => measuring.push(error.to_string()),
                        }
                    }
                    if measuring.is_empty() {
                        return Ok(());
                    }
                    format!("still measuring: {}", measuring.join(", "))
                }
            };
            if missing != said {
                writeln!(console.warnings, "{missing}")?;
                said = missing;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        biased;
        done = waited => return done,
        () = tokio::time::sleep(patience) => {}
    }
    bail!(
        "not over after {}: {said} (without --wait, what there is so far is reported)",
        Span(patience)
    )
}

/// One replica's recording, also written to `path`.
async fn collect(replica: &Replica, path: &Path) -> anyhow::Result<Vec<Line>> {
    let place = || format!("pod {}", replica.name);
    let mut file = BufWriter::new(File::create_new(path)?);
    replica.snapshot(&mut file).await?;
    file.flush()?;
    read(BufReader::new(File::open(path)?)).with_context(place)
}

fn directory(flags: &FromPodsArgs, header: &Header) -> anyhow::Result<RunDirectory> {
    Ok(match &flags.output_dir {
        Some(path) => RunDirectory::at(path)?,
        None => {
            let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
            RunDirectory::create(Path::new("runs"), &header.name, &time.to_string())?
        }
    })
}

/// Copies what was collected to where it stays.
fn keep(path: &Path, into: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(into).with_context(|| into.display().to_string())?;
    let name = path.file_name().unwrap_or_default();
    fs::copy(path, into.join(name)).with_context(|| into.display().to_string())?;
    Ok(())
}

/// What a container that was started again had measured before is lost.
fn note_restarts(replicas: &[Replica], lines: &mut Vec<Line>) {
    let at = lines.last().map(|line| line.order().0).unwrap_or_default();
    let restarted = replicas.iter().filter(|it| it.restarts > 0);
    lines.extend(restarted.map(|replica| Line::Warning {
        at,
        warning: Warning::ReplicaRestarted {
            pod: replica.name.pod.clone(),
            times: u64::from(replica.restarts),
        },
    }));
}

/// Puts the target's samples that Prometheus has in the place of those of the clients.
async fn add_series(prometheus: &Prometheus, lines: &mut Vec<Line>) -> anyhow::Result<()> {
    let Some(Line::Header(header)) = lines.first() else {
        return Ok(());
    };
    let began = started(header).context("the recordings do not say when they started")?;
    let ended = lines.last().map(|line| line.order().0).unwrap_or_default();
    let samples = prometheus.samples(began, ended.since_start()).await?;
    lines.retain(|line| !matches!(line, Line::Target(_) | Line::TargetSilent { .. }));
    lines.extend(samples);
    Ok(())
}
