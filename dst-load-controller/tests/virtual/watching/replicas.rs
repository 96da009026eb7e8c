//! Several clients of one churn, as a Deployment's replicas are: each records for itself, and what
//! they have recorded is one run.

use std::{fs::File, io::Write};

use axum::Router;
use dst_load_recording::recording::{Line, merge, read};
use dst_load_session::snapshot::{Asked, Snapshots};
use http_body_util::BodyExt;

use super::*;

/// One of them: its recording, and who serves that.
struct Replica {
    client: Client<Box<dyn Write>>,
    file: File,
    asked: Asked,
    routes: Router,
}

impl Replica {
    fn start(
        kubernetes: &kubernetes::Kubernetes,
        destination: &destination::Destination,
        churn: Partner,
        stop: &CancellationToken,
    ) -> Self {
        let file = tempfile::tempfile().unwrap();
        let (snapshots, asked) = Snapshots::new(file.try_clone().unwrap());
        let out: Box<dyn Write> = Box::new(file.try_clone().unwrap());
        let churn = (Some(churn), WatchUntil::PlanOver);
        let config = session(world(kubernetes, destination));
        let client = client(config, churn, stop.clone(), out);
        let routes = snapshots.routes();
        Self {
            client,
            file,
            asked,
            routes,
        }
    }

    /// Watches to the end of churn's plan, and goes on answering.
    async fn run(&mut self, header: Header) -> Infallible {
        let whole = async {
            self.client.run(header).await.unwrap();
            std::future::pending().await
        };
        tokio::select! {
            biased;
            never = self.client.answer(&self.file, &mut self.asked) => match never {},
            never = whole => match never {},
        }
    }
}

async fn snapshot(routes: &Router) -> Vec<Line> {
    let request = http::Request::get("/snapshot").body(Body::empty()).unwrap();
    let answer = routes.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    read(&text[..]).unwrap()
}

fn report(recordings: Vec<Vec<Line>>) -> Report {
    let criteria = "
        churn: {services: 1, endpoints: 1}
        criteria: {updateLatency: {p99: 1s}, everyClientWithin: 2s, unexpectedResets: 0}";
    let (scenario, _) = Scenario::from_yaml(criteria, "criteria.yaml", &[]).unwrap();
    let lines = merge(recordings).unwrap();
    Report::of(&lines, &scenario.criteria, true).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_replicas_record_is_one_run_that_ends_with_the_plan_and_can_be_read_before() {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config::default());
    let destination = destination(&kubernetes);
    let clock = Clock::start();
    let scenario = scenario();
    let actor = actor(&kubernetes, clock, &scenario);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    let log = EventLog::new(&scenario, "churned", "p1");
    actor.prepare().await.unwrap();
    let never = CancellationToken::new();
    let mut driver = Driver::new(&actor, &metrics, Plan::new(&scenario), never);
    let record = |event| match event {
        Event::Intended(action) => log.announce(&action),
        Event::Acted(acted) => log.record(&acted),
        Event::Cycle(start) => log.cycle(&start),
    };
    driver.create(record).await;
    let stop = CancellationToken::new();
    tokio::time::sleep(5 * SECOND).await;
    let mut first = Replica::start(&kubernetes, &destination, partner(&log, clock), &stop);
    // A second pod that came 3.5 s later: its clock counts from then.
    tokio::time::sleep(3 * SECOND + SECOND / 2).await;
    let mut second = Replica::start(&kubernetes, &destination, partner(&log, clock), &stop);
    let routes = [first.routes.clone(), second.routes.clone()];
    let both = || async { vec![snapshot(&routes[0]).await, snapshot(&routes[1]).await] };
    let story = async {
        tokio::time::sleep(5 * SECOND).await;
        let start = clock.now();
        let mut churning = std::pin::pin!(driver.churn(start, record));
        // In the second cycle, after its scale-up.
        let amid = tokio::select! {
            biased;
            _ = &mut churning => panic!("the plan is longer"),
            () = clock.sleep_until(start + 110 * SECOND) => both().await,
        };
        churning.await;
        log.end(clock.now(), Plan::ends_with_a_cycle(&scenario));
        tokio::time::sleep(20 * SECOND).await;
        (amid, both().await)
    };
    let (amid, whole) = tokio::select! {
        biased;
        never = first.run(header()) => match never {},
        never = second.run(header()) => match never {},
        told = story => told,
    };

    let early = report(amid);
    assert_eq!(early.verdict, Verdict::Pass, "{:?}", early.reasons);
    let wholes = |report: &Report| report.cycles.iter().map(|it| it.whole).collect::<Vec<_>>();
    assert_eq!(wholes(&early), [true, false]);
    assert_eq!(early.ending, Ending::Complete);
    assert_eq!(early.correctness.streams_checked, 20);

    let run = report(whole);
    assert_eq!(run.verdict, Verdict::Pass, "{:?}", run.reasons);
    assert_eq!(wholes(&run), [true, true]);
    // Twice the streams of one client, and the cycles of both at the same time.
    let latency = &run.latency.destination;
    assert_eq!((latency.add.count, latency.remove.count), (1_520, 1_520));
    for cycle in &run.cycles {
        assert_eq!(cycle.latency.destination.add.count, 760);
        assert_eq!(cycle.fan_out.changes, cycle.fan_out.completed);
    }
    assert_eq!(run.fan_out.unattributed, 0);
    assert_eq!(
        (run.streams.opened, run.correctness.streams_checked),
        (20, 20)
    );
    assert_eq!(run.warnings, []);
    // Nobody asked them to stop: the plan was over.
    assert!(!stop.is_cancelled());
    destination.shutdown().await;
    kubernetes.shutdown().await;
}
