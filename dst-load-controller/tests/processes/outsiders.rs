//! Outsiders that open connections and leave them: probes and Prometheus are answered meanwhile, in
//! processes that may have few files open.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, ChildStderr},
    thread,
    time::Duration,
};

use crate::{
    sandbox::{PATIENT, Sandbox},
    tool::{self, TOOL, started_by},
};

/// Files that the tool may have open, as in a small container.
const FILES: usize = 256;
/// For how long an answer is waited for. A kubelet waits for a second, but not on a machine that is busy
/// with other tests.
const IN_TIME: Duration = Duration::from_secs(5);

/// The tool with few files, until dropped, with its standard error up to where it says its address.
struct Server {
    child: Child,
    address: SocketAddr,
    // Closed, it would be written to in vain.
    _log: BufReader<ChildStderr>,
}

// === impl Server ===

impl Server {
    /// Starts it; `before` is what its log says before the address.
    fn start(sandbox: &Sandbox, pod: bool, args: &[&str], before: &str) -> Self {
        let limited = format!("ulimit -n {FILES}; exec \"$0\" \"$@\"");
        let mut all = vec!["-c", &limited, TOOL];
        all.extend(args);
        let mut command = started_by("bash", sandbox.directory.path(), &all);
        command.env_remove("KUBERNETES_SERVICE_HOST");
        if pod {
            command.env("KUBERNETES_SERVICE_HOST", "10.96.0.1");
        }
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "no address: {said}");
            said.push_str(&line);
            if let Some((_, rest)) = line.split_once(before) {
                let end = rest.find([';', ' ', '\n', '/']).unwrap();
                break rest[..end].parse().unwrap();
            }
        };
        Self {
            child,
            address,
            _log: log,
        }
    }

    fn get(&self, path: &str) -> String {
        let host = if self.address.is_ipv4() {
            "127.0.0.1"
        } else {
            "::1"
        };
        let address = SocketAddr::new(host.parse().unwrap(), self.address.port());
        let mut stream = TcpStream::connect_timeout(&address, IN_TIME).unwrap();
        stream.set_read_timeout(Some(IN_TIME)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Opens connections that are slow, and asks beside them.
    fn bears(&self, connections: usize, path: &str) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.address.port()));
        let mut held = Vec::new();
        for number in 0..connections {
            let mut stream = TcpStream::connect_timeout(&address, IN_TIME).unwrap();
            // Half of them say nothing; one that was closed already takes nothing.
            if number % 2 == 0 {
                let _ = stream.write_all(b"GET /li");
            }
            held.push(stream);
        }
        for _ in 0..15 {
            let answer = self.get(path);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            // Slow ones go on.
            for stream in held.iter_mut().rev().take(50) {
                let _ = stream.write_all(b"v");
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn churn<'a>(sandbox: &'a Sandbox, more: &[&'a str]) -> Vec<&'a str> {
    let all = [
        "churn",
        "--kubeconfig",
        &sandbox.kubeconfig,
        "--namespace=default",
        "--services=1",
    ];
    let pattern = ["--pattern=stable", "--endpoints-per-service=1"];
    [&all[..], &pattern, more].concat()
}

#[test]
fn churn_and_client_answer_beside_slow_connections() {
    let sandbox = Sandbox::start();
    let free = ["--admin-addr=127.0.0.1:0"];
    let churn = Server::start(&sandbox, false, &churn(&sandbox, &free), "address=");
    for connections in [400, 2_000] {
        churn.bears(connections, "/live");
        assert!(churn.get("/metrics").contains("# EOF"));
    }
    let destination = format!("--destination={}", sandbox.destination);
    let client = [
        "client",
        "--kubeconfig",
        &sandbox.kubeconfig,
        &destination,
        "--services=test-service-1.default:8080",
        free[0],
    ];
    let client = Server::start(&sandbox, false, &client, "address=");
    for connections in [400, 2_000] {
        client.bears(connections, "/live");
        assert!(client.get("/metrics").contains("# EOF"));
    }
    // It still makes connections of its own, to churn and to the API server.
    assert!(client.get("/state").contains("over"));
}

#[test]
fn the_live_page_is_served_beside_slow_connections() {
    let sandbox = Sandbox::start();
    let mut args = vec![
        "run",
        "quick",
        "--no-progress",
        "--live=0",
        "--output-dir=run",
    ];
    args.extend(PATIENT);
    let run = Server::start(&sandbox, false, &args, "watch the run at http://");
    assert!(run.address.ip().is_loopback());
    for _ in 0..200 {
        if run.get("/").starts_with("HTTP/1.1 200") {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    run.bears(400, "/");
}

#[test]
fn servers_listen_on_loopback_and_in_a_pod_on_all_interfaces() {
    let sandbox = Sandbox::start();
    // Whoever has the port already, it is not free then.
    let taken = TcpListener::bind("127.0.0.1:9990");
    for pod in [false, true] {
        let server = Server::start(&sandbox, pod, &churn(&sandbox, &[]), "address=");
        let ip = server.address.ip();
        assert_eq!((ip.is_loopback(), ip.is_unspecified()), (!pod, pod), "{ip}");
        assert_ne!(server.address.port(), 8080);
        assert!(server.get("/live").starts_with("HTTP/1.1 200"));
        // The Service is another run's as long as that stands.
        drop(server);
        sandbox.cleanup(&["--all"]);
    }
    drop(taken);
}

#[test]
fn a_port_in_use_is_refused_with_the_flag_that_names_another() {
    let sandbox = Sandbox::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (admin, grpc) = (
        format!("--admin-addr={address}"),
        format!("--addr={address}"),
    );
    let (metrics, live) = (
        format!("--metrics-addr={address}"),
        format!("--live={address}"),
    );
    let lines = [
        (churn(&sandbox, &[&admin]), "--admin-addr"),
        (
            vec![
                "destination",
                "--kubeconfig",
                &sandbox.kubeconfig,
                &grpc,
                "--metrics-addr=0",
            ],
            "--addr",
        ),
        (
            vec![
                "destination",
                "--kubeconfig",
                &sandbox.kubeconfig,
                &metrics,
                "--addr=0",
            ],
            "--metrics-addr",
        ),
        (vec!["run", "quick", &live], "--live"),
    ];
    for (line, flag) in lines {
        let output = tool::command(sandbox.directory.path(), &line)
            .output()
            .unwrap();
        let said = tool::text(&output.stderr);
        let expected = format!(
            "error: cannot listen on {address}: Address already in use (os error 98); {flag} names \
             another address\n"
        );
        assert!(said.ends_with(&expected), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
}
