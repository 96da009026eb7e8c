//! The streams beside `Get`: whatever comes of them, the verdict is that of the `Get` streams.

use dst_load_recording::{recording::HeldKind, statistics::HeldStreams};
use dst_load_transport::world::{Dial, Grpc, REFERENCE_HEADER};
use http::HeaderValue;
use tonic::{Code, Status};

use super::*;

/// A destination that answers all calls but those of `Get` with this status.
fn refusing(grpc: Grpc, code: Code) -> Grpc {
    Grpc::new(tower::service_fn(move |request: http::Request<_>| {
        let grpc = grpc.clone();
        async move {
            if request.uri().path().ends_with("Destination/Get") {
                return grpc.oneshot(request).await;
            }
            let mut response = Status::new(code, "as it was told").into_http();
            let version = HeaderValue::from_static("0");
            response.headers_mut().insert(REFERENCE_HEADER, version);
            Ok(response)
        }
    }))
}

/// The report of clients that hold all that a proxy holds, where all but `Get` is refused so.
async fn measured(refuses: Option<Code>) -> Report {
    let (report, _) = watched_by(false, |mut config| {
        if let Some(code) = refuses {
            let serves = Arc::clone(&config.world.destination);
            let dial: Dial = Arc::new(move |_| {
                let made = serves(None);
                Box::pin(async move { Ok(refusing(made.await?, code)) })
            });
            config.world.destination = dial;
        }
        config.fleet.profiles = true;
        config.fleet.profile_endpoints = true;
        config.fleet.profile_names = 1;
        config.fleet.policies = Some(Policies::default());
        config
    })
    .await;
    report
}

/// The reports agree on everything that is judged.
fn assert_judged_alike(report: &Report, healthy: &Report) {
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert_eq!(report.criteria, healthy.criteria);
    assert_eq!(report.streams, healthy.streams);
    assert_eq!(report.correctness, healthy.correctness);
    assert_eq!(report.latency, healthy.latency);
}

fn errors(held: &HeldStreams, kind: HeldKind) -> u64 {
    held.kinds[&kind].errors
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_beside_get_is_counted_and_changes_no_verdict() {
    let healthy = measured(None).await;
    let (profiles, policies) = (
        healthy.profiles.as_ref().unwrap(),
        healthy.policies.as_ref().unwrap(),
    );
    // 2 Services × 5 clients by ClusterIP and by endpoint, and each client by a name.
    assert_eq!((profiles.requested, profiles.opened), (25, 25));
    assert_eq!((policies.requested, policies.opened), (15, 15));
    assert_eq!((policies.messages, policies.unexpected_resets), (15, 0));
    assert!(profiles.errors.is_empty() && policies.errors.is_empty());
    assert_eq!(healthy.streams_not_opened, [] as [&str; 0]);

    let refused = measured(Some(Code::PermissionDenied)).await;
    assert_judged_alike(&refused, &healthy);
    let (profiles, policies) = (refused.profiles.unwrap(), refused.policies.unwrap());
    for kind in [HeldKind::Service, HeldKind::Endpoint, HeldKind::Name] {
        assert!(errors(&profiles, kind) > 5, "{profiles:?}");
    }
    for kind in [HeldKind::Outbound, HeldKind::Inbound] {
        assert!(errors(&policies, kind) > 5, "{policies:?}");
    }
    for held in [&profiles, &policies] {
        let all: u64 = held.errors.values().sum();
        assert_eq!(held.errors["PermissionDenied"], all);
        assert_eq!((held.unexpected_resets, held.messages), (all, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_without_the_policy_api_is_asked_once_and_the_report_says_so() {
    let healthy = measured(None).await;
    let report = measured(Some(Code::Unimplemented)).await;
    assert_judged_alike(&report, &healthy);
    let policies = report.policies.as_ref().unwrap();
    // Those that were under way when the first was answered are answered too.
    assert_eq!(policies.reopened, 0, "{policies:?}");
    assert!(policies.opened < policies.requested, "{policies:?}");
    assert_eq!(
        report.streams_not_opened,
        [
            "io.linkerd.proxy.outbound.OutboundPolicies/Watch",
            "io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort"
        ]
    );
    let text =
        dst_load_report::report::text::render(&report, dst_load_report::terminal::Style::PLAIN);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "the controller does not implement OutboundPolicies/Watch",
        "the controller does not implement InboundServerPolicies/WatchPort",
        "a real proxy holds such streams too",
    ] {
        assert!(text.contains(said), "{text}");
    }
}
