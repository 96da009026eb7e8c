//! Errors that others than the command line make, constructed.

use std::{fs, io, path::Path, time::Duration};

use dst_load_destination::{
    address::{Address, AddressError},
    fleet::FleetError,
    forward::{ForwardError, PodName},
    prometheus::PrometheusError,
    target::{Endangered, TargetError, subscribers::SubscribersError},
};
use dst_load_kubernetes::{
    actor::{KubernetesError, Reasons, RemoteServiceError},
    observer::WatchError,
};
use dst_load_recording::{
    recording::{Fault, GivenTwice, Line, MergeError, ReadError},
    warning::Warning,
};
use dst_load_report::compare::Incomparable;
use dst_load_scenario::{
    action::Verb,
    roster::{Roster, UsedUp},
    scenario::{Backend, Pattern},
    time::At,
    words::chain,
};
use dst_load_session::{
    collect::CollectError,
    live_page::LivePageError,
    push::PushError,
    recorder::{RecordError, Recorder},
    watching::SessionError,
};
use dst_load_transport::{
    cluster::{ClusterError, ExportError, PluginError},
    connect::proxy::ProxyError,
    files::TooFewFiles,
    http::{self, CredentialsError, NotHttp},
    listen::ListenError,
};

use super::{Message, warnings};

/// One value of each variant. It matches without a wildcard: what is new does not compile until it
/// is listed here, and then wants a row.
macro_rules! each {
    ($($variant:pat => $value:expr),+ $(,)?) => {{
        let all = [$($value),+];
        for one in &all {
            match one {
                $($variant => {})+
            }
        }
        $(assert!(all.iter().any(|it| matches!(it, $variant)), "no {}", stringify!($variant));)+
        all
    }};
}

pub(super) fn all() -> Vec<Message> {
    let mut all = Vec::new();
    all.extend(printed(cluster()));
    all.extend(printed(plugin()));
    all.extend(printed([proxy()]));
    all.extend(printed([not_http()]));
    all.extend(printed(live_page()));
    all.extend(printed([address()]));
    all.extend(printed([exported()]));
    all.extend(printed([TooFewFiles {
        connections: 500,
        limit: 256,
    }]));
    all.extend(printed(kubernetes()));
    all.extend(printed(remote_services()));
    all.extend(printed(watch()));
    all.extend(printed(forward()));
    all.extend(printed(fleet()));
    all.extend(printed(endangered()));
    all.extend(printed(session()));
    all.extend(printed([recorder(), full()]));
    all.extend(printed(credentials()));
    all.extend(printed(merged()));
    all.extend(printed(compared()));
    all.extend(printed(collect()));
    all.extend(printed(push()));
    all.extend(printed(prometheus()));
    all.extend(target());
    all.extend(printed(subscribers()));
    all.extend(recording());
    all
}

/// As the tool prints it last.
fn printed<E: std::error::Error>(errors: impl IntoIterator<Item = E>) -> Vec<Message> {
    let errors = errors.into_iter();
    errors.map(|error| Message::error(chain(&error))).collect()
}

fn cluster() -> impl IntoIterator<Item = ClusterError> {
    use ClusterError as E;
    let cause = || "it is not there".to_owned();
    each! {
        E::File { .. } => E::File { path: "/etc/kubeconfig".into(), cause: cause() },
        E::Context { .. } => E::Context { context: "lab".into(), cause: cause() },
        E::Credentials { .. } => E::Credentials { user: "admin".into(), cause: PluginError::NoCommand },
        E::User { .. } => E::User { user: "admin".into(), cause: cause() },
        E::Proxy(_) => E::Proxy(proxy()),
        E::None { .. } => E::None { cause: cause() },
        E::Client { .. } => E::Client { url: "https://127.0.0.1:6443/".into(), cause: cause() },
    }
}

fn plugin() -> impl IntoIterator<Item = PluginError> {
    use PluginError as E;
    let command = || "aws-iam-authenticator".to_owned();
    let cause = || "permission denied".to_owned();
    each! {
        E::NoCommand => E::NoCommand,
        E::Missing { .. } => E::Missing { command: command(), install_hint: Some("install it".into()) },
        E::NotStarted { .. } => E::NotStarted { command: command(), cause: cause() },
        E::NoTerminal { .. } => E::NoTerminal { command: command() },
        E::Failed { .. } => E::Failed { command: command(), status: "exit status: 1".into(), stderr: cause() },
        E::Unreadable { .. } => E::Unreadable { command: command(), cause: cause() },
    }
}

