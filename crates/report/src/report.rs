//! The report: what a recording says, in the shape of `report.json`.
//!
//! A report is a view. It adds no number that the recording does not hold, and every format is
//! rendered from it alone, so that they cannot disagree.

mod advice;
mod blocks;
mod clauses;
mod criteria;
mod held;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod next;
mod observer;
pub mod page;
mod path;
mod prose;
mod proxies;
pub mod text;
mod ways;

mod surroundings;
#[cfg(test)]
pub(crate) mod tests;
mod warnings;
mod wrong;

use dst_load_recording::{
    recording::{ClientLoad, Header, Line, Machine, TargetKind},
    statistics::{
        Correctness, CycleSummary, FanOut, Generator, HeldStreams, KubernetesApi, Observer,
        OtherClock, PolicyController, Replica, SlowestChange, StageSummary, Statistics, Streams,
        Target, Updates, Way,
    },
    warning::Warning,
};
use dst_load_scenario::{criteria::Criteria, flags::Flags, plan::Planned, printable::sentence};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::verdict::{Circumstances, Ended, Judged, Verdict, judge};

/// The version of `report.json`'s shape.
pub const SCHEMA_VERSION: u32 = 2;

/// Why a run with replicas of two kinds says nothing of either.
const MIXED: &str = "some responses came from this tool's own reference destination and some from \
                     another controller: the numbers are of neither";

/// The report of a run. All durations are in seconds; `null` means that there is no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// The tool that measured.
    pub tool: Tool,
    /// The run's id, a label of every object that it created in Kubernetes.
    pub run_id: String,
    /// Name and seed of the scenario.
    pub scenario: ScenarioId,
    /// The verdict on the target.
    pub verdict: Verdict,
    /// Why the verdict is not a pass, most important first.
    pub reasons: Vec<String>,
    /// Each criterion, judged.
    pub criteria: Vec<Judged>,
    /// From the start of churn to the last line.
    pub duration_seconds: f64,
    /// How the run ended.
    pub ending: Ending,
    /// Who asked for what; absent where the recording does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientLoad>,
    /// Counts of `Get` streams.
    pub streams: Streams,
    /// Streams that a real proxy would open too, and this tool did not.
    pub streams_not_opened: Vec<String>,
    /// Counts of `GetProfile` streams; `null` if none was requested.
    #[serde(default)]
    pub profiles: Option<HeldStreams>,
    /// Counts of streams of the policy API; `null` if none was requested.
    #[serde(default)]
    pub policies: Option<HeldStreams>,
    /// What the policy controller used; `null` if its metrics were not read.
    #[serde(default)]
    pub policy_controller: Option<PolicyController>,
    /// Each replica of the destination; empty if there is one.
    #[serde(default)]
    pub replicas: Vec<Replica>,
    /// Latencies by stage.
    pub latency: StageSummary,
    /// Whether latencies are in doubt, for example because the generator or the observer was late.
    #[serde(default)]
    pub latency_in_doubt: bool,
    /// The two clusters, and how endpoints were delivered in each discovery mode; `null` where there is
    /// one cluster.
    #[serde(default)]
    pub federation: Option<Federated>,
    /// How changes spread over the streams.
    pub fan_out: FanOut,
    /// The change that took longest to reach its last stream; `null` if none reached any.
    #[serde(default)]
    pub slowest: Option<SlowestChange>,
    /// The endpoints of streams, compared with what they were promised.
    pub correctness: Correctness,
    /// Messages that were received.
    pub updates: Updates,
    /// CPU and memory of this tool.
    pub generator: Generator,
    /// Whether the reference observer can be relied on.
    #[serde(default)]
    pub observer: Observer,
    /// The controller that was measured, and its cost.
    pub target: ReportedTarget,
    /// Errors and delays of the Kubernetes API.
    pub kubernetes: KubernetesApi,
    /// Each cycle.
    pub cycles: Vec<CycleSummary>,
    /// The comparison with the clock of a churner in another process, from which intended instants
    /// were converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<OtherClock>,
    /// The latency of the tool's own reference destination on this machine (the median over
    /// deliveries). Smaller latencies cannot be distinguished from the tool's own.
    pub floor_seconds: Option<f64>,
    /// An update that takes longer counts as never delivered.
    pub deadline_seconds: f64,
    /// Whether time was virtual.
    pub virtual_time: bool,
    /// When the run started, RFC 3339; `null` in virtual time.
    pub started: Option<String>,
    /// Where it ran; `null` in virtual time.
    pub machine: Option<Machine>,
    /// Warnings that a reader of the numbers must know.
    pub warnings: Vec<Told>,
    /// Advice that follows from the findings, most important first.
    #[serde(default)]
    pub recommendations: Vec<String>,
}

