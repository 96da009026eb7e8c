//! The recording's first line, and the names that a run gets.

use std::fs;

use dst_load_recording::recording::{
    ClientLoad, Header, Identity, Machine, PathInfo, SCHEMA_VERSION, TargetInfo,
};
use dst_load_scenario::{scenario::Scenario, seed};
use jiff::Timestamp;

use crate::cli::{environment::Environment, replicas::infos};

/// A run id that no other run has: eight hex digits of the date and the process.
pub(in crate::cli) fn new_run_id() -> String {
    let date = Timestamp::now().as_nanosecond().to_string();
    seed::hex(u64::from(std::process::id()), "run-id", &date, 4)
}

/// The run's id. In virtual time it follows from the scenario, else no two runs have the same.
pub(super) fn run_id(scenario: &Scenario, virtual_time: bool) -> anyhow::Result<String> {
    if !virtual_time {
        return Ok(new_run_id());
    }
    let entity = scenario.effective()?.to_string();
    Ok(seed::hex(scenario.seed, "run-id", &entity, 4))
}

/// The recording's first line. In virtual time nothing in it depends on when and where it runs.
pub(super) fn header(
    scenario: &Scenario,
    environment: &Environment,
    run_id: &str,
    namespace: &str,
    path: PathInfo,
    virtual_time: bool,
) -> anyhow::Result<Header> {
    Ok(Header {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("DST_LOAD_COMMIT").to_owned(),
        run_id: run_id.to_owned(),
        identity: identity(scenario, virtual_time)?,
        name: scenario.name.clone(),
        seed: scenario.seed,
        scenario: scenario.effective()?,
        streams_requested: scenario.streams(),
        clients: Some(ClientLoad::of(
            &scenario.client,
            scenario.services_watched(),
        )),
        target: TargetInfo {
            kind: environment.kind,
            version: environment.version.clone(),
            forwarded: environment.forwarded,
            flags: Some(environment.flags),
        },
        virtual_time,
        namespace: namespace.to_owned(),
        linked_cluster: (scenario.federation.as_ref()).map(|both| both.cluster.clone()),
        deadline_seconds: scenario.deadline().as_secs_f64(),
        started: (!virtual_time).then(date),
        machine: if virtual_time { None } else { machine() },
        floor_seconds: None,
        replicas: infos(&environment.addresses, &environment.world),
        path: Some(path),
        metrics: environment.metrics.shown(),
        metrics_sought: environment.metrics.sought.clone(),
    })
}

/// What tells the recording from every other. In virtual time the same scenario, seed and tool make
/// the same one.
fn identity(scenario: &Scenario, virtual_time: bool) -> anyhow::Result<Identity> {
    if !virtual_time {
        return Ok(unique_identity());
    }
    let tool = [env!("CARGO_PKG_VERSION"), env!("DST_LOAD_COMMIT")].join("/");
    let entity = format!("{tool}/{}", scenario.effective()?);
    Ok(Identity::new(scenario.seed, &entity))
}

/// Of a recording that no other is: clients start in several Pods at once, with the same process id.
pub(in crate::cli) fn unique_identity() -> Identity {
    // Absent where there is no Linux: the rest is hardly ever the same.
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    let entity = format!(
        "{random}/{}/{}",
        std::process::id(),
        Timestamp::now().as_nanosecond()
    );
    Identity::new(0, &entity)
}

/// What tells the directories of a scenario's runs apart: the date, or, in virtual time, which has
/// none, the run's id.
pub(in crate::cli) fn suffix(scenario: &Scenario, virtual_time: bool) -> anyhow::Result<String> {
    Ok(if virtual_time {
        format!("virtual-{}", run_id(scenario, virtual_time)?)
    } else {
        Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
    })
}

/// Now, RFC 3339.
pub(in crate::cli) fn date() -> String {
    Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
        .to_string()
}

/// Where this runs; `None` where it cannot be told.
pub(in crate::cli) fn machine() -> Option<Machine> {
    use procfs::Current;
    let memory = procfs::Meminfo::current().ok()?;
    Some(Machine {
        cpus: u32::try_from(std::thread::available_parallelism().ok()?.get()).ok()?,
        memory_bytes: memory.mem_total,
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    })
}