fn proxy() -> ProxyError {
    let whose = "HTTPS_PROXY".to_owned();
    ProxyError { whose }
}

fn live_page() -> [LivePageError; 2] {
    let address = ([127, 0, 0, 1], 9990).into();
    let cause = || io::Error::from_raw_os_error(98);
    each![
        LivePageError::Listen(_) => LivePageError::Listen(ListenError {
            address,
            cause: cause(),
            flag: "--live",
        }),
        LivePageError::Thread(_) => LivePageError::Thread(cause()),
    ]
}

fn not_http() -> NotHttp {
    http::Address::parse("ftp://host", "http://host:9996/metrics").unwrap_err()
}

fn address() -> AddressError {
    "host:port".parse::<Address>().unwrap_err()
}

/// The other variant has no words of its own.
fn exported() -> ExportError {
    let made = each! {
        ExportError::Program { .. } => ExportError::Program { command: "aws".into() },
        ExportError::File { .. } => ExportError::File { path: "ca.crt".into(), cause: io::ErrorKind::NotFound.into() },
    };
    made.into_iter().next().unwrap()
}

fn kubernetes() -> impl IntoIterator<Item = KubernetesError> {
    use KubernetesError as E;
    let what = || "patch deployments/scale test-service-1".to_owned();
    let message = || "User \"me\" cannot do that".to_owned();
    let namespace = || "load".to_owned();
    let holder = || "k2m8".to_owned();
    each! {
        E::Forbidden { .. } => E::Forbidden { verb: "patch".into(), resource: "deployments/scale".into(), message: message() },
        E::Unauthorized { .. } => E::Unauthorized { what: what(), message: "Unauthorized".into() },
        E::Refused { .. } => E::Refused { what: what(), code: 422, reason: "Invalid".into(), message: message() },
        E::Exhausted { .. } => E::Exhausted { what: what(), attempts: 10, last: "503 Service Unavailable".into() },
        E::Unreadable { .. } => E::Unreadable { what: what(), message: message() },
        E::InvalidRequest { .. } => E::InvalidRequest { what: what(), message: message() },
        E::NoAddress { .. } => E::NoAddress { service: "test-service-1".into(), cause: used_up() },
        E::NotOurs { .. } => E::NotOurs { resource: "services", name: "test-service-1".into(), namespace: namespace() },
        E::OfAnotherRun { .. } => E::OfAnotherRun { resource: "services", name: "test-service-1".into(), namespace: namespace(), run: holder() },
        E::ControlPlane { .. } => E::ControlPlane { namespace: namespace() },
        E::InUse { .. } => E::InUse { namespace: namespace(), holder: holder() },
        E::Lost { .. } => E::Lost { namespace: namespace(), holder: holder() },
        E::NoNamespace { .. } => E::NoNamespace { namespace: namespace(), cause: message() },
    }
}

/// One Service has one endpoint more than it has addresses.
fn used_up() -> UsedUp {
    let addresses = "10.0.0.0/30".parse().unwrap();
    let (backend, pattern) = (
        Backend::Slices { addresses },
        Pattern::Stable { endpoints: 5 },
    );
    let mut roster = Roster::new(backend, &pattern, 80, 0, 1).unwrap();
    roster.plan(&Verb::Create { endpoints: 5 }).unwrap_err()
}

fn remote_services() -> impl IntoIterator<Item = RemoteServiceError> {
    use RemoteServiceError as E;
    each! {
        E::Unreadable { .. } => E::Unreadable { namespace: "shop".into(), cause: "Unauthorized".into() },
        E::Several { .. } => E::Several { service: "web".into(), members: "web@east, web@west".into() },
    }
}

fn watch() -> impl IntoIterator<Item = WatchError> {
    use WatchError as E;
    let (after, verb, resource) = (Duration::from_secs(60), "list", "endpointslices");
    let reason = || "connection refused".to_owned();
    let message = "endpointslices is forbidden: User \"me\" cannot list resource".to_owned();
    each! {
        E::Client(_) => E::Client(reason()),
        E::Unreachable { .. } => E::Unreachable { after, reason: reason() },
        E::Unauthorized { .. } => E::Unauthorized { verb, resource, after, message: "Unauthorized".into() },
        E::NotListed { .. } => E::NotListed { after, reason: reason() },
        E::Forbidden { .. } => E::Forbidden { verb, resource, message },
    }
}

