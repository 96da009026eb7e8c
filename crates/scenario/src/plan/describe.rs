//! What a scenario would do, in numbers and words, without doing any of it.

use serde::Serialize;

use super::{Plan, Step};
use crate::{
    action::{Action, Verb},
    criteria::Criterion,
    federation::DiscoveryMode,
    pattern::Pattern,
    roster::ENDPOINTS_A_SLICE,
    scenario::{Backend, BackendKey, ClientPath, Scenario, ServiceGroup},
    targets::Targets,
    time::At,
};

mod text;

/// The timeline shows this many cycles: the second is where a first one's rest has been seen.
const CYCLES_SHOWN: u32 = 2;

/// A ramp of thousands of steps is not worth reading.
const LINES_SHOWN: usize = 24;

/// What `plan` says of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// The scenario's name.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// The Services, by group.
    pub groups: Vec<Group>,
    /// What is made in Kubernetes.
    pub objects: Objects,
    /// The two clusters, if there are two.
    pub federation: Option<Clusters>,
    /// The clients and their streams.
    pub clients: Clients,
    /// What is sent to each stream when it opens.
    pub on_opening: Updates,
    /// What is expected of the first cycle; `None` if nothing cycles.
    pub per_cycle: Option<Cycle>,
    /// The creations and the first cycles, scalings of one kind folded into one line.
    pub timeline: Vec<Line>,
    /// Whether the timeline goes on beyond what is shown.
    pub timeline_continues: bool,
    /// When the run ends, in seconds from the start of churn; `None` if it runs until stopped.
    pub ends_after_seconds: Option<f64>,
    /// How long an update is waited for, in seconds.
    pub deadline_seconds: f64,
    /// What is judged.
    pub criteria: Vec<Limit>,
}

/// Services that churn alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The first Service's name.
    pub first: String,
    /// The last Service's name.
    pub last: String,
    /// How many there are.
    pub services: u32,
    /// What they do, in words.
    pub pattern: String,
}

/// Objects in Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Objects {
    /// Services.
    pub services: u64,
    /// Which objects make the endpoints: `deployments`, `pods` or `slices`.
    pub backend: &'static str,
    /// Deployments, one a Service, if they make the endpoints.
    pub deployments: u64,
    /// Pods that we write ourselves, at the most.
    pub own_pods: u64,
    /// EndpointSlices that we write ourselves, when there are most endpoints.
    pub own_slices: u64,
    /// Endpoints over all Services at the start.
    pub endpoints_at_start: u64,
    /// Endpoints over all Services at the most.
    pub endpoints_at_most: u64,
}

/// A second cluster: it is the one whose Services are counted and churned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clusters {
    /// The name by which it is linked.
    pub cluster: String,
    /// How its Services are asked for.
    pub through: Vec<DiscoveryMode>,
    /// Services of the first cluster, which are watched too.
    pub local_services: u32,
}

/// The watching side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Clients {
    /// Connections: one of each virtual client, or of each identity to each replica.
    pub connections: u64,
    /// Which Services each asks for; all where this is absent.
    pub targets: Option<Targets>,
    /// Services that clients ask for, all of them together.
    pub services: u64,
    /// Streams that watch each Service that is churned; where clients ask for some, the most
    /// popular one.
    pub streams_per_service: u64,
    /// Streams that watch the least popular of these.
    pub streams_per_service_min: u64,
    /// How many of these no client asks for.
    pub services_unwatched: u64,
    /// Streams in all.
    pub streams: u64,
    /// `GetProfile` streams in addition, at most.
    pub profile_streams: u64,
    /// Streams of the policy API in addition, at most.
    pub policy_streams: u64,
    /// Streams in addition that nobody reads.
    pub stalled_streams: u64,
}

/// Updates that streams receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Updates {
    /// Endpoints that change.
    pub endpoints: u64,
    /// Endpoints × the streams that watch them.
    pub deliveries: u64,
    /// Messages, at the least: one a scaling and stream. Controllers that write their slices in
    /// several steps make more.
    pub messages_at_least: u64,
}

/// One cycle's updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cycle {
    /// Endpoints that appear.
    pub additions: Updates,
    /// Endpoints that go.
    pub removals: Updates,
}

/// Scalings of one kind within one cycle.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The first one's instant, in seconds from the start of churn.
    pub from_seconds: f64,
    /// The last one's.
    pub to_seconds: f64,
    /// The cycle; 0 before the first.
    pub cycle: u32,
    /// Services acted on.
    pub services: u64,
    /// What is done to each.
    #[serde(flatten)]
    pub verb: Verb,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Its dotted key under `criteria`.
    pub name: Criterion,
    /// Its value.
    pub limit: String,
    /// Whether it may stay unjudged.
    pub optional: bool,
}

