//! The first line: what was run, on what.

use dst_load_scenario::flags::Flags;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientLoad, Identity, PathInfo, ReplicaInfo};

/// What was run, on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// This tool's version.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub tool_version: String,
    /// This tool's commit.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub commit: String,
    /// The run's id, a label of every object that it created in Kubernetes.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub run_id: String,
    /// What tells this recording from every other, and whose it is.
    #[serde(default, skip_serializing_if = "Identity::is_unknown")]
    pub identity: Identity,
    /// The scenario's name.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub name: String,
    /// The scenario's seed.
    pub seed: u64,
    /// The scenario as it was understood, in the shape of its file.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub scenario: serde_json::Value,
    /// Streams to be opened.
    pub streams_requested: u64,
    /// Who opens them; absent in recordings that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientLoad>,
    /// What was measured.
    pub target: TargetInfo,
    /// Whether time was virtual.
    pub virtual_time: bool,
    /// The namespace that was churned.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub namespace: String,
    /// The name by which the churned cluster is linked, where that is another than the clients'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub linked_cluster: Option<String>,
    /// An update that takes longer has never arrived, seconds.
    pub deadline_seconds: f64,
    /// When the run started, RFC 3339; absent in virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub started: Option<String>,
    /// Where it ran; absent in virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// The latency of the tool's own reference destination on this machine (the median over
    /// deliveries), seconds: no smaller latency can be distinguished from that of the tool itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_seconds: Option<f64>,
    /// The replicas of the destination, where there are several, or others may join the one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaInfo>,
    /// By which way clients reach the destination; absent in recordings that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathInfo>,
    /// Where the target's metrics are read, of several replicas each, as given or found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub metrics: Vec<String>,
    /// Where metrics were looked for and not found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub metrics_sought: Vec<String>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// Whose controller it is.
    pub kind: TargetKind,
    /// Its version, if it reports one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub version: Option<String>,
    /// Whether streams went through a port-forward.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
    /// Its flags that change what it promises, as far as they were known; `None` in recordings
    /// that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Flags>,
}

/// Whose controller was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// The reference destination's: the run was a self-test.
    Reference,
    /// Linkerd's.
    Linkerd,
}

/// Where a run ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// CPUs this process may use.
    pub cpus: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Operating system and architecture.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub system: String,
}
