//! Whose controller was measured is what its responses say, whatever flags and metrics said before.

use std::fs::File;

use dst_load_recording::recording::{ReplicaInfo, read};
use dst_load_report::{
    report::{json, junit, markdown, text},
    terminal::Style,
};
use dst_load_transport::world::{Dial, Grpc, REFERENCE_HEADER};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, api::PostParams};

use super::*;

/// A controller that says nothing of itself, as Linkerd's.
fn silent(grpc: Grpc) -> Grpc {
    Grpc::new(grpc.map_response(|mut response| {
        let said = response.headers_mut().remove(REFERENCE_HEADER);
        assert!(said.is_some(), "every response says it");
        response
    }))
}

/// The report of a client of one Service without endpoints, to which nobody ever responds.
async fn measured(header_says: TargetKind, replicas_say: &[bool]) -> Report {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config::default());
    let destination = destination(&kubernetes);
    let services: Api<Service> = Api::default_namespaced(kubernetes.client());
    let service = serde_json::json!({
        "metadata": {"name": "empty"},
        "spec": {"ports": [{"port": 8080}], "selector": {"app": "nobody"}},
    });
    let service = serde_json::from_value(service).unwrap();
    services
        .create(&PostParams::default(), &service)
        .await
        .unwrap();
    let dials = replicas_say.iter().map(|&says| -> Dial {
        let destination = destination.clone();
        Arc::new(move |_| {
            let grpc = destination.grpc();
            let grpc = if says { grpc } else { silent(grpc) };
            Box::pin(async move { Ok(grpc) })
        })
    });
    let mut dials: Vec<_> = dials.collect();
    let stop = CancellationToken::new();
    let file = tempfile::tempfile().unwrap();
    let world = World {
        destination: dials.remove(0),
        further: dials,
        ..world(&kubernetes, &destination)
    };
    let mut config = session(world);
    config.fleet.clients = 4;
    let client = client_of(
        vec![WatchedService::new(
            "empty",
            "default",
            "cluster.local",
            8080,
        )],
        config,
        (None, WatchUntil::Stopped),
        stop.clone(),
        file.try_clone().unwrap(),
    );
    let replica = |number| ReplicaInfo {
        address: format!("replica-{number}"),
        ..ReplicaInfo::default()
    };
    let several = (replicas_say.len() > 1).then(|| (0..replicas_say.len()).map(replica).collect());
    let header = Header {
        replicas: several.unwrap_or_default(),
        target: TargetInfo {
            kind: header_says,
            version: (header_says == TargetKind::Linkerd).then(|| "edge-26.8.3".into()),
            forwarded: false,
            flags: None,
        },
        ..header()
    };
    let ends = async {
        tokio::time::sleep(10 * SECOND).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(client.run(header), ends);
    ended.unwrap();
    let report = report_of(&client);
    assert_eq!((report.streams.snapshots, report.streams.not_found), (0, 0));
    assert_eq!(report.streams.opened, 4);
    assert_eq!(again(&file), report, "the recording says it too");
    destination.shutdown().await;
    kubernetes.shutdown().await;
    report
}

fn again(file: &File) -> Report {
    use std::io::{BufReader, Seek as _};
    let mut file = file.try_clone().unwrap();
    file.rewind().unwrap();
    let lines = read(BufReader::new(file)).unwrap();
    Report::of(&lines, &Criteria::default(), false).unwrap()
}

/// What the forms of a report call what was measured.
fn titles(report: &Report) -> Vec<String> {
    let style = Style::PLAIN;
    vec![
        text::render(report, style),
        markdown::render(report),
        junit::render(report),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_reference_destination_is_never_quoted_as_linkerds() {
    for says in [TargetKind::Linkerd, TargetKind::Reference] {
        let report = measured(says, &[true]).await;
        assert_eq!(report.target.kind, TargetKind::Reference);
        assert_eq!(report.target.version, None, "it was read from elsewhere");
        for title in titles(&report) {
            assert!(title.contains("SELF-TEST"), "{title}");
            assert!(!title.contains("LINKERD"), "{title}");
        }
        assert!(json::render(&report).contains("\"kind\": \"reference\""));
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_not_the_reference_is_no_self_test() {
    for (says, version) in [
        (TargetKind::Linkerd, Some("edge-26.8.3")),
        (TargetKind::Reference, None),
    ] {
        let report = measured(says, &[false]).await;
        assert_eq!(report.target.kind, TargetKind::Linkerd);
        assert_eq!(report.target.version.as_deref(), version);
        for title in titles(&report) {
            assert!(!title.contains("SELF-TEST"), "{title}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_of_two_kinds_say_nothing_of_either() {
    for replicas in [[true, false], [false, true]] {
        let report = measured(TargetKind::Linkerd, &replicas).await;
        assert_eq!(report.verdict, Verdict::Invalid);
        assert!(report.reasons[0].contains("some responses came from"));
        assert_eq!(report.target.kind, TargetKind::Reference);
    }
    let report = measured(TargetKind::Linkerd, &[true, true]).await;
    assert!(
        !report
            .reasons
            .iter()
            .any(|it| it.contains("some responses"))
    );
}
