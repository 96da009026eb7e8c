//! `run`, carried out: scenario → World → engine → recording → report.

use std::{
    io::{self, Write},
    sync::Arc,
};

use anyhow::Context;
use prometheus_client::registry::Registry;

use super::{RunArgs, virtual_world};
use crate::{
    cli::{Output, VERSION},
    exit::Exit,
    live::{
        churn::ChurnMetrics,
        clock::Clock,
        engine::{Engine, Options},
        kubernetes::{Actor, Limits, RunIdentity},
        recorder::Recorder,
        runtime::Shutdown,
    },
    model::{
        recording::{Header, SCHEMA_VERSION, TargetInfo, TargetKind},
        scenario::Scenario,
    },
};

/// Runs the scenario and says what came of it.
///
/// # Errors
/// If the scenario is wrong, or the tool itself fails.
pub fn run(
    args: &RunArgs,
    output: Output,
    out: &mut impl Write,
    warnings: &mut impl Write,
) -> anyhow::Result<Exit> {
    let (scenario, noticed) = args.scenario.load()?;
    for warning in &noticed {
        writeln!(warnings, "warning: {warning}")?;
    }
    let scenario = Arc::new(scenario);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .context("the runtime")?;
    let _ = output;
    runtime.block_on(virtually(scenario, out))
}

async fn virtually(scenario: Arc<Scenario>, out: &mut impl io::Write) -> anyhow::Result<Exit> {
    let effective = scenario.effective()?;
    let run_id = virtual_world::run_id(scenario.seed, &effective);
    let embedded = virtual_world::start(&scenario);
    let clock = Clock::start();
    let namespace = format!("{}-{run_id}", scenario.name);
    let header = Header {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: VERSION.to_owned(),
        run_id: run_id.clone(),
        name: scenario.name.clone(),
        seed: scenario.seed,
        scenario: effective,
        streams_requested: scenario.streams(),
        target: TargetInfo {
            kind: TargetKind::Reference,
            version: None,
        },
        virtual_time: true,
        namespace: namespace.clone(),
        deadline_seconds: scenario.deadline().as_secs_f64(),
        started: None,
        machine: None,
        floor_seconds: None,
    };
    let actor = Actor::new(
        (embedded.world.kube)()?,
        clock,
        namespace,
        RunIdentity {
            id: run_id,
            scenario: scenario.name.clone(),
        },
        Arc::clone(&scenario),
        Limits::default(),
    );
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    let shutdown = Shutdown::new();
    let file = std::fs::File::create("/tmp/recording.jsonl")?;
    let engine = Engine::new(
        Arc::clone(&scenario),
        Options {
            world: embedded.world.clone(),
            observer: |make| make(),
            target: None,
            cluster_domain: "cluster.local".to_owned(),
            connect_timeout: std::time::Duration::from_secs(30),
            sample_self: false,
        },
        actor,
        metrics,
        Recorder::new(io::BufWriter::new(file)),
        shutdown.draining(),
    );
    let (_, error) = engine.run(header).await;
    engine.cleanup().await?;
    let recorder = engine.into_recorder();
    writeln!(out, "{:?}", error)?;
    writeln!(
        out,
        "{}",
        serde_json::to_string_pretty(&recorder.statistics().summary())?
    )?;
    embedded.destination.shutdown().await;
    embedded.kubernetes.shutdown().await;
    Ok(Exit::Pass)
}
