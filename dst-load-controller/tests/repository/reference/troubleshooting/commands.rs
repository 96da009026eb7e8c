//! What the command line refuses: the binary is run with what it refuses.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::Message;

/// Files that the command lines below name.
const FILES: [(&str, &str); 9] = [
    ("key.yaml", "churn: {services: 1, endpionts: 3}"),
    (
        "faults.yaml",
        "churn: {services: 1, endpoints: 1, duration: 1s}\n\
         sandbox: {faults: [{kind: dropUpdate, at: 1s}]}",
    ),
    (
        "kubeconfig",
        "clusters:\n\
         - {name: a, cluster: {server: 'http://127.0.0.1:1'}}\n\
         - {name: b, cluster: {server: 'http://127.0.0.1:2'}}\n\
         contexts:\n\
         - {name: a, context: {cluster: a, user: me}}\n\
         - {name: b, context: {cluster: b, user: me}}\n\
         users: [{name: me, user: {}}]\ncurrent-context: a",
    ),
    ("nothing/empty", ""),
    ("idle.prom", "cluster_store_size 0"),
    (
        "asked.prom",
        "endpoints_subscribers{namespace=\"a\",service=\"b\",port=\"80\"} 5",
    ),
    ("prometheus.prom", "prometheus_build_info 1"),
    (
        "targets.yaml",
        "churn: {services: 2, endpoints: 1}\nclient: {replicas: 2, targets: 1}",
    ),
    ("deep.yaml", "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"),
];

/// Command lines as a shell splits them, each of which ends with an error. Nobody listens at port 1,
/// nor, where a controller of this machine would have its metrics, at 127.9.9.9.
const REFUSED: [&str; 70] = [
    "churn --services 1 --pattern stable --endpoints-per-service 1 --kubeconfig kubeconfig --namespace kube-system",
    "run quick --kubeconfig kubeconfig --destination linkerd-dst.mesh.svc:8086 --namespace mesh",
    "plan no-such-scenario",
    "plan key.yaml",
    "plan /dev/zero",
    "plan deep.yaml",
    "plan quick --set a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1",
    "plan quick -o junit",
    "plan quick --no-such-flag",
    "run quick --virtual --context lab",
    "run quick --virtual --output-dir made",
    "run quick --virtual --connect-timeout soon",
    "run large-rollout --virtual",
    "run stalled-readers --virtual",
    "run quick --virtual --set client.stalled.clients=1 --set client.stalled.reader=smallWindows",
    "run stalled-readers --connections 5",
    "run quick --reference",
    "run quick --context lab",
    "run quick --churn-context east",
    "run federated-baseline --context lab --destination 127.0.0.1:1",
    "run federated-baseline --kubeconfig kubeconfig --churn-context a --destination 127.0.0.1:1",
    "run quick --policy 127.0.0.1:1",
    "run quick --set client.policies=true --policy a:b",
    "run quick --policy-metrics 127.0.0.1:1",
    "client --scenario targets.yaml --destination 127.0.0.1:1",
    "run quick --pprof",
    "run quick --pprof --context lab --destination 127.0.0.1:1",
    "run quick --destination-bin \"'\"",
    "run quick --destination-bin ' '",
    "run quick --destination-bin ./nothing-here",
    "run quick --destination-bin false",
    "run faults.yaml --destination-bin false",
    "run quick --kubeconfig kubeconfig --destination 127.0.0.1:1",
    "client --destination 127.0.0.1:1 --services web",
    "client --destination 127.0.0.1:1 --services web.shop.svc.example.org:80",
    "client --destination 127.0.0.1:1 --services 'web-{1.shop:80'",
    "client --destination 127.0.0.1:1 --services 'web-{1..10001}.shop:80'",
    "client --destination 127.0.0.1:1 --services {1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}{1..2}.shop:80",
    "client --destination 127.0.0.1:1 --services web-{00000000001..2}.shop:80",
    "client --destination 127.0.0.1:1 --services web-{1..2}.shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop-shop:80",
    "client --destination 127.0.0.1:1 --services web.shop:80,web.shop:80",
    "client --destination 127.0.0.1:1,127.0.0.1:1 --services web.shop:80",
    "client --destination 127.0.0.1:1 --services web.shop:80 --stream-max-lifetime 0s",
    "client --destination 127.0.0.1:1 --services web.shop:80 --churn ftp://churn",
    "client --destination 127.0.0.1:1 --services web.shop:80 --destination-memory-limit 0",
    "client --destination 127.9.9.9:1 --services web.shop:80 --destination-memory-limit 1Gi",
    "client --destination 127.0.0.1:1 --scenario federated-baseline --kubeconfig kubeconfig",
    "client --destination 127.0.0.1:1 --scenario quick --kubeconfig kubeconfig --observe-context a",
    "client --destination 127.0.0.1:1 --scenario quick --kubeconfig kubeconfig --observe-context b",
    "client",
    "churn",
    "link",
    "link --kubeconfig kubeconfig --churn-context a",
    "compare",
    "compare nothing nothing -o junit",
    "compare nothing nothing --confidence 10%",
    "compare nothing nothing --threshold p98=5%",
    "compare nothing nothing",
    "report recording.jsonl copy.jsonl",
    "report cut.jsonl.gz",
    "ab large-rollout --baseline-bin a --candidate-bin b",
    "ab federated-baseline --duration 9s --context a --baseline-bin a --candidate-bin b",
    "check --kubeconfig kubeconfig --log-level =",
    "scenario from-metrics asked.prom -o json",
    "scenario from-metrics asked.prom --for 1s",
    "scenario from-metrics asked.prom --clients 4",
    "scenario from-metrics asked.prom asked.prom",
    "scenario from-metrics idle.prom",
    "scenario from-metrics prometheus.prom",
    "scenario from-metrics http://127.0.0.1:1/metrics",
];

pub(super) fn all() -> Vec<Message> {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    recordings(place.path());
    let refused = REFUSED.iter();
    let mut all: Vec<_> = refused
        .map(|line| refusal(tool(line, place.path()), line))
        .collect();
    let line = "run quick --push-gateway http://127.0.0.1:1";
    let mut twice = tool(line, place.path());
    twice.env("DST_LOAD_PUSH_GATEWAY_TOKEN", "a");
    twice.env("DST_LOAD_PUSH_GATEWAY_BASIC_AUTH", "b:c");
    all.push(refusal(twice, line));
    all
}

/// The same run under two names, and the start of what gzip would make of one.
fn recordings(place: &Path) {
    let made = tool("run quick --virtual --output-dir made", place)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let recording = place.join("made").join("recording.jsonl");
    for name in ["recording.jsonl", "copy.jsonl"] {
        fs::copy(&recording, place.join(name)).unwrap();
    }
    fs::write(place.join("cut.jsonl.gz"), b"\x1f\x8b").unwrap();
}

/// The tool with what `line` says, and with nothing of this process's environment.
fn tool(line: &str, place: &Path) -> Command {
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_dst-load-controller")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", place);
    command.args(shlex::split(line).unwrap()).current_dir(place);
    command
}

/// What it ends with.
fn refusal(mut command: Command, line: &str) -> Message {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let error = said.lines().find_map(|line| line.strip_prefix("error: "));
    Message::error(error.unwrap_or_else(|| panic!("{line}: no error in\n{said}")))
}