/// What the lines of a recording add up to for a report.
#[derive(Debug, Default)]
pub struct ReportFold {
    header: Option<Box<Header>>,
    statistics: Statistics,
    warnings: Vec<Warning>,
}

/// Different warnings kept for a report. The kinds are few; only their numbers may differ, and
/// a report that lists more is read by nobody. All are in the recording.
const WARNINGS: usize = 50;

/// A run over two clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Federated {
    /// The name of the link to the target cluster, which was churned, in the source cluster, whose
    /// controller was measured.
    pub cluster: String,
    /// How endpoints were delivered in each discovery mode.
    pub ways: Vec<Way>,
}

/// The tool that measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Its version.
    pub version: String,
    /// Its commit.
    pub commit: String,
}

/// Name and seed of the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioId {
    /// The scenario's name.
    pub name: String,
    /// Its seed.
    pub seed: u64,
}

/// The controller that was measured, and its cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportedTarget {
    /// Whose controller it is. A report on `reference` measures this tool, not Linkerd.
    pub kind: TargetKind,
    /// Its version, if it reports one.
    pub version: Option<String>,
    /// Where its metrics were read, as given or found.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// Where metrics were looked for and not found.
    #[serde(default)]
    pub metrics_sought: Vec<String>,
    /// Its flags that change what it promises, as far as they were known; `null` in recordings that
    /// do not have them.
    #[serde(default)]
    pub flags: Option<Flags>,
    /// What it used.
    #[serde(flatten)]
    pub used: Target,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(tag = "how", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Ending {
    /// At the end of its plan.
    Complete,
    /// By a signal before the end of its plan.
    Interrupted,
    /// By an error.
    Failed {
        /// The error.
        error: String,
    },
    /// By itself, to protect its target or other clients of it.
    Spared {
        /// What.
        reason: String,
    },
    /// The recording ends without its last line: the run was killed.
    CutOff,
}

/// A warning with its message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// The warning as text.
    pub message: String,
    /// The warning.
    #[serde(flatten)]
    pub warning: Warning,
}

// === impl Report ===

impl Report {
    /// The report of a whole recording. `None` if it has no header.
    #[must_use]
    pub fn of(lines: &[Line], criteria: &Criteria, planned: impl Into<Planned>) -> Option<Self> {
        let mut fold = ReportFold::default();
        lines.iter().for_each(|line| fold.absorb(line));
        fold.report(criteria, planned)
    }