fn forward() -> impl IntoIterator<Item = ForwardError> {
    use ForwardError as E;
    let name = || PodName {
        namespace: "linkerd".into(),
        pod: "destination-0".into(),
    };
    let deployment = || "linkerd/destination".to_owned();
    each! {
        E::Name(_) => E::Name("a/b/c".into()),
        E::Missing { .. } => E::Missing { name: name(), there: vec!["linkerd-destination-5d8".into()] },
        E::Kubernetes { .. } => E::Kubernetes { name: name(), cause: "Unauthorized".into() },
        E::NoDeployment { .. } => E::NoDeployment { name: deployment(), there: vec!["linkerd-destination".into()] },
        E::NoneReady { .. } => E::NoneReady { name: deployment(), pods: vec!["linkerd-destination-5d8".into()] },
        E::NoneLabelled { .. } => E::NoneLabelled {
            namespace: "linkerd".into(),
            selector: "app=destination".into(),
            pods: vec!["linkerd-destination-5d8".into()],
        },
        E::Labelled { .. } => E::Labelled {
            namespace: "linkerd".into(),
            selector: "app=destination".into(),
            cause: "Unauthorized".into(),
        },
        E::Deployment { .. } => E::Deployment { name: deployment(), cause: "Unauthorized".into() },
    }
}

fn fleet() -> impl IntoIterator<Item = FleetError> {
    use FleetError as E;
    let reason = || "connection refused".to_owned();
    each! {
        E::Unreachable { .. } => E::Unreachable { after: Duration::from_secs(30), reason: reason() },
        E::ConnectionLimitReached { .. } => E::ConnectionLimitReached { open: 61, reason: reason() },
        E::Refused { .. } => E::Refused {
            authority: "10.0.0.1:80".into(),
            code: "InvalidArgument".into(),
            message: "IP queries not supported".into(),
        },
    }
}

fn endangered() -> impl IntoIterator<Item = Endangered> {
    use Endangered as E;
    each! {
        E::Memory { .. } => E::Memory { resident: 209_715_200.0, limit: 262_144_000.0 },
        E::Overflow { .. } => E::Overflow { service: "web.shop.svc.cluster.local:80".into(), streams: 12 },
    }
}

fn session() -> impl IntoIterator<Item = SessionError> {
    use SessionError as E;
    let after = Duration::from_secs(120);
    let first = |errors: &mut dyn Iterator<Item = E>| errors.next().unwrap();
    each! {
        E::Kubernetes(_) => first(&mut kubernetes().into_iter().map(E::from)),
        E::Watch(_) => first(&mut watch().into_iter().map(E::from)),
        E::Fleet(_) => first(&mut fleet().into_iter().map(E::from)),
        E::NotMade { .. } => E::NotMade { made: 3, wanted: 100, after, deployments: true, reasons: Reasons::default() },
        E::NotServed { .. } => E::NotServed { held: 9, all: 10, after, refusal: Some("NotFound".into()) },
        E::Endangered(_) => first(&mut endangered().into_iter().map(E::from)),
        E::Recording(_) => E::Recording(recorder()),
    }
}

/// A recording is never written over.
fn recorder() -> RecordError {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording.jsonl");
    fs::write(&path, "").unwrap();
    let made = Recorder::create(Path::new(&path));
    made.map(|_| ()).unwrap_err()
}

/// A disk that is full.
fn full() -> RecordError {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut recorder = Recorder::new(Full, Path::new("runs/a/recording.jsonl"));
    let (at, warning) = (At::ZERO, Warning::CutOff);
    recorder.push(Line::Warning { at, warning });
    recorder.finish().unwrap_err()
}

/// Where a file cannot be read, the words are the system's.
fn credentials() -> impl Iterator<Item = CredentialsError> {
    use CredentialsError as E;
    let all = each! {
        E::File { .. } => E::File { path: "token".into(), cause: io::ErrorKind::NotFound.into() },
        E::NoUser => E::NoUser,
        E::NoHeader => E::NoHeader,
    };
    all.into_iter().filter(|it| !matches!(it, E::File { .. }))
}

fn twice() -> GivenTwice {
    GivenTwice {
        first: "runs/a".into(),
        second: "runs/b".into(),
        id: "k2m8".into(),
    }
}

