//! The scenario files that come with the tool, compiled in.

/// Names files of `values/scenarios`, and compiles them in.
macro_rules! shipped {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../../values/scenarios/", $name, ".yaml")))),*]
    };
}

/// The names of the built-in scenarios, the gentlest first, with their files' text.
pub const BUILT_IN: [(&str, &str); 10] = shipped!(
    "quick"
    "baseline"
    "small-oscillation"
    "large-rollout"
    "many-services"
    "red-line"
    "stale-state"
    "stalled-readers"
    "federated-baseline"
    "federated-oscillation"
);

/// The text of the built-in scenario called `name`.
#[must_use]
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        criteria::Criterion,
        scenario::{ClientPath, Jitter, Pattern, Scenario},
    };

    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn shipped(name: &str) -> Scenario {
        let file = format!("{name}.yaml");
        let (scenario, warnings) =
            Scenario::from_yaml(built_in(name).unwrap(), &file, &[]).unwrap();
        assert_eq!(warnings, [] as [&str; 0]);
        assert_eq!(scenario.name, name);
        scenario
    }

    /// Services and sizes of an oscillating scenario.
    fn shape_of_wave(scenario: &Scenario) -> (u32, [u32; 2]) {
        let group = &scenario.churn.groups[0];
        let Pattern::Oscillate { wave, .. } = group.pattern else {
            panic!("{} does not oscillate", scenario.name);
        };
        (group.count, [wave.min, wave.max])
    }

    /// Services, sizes, holds and jitter of an oscillating scenario.
    fn shape(scenario: &Scenario) -> (u32, [u32; 2], [u64; 3]) {
        let group = &scenario.churn.groups[0];
        let Pattern::Oscillate {
            wave,
            jitter: Jitter::UpTo(jitter),
        } = group.pattern
        else {
            panic!("{} does not oscillate", scenario.name);
        };
        let holds = [wave.min_hold, wave.max_hold, jitter].map(|span| span.as_secs());
        let (min, max) = (wave.min, wave.max);
        (group.count, [min, max], holds)
    }

    #[test]
    fn every_shipped_file_reads_back_from_its_effective_form() {
        for (name, _) in BUILT_IN {
            let scenario = shipped(name);
            let text = scenario.effective().unwrap().to_string();
            assert_eq!(
                Scenario::from_yaml(&text, "x.json", &[]).unwrap().0,
                scenario
            );
        }
    }

    #[test]
    fn baseline_is_the_plans_scenario_1() {
        let scenario = shipped("baseline");
        assert_eq!(scenario.churn.groups[0].count, 10);
        assert_eq!(
            scenario.churn.groups[0].pattern,
            Pattern::Stable { endpoints: 100 }
        );
        assert_eq!(
            (scenario.churn.duration, scenario.churn.cycles),
            (None, None)
        );
        assert_eq!(scenario.streams(), 1_000);
        assert_eq!(
            scenario.criteria.limit(Criterion::TargetViewsActive),
            Some(1_000.0)
        );
        assert_eq!(
            scenario.criteria.limit(Criterion::UnexpectedResets),
            Some(0.0)
        );
    }

    #[test]
    fn the_federated_ones_are_the_plans_first_two_over_two_clusters() {
        let plain = shipped("small-oscillation");
        let scenario = shipped("federated-oscillation");
        assert_eq!(shape(&scenario), shape(&plain));
        assert_eq!(scenario.churn.cycles, Some(3));
        let latency = |of: &Scenario| {
            let limits = of.criteria.given();
            (limits.filter(|(it, _)| it.place().0 == "updateLatency")).collect::<Vec<_>>()
        };
        assert_eq!(latency(&scenario), latency(&plain));
        let baseline = shipped("federated-baseline");
        assert_eq!(
            baseline.churn.groups[0].pattern,
            Pattern::Stable { endpoints: 100 }
        );
        assert_eq!(baseline.churn.duration, Some(secs(30 * 60)));
        for scenario in [scenario, baseline] {
            let both = scenario.federation.clone().unwrap();
            assert_eq!(both.through.len(), 2);
            assert_eq!(both.local.unwrap().count, 2);
            // 10 Services both ways and 2 local ones, for each of 100 clients.
            assert_eq!(scenario.streams(), 2_200);
        }
    }

    #[test]
    fn small_oscillation_is_the_plans_scenario_2() {
        let scenario = shipped("small-oscillation");
        assert_eq!(shape(&scenario), (10, [10, 200], [120, 300, 5]));
        assert_eq!(scenario.churn.cycles, Some(3));
        assert_eq!(scenario.streams(), 1_000);
        let criteria = &scenario.criteria;
        assert_eq!(criteria.limit(Criterion::UpdateLatencyP95), Some(0.5));
        assert_eq!(criteria.limit(Criterion::UpdateLatencyP99), Some(2.0));
        assert_eq!(criteria.limit(Criterion::EveryClientWithin), Some(10.0));
        assert_eq!(
            criteria.limit(Criterion::TargetMemoryGrowthPerCycle),
            Some(0.1)
        );
        assert_eq!(criteria.limit(Criterion::SendTimeoutRate), Some(0.0));
        assert_eq!(criteria.limit(Criterion::UnexpectedResets), Some(0.0));
    }

    #[test]
    fn large_rollout_is_the_plans_scenario_3() {
        let scenario = shipped("large-rollout");
        assert_eq!(shape(&scenario), (1, [500, 1_000], [120, 300, 0]));
        assert_eq!(scenario.churn.cycles, None);
        assert_eq!(scenario.streams(), 1_000);
        let criteria = &scenario.criteria;
        assert_eq!(criteria.limit(Criterion::UpdateLatencyP95), Some(1.0));
        assert_eq!(criteria.limit(Criterion::UpdateLatencyP99), Some(3.0));
        assert_eq!(criteria.limit(Criterion::EveryClientWithin), Some(15.0));
        assert_eq!(criteria.limit(Criterion::SendTimeoutRate), Some(0.01));
        assert_eq!(
            criteria.limit(Criterion::TargetMemorySpike),
            Some(2_000_000_000.0)
        );
    }

    #[test]
    fn stalled_readers_has_more_of_them_on_one_connection_than_its_window_holds() {
        let scenario = shipped("stalled-readers");
        assert_eq!(shape_of_wave(&scenario), (2, [50, 500]));
        let client = &scenario.client;
        assert_eq!(client.path, ClientPath::Sidecar { identities: 1 });
        assert_eq!(
            (client.reading_clients(), client.stalled_clients()),
            (20, 10)
        );
        assert_eq!((scenario.streams(), scenario.stalled_streams()), (40, 20));
        assert_eq!(scenario.criteria.limit(Criterion::Never), Some(0.0));
    }

    #[test]
    fn many_services_is_the_plans_scenario_4() {
        let scenario = shipped("many-services");
        assert_eq!(shape(&scenario), (100, [50, 100], [120, 300, 5]));
        assert_eq!(scenario.streams(), 10_000);
        let criteria = &scenario.criteria;
        assert_eq!(criteria.limit(Criterion::UpdateLatencyP95), Some(1.0));
        assert_eq!(criteria.limit(Criterion::UpdateLatencyP99), Some(3.0));
        assert_eq!(criteria.limit(Criterion::EveryClientWithin), Some(20.0));
        assert_eq!(criteria.limit(Criterion::SendTimeoutRate), Some(0.005));
        assert_eq!(
            criteria.limit(Criterion::TargetMemoryMax),
            Some(6_000_000_000.0)
        );
        assert_eq!(
            (
                criteria.limit(Criterion::UnexpectedResets),
                criteria.limit(Criterion::TargetRestarts)
            ),
            (Some(0.0), Some(0.0))
        );
    }

    #[test]
    fn red_line_is_the_plans_scenario_5() {
        let scenario = shipped("red-line");
        assert_eq!(shape(&scenario), (50, [100, 200], [120, 300, 5]));
        assert_eq!(scenario.streams(), 25_000);
        let criteria = &scenario.criteria;
        assert_eq!(criteria.limit(Criterion::UpdateLatencyP95), None);
        assert_eq!(criteria.limit(Criterion::UpdateLatencyP99), Some(10.0));
        assert_eq!(criteria.limit(Criterion::SendTimeoutRate), Some(0.05));
        assert_eq!(
            criteria.limit(Criterion::TargetMemoryMax),
            Some(8_000_000_000.0)
        );
        assert_eq!(
            (
                criteria.limit(Criterion::UnexpectedResets),
                criteria.limit(Criterion::TargetRestarts)
            ),
            (Some(0.0), Some(0.0))
        );
    }
}
