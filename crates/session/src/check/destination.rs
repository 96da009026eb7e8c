//! Whether the destination controller is ready, answers, and says what it costs.

use std::time::Duration;

use bytes::Bytes;
use dst_load_destination::{
    ending::{Ending, Violation},
    stream::{Identity, Method, read, request},
    target::version,
};
use dst_load_report::check::{Findings, Outcome};
use dst_load_transport::clock::Clock;
use tonic::Code;

use super::{Destination, Subject, path};

const SECTION: &str = "destination";
/// How long one answer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn check(
    subject: &Subject<'_>,
    destination: Destination<'_>,
    findings: &mut Findings,
) {
    if let Some(target) = destination.target {
        let outcome = match target.is_ready().await {
            Some(true) => Outcome::ok(),
            Some(false) => Outcome::failed(
                "its /ready does not say so",
                "look at its log, and whether --destination-metrics is its admin port (9996)",
            ),
            None => Outcome::warning("it has no /ready", "name the admin port of the controller"),
        };
        findings.push(SECTION, "is ready", outcome);
        let outcome = match target.sample(Clock::start().now()).await {
            Ok(page) if page.sample.cpu_seconds.is_some() => Outcome::ok(),
            Ok(_) => Outcome::warning(
                "its metrics have no process_cpu_seconds_total",
                "its cost cannot be judged then; name the controller's own metrics",
            ),
            Err(error) => Outcome::failed(
                error.to_string(),
                "a criterion of `target` cannot be judged then; forward or allow its admin port",
            ),
        };
        findings.push(SECTION, "says what it costs", outcome);
    }
    if destination.streams {
        let answers = answers(subject).await;
        let failed = matches!(answers, Outcome::Failed { .. });
        findings.push(SECTION, "answers streams", answers);
        if !failed {
            let path = path::check(subject, destination.target).await;
            findings.push(SECTION, "has a connection for each client", path);
        }
        if let Ok(kube) = (subject.world.kube)() {
            let outcome = match version::deployed(&kube).await {
                Some(version) => Outcome::seen(version),
                None => Outcome::warning(
                    "no Deployment with label linkerd.io/control-plane-component=destination that \
                     may be listed says it",
                    "reports will not name the build that was measured unless --destination-version does",
                ),
            };
            findings.push(SECTION, "says its version", outcome);
        }
    }
}

/// The one Service that every cluster has, and a request for it.
pub(super) fn question(subject: &Subject<'_>) -> (String, Bytes) {
    let authority = format!("kubernetes.default.svc.{}:443", subject.cluster_domain);
    let identity = Identity {
        namespace: subject.namespace.to_owned(),
        node: String::new(),
        pod: "dst-load-controller-check".to_owned(),
    };
    let request = request(&authority, &identity.token());
    (authority, request)
}

/// Asks for the one Service that every cluster has.
async fn answers(subject: &Subject<'_>) -> Outcome {
    let hint = "look whether --destination is the controller's gRPC port (8086) and plaintext";
    let (authority, request) = question(subject);
    let asked = async {
        let grpc = (subject.world.destination)(None)
            .await
            .map_err(|status| Ending::of(&status))?;
        let mut told = false;
        let ended = read(
            grpc,
            Method::Get,
            Clock::start(),
            request,
            |_| {},
            |_, _| {
                told = true;
                Err(Violation("enough was said"))
            },
        )
        .await;
        if told {
            Ok(())
        } else {
            Err(ended.ending().clone())
        }
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, asked).await {
        Ok(Ok(())) => Outcome::seen(authority),
        // An answer too: it does not serve this Service, but it serves.
        Ok(Err(ending)) if ending.code() == Some(Code::NotFound) => Outcome::ok(),
        Ok(Err(ending)) => {
            let name = ending.error().unwrap_or("ended with status OK".into());
            Outcome::failed(format!("{name}: {}", ending.message), hint)
        }
        Err(_) => Outcome::warning(
            format!(
                "it said nothing of {authority} within {} s",
                REQUEST_TIMEOUT.as_secs()
            ),
            "a Service without endpoints is answered with silence; else the controller is stuck",
        ),
    }
}
