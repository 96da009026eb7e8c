//! Every family that the two halves serve, as a scrape shows it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use dst_load_kubernetes::actor::{Actor, Limits, RunIdentity};
use dst_load_oracle::ledger::WatchedService;
use dst_load_report::report::Report;
use dst_load_sandbox::kubernetes::{Config, Kubernetes};
use dst_load_scenario::scenario::Scenario;
use dst_load_session::{
    admin, churn::ChurnMetrics, client_metrics, process_metrics, progress::Progress, push::gauges,
};
use dst_load_transport::clock::Clock;
use prometheus_client::registry::Registry;

use super::{cell, page};

#[tokio::test(start_paused = true)]
async fn families() {
    let text = "churn: {services: 1, endpoints: 1}\nclient: {lifecycle: proxy}";
    let (scenario, _) = Scenario::from_yaml(text, "one.yaml", &[]).unwrap();
    let scenario = Arc::new(scenario);
    let clock = Clock::start();
    let service = WatchedService::new("test-service-1", "shop", "cluster.local", 8080);
    let progress = Progress::new(clock, vec![service], Duration::from_secs(30));
    let mut client = Registry::default();
    client_metrics::register(&mut client, &Arc::new(progress), Vec::new());

    let kubernetes = Kubernetes::start(Config::default());
    let run = RunIdentity {
        id: "r1".into(),
        scenario: "one".into(),
    };
    let (namespace, limits) = ("shop".to_owned(), Limits::default());
    let actor = Actor::new(
        kubernetes.client(),
        clock,
        namespace,
        run,
        Arc::clone(&scenario),
        limits,
    );
    let mut churn = Registry::default();
    let _served = ChurnMetrics::register(&mut churn, &scenario, actor.caller());
    let mut process = Registry::default();
    process_metrics::register(&mut process);

    let mut body = String::from(
        "The metrics that `churn` and `client` serve at `/metrics`, encoded at each scrape. Every family exists from the\n\
         start, at 0. The names are the test plan's. Families of quantiles cannot be added up over replicas; histograms,\n\
         whose names end in `_histogram_seconds`, can. Beyond 200 Services, the others share `service=\"other\"`.\n",
    );
    for (title, registry) in [("`client`", client), ("`churn`", churn), ("Both", process)] {
        body.push_str(&format!(
            "\n## {title}\n\n| Family | Type | Labels | What it is |\n|---|---|---|---|\n"
        ));
        body.push_str(&rows(&admin::encode(registry)().unwrap()));
    }
    kubernetes.shutdown().await;
    body.push_str(
        "\n## Pushed\n\nThe results of a run, in the group `job=\"dst-load-controller\"` and `scenario` of a Pushgateway, with \
         `--push-gateway URL` of\n`run` and `report`. There is no series for what was not measured.\n\n\
         | Family | Type | Labels | What it is |\n|---|---|---|---|\n",
    );
    body.push_str(&rows(&gauges::render(&report())));
    page("metrics.md", "Metrics", &body);
}

/// The report of a run in virtual time, with what only a real target has.
fn report() -> Report {
    let tool = env!("CARGO_BIN_EXE_dst-load-controller");
    let directory = tempfile::tempdir().unwrap();
    let run = [
        "run",
        "quick",
        "--virtual",
        "--output",
        "json",
        "--output-dir",
    ];
    let place = directory.path().join("run");
    let output = std::process::Command::new(tool)
        .args(run)
        .arg(place)
        .output();
    let mut report: Report = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let used = &mut report.target.used;
    (used.cpu_seconds, used.cpu_max_cores) = (Some(1.0), Some(1.0));
    used.peak_rss_bytes = Some(1);
    report
}

fn rows(scrape: &str) -> String {
    let mut rows = String::new();
    for line in scrape.lines() {
        let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|line| line.split_once(' '))
        else {
            continue;
        };
        let kind = scrape
            .lines()
            .find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")));
        let kind = kind.unwrap_or_else(|| panic!("{name} has no type"));
        let suffixes: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        let mut labels = BTreeSet::new();
        for sample in scrape.lines().filter(|line| !line.starts_with('#')) {
            let of = sample.split(['{', ' ']).next().unwrap();
            if suffixes
                .iter()
                .any(|suffix| of == format!("{name}{suffix}"))
            {
                labels.extend(label_names(sample));
            }
        }
        let shown = if kind == "counter" {
            format!("{name}_total")
        } else {
            name.to_owned()
        };
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let help = help.trim_end_matches('.');
        rows.push_str(&format!(
            "| `{shown}` | {kind} | {} | {} |\n",
            labels.join(", "),
            cell(help)
        ));
    }
    rows
}

/// The names in `{a="x",b="y"}`; no value of ours has an equals sign.
fn label_names(sample: &str) -> Vec<String> {
    let inside = sample
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let pairs = inside.map_or("", |(inside, _)| inside).split(',');
    pairs
        .filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()))
        .collect()
}