// === impl Description ===

impl Description {
    /// Describes `scenario`.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let groups = &scenario.churn.groups;
        let endpoints_at_start = sum(groups, |pattern| pattern.initial().into());
        // What is local where a second cluster is churned is watched, and is no load.
        let mut churned = scenario.clone();
        if let Some(both) = &mut churned.federation {
            both.local = None;
        }
        let streams = streams_by_churned_service(scenario);
        let sizes = || {
            groups
                .iter()
                .flat_map(|group| group.names().map(|_| group.pattern.initial()))
        };
        let at_start = || sizes().zip(&streams);
        let plan = Plan::new(&churned);
        let (timeline, timeline_continues) = timeline(&plan);
        Self {
            name: scenario.name.clone(),
            seed: scenario.seed,
            groups: groups.iter().map(group).collect(),
            objects: Objects::of(scenario),
            federation: (scenario.federation.as_ref()).map(|both| Clusters {
                cluster: both.cluster.clone(),
                through: both.through.clone(),
                local_services: both.local.as_ref().map_or(0, |group| group.count),
            }),
            clients: Clients {
                connections: match scenario.client.path {
                    ClientPath::Direct => scenario.client.virtual_clients(),
                    ClientPath::Sidecar { identities } => identities.into(),
                },
                targets: scenario.client.targets,
                services: scenario.services_watched(),
                streams_per_service: streams.iter().copied().max().unwrap_or_default(),
                streams_per_service_min: streams.iter().copied().min().unwrap_or_default(),
                services_unwatched: streams.iter().filter(|it| **it == 0).count() as u64,
                streams: scenario.streams(),
                profile_streams: scenario.profile_streams(),
                policy_streams: scenario.policy_streams(),
                stalled_streams: scenario.stalled_streams(),
            },
            on_opening: Updates {
                endpoints: endpoints_at_start,
                deliveries: at_start().map(|(size, it)| u64::from(size) * it).sum(),
                messages_at_least: at_start()
                    .filter(|(size, _)| *size > 0)
                    .map(|(_, it)| it)
                    .sum(),
            },
            per_cycle: first_cycle(&plan, &streams),
            timeline,
            timeline_continues,
            ends_after_seconds: plan.end().map(At::as_secs_f64),
            deadline_seconds: scenario.deadline().as_secs_f64(),
            criteria: scenario
                .criteria
                .limits()
                .into_iter()
                .map(|(name, limit)| Limit {
                    optional: scenario.criteria.optional.contains(&name),
                    name,
                    limit,
                })
                .collect(),
        }
    }
}

// === impl Objects ===

impl Objects {
    fn of(scenario: &Scenario) -> Self {
        let groups = &scenario.churn.groups;
        let services = sum(groups, |_| 1);
        let endpoints_at_most = scenario.churn.endpoints_at_most();
        let slices = sum(groups, |pattern| {
            u64::from(pattern.peak()).div_ceil(ENDPOINTS_A_SLICE)
        });
        let (deployments, own_pods, own_slices) = match scenario.churn.backend {
            Backend::Deployments { .. } => (services, 0, 0),
            Backend::Pods { .. } => (0, endpoints_at_most, slices),
            Backend::Slices { .. } => (0, 0, slices),
        };
        Self {
            services,
            backend: BackendKey::from(scenario.churn.backend).into(),
            deployments,
            own_pods,
            own_slices,
            endpoints_at_start: sum(groups, |pattern| pattern.initial().into()),
            endpoints_at_most,
        }
    }
}

// === impl Updates ===

impl Updates {
    fn count(&mut self, endpoints: u32, streams: u64) {
        if endpoints > 0 {
            self.endpoints += u64::from(endpoints);
            self.deliveries += u64::from(endpoints) * streams;
            self.messages_at_least += streams;
        }
    }
}

// === impl Line ===

impl Line {
    /// Folds another scaling of the same kind into the line, if this is one.
    fn fold(&mut self, action: &Action) -> bool {
        let same = self.cycle == action.cycle && self.verb == action.verb;
        if same {
            self.to_seconds = action.intended.as_secs_f64();
            self.services += 1;
        }
        same
    }
}

impl From<&Action> for Line {
    fn from(action: &Action) -> Self {
        let at = action.intended.as_secs_f64();
        Self {
            from_seconds: at,
            to_seconds: at,
            cycle: action.cycle,
            services: 1,
            verb: action.verb,
        }
    }
}