fn merged() -> impl IntoIterator<Item = MergeError> {
    use MergeError as E;
    let (found, first) = ("2".to_owned(), "1".to_owned());
    each! {
        E::Nothing => E::Nothing,
        E::NoHeader { .. } => E::NoHeader { number: 2 },
        E::Twice(_) => E::Twice(twice()),
        E::Differs { .. } => E::Differs { number: 2, what: "seed", found, first },
    }
}

fn compared() -> impl IntoIterator<Item = Incomparable> {
    use Incomparable as E;
    let (found, expected) = ("2".to_owned(), "1".to_owned());
    let (side, place) = ("candidate", || "runs/b".to_owned());
    each! {
        E::Nothing { .. } => E::Nothing { side },
        E::Twice(_) => E::Twice(twice()),
        E::Differs { .. } => E::Differs { place: place(), first: "runs/a".into(), what: "seed".into(), found, expected },
        E::Unfit { .. } => E::Unfit { side, place: place(), reason: "the run did not come to its end".into() },
        E::NoSuchMeasure { .. } => E::NoSuchMeasure { key: "p98".into(), known: vec!["p99"] },
    }
}

fn collect() -> impl IntoIterator<Item = CollectError> {
    use CollectError as E;
    let namespace = || "load".to_owned();
    each! {
        E::None { .. } => E::None { namespace: namespace(), release: Some("dst".into()) },
        E::Several { .. } => E::Several { namespace: namespace(), releases: vec!["a".into(), "b".into()] },
        E::Kubernetes { .. } => E::Kubernetes { namespace: namespace(), cause: "Unauthorized".into() },
        E::Silent { .. } => E::Silent { pod: "dst-client-0".into(), path: "/state", cause: "connection refused".into() },
    }
}

fn push() -> impl IntoIterator<Item = PushError> {
    use PushError as E;
    each! {
        E::Address(_) => E::Address(not_http()),
        E::Refused { .. } => E::Refused { url: "http://127.0.0.1:9091".into(), cause: "400".into() },
    }
}

fn prometheus() -> impl IntoIterator<Item = PrometheusError> {
    use PrometheusError as E;
    let url = || "http://127.0.0.1:9090".to_owned();
    each! {
        E::Address(_) => E::Address(not_http()),
        E::Silent { .. } => E::Silent { url: url(), cause: "connection refused".into() },
        E::Nothing { .. } => E::Nothing { url: url(), selector: "namespace=\"linkerd\"".into() },
    }
}

fn subscribers() -> impl IntoIterator<Item = SubscribersError> {
    use SubscribersError as E;
    let place = || "http://127.0.0.1:9996/metrics".to_owned();
    let fault = "endpoints_subscribers is NaN".to_owned();
    each! {
        E::Foreign { .. } => E::Foreign { place: place() },
        E::Prometheus { .. } => E::Prometheus { place: place() },
        E::Implausible { .. } => E::Implausible { place: place(), fault },
        E::SameReplica { .. } => E::SameReplica { first: place(), second: "saved.txt".into() },
        E::Restarted { .. } => E::Restarted { place: place() },
    }
}

/// What did not answer has no words of its own, and is printed within a warning.
fn target() -> Vec<Message> {
    let address = "http://127.0.0.1:9996/metrics".to_owned();
    let all = each! {
        TargetError::Address(_) => TargetError::Address(not_http()),
        TargetError::Silent { .. } => TargetError::Silent { address, reason: "connection refused".into() },
    };
    let message = |error: TargetError| match error {
        TargetError::Address(_) => Message::error(error.to_string()),
        TargetError::Silent { .. } => warnings::message(&Warning::TargetSilent {
            times: 2,
            error: error.to_string(),
        }),
    };
    all.into_iter().map(message).collect()
}

/// What is printed of a file that is damaged. What else a line may lack is said by its message.
fn recording() -> Vec<Message> {
    let syntax = || "expected value".to_owned();
    let faults = [
        Fault::Long,
        Fault::NoSum,
        Fault::Sum,
        Fault::Syntax {
            column: 7,
            message: syntax(),
        },
        Fault::Utf8 { column: 7 },
    ];
    let faults = faults.into_iter();
    let mut all: Vec<_> = faults
        .map(|fault| ReadError::Line { number: 3, fault })
        .collect();
    let tool = Some("0.0.9".to_owned());
    all.extend([ReadError::Empty, ReadError::Version { found: 1, tool }]);
    let in_file = |error: &ReadError| format!("runs/a/recording.jsonl: {error}");
    all.iter().map(in_file).map(Message::error).collect()
}
