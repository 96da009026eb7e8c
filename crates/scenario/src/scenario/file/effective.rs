//! A scenario written back as a file: what a recording's header holds, and what reads back to the
//! same scenario.

use super::{
    BackendWord, ChurnSection, ClientSection, ControllerSection, File, Key, MeasureSection,
    OscillateGroup, PatternWord, SandboxSection, ScenarioSection, StableGroup,
    either::{Amount, JitterBound, Percent, PodStart, PodStartRange},
    embedded::FaultItem,
    federation::FederationSection,
    placed::Placed,
    provoke::ProvokeGroup,
};
use crate::{
    fault::Fault,
    quantity::{Share, Span},
    scenario::{Backend, Churn, Client, Jitter, Pattern, Sandbox, Scenario, ServiceGroup},
};

/// A scenario that no scenario file can say; files and flags never make one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Services {prefix}-{first} … are in no form that a scenario file has")]
pub struct Inexpressible {
    prefix: String,
    first: u32,
}

impl Scenario {
    /// The scenario as a file's keys and values, with nothing left to defaults that change what
    /// the run does. Reading it gives an equal scenario.
    ///
    /// # Errors
    /// If its groups are neither one counted from 1 nor the mixed form's two.
    pub fn effective(&self) -> Result<serde_json::Value, Inexpressible> {
        let file = File {
            scenario: key(ScenarioSection {
                name: key(self.name.clone()),
                seed: key(self.seed),
            }),
            churn: key(churn(&self.churn)?),
            client: key(client(&self.client)),
            federation: (self.federation.as_ref())
                .map(|both| Placed::from(FederationSection::of(both))),
            measure: self.deadline.map(|deadline| {
                Placed::from(MeasureSection {
                    deadline: key(Span(deadline)),
                })
            }),
            criteria: key(self.criteria.clone()),
            target: ControllerSection::of(self.flags),
            sandbox: key(sandbox(&self.sandbox)),
            ..File::default()
        };
        Ok(serde_json::to_value(file).expect("invariant: the file's types have text keys only"))
    }
}

fn key<T>(value: T) -> Key<T> {
    Some(Placed::from(value))
}

fn churn(churn: &Churn) -> Result<ChurnSection, Inexpressible> {
    let mut section = ChurnSection {
        backend: key(match churn.backend {
            Backend::Deployments => BackendWord::Deployments,
            Backend::Pods { .. } => BackendWord::Pods,
            Backend::Slices { .. } => BackendWord::Slices,
        }),
        meshed: match churn.backend {
            Backend::Pods { meshed, .. } => key(meshed),
            _ => None,
        },
        addresses: match churn.backend {
            Backend::Pods { addresses, .. } | Backend::Slices { addresses } => key(addresses),
            Backend::Deployments => None,
        },
        port: key(churn.port),
        cycles: churn.cycles.map(Placed::from),
        duration: churn.duration.map(|duration| Placed::from(Span(duration))),
        ..ChurnSection::default()
    };
    match churn.groups.as_slice() {
        [group] if group.first == 1 && ProvokeGroup::of(group).is_none() => {
            single(&mut section, group)?;
        }
        groups => {
            for group in groups {
                mixed(&mut section, group)?;
            }
        }
    }
    Ok(section)
}

fn single(section: &mut ChurnSection, group: &ServiceGroup) -> Result<(), Inexpressible> {
    section.services = key(group.count);
    section.service_prefix = key(group.prefix.clone());
    let (word, jittered) = match group.pattern {
        Pattern::Stable { endpoints } => {
            section.endpoints = key(endpoints);
            (PatternWord::Stable, None)
        }
        Pattern::Oscillate {
            min,
            max,
            min_hold,
            max_hold,
            jitter,
        } => {
            sizes(section, min, max, min_hold, max_hold);
            (PatternWord::Oscillate, Some(jitter))
        }
        Pattern::Spike {
            base,
            peak,
            hold,
            rest,
            jitter,
        } => {
            sizes(section, base, peak, rest, hold);
            (PatternWord::Spike, Some(jitter))
        }
        Pattern::Batch {
            min,
            max,
            size,
            interval,
            min_hold,
            max_hold,
        } => {
            sizes(section, min, max, min_hold, max_hold);
            section.batch_size = key(size);
            section.batch_interval = key(Span(interval));
            (PatternWord::Batch, None)
        }
        Pattern::ScaleUp { from, to, over } => {
            section.scale_from = key(from);
            section.scale_to = key(to);
            section.scale_duration = key(Span(over));
            (PatternWord::ScaleUp, None)
        }
        Pattern::RollingUpdate {
            endpoints,
            every,
            max_surge,
            max_unavailable,
        } => {
            section.endpoints = key(endpoints);
            section.min_hold = key(Span(every));
            section.max_surge = key(Amount::Pods(max_surge));
            section.max_unavailable = key(Amount::Pods(max_unavailable));
            (PatternWord::RollingUpdate, None)
        }
        // It has a section of its own.
        Pattern::Provoke { .. } => return Err(Inexpressible::from(group)),
    };
    section.pattern = key(word);
    section.jitter = jittered.map(|jitter| {
        Placed::from(match jitter {
            Jitter::UpTo(bound) => JitterBound::UpTo(Span(bound)),
            Jitter::PercentOfHold(percent) => JitterBound::OfHold(Percent(percent)),
        })
    });
    Ok(())
}

