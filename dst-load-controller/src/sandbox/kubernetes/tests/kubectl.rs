//! The embedded cluster over a socket, as kubectl sees it. Skipped where there is no kubectl.

use std::{io::Write, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
};
use tokio_util::sync::CancellationToken;

use super::support::{Cluster, config};
use crate::sandbox::kubernetes::{Config, serve};

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

#[tokio::test]
async fn kubectl_can_churn_the_cluster() {
    if Command::new("kubectl").arg("help").output().await.is_err() {
        println!("skipped: there is no kubectl");
        return;
    }
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
    std::fs::write(home.path().join("web.yaml"), MANIFEST).unwrap();
    let manifest = home.path().join("web.yaml").display().to_string();
    let kubectl = Kubectl { kubeconfig, home };

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
