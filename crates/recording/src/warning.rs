//! What a reader of a report must know besides its numbers: each says the cause, with a number,
//! and what helps.

use std::fmt;

use dst_load_scenario::words::{count, counted, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum Warning {
    /// Actions were sent later than they were intended.
    LateActions {
        /// The number of actions.
        actions: u64,
        /// The worst delay, seconds.
        worst_seconds: f64,
    },
    /// Kubernetes had not created or removed endpoints before the next scaling was due.
    Starved {
        /// The number of endpoints.
        endpoints: u64,
    },
    /// The observer lost its watch and listed again: changes in the gap have no time.
    Relisted {
        /// The number of relists.
        times: u64,
    },
    /// Calls to the Kubernetes API were retried.
    KubernetesErrors {
        /// The number of retried calls.
        calls: u64,
        /// The reasons, with counts.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        reasons: String,
    },
    /// The destination controller's metrics could not be read.
    TargetSilent {
        /// The number of failed scrapes.
        times: u64,
        /// The last reason.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        error: String,
    },
    /// Updates were unconfirmed at the deadline, and corrected by a later one.
    MendedUpdates {
        /// The number of updates.
        updates: u64,
    },
    /// Streams were closed when the end was checked.
    UncheckedStreams {
        /// The number of streams.
        streams: u64,
    },
    /// Services changed so recently that they were not checked.
    Unsettled {
        /// The number of Services.
        services: u64,
    },
    /// The scenario has an effect that its author may not expect.
    Scenario {
        /// The effect.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        message: String,
    },
    /// The recording ends without its last line.
    CutOff,
    /// The events of a churner in another process could not be read.
    ChurnSilent {
        /// Its URL.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        url: String,
        /// Why not.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        error: String,
    },
    /// Changes without a known action of a churner in another process.
    Unattributed {
        /// The number of changes without a known action.
        changes: u64,
        /// The number of all changes.
        of: u64,
    },
    /// The clocks of churner and client could not be compared precisely enough.
    ClockUncertain {
        /// The possible error of the offset, in seconds.
        uncertainty_seconds: f64,
        /// The smallest median of the stages that depend on it, in seconds.
        median_seconds: f64,
    },
    /// Other clients have streams on the same controller.
    ForeignStreams {
        /// The largest number at a phase's edge.
        streams: u64,
    },
    /// Something between the clients and the controller shared their connections.
    SharedConnections {
        /// Connections that the clients opened.
        connections: u64,
        /// About as many came to the controller.
        at_controller: u64,
    },
    /// Clients were to share connections as through a sidecar, and other connections came.
    UnexpectedConnections {
        /// Connections that the clients were to have.
        connections: u64,
        /// About as many came to the controller.
        at_controller: u64,
    },
    /// The target failed its liveness probe for too long.
    WouldRestart {
        /// How often it would have been restarted.
        times: u64,
        /// Failed probes.
        failed: u64,
    },
    /// A client's Pod was restarted.
    ReplicaRestarted {
        /// The Pod.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        pod: String,
        /// The number of restarts.
        times: u64,
    },
    /// Streams went through a port-forward.
    Forwarded,
    /// The target was profiled while it was measured.
    Profiled {
        /// The profiles, in the run's directory.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        files: Vec<String>,
        /// The number of the target's replicas, of which the first was profiled.
        replicas: u64,
        /// The change that the CPU profile of the worst change is about; `null` if there is none.
        worst_change: Option<ProfiledChange>,
        /// The number of CPU profiles that failed.
        failed: u64,
        /// Why the last of them failed, or could not be written.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        error: Option<String>,
    },
    /// The target should have been profiled, and was not.
    NoProfiles {
        /// Why not.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        error: String,
    },
    /// The observer's heartbeat could not be written.
    NoHeartbeat {
        /// Why not.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        error: String,
    },
    /// Endpoints were not ready for a while, with Kubernetes' own reasons.
    PodsNotReady {
        /// Pods that did not exist or were not ready; 0 if the reasons do not have the number.
        pods: u64,
        /// The reasons, the most frequent first.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        reasons: String,
    },
    /// Actions were not carried out.
    FailedActions {
        /// The number of actions.
        actions: u64,
        /// Why the first of them failed.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        error: String,
    },
    /// Cleaning up left something behind.
    CleanupFailed {
        /// What went wrong.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        error: String,
        /// The run id that `cleanup --run-id` takes.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        run_id: String,
    },
}

/// The worst change, and when the CPU profile was taken in which it became visible.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfiledChange {
    /// When that profile began, seconds after the run's start.
    pub from_seconds: f64,
    /// When it ended, seconds after the run's start.
    pub to_seconds: f64,
    /// When the change became visible, seconds after the run's start.
    pub visible_seconds: f64,
    /// Time until its last stream received it, in seconds; a lower bound if some never did.
    pub last_seconds: f64,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |n| counted(n, "time", "times");
        match self {
            Self::LateActions {
                actions,
                worst_seconds,
            } => write!(
                f,
                "{} sent later than intended, the worst by {}: end-to-end latency counts from the \
                 intended instant; look whether --qps held them back, or this machine was busy",
                counted(*actions, "action was", "actions were"),
                seconds(*worst_seconds)
            ),
            Self::Starved { endpoints } => write!(
                f,
                "Kubernetes had not added or removed {} before the next scaling: use longer holds or \
                 fewer endpoints",
                counted(*endpoints, "endpoint", "endpoints")
            ),
            Self::Relisted { times: n } => write!(
                f,
                "the observer's watch was lost and listed again {}: changes in the gaps are not timed",
                times(*n)
            ),
            Self::KubernetesErrors { calls, reasons } => write!(
                f,
                "{} to the Kubernetes API failed or had to be made again ({reasons})",
                counted(*calls, "call", "calls")
            ),
            Self::TargetSilent { times: n, error } => write!(
                f,
                "the destination's metrics could not be read {} ({error}): its cost is incomplete",
                times(*n)
            ),
            Self::MendedUpdates { updates } => write!(
                f,
                "{} what no EndpointSlice did for longer than the deadline, before a later one put \
                 that right",
                counted(*updates, "update said", "updates said")
            ),
            Self::UncheckedStreams { streams } => write!(
                f,
                "{} closed at the end and could not be checked",
                counted(*streams, "stream was", "streams were")
            ),
            Self::Unsettled { services } => write!(
                f,
                "{} in the last seconds before this recording was closed, and what its streams held \
                 was not checked: take it again, or stop the churn first",
                counted(*services, "Service changed", "Services changed")
            ),
            Self::Scenario { message } => f.write_str(message),
            Self::CutOff => f.write_str(
                "the recording ends without its last line: the run was killed, and this is what it had seen",
            ),
            Self::ChurnSilent { url, error } => write!(
                f,
                "churn at {url} could not be asked what it does ({error}): it is tried again, and \
                 what it does meanwhile may stay without an intended instant"
            ),
            Self::Unattributed { changes, of } => write!(
                f,
                "{} of {} without an intended instant: nothing that churn told of explains them, \
                 and they have a destination stage only",
                count(*changes),
                counted(*of, "change is", "changes are")
            ),
            Self::ClockUncertain {
                uncertainty_seconds,
                median_seconds,
            } => write!(
                f,
                "the clocks of churn and client could be compared within {} only, and the smallest \
                 median that this enters is {}: run them closer to each other",
                seconds(*uncertainty_seconds),
                seconds(*median_seconds)
            ),
            Self::ForeignStreams { streams } => write!(
                f,
                "{} of the same controller: its cost and its latency are theirs too, and what this \
                 run does to it is done to them",
                counted(*streams, "stream was of others", "streams were of others")
            ),
            Self::SharedConnections {
                connections,
                at_controller,
            } => write!(
                f,
                "the clients opened {}, and about {} came to the controller: something between, \
                 such as the sidecar of the destination's Pod, shares them, and there some 16 \
                 streams that nobody reads stop all others of a connection, without an error",
                counted(*connections, "connection", "connections"),
                count(*at_controller)
            ),
            Self::UnexpectedConnections {
                connections,
                at_controller,
            } => write!(
                f,
                "client.path: sidecar asks for {}, and about {} came to the controller: {}",
                counted(*connections, "connection", "connections"),
                count(*at_controller),
                if at_controller < connections {
                    "something between shares them once more, and its windows are measured too"
                } else {
                    "the clients may not have shared them, or others connected at the same time"
                }
            ),
            Self::WouldRestart { times: n, failed } => write!(
                f,
                "a kubelet would have restarted the destination {}: {} went unanswered for longer \
                 than a second",
                times(*n),
                counted(*failed, "ping", "pings")
            ),
            Self::ReplicaRestarted { pod, times: n } => write!(
                f,
                "the client pod {pod} was started again {}: what it had measured before is lost; \
                 `kubectl logs --previous` and `kubectl describe pod` say why",
                times(*n)
            ),
            Self::Forwarded => f.write_str(
                "streams went through a port-forward, whose latency is in every number here and in \
                 no criterion: run within the cluster to judge latency",
            ),
            Self::Profiled {
                files,
                replicas,
                worst_change,
                failed,
                error,
            } => {
                f.write_str("the destination ")?;
                if *replicas > 1 {
                    write!(f, "(the first of {} replicas) ", count(*replicas))?;
                }
                write!(
                    f,
                    "was profiled while it was measured, which costs it some percent of what it \
                     allocates and of its CPU; `go tool pprof` reads {} in the run's directory",
                    files.join(", ")
                )?;
                if let Some(change) = worst_change {
                    write!(
                        f,
                        "; the worst change, whose last stream knew after {}, became visible {} \
                         after the start, and its profile is of {} to {}",
                        seconds(change.last_seconds),
                        seconds(change.visible_seconds),
                        seconds(change.from_seconds),
                        seconds(change.to_seconds)
                    )?;
                }
                if let Some(error) = error {
                    let failed = counted(*failed, "CPU profile", "CPU profiles");
                    write!(f, "; {failed} did not come, the last one because {error}")?;
                }
                Ok(())
            }
            Self::NoProfiles { error } => write!(
                f,
                "the destination was not profiled ({error}): Linkerd's serves /debug/pprof beside \
                 its metrics if it is started with -enable-pprof (charts: enablePprof)"
            ),
            Self::NoHeartbeat { error } => write!(
                f,
                "the observer's heartbeat could not be written ({error}): its lag is not measured \
                 by it; allow create and update of endpointslices"
            ),
            Self::PodsNotReady { pods: 0, reasons } => {
                write!(f, "endpoints were not ready when they should have been: {reasons}")
            }
            Self::PodsNotReady { pods, reasons } => write!(
                f,
                "{} not ready when they should have been: {reasons}",
                counted(*pods, "Pod was", "Pods were")
            ),
            Self::FailedActions { actions, error } => write!(
                f,
                "{} not carried out: {error}",
                counted(*actions, "action was", "actions were")
            ),
            Self::CleanupFailed { error, run_id } => write!(
                f,
                "objects may be left behind ({error}): remove them with `dst-load-controller cleanup --run-id {run_id}`"
            ),
        }
    }
}