fn sizes(
    section: &mut ChurnSection,
    min: u32,
    max: u32,
    min_hold: std::time::Duration,
    max_hold: std::time::Duration,
) {
    section.min_endpoints = key(min);
    section.max_endpoints = key(max);
    section.min_hold = key(Span(min_hold));
    section.max_hold = key(Span(max_hold));
}

fn mixed(section: &mut ChurnSection, group: &ServiceGroup) -> Result<(), Inexpressible> {
    match (group.prefix.as_str(), group.first, &group.pattern) {
        ("stable-svc", 0, Pattern::Stable { endpoints }) if section.stable.is_none() => {
            section.stable = key(StableGroup {
                services: key(group.count),
                endpoints: key(*endpoints),
            });
            Ok(())
        }
        (
            "oscillate-svc",
            0,
            Pattern::Oscillate {
                min,
                max,
                min_hold,
                max_hold,
                jitter,
            },
        ) if section.oscillate.is_none() && min_hold == max_hold => {
            let jitter_percent = match *jitter {
                Jitter::PercentOfHold(percent) => key(Percent(percent)),
                Jitter::UpTo(bound) if bound.is_zero() => None,
                Jitter::UpTo(_) => return Err(Inexpressible::from(group)),
            };
            section.oscillate = key(OscillateGroup {
                services: key(group.count),
                min_endpoints: key(*min),
                max_endpoints: key(*max),
                hold: key(Span(*min_hold)),
                jitter_percent,
            });
            Ok(())
        }
        _ => provoked(section, group),
    }
}

fn provoked(section: &mut ChurnSection, group: &ServiceGroup) -> Result<(), Inexpressible> {
    let this = ProvokeGroup::of(group).ok_or_else(|| Inexpressible::from(group))?;
    let alike = match &mut section.provoke {
        Some(all) => all.value.absorb(this),
        nothing => {
            *nothing = key(this);
            true
        }
    };
    alike
        .then_some(())
        .ok_or_else(|| Inexpressible::from(group))
}

impl From<&ServiceGroup> for Inexpressible {
    fn from(group: &ServiceGroup) -> Self {
        Self {
            prefix: group.prefix.clone(),
            first: group.first,
        }
    }
}

fn client(client: &Client) -> ClientSection {
    ClientSection {
        replicas: key(client.replicas),
        clients: key(client.clients),
        streams_per_service: key(client.streams_per_service),
        stream_max_lifetime: client
            .stream_max_lifetime
            .map(|span| Placed::from(Span(span))),
        stream_reset_interval: client
            .stream_reset_interval
            .map(|span| Placed::from(Span(span))),
        open_rate: key(client.open_rate),
        lifecycle: key(client.lifecycle),
        profiles: key(client.profiles),
        connections: client.connections.and_then(key),
        ..ClientSection::default()
    }
}

fn sandbox(sandbox: &Sandbox) -> SandboxSection {
    let (min, max) = sandbox.pod_start;
    SandboxSection {
        nodes: key(sandbox.nodes),
        zones: key(sandbox.zones),
        pod_start: key(PodStart::Between(PodStartRange {
            min: Placed::from(Span(min)),
            max: Placed::from(Span(max)),
        })),
        slice_sync: key(Span(sandbox.slice_sync)),
        replicas: key(sandbox.replicas),
        faults: key(sandbox.faults.iter().map(fault).collect()),
    }
}

fn fault(fault: &Fault) -> FaultItem {
    FaultItem {
        kind: Placed::from(fault.kind),
        at: key(Span(fault.at)),
        lasts: fault.lasts.map(|span| Placed::from(Span(span))),
        share: key(Share(fault.share)),
        delay: key(Span(fault.delay)),
        replica: fault.replica.map(Placed::from),
        resource: fault.resource.map(Placed::from),
    }
}
