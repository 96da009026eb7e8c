//! Clients that ask for some Services each, on the embedded Kubernetes in virtual time.

use dst_load_recording::recording::{self, Line};
use dst_load_report::{report::Report, verdict::Verdict};
use dst_load_scenario::{
    scenario::{Scenario, built_in},
    targets::TargetChoice,
};

use crate::virtually::{Ran, scenario, simulate};

/// Eight clients, each of two of six Services, all of which go up and down.
const SOME: &str = "
scenario: {name: some, seed: 3}
churn: {services: 6, pattern: oscillate, minEndpoints: 5, maxEndpoints: 15, minHold: 12s, maxHold: 12s, cycles: 1}
client: {clients: 8, targets: 2}
criteria: {updateLatency: {p99: 1s}, everyClientWithin: 2s, unexpectedResets: 0, errorRate: 0%, redundant: 0}
measure: {deadline: 5s}
sandbox:
  podStart: {min: 300ms, max: 300ms}
";

/// One client of one of two Services, of which one is churned.
fn one_of_two(seed: u64) -> Scenario {
    let text = format!(
        "scenario: {{name: one, seed: {seed}}}
churn:
  stable: {{services: 1, endpoints: 5}}
  oscillate: {{services: 1, minEndpoints: 5, maxEndpoints: 15, hold: 12s}}
  cycles: 1
client: {{clients: 1, targets: {{count: 1, distribution: uniform}}}}
criteria: {{updateLatency: {{p99: 1s}}, everyClientWithin: 2s, redundant: 0}}
measure: {{deadline: 5s}}
"
    );
    scenario(&text, &[])
}

fn assert_passes(report: &Report) {
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert_eq!(report.correctness.streams_wrong, 0);
}

/// The largest audience of a change of each Service, in plan order.
fn audiences(scenario: &Scenario, ran: &Ran) -> Vec<u64> {
    let changes = ran.changes();
    let of = |name: String| {
        let all = changes.iter().filter(|change| change.service == name);
        all.map(|change| u64::from(change.audience)).max()
    };
    scenario
        .services()
        .map(|name| of(name).unwrap_or_default())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_client_has_streams_on_its_services_and_on_no_others() {
    let some = scenario(SOME, &[]);
    let ran = simulate(some.clone()).await;
    assert_passes(&ran.report);
    let streams = &ran.report.streams;
    assert_eq!((streams.requested, streams.opened), (16, 16));
    let expected = TargetChoice::new(&some.client.targets.unwrap(), 3, 6).audiences(0..8);
    assert_eq!(expected.iter().sum::<u64>(), 16);
    assert!(expected.iter().any(|it| *it != expected[0]), "{expected:?}");
    assert_eq!(audiences(&some, &ran), expected);
    // Up and down, ten endpoints each.
    let destination = &ran.report.latency.destination;
    assert_eq!(
        (destination.add.count, destination.remove.count),
        (160, 160)
    );
    let load = ran.report.clients.unwrap();
    assert_eq!((load.clients, load.services), (8, 6));
    assert_eq!(load.targets, some.client.targets);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_dropped_on_a_stream_of_few_fails() {
    let faulty = format!("{SOME}  faults: [{{kind: dropUpdate, share: 10%}}]\n");
    let report = simulate(scenario(&faulty, &[])).await.report;
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    let wrong = report.correctness.streams_wrong;
    assert!((1..16).contains(&wrong), "{wrong}");
    assert!(
        report.reasons[0].contains("correctness"),
        "{:?}",
        report.reasons
    );
}

#[tokio::test(start_paused = true)]
async fn changes_that_nobody_is_to_learn_are_no_proof() {
    // By the seed the client asks for the Service that is churned, or for the other one.
    let asks_for = |service: usize| {
        let found = (0..100).map(one_of_two).find(|it| {
            let targets = it.client.targets.unwrap();
            TargetChoice::new(&targets, it.seed, 2).of(0) == [service]
        });
        found.unwrap()
    };
    assert_passes(&simulate(asks_for(1)).await.report);
    let report = simulate(asks_for(0)).await.report;
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    assert!(
        report
            .reasons
            .iter()
            .any(|it| it.contains("no delivery was counted")),
        "{:?}",
        report.reasons
    );
    assert_eq!((report.streams.opened, report.fan_out.changes), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn over_two_clusters_clients_choose_among_all_that_stands_for_services() {
    let all = [
        "churn.cycles=1,churn.minHold=10s,churn.maxHold=10s,churn.jitter=1s",
        "churn.services=3,churn.maxEndpoints=50,client.clients=6,client.targets=3",
    ];
    let federated = scenario(built_in("federated-oscillation").unwrap(), &all);
    let services = federated.services_watched();
    assert_eq!(services, 3 * 2 + 2);
    let report = simulate(federated).await.report;
    assert_passes(&report);
    assert_eq!(report.streams.opened, 6 * 3);
    assert_eq!(report.clients.unwrap().services, services);
}

#[tokio::test(start_paused = true)]
async fn the_recording_says_who_asked_for_what() {
    let ran = simulate(scenario(SOME, &["client.clients=2"])).await;
    let lines = recording::read(ran.recording.as_slice()).unwrap();
    let Some(Line::Header(header)) = lines.first() else {
        panic!("a header");
    };
    assert_eq!(header.clients, ran.report.clients);
    assert_eq!(header.scenario["client"]["targets"]["count"], 2);
    assert_eq!(header.scenario["client"]["targets"]["distribution"], "zipf");
}
