//! The embedded cluster over a socket, as kubectl sees it. Skipped where there is no kubectl.

use std::{io::Write, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::support::{Cluster, config};
use crate::kubernetes::{Config, resources::Resource, serve};

const MANIFEST: &str = r"
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'web:1', ports: [{name: http, containerPort: 8080}]}]
";

struct Kubectl {
    kubeconfig: tempfile::NamedTempFile,
    home: tempfile::TempDir,
}

impl Kubectl {
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(line.split_whitespace())
            .env("KUBECONFIG", self.kubeconfig.path())
            // Its discovery cache must not outlive the test.
            .env("HOME", self.home.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, line: &str) -> String {
        let output = self.command(line).output().await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn fails(&self, line: &str) -> String {
        let output = self.command(line).output().await.unwrap();
        assert!(!output.status.success(), "kubectl {line} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// A cluster over a socket, and a kubectl that is pointed at it.
async fn served() -> (Cluster, Kubectl, CancellationToken, JoinHandle<()>) {
    let cluster = Cluster::new(Config {
        pod_start: (Duration::ZERO, Duration::from_millis(20)),
        ..config()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = CancellationToken::new();
    let router = cluster.kubernetes.router();
    let server = tokio::spawn(serve::serve(listener, router, cancel.clone()));
    let mut kubeconfig = tempfile::NamedTempFile::new().unwrap();
    kubeconfig
        .write_all(serve::kubeconfig(address).as_bytes())
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    (cluster, Kubectl { kubeconfig, home }, cancel, server)
}

/// Every form in which several objects are given, by every command that takes them.
#[tokio::test]
async fn kubectl_takes_lists_as_well_as_objects() {
    if Command::new("kubectl").arg("help").output().await.is_err() {
        println!("skipped: there is no kubectl");
        return;
    }
    let (_cluster, kubectl, cancel, server) = served().await;
    let home = kubectl.home.path().to_owned();
    let items = MANIFEST.trim().split("---\n").map(|object| {
        let lines = object.trim().lines().map(|line| format!("  {line}\n"));
        let item: String = lines.collect();
        format!("-{}", &item[1..])
    });
    let items: Vec<String> = items.collect();
    let list = |kind: &str, version: &str, items: &[String]| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nitems:\n{}",
            items.concat()
        )
    };
    for (name, text) in [
        ("list.yaml", list("List", "v1", &items)),
        ("services.yaml", list("ServiceList", "v1", &items[..1])),
        (
            "deployments.yaml",
            list("DeploymentList", "apps/v1", &items[1..]),
        ),
        ("documents.yaml", MANIFEST.to_owned()),
    ] {
        std::fs::write(home.join(name), text).unwrap();
    }
    let folder = home.join("kustomized");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(home.join("list.yaml"), folder.join("list.yaml")).unwrap();
    std::fs::write(
        folder.join("kustomization.yaml"),
        "resources: [list.yaml]\n",
    )
    .unwrap();
    let both = ["service/web", "deployment.apps/web"];
    for (source, names) in [
        ("-f list.yaml", &both[..]),
        ("-f services.yaml", &both[..1]),
        ("-f deployments.yaml", &both[1..]),
        ("-f documents.yaml", &both[..]),
        ("-k kustomized", &both[..]),
    ] {
        let (flag, name) = source.split_once(' ').unwrap();
        let source = format!("{flag} {}", home.join(name).display());
        for (command, said) in [
            ("create --dry-run=server", "created (server dry run)"),
            ("create", "created"),
            ("apply --validate=strict", "configured"),
            ("apply", "unchanged"),
            (
                "apply --server-side --force-conflicts",
                "serverside-applied",
            ),
            ("get -o name", ""),
            ("describe", ""),
            ("diff", ""),
            ("delete", "deleted"),
            ("apply", "created"),
            ("delete --wait=false", "deleted"),
        ] {
            let out = kubectl.run(&format!("{command} {source}")).await;
            for name in names {
                let quoted = name.replace('/', " \"") + "\"";
                let told = match said {
                    "" => command != "get -o name" || out.contains(name),
                    "deleted" => out.contains(&format!("{quoted} {said}")),
                    _ => out.contains(&format!("{name} {said}")),
                };
                assert!(told, "kubectl {command} {source}: {out}");
            }
            assert_eq!(
                out.is_empty(),
                command == "diff",
                "kubectl {command}: {out}"
            );
        }
    }
    let explained = kubectl.run("explain service").await;
    assert!(
        explained.contains("VERSION:    v1") && explained.contains("spec"),
        "{explained}"
    );
    for kind in Resource::all() {
        let out = kubectl.run(&format!("explain {}", kind.qualified())).await;
        assert!(
            out.contains(kind.kind()) && out.contains("metadata"),
            "{out}"
        );
    }
    cancel.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn kubectl_can_churn_the_cluster() {
    if Command::new("kubectl").arg("help").output().await.is_err() {
        println!("skipped: there is no kubectl");
        return;
    }
    let (_cluster, kubectl, cancel, server) = served().await;
    std::fs::write(kubectl.home.path().join("web.yaml"), MANIFEST).unwrap();
    let manifest = kubectl.home.path().join("web.yaml").display().to_string();

    let mut watch = kubectl
        .command("get endpointslices -w -l kubernetes.io/service-name=web")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut watched = BufReader::new(watch.stdout.take().unwrap()).lines();

    let applied = kubectl.run(&format!("apply -f {manifest}")).await;
    assert!(applied.contains("deployment.apps/web created"), "{applied}");
    let again = kubectl.run(&format!("apply -f {manifest}")).await;
    assert!(again.contains("deployment.apps/web unchanged"), "{again}");
    kubectl
        .run("rollout status deployment/web --timeout=30s")
        .await;
    kubectl.run("scale deployment/web --replicas=5").await;
    kubectl
        .run("rollout status deployment/web --timeout=30s")
        .await;
    let wide = kubectl.run("get pods -o wide").await;
    assert_eq!(wide.matches("Running").count(), 5, "{wide}");
    assert!(
        wide.contains("node-1") && wide.contains("10.244."),
        "{wide}"
    );
    let services = kubectl.run("get all,nodes").await;
    assert!(
        services.contains("80/TCP") && services.contains("5/5"),
        "{services}"
    );
    let yaml = kubectl.run("get svc web -o yaml").await;
    assert!(yaml.contains("targetPort: http"), "{yaml}");
    let side = format!("apply --server-side --force-conflicts -f {manifest}");
    assert!(kubectl.run(&side).await.contains("serverside-applied"));
    kubectl.run("label svc web a=b").await;
    kubectl.run("set image deployment/web web=web:2").await;
    kubectl
        .run("rollout status deployment/web --timeout=30s")
        .await;

    let line = loop {
        let line = watched.next_line().await.unwrap().unwrap();
        if line.contains("8080") {
            break line;
        }
    };
    assert!(
        line.starts_with("web-") && line.contains("10.244."),
        "{line}"
    );
    watch.kill().await.unwrap();

    kubectl.run("delete deployment,service web").await;
    let missing = kubectl.fails("get svc web").await;
    let expected = "Error from server (NotFound): services \"web\" not found";
    assert_eq!(missing.trim(), expected);
    // Pods end in their own time, as they do on a node.
    kubectl
        .run("wait pods -l app=web --for=delete --timeout=30s")
        .await;
    let left = kubectl.run("get pods,endpointslices -l app=web").await;
    assert_eq!(left, "", "owned objects go with their owners");
    kubectl.run("create namespace other").await;
    kubectl
        .run("create configmap c -n other --from-literal=a=b")
        .await;
    kubectl.run("delete namespace other --timeout=30s").await;
    assert!(kubectl.fails("get ns other").await.contains("NotFound"));
    cancel.cancel();
    server.await.unwrap();
}