    fn judged(
        fold: &ReportFold,
        criteria: &Criteria,
        planned: Planned,
        ended: Ended,
    ) -> Option<Self> {
        let header = fold.header.as_deref()?;
        let statistics = &fold.statistics;
        let summary = statistics.summary();
        let streams_not_opened = held::not_opened(&summary);
        let target = statistics.identities().correct(&header.target);
        let ending = Ending::of(statistics);
        let circumstances = Circumstances {
            target_is_judged: target.kind == TargetKind::Linkerd && !header.virtual_time,
            latency_is_judged: !header.target.forwarded,
            planned,
            ended,
        };
        let mut judgement = judge(criteria, &summary, circumstances);
        if let Ending::Spared { reason } = &ending {
            judgement.reasons.insert(0, reason.clone());
        }
        if statistics.identities().is_mixed() {
            judgement.verdict = Verdict::Invalid;
            judgement.reasons.insert(0, MIXED.to_owned());
        }
        let forwarded = header.target.forwarded.then_some(Warning::Forwarded);
        let warnings = warnings::gather(&fold.warnings, &summary, &ending)
            .into_iter()
            .chain(forwarded)
            .map(Told::from)
            .collect();
        let mut report = Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool {
                version: header.tool_version.clone(),
                commit: header.commit.clone(),
            },
            run_id: header.run_id.clone(),
            scenario: ScenarioId {
                name: header.name.clone(),
                seed: header.seed,
            },
            verdict: judgement.verdict,
            reasons: judgement.reasons,
            criteria: judgement.criteria,
            duration_seconds: summary.duration_seconds,
            ending,
            clients: header.clients,
            streams: summary.streams,
            streams_not_opened,
            profiles: summary.profiles,
            policies: summary.policies,
            policy_controller: summary.policy_controller,
            replicas: summary.replicas,
            latency: summary.latency,
            latency_in_doubt: judgement.latency_in_doubt,
            federation: header.linked_cluster.clone().map(|cluster| Federated {
                cluster,
                ways: summary.ways,
            }),
            fan_out: summary.fan_out,
            slowest: summary.slowest,
            correctness: summary.correctness,
            updates: summary.updates,
            generator: summary.generator,
            observer: summary.observer,
            target: ReportedTarget {
                kind: target.kind,
                version: target.version,
                metrics: header.metrics.clone(),
                metrics_sought: header.metrics_sought.clone(),
                flags: target.flags,
                used: summary.target,
            },
            kubernetes: summary.kubernetes,
            cycles: summary.cycles,
            clock: summary.clock,
            floor_seconds: header.floor_seconds,
            deadline_seconds: header.deadline_seconds,
            virtual_time: header.virtual_time,
            started: header.started.clone(),
            machine: header.machine.clone(),
            warnings,
            recommendations: Vec::new(),
        };
        report.recommendations = advice::recommendations(&report);
        Some(report)
    }

    /// Whether the run measured nothing but this tool itself.
    #[must_use]
    pub fn is_self_test(&self) -> bool {
        self.target.kind == TargetKind::Reference
    }
}

// === impl ReportFold ===

impl ReportFold {
    /// Folds one line in.
    pub fn absorb(&mut self, line: &Line) {
        self.statistics.absorb(line);
        match line {
            Line::Header(header) => self.header = Some(header.clone()),
            Line::Warning { warning, .. }
                if self.warnings.len() < WARNINGS && !self.warnings.contains(warning) =>
            {
                self.warnings.push(warning.clone());
            }
            _ => {}
        }
    }

    /// The report of the lines so far; `None` before the header is.
    #[must_use]
    pub fn report(&self, criteria: &Criteria, planned: impl Into<Planned>) -> Option<Report> {
        let ended = Ended::from(&Ending::of(&self.statistics));
        Report::judged(self, criteria, planned.into(), ended)
    }

    /// As [`Self::report`], of a run that goes on.
    #[must_use]
    pub fn report_so_far(&self, criteria: &Criteria, planned: Planned) -> Option<Report> {
        Report::judged(self, criteria, planned, Ended::NotYet)
    }
}

// === impl Ending ===

impl Ending {
    fn of(statistics: &Statistics) -> Self {
        match statistics.ended() {
            None => Self::CutOff,
            Some(end) => match &end.error {
                Some(reason) if end.spared => Self::Spared {
                    reason: reason.clone(),
                },
                Some(error) => Self::Failed {
                    error: error.clone(),
                },
                None if end.interrupted => Self::Interrupted,
                None => Self::Complete,
            },
        }
    }
}

impl From<&Ending> for Ended {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Complete => Self::AsPlanned,
            Ending::Interrupted => Self::Interrupted,
            Ending::Spared { .. } => Self::Spared,
            Ending::Failed { .. } | Ending::CutOff => Self::CutOff,
        }
    }
}

// === impl Told ===

impl From<Warning> for Told {
    fn from(warning: Warning) -> Self {
        Self {
            message: sentence(&warning.to_string()),
            warning,
        }
    }
}
