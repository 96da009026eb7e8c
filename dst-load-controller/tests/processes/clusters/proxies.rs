//! Proxies, of the environment and of a kubeconfig.

use super::{Sandbox, ended, middle::Middle, reached};

#[test]
fn loopback_is_reached_directly_whatever_the_environment_says() {
    let sandbox = Sandbox::start();
    let metrics = "http://127.0.0.1:1/metrics";
    let args = [
        "check",
        "--kubeconfig",
        &sandbox.kubeconfig,
        "--destination-metrics",
        metrics,
    ];
    let proxy = Middle::before(&sandbox.api(), &[]);
    let url = format!("http://{}", proxy.address);
    let mut command = sandbox.command(&args);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env(name, &url);
    }
    let (_, out, log) = ended(command.env("NO_PROXY", "corp"));
    assert!(out.contains("√ can reach the API server"), "{out}\n{log}");
    assert_eq!(proxy.asked(), [""; 0]);
}

#[test]
fn the_environments_proxy_leads_to_a_cluster_elsewhere_unless_no_proxy_names_it() {
    let sandbox = Sandbox::start();
    // It is a proxy for one server: a request that names the whole URL is answered there too.
    let proxy = Middle::before(&sandbox.api(), &[]);
    let path = sandbox.kubeconfig("far", "{server: \"http://api.invalid:6443\"}", "{}");
    let path = path.to_str().unwrap();
    let check = |no: &str| {
        let mut command = sandbox.command(&["check", "--kubeconfig", path]);
        command.env("HTTP_PROXY", format!("http://me:s3cret@{}", proxy.address));
        ended(command.env("NO_PROXY", no))
    };
    reached(&check("other.invalid,api.invalid:443,10.0.0.0/8"));
    let asked = proxy.asked();
    let version = |line: &String| line.starts_with("GET http://api.invalid:6443/version");
    assert!(asked.iter().any(version), "{asked:?}");
    for no in [
        "api.invalid",
        ".invalid",
        "*",
        "api.invalid:6443",
        "x, api.invalid",
    ] {
        let before = proxy.asked().len();
        let (code, out, log) = check(no);
        assert_eq!(code, Some(1), "{no}: {out}\n{log}");
        assert!(out.contains("× can reach the API server"), "{no}: {out}");
        assert_eq!(proxy.asked().len(), before, "{no}");
        assert!(!format!("{out}{log}").contains("s3cret"));
    }
}

#[test]
fn a_kubeconfigs_proxy_is_used_whatever_the_environment_says() {
    let sandbox = Sandbox::start();
    let proxy = Middle::before(&sandbox.api(), &[]);
    let cluster = format!(
        "{{server: \"http://api.invalid\", proxy-url: \"http://{}\"}}",
        proxy.address
    );
    let path = sandbox.kubeconfig("proxied", &cluster, "{}");
    let mut command = sandbox.command(&["check", "--kubeconfig", path.to_str().unwrap()]);
    reached(&ended(
        command
            .env("NO_PROXY", "*")
            .env("HTTP_PROXY", "http://127.0.0.1:1"),
    ));
    let asked = proxy.asked();
    let version = |line: &String| line.starts_with("GET http://api.invalid/version");
    assert!(asked.iter().any(version), "{asked:?}");
}

#[test]
fn a_proxy_that_is_none_is_named_and_its_password_is_not() {
    let sandbox = Sandbox::start();
    let path = sandbox.kubeconfig("far", "{server: \"http://api.invalid\"}", "{}");
    let mut command = sandbox.command(&["check", "--kubeconfig", path.to_str().unwrap()]);
    let (code, out, log) = ended(command.env("HTTP_PROXY", "ftp://me:s3cret@proxy"));
    assert_eq!(code, Some(1), "{out}{log}");
    assert!(
        log.starts_with("error: HTTP_PROXY names no proxy: write http://HOST:PORT"),
        "{log}"
    );
    assert!(!log.contains("s3cret"), "{log}");
    let mut command = sandbox.command(&["check", "--kubeconfig", path.to_str().unwrap()]);
    let (_, out, _) = ended(command.env("HTTP_PROXY", "http://me:s3cret@127.0.0.1:1"));
    assert!(
        out.contains("proxy http://127.0.0.1:1: Connection refused"),
        "{out}"
    );
    assert!(!out.contains("s3cret"), "{out}");
}