/// A sum over all Services.
fn sum(groups: &[ServiceGroup], of: impl Fn(&Pattern) -> u64) -> u64 {
    groups
        .iter()
        .map(|group| u64::from(group.count) * of(&group.pattern))
        .sum()
}

fn group(group: &ServiceGroup) -> Group {
    Group {
        first: format!("{}-{}", group.prefix, group.first),
        last: format!(
            "{}-{}",
            group.prefix,
            group.first + group.count.saturating_sub(1)
        ),
        services: group.count,
        pattern: group.pattern.to_string(),
    }
}

/// What happens until the end of the last cycle shown, and whether more follows.
fn timeline(plan: &Plan) -> (Vec<Line>, bool) {
    let bounds = |cycle| plan.cycle_bounds(cycle).map(|(_, end)| end);
    let horizon = bounds(CYCLES_SHOWN).or_else(|| bounds(1));
    let mut lines: Vec<Line> = Vec::new();
    for step in plan.clone() {
        if horizon.is_some_and(|horizon| step.at() >= horizon) {
            return (lines, !matches!(step, Step::End(_)));
        }
        let Step::Act(action) = step else { continue };
        if !lines.iter_mut().any(|line| line.fold(&action)) {
            if lines.len() == LINES_SHOWN {
                return (lines, true);
            }
            lines.push(Line::from(&action));
        }
    }
    (lines, false)
}

/// Streams that watch each Service that is churned, in plan order; what is local beside a second
/// cluster comes after these, and is left out.
fn streams_by_churned_service(scenario: &Scenario) -> Vec<u64> {
    let groups = scenario.churn.groups.iter();
    let mut streams: Vec<u64> = groups.flat_map(|group| group.names().map(|_| 0)).collect();
    let watched = scenario
        .watched()
        .into_iter()
        .zip(scenario.streams_by_service());
    for (watched, of_one_way) in watched {
        if let Some(streams) = streams.get_mut(watched.position) {
            *streams += of_one_way;
        }
    }
    streams
}

