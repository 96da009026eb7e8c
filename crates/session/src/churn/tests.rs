//! Driving plans against an API server that answers late, or not, under paused time.

use std::sync::Arc;

use dst_load_kubernetes::actor::{
    Limits, RunIdentity,
    mock::{made, scenario, with_deployments},
};
use dst_load_scenario::{plan::Plan, scenario::Scenario};
use dst_load_transport::{
    clock::Clock,
    mock::{Answer, mock, refusal},
};
use prometheus_client::registry::Registry;
use serde_json::json;

use super::*;
use crate::admin;

fn action(millis: u64, service: usize, from: u32, to: u32) -> Step {
    Step::Act(Action {
        intended: At::from_millis(millis),
        service,
        cycle: 1,
        verb: Verb::Scale { from, to },
    })
}

fn actor(kube: kube::Client, clock: Clock, scenario: &Arc<Scenario>) -> Actor {
    let run = RunIdentity {
        id: "r1".into(),
        scenario: "quick".into(),
    };
    let scenario = Arc::clone(scenario);
    with_deployments(Actor::new(
        kube,
        clock,
        "ns".into(),
        run,
        scenario,
        Limits::default(),
    ))
}

fn fine(_: &str) -> Answer {
    made("1")
}

#[tokio::test(start_paused = true)]
async fn an_action_is_announced_at_its_intended_instant_before_it_is_sent() {
    let clock = Clock::start();
    let (kube, log) = mock(clock, fine);
    let scenario = scenario(2);
    let actor = actor(kube, clock, &scenario);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    let plan = [
        action(0, 0, 3, 9),
        action(250, 1, 3, 9),
        Step::End(At::from_secs(2)),
    ];
    let mut told = Vec::new();
    let start = At::from_secs(1);
    let driven = Driver::new(&actor, &metrics, plan.into_iter(), CancellationToken::new())
        .churn(start, |event| {
            let sent = log.lock().len();
            told.push(match event {
                Event::Intended(action) => ("intended", action.intended, sent),
                Event::Acted(acted) => ("acted", acted.sent, sent),
                Event::Cycle(cycle) => ("cycle", cycle.at, sent),
            });
        })
        .await;
    let (first, second) = (At::from_secs(1), At::from_millis(1_250));
    assert_eq!(
        told,
        [
            ("intended", first, 0),
            ("acted", first, 1),
            ("intended", second, 1),
            ("acted", second, 2),
        ]
    );
    assert_eq!(driven.ending, Ending::Finished);
    assert_eq!(driven.lateness_max, Duration::ZERO);
    assert_eq!(clock.now(), At::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_delays_no_other_service_and_its_own_next_action_is_late() {
    let clock = Clock::start();
    let mut first = true;
    let (kube, _) = mock(clock, move |what| {
        if what.contains("test-service-1/") && std::mem::take(&mut first) {
            return Answer::Busy(10);
        }
        Answer::Json(200, json!({}))
    });
    let scenario = scenario(2);
    let actor = actor(kube, clock, &scenario);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    let plan = [
        action(0, 0, 3, 9),
        action(1_000, 1, 3, 9),
        action(4_000, 0, 9, 3),
        Step::End(At::from_secs(5)),
    ];
    let mut sent = Vec::new();
    let driven = Driver::new(&actor, &metrics, plan.into_iter(), CancellationToken::new())
        .churn(At::ZERO, |event| {
            if let Event::Acted(acted) = event {
                sent.push((acted.action.service, acted.sent, acted.acknowledged));
            }
        })
        .await;
    let (second, tenth) = (At::from_secs(1), At::from_secs(10));
    assert_eq!(
        sent,
        [(1, second, second), (0, At::ZERO, tenth), (0, tenth, tenth)]
    );
    assert_eq!(driven.lateness_max, Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn creations_come_first_and_churn_counts_from_a_later_start() {
    let clock = Clock::start();
    let (kube, log) = mock(clock, fine);
    let scenario = scenario(3);
    let actor = actor(kube, clock, &scenario);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    let plan = Plan::new(&scenario).chain([Step::End(At::from_secs(5))]);
    let mut driver = Driver::new(&actor, &metrics, plan, CancellationToken::new());
    let created = driver.create(|_| {}).await;
    assert_eq!((created.ending, created.intended), (Ending::Finished, 3));
    assert_eq!(log.lock().len(), 6);
    assert_eq!(clock.now(), At::ZERO);
    driver.churn(At::from_secs(60), |_| {}).await;
    assert_eq!(clock.now(), At::from_secs(65));
}

#[tokio::test(start_paused = true)]
async fn cancellation_stops_at_once_and_says_what_was_unanswered() {
    let clock = Clock::start();
    let (kube, _) = mock(clock, |_| Answer::Silence);
    let scenario = scenario(1);
    let actor = actor(kube, clock, &scenario);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    let stop = CancellationToken::new();
    let plan = [action(0, 0, 3, 9), action(60_000, 0, 9, 3)];
    let mut driver = Driver::new(&actor, &metrics, plan.into_iter(), stop.clone());
    let cancel = async {
        clock.sleep_until(At::from_secs(3)).await;
        stop.cancel();
    };
    let (driven, ()) = tokio::join!(driver.churn(At::ZERO, |_| {}), cancel);
    assert_eq!(driven.ending, Ending::Stopped);
    assert_eq!((driven.intended, driven.abandoned), (1, 1));
    assert_eq!(clock.now(), At::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_ends_the_churn() {
    let clock = Clock::start();
    let (kube, _) = mock(clock, |_| {
        refusal(
            403,
            "Forbidden",
            "User \"u\" cannot patch resource \"deployments/scale\" in …",
        )
    });
    let scenario = scenario(1);
    let actor = actor(kube, clock, &scenario);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    let plan = [action(0, 0, 3, 9), action(60_000, 0, 9, 3)];
    let driven = Driver::new(&actor, &metrics, plan.into_iter(), CancellationToken::new())
        .churn(At::ZERO, |_| {})
        .await;
    let Ending::Refused(error) = driven.ending else {
        panic!("{driven:?}");
    };
    assert!(
        error
            .to_string()
            .starts_with("not permitted to patch deployments/scale")
    );
    assert_eq!(clock.now(), At::ZERO);
}

#[tokio::test(start_paused = true)]
async fn every_promised_family_exists_at_zero_and_then_counts() {
    let clock = Clock::start();
    let (kube, _) = mock(clock, fine);
    let scenario = scenario(1);
    let actor = actor(kube, clock, &scenario);
    let mut registry = Registry::default();
    let metrics = ChurnMetrics::register(&mut registry, &scenario, actor.caller());
    let encode = admin::encode(registry);
    let lines = |value: u32| {
        let labels = "{pattern=\"stable\",service=\"test-service-1\"}";
        [
            format!("churn_services_created_total {}", value.min(1)),
            format!("churn_scale_events_total{labels} {}", value.min(1)),
            format!("churn_restart_events_total{labels} 0"),
            format!("churn_current_replicas{labels} {value}"),
            "churn_actions_failed_total 0".into(),
            "churn_api_errors_total{reason=\"too_many_requests\"} 0".into(),
            "churn_api_retries_total 0".into(),
            "churn_current_cycle 0".into(),
            format!("churn_action_lag_seconds_count {}", 2 * value.min(1)),
        ]
    };
    let says = |wanted: &[String]| {
        let text = encode().unwrap();
        for line in wanted {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    };
    says(&lines(0));
    let steps = [action(0, 0, 3, 9), Step::End(At::ZERO)];
    let plan = Plan::new(&scenario).take(1).chain(steps);
    let mut driver = Driver::new(&actor, &metrics, plan, CancellationToken::new());
    driver.churn(At::ZERO, |_| {}).await;
    says(&lines(9));
}