/// The updates of the whole first cycle, where there is one; `streams` watch each Service.
fn first_cycle(plan: &Plan, streams: &[u64]) -> Option<Cycle> {
    let (start, end) = plan.cycle_bounds(1)?;
    let mut cycle = Cycle::default();
    for step in plan.clone().skip_while(|step| step.at() < start) {
        if step.at() >= end {
            break;
        }
        if let Step::Act(Action { verb, service, .. }) = step {
            if matches!(verb, Verb::Create { .. }) {
                continue;
            }
            let (added, removed) = verb.expects();
            cycle.additions.count(added, streams[service]);
            cycle.removals.count(removed, streams[service]);
        }
    }
    Some(cycle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::built_in;

    fn describe(name: &str) -> Description {
        let text = built_in(name).unwrap();
        Description::of(&Scenario::from_yaml(text, name, &[]).unwrap().0)
    }

    #[test]
    fn the_plans_deliveries_are_the_plans_arithmetic() {
        for (name, streams, deliveries) in [
            ("small-oscillation", 1_000, 190_000),
            ("large-rollout", 1_000, 500_000),
            ("many-services", 10_000, 500_000),
            ("red-line", 25_000, 2_500_000),
        ] {
            let description = describe(name);
            assert_eq!(description.clients.streams, streams, "{name}");
            let cycle = description.per_cycle.unwrap();
            assert_eq!(cycle.additions.deliveries, deliveries, "{name}");
            assert_eq!(cycle.removals.deliveries, deliveries, "{name}");
        }
        assert_eq!(describe("baseline").per_cycle, None);
        assert_eq!(describe("baseline").on_opening.deliveries, 100_000);
    }

    #[test]
    fn a_scenario_is_described_in_words() {
        insta::assert_snapshot!(describe("quick").to_string(), @r#"
    quick (seed 1)
    
    Services
      test-service-1 … test-service-5: 5 endpoints each for 3s, 30 for 3s, and again, each up to 200ms late
      5 Services, 5 Deployments, 25 endpoints at the start, 150 at the most
    
    Streams
      100 on 20 connections, 20 a Service
    
    Updates expected
      on opening:         500 deliveries (25 endpoints), in at least 100 messages
      a cycle, additions: 2,500 deliveries (125 endpoints), in at least 100 messages
      a cycle, removals:  2,500 deliveries (125 endpoints), in at least 100 messages
    
    Timeline, from the start of churn
           0.000 s  create 5 Services of 5 endpoints
           3.054 s  cycle 1: scale 5 Services from 5 to 30 endpoints, the last at 3.148 s
           6.071 s  cycle 1: scale 5 Services from 30 to 5 endpoints, the last at 6.164 s
           9.037 s  cycle 2: scale 5 Services from 5 to 30 endpoints, the last at 9.194 s
          12.002 s  cycle 2: scale 5 Services from 30 to 5 endpoints, the last at 12.124 s
          15.000 s  the run ends
    
    Judged
      errorRate: at most 0%
      everyClientWithin: at most 2s
      redundant: at most 0
      unexpectedResets: at most 0
      updateLatency.p95: at most 500ms
      updateLatency.p99: at most 1s
      correctness: no endpoint missing, stale or unexpected at the end
      an update counts as never arrived after 5 s
    "#);
    }

    #[test]
    fn clients_that_ask_for_some_services_are_described_by_their_audiences() {
        let text = "churn: {services: 400, pattern: oscillate, minEndpoints: 1, maxEndpoints: 3, minHold: 1m, maxHold: 1m, cycles: 1}
client: {clients: 5000, targets: 12}";
        let (scenario, _) = Scenario::from_yaml(text, "it.yaml", &[]).unwrap();
        let description = Description::of(&scenario);
        let clients = description.clients;
        assert_eq!((clients.streams, clients.services), (60_000, 400));
        // Each client's Services count once, whichever they are.
        assert_eq!(description.on_opening.deliveries, 60_000);
        assert_eq!(description.on_opening.messages_at_least, 60_000);
        let cycle = description.per_cycle.unwrap();
        assert_eq!(cycle.additions.deliveries, 120_000);
        assert_eq!(cycle.removals.messages_at_least, 60_000);
        let said = description.to_string();
        let line = said.lines().find(|line| line.contains("connections"));
        assert_eq!(
            line.unwrap().trim(),
            "60,000 on 5,000 connections; each client asks for 12 of 400 Services (Zipf, exponent \
             1), 17 to 4,449 streams a Service"
        );
    }

    #[test]
    fn services_that_nobody_asks_for_are_counted_and_expect_nothing() {
        let text = "churn: {services: 4, pattern: oscillate, minEndpoints: 1, maxEndpoints: 3, minHold: 1m, maxHold: 1m, cycles: 1}
client: {clients: 1, targets: {count: 1, distribution: uniform}}";
        let (scenario, _) = Scenario::from_yaml(text, "it.yaml", &[]).unwrap();
        let description = Description::of(&scenario);
        let clients = description.clients;
        let (most, least) = (clients.streams_per_service, clients.streams_per_service_min);
        assert_eq!((clients.services_unwatched, most, least), (3, 1, 0));
        assert_eq!(description.per_cycle.unwrap().additions.deliveries, 2);
        assert!(
            description
                .to_string()
                .contains("3 Services that no client asks for")
        );
    }

    #[test]
    fn a_sawtooths_cycle_is_as_many_endpoints_up_as_down() {
        let text = "churn: {services: 2, pattern: sawtooth, minEndpoints: 5, maxEndpoints: 9, scaleDuration: 2s, minHold: 1m, maxHold: 10s, jitter: 5s, cycles: 3}
client: {clients: 7}";
        let (scenario, _) = Scenario::from_yaml(text, "it.yaml", &[]).unwrap();
        let description = Description::of(&scenario);
        assert_eq!(
            description.groups[0].pattern,
            "5 endpoints each for 1m, up to 9 over 2s, 9 for 10s, and again, each up to 5s late"
        );
        let cycle = description.per_cycle.unwrap();
        assert_eq!(
            (cycle.additions.endpoints, cycle.removals.endpoints),
            (8, 8)
        );
        // Four steps up and one down, to seven streams of each of two Services.
        let messages = [cycle.additions, cycle.removals].map(|it| it.messages_at_least);
        assert_eq!(messages, [56, 14]);
        assert_eq!(description.objects.endpoints_at_most, 18);
        assert_eq!(description.ends_after_seconds, Some(60.0 + 3.0 * 72.0));
    }

    #[test]
    fn a_long_ramp_is_cut_short() {
        let text = "churn: {services: 1, pattern: scale-up, scaleFrom: 0, scaleTo: 500, scaleDuration: 5m}";
        let (scenario, _) = Scenario::from_yaml(text, "ramp.yaml", &[]).unwrap();
        let description = Description::of(&scenario);
        assert_eq!(description.timeline.len(), LINES_SHOWN);
        assert!(description.timeline_continues);
        assert_eq!(description.per_cycle.unwrap().additions.endpoints, 500);
    }
}
