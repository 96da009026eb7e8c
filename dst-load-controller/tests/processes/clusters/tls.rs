//! TLS, in front of servers that speak plain text: the API server, the destination, its metrics, a
//! Pushgateway.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{
    Sandbox, ended,
    middle::{Fault, Middle, SERVERS, listen},
    reached,
};

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate in PEM, and its key.
struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

fn pem_of(tag: &str, bytes: &[u8]) -> String {
    pem::encode(&pem::Pem::new(tag, bytes))
}

// === impl Authority ===

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn issue(&self, names: &[&str]) -> Identity {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity {
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    fn pem(&self) -> String {
        pem_of("CERTIFICATE", self.0.der())
    }

    /// Its certificate as a file in a directory.
    fn file(&self, directory: &Path) -> PathBuf {
        let path = directory.join("ca.pem");
        fs::write(&path, self.pem()).unwrap();
        path
    }

    /// TLS before the server at HOST:PORT; with `known`, for clients that have a certificate too.
    fn before(&self, server: &str, known: bool) -> SocketAddr {
        let Identity { certificate, key } = self.issue(&["localhost", "127.0.0.1"]);
        let key = PrivateKeyDer::Pkcs8(key.into());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let config = if known {
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            ServerConfig::builder().with_client_cert_verifier(verifier.unwrap())
        } else {
            ServerConfig::builder().with_no_client_auth()
        };
        let mut config = config.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        terminate(server.to_owned(), config)
    }
}

/// Passes on what comes with TLS.
fn terminate(server: String, config: ServerConfig) -> SocketAddr {
    let listener = listen();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    SERVERS.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                // Whoever trusts nobody is told so by its own side.
                let mut from = acceptor.accept(socket).await.ok()?;
                let mut to = TcpStream::connect(server).await.ok()?;
                tokio::io::copy_bidirectional(&mut from, &mut to).await.ok()
            });
        }
    });
    address
}

/// HOST:PORT of a URL.
fn place(url: &str) -> &str {
    url.split('/').nth(2).unwrap()
}

#[test]
fn a_destination_and_its_metrics_are_reached_with_tls_by_whoever_trusts_them() {
    let sandbox = Sandbox::start();
    let authority = Authority::new();
    let grpc = authority.before(&sandbox.destination, false);
    let metrics = authority.before(
        place(sandbox.ready["destination_metrics"].as_str().unwrap()),
        false,
    );
    let destination = format!("https://localhost:{}", grpc.port());
    let metrics = format!("https://localhost:{}/metrics", metrics.port());
    let check = |trust: &Path| {
        let args = [
            "check",
            "--kubeconfig",
            &sandbox.kubeconfig,
            "--destination",
            &destination,
            "--destination-metrics",
            &metrics,
        ];
        ended(sandbox.command(&args).env("SSL_CERT_FILE", trust))
    };
    let (code, out, log) = check(&authority.file(sandbox.directory.path()));
    assert_eq!(code, Some(0), "{out}\n{log}");
    for claim in ["√ is ready", "√ says what it costs", "√ answers streams"] {
        assert!(out.contains(claim), "{claim}: {out}\n{log}");
    }
    let other = sandbox.directory.path().join("other.pem");
    fs::write(&other, Authority::new().pem()).unwrap();
    let (code, out, _) = check(&other);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("× answers streams"), "{out}");
    assert!(out.contains("invalid peer certificate"), "{out}");
}

#[test]
fn an_api_server_is_verified_as_the_kubeconfig_says() {
    let sandbox = Sandbox::start();
    let authority = Authority::new();
    let api = authority.before(&sandbox.api(), false);
    let server = format!("server: \"https://127.0.0.1:{}\"", api.port());
    let data = |authority: &Authority| BASE64_STANDARD.encode(authority.pem());
    authority.file(sandbox.directory.path());
    let bundle = format!("{}{}", pem_of("CERTIFICATE", b"damaged"), authority.pem());
    fs::write(sandbox.directory.path().join("bundle.pem"), bundle).unwrap();
    for cluster in [
        format!(
            "{{{server}, certificate-authority-data: {}}}",
            data(&authority)
        ),
        // Go leaves out what it cannot read.
        format!("{{{server}, certificate-authority: bundle.pem}}"),
        format!("{{{server}, certificate-authority: ca.pem}}"),
        format!("{{{server}, certificate-authority: ca.pem, tls-server-name: localhost}}"),
        // Without a scheme it is https where there are certificates.
        format!(
            "{{server: \"127.0.0.1:{}\", certificate-authority: ca.pem}}",
            api.port()
        ),
        format!("{{{server}, insecure-skip-tls-verify: true}}"),
    ] {
        reached(&sandbox.check(&sandbox.kubeconfig("tls", &cluster, "{}")));
    }
    for (cluster, said) in [
        (
            format!(
                "{{{server}, certificate-authority-data: {}}}",
                data(&Authority::new())
            ),
            "invalid peer certificate",
        ),
        (
            format!("{{{server}, certificate-authority: ca.pem, tls-server-name: other}}"),
            "invalid peer certificate",
        ),
    ] {
        let (code, out, _) = sandbox.check(&sandbox.kubeconfig("tls", &cluster, "{}"));
        assert_eq!(code, Some(1), "{out}");
        assert!(out.contains(said), "{out}");
    }
}

/// A certificate that is its own authority, as `openssl req -x509` makes it.
#[test]
fn a_server_that_signed_for_itself_is_trusted_by_whoever_trusts_its_certificate() {
    let (out, log) = self_signed(|_| {}, "");
    assert!(out.contains("√ can reach the API server"), "{out}\n{log}");
    assert!(out.contains("√ is ready"), "{out}\n{log}");
    let expires = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    };
    for (out, log) in [
        self_signed(|_| {}, ", tls-server-name: other"),
        self_signed(expires, ""),
    ] {
        assert!(out.contains("invalid peer certificate"), "{out}\n{log}");
    }
}

/// What `check` prints of an API server and metrics with such a certificate.
fn self_signed(with: impl FnOnce(&mut CertificateParams), more: &str) -> (String, String) {
    let sandbox = Sandbox::start();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    with(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let trust = sandbox.directory.path().join("ca.pem");
    fs::write(&trust, pem_of("CERTIFICATE", certificate.der())).unwrap();
    let serve = |server: &str| {
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key);
        terminate(server.to_owned(), config.unwrap())
    };
    let api = serve(&sandbox.api());
    let metrics = serve(place(
        sandbox.ready["destination_metrics"].as_str().unwrap(),
    ));
    let metrics = format!("https://{metrics}/metrics");
    let cluster = format!("{{server: \"https://{api}\", certificate-authority: ca.pem{more}}}");
    let path = sandbox.kubeconfig("tls", &cluster, "{}");
    let args = [
        "check",
        "--kubeconfig",
        path.to_str().unwrap(),
        "--destination-metrics",
        &metrics,
    ];
    let (_, out, log) = ended(sandbox.command(&args).env("SSL_CERT_FILE", &trust));
    (out, log)
}

#[test]
fn a_proxy_may_be_reached_with_tls() {
    let sandbox = Sandbox::start();
    let authority = Authority::new();
    let proxy = authority.before(&sandbox.api(), false);
    let cluster = format!(
        "{{server: \"http://api.invalid\", proxy-url: \"https://localhost:{}\"}}",
        proxy.port()
    );
    let path = sandbox.kubeconfig("proxied", &cluster, "{}");
    let args = ["check", "--kubeconfig", path.to_str().unwrap()];
    let trust = authority.file(sandbox.directory.path());
    reached(&ended(sandbox.command(&args).env("SSL_CERT_FILE", trust)));
    let other = sandbox.directory.path().join("other.pem");
    fs::write(&other, Authority::new().pem()).unwrap();
    let (_, out, _) = ended(sandbox.command(&args).env("SSL_CERT_FILE", other));
    let said = format!(
        "proxy https://localhost:{}: invalid peer certificate",
        proxy.port()
    );
    assert!(out.contains(&said), "{out}");
}

#[test]
fn a_plugins_certificate_is_shown_to_the_api_server() {
    let sandbox = Sandbox::start();
    let authority = Authority::new();
    let api = authority.before(&sandbox.api(), true);
    let identity = authority.issue(&["somebody"]);
    let printed = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {
            "clientCertificateData": pem_of("CERTIFICATE", &identity.certificate),
            "clientKeyData": pem_of("PRIVATE KEY", &identity.key),
        },
    });
    fs::write(
        sandbox.directory.path().join("printed"),
        printed.to_string(),
    )
    .unwrap();
    authority.file(sandbox.directory.path());
    let cluster = format!(
        "{{server: \"https://127.0.0.1:{}\", certificate-authority: ca.pem}}",
        api.port()
    );
    let user =
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: cat, args: [printed]}}";
    reached(&sandbox.check(&sandbox.kubeconfig("plugin", &cluster, user)));
    let (code, out, _) = sandbox.check(&sandbox.kubeconfig("nobody", &cluster, "{}"));
    assert_eq!(code, Some(1), "{out}");
}

#[test]
fn a_kubeconfigs_certificate_is_shown_to_the_api_server_if_its_key_is_there() {
    let sandbox = Sandbox::start();
    let authority = Authority::new();
    let api = authority.before(&sandbox.api(), true);
    authority.file(sandbox.directory.path());
    let (identity, other) = (authority.issue(&["somebody"]), authority.issue(&["other"]));
    let base64 = |tag, bytes: &[u8]| BASE64_STANDARD.encode(pem_of(tag, bytes));
    let cluster = format!("{{server: \"https://{api}\", certificate-authority: ca.pem}}");
    let check = |key: &[u8]| {
        let user = format!(
            "{{client-certificate-data: {}, client-key-data: {}}}",
            base64("CERTIFICATE", &identity.certificate),
            base64("PRIVATE KEY", key)
        );
        sandbox.check(&sandbox.kubeconfig("certificate", &cluster, &user))
    };
    reached(&check(&identity.key));
    let said = "error: user \"u\" cannot be used: its key is not that of its certificate\n";
    let (code, out, log) = check(&other.key);
    assert_eq!((code, out.as_str(), log.as_str()), (Some(1), "", said));
}

#[test]
fn a_pushgateway_is_told_who_asks_and_nobody_else_is() {
    let sandbox = Sandbox::start();
    let authority = Authority::new();
    let gateway = Middle::before(
        "127.0.0.1:1",
        &[Fault::Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); 3],
    );
    let tls = authority.before(&gateway.address.to_string(), false);
    let trust = authority.file(sandbox.directory.path());
    fs::write(sandbox.directory.path().join("token"), "c4nary\n").unwrap();
    let run = [
        "run",
        "quick",
        "--virtual",
        "--cycles=1",
        "--output-dir=run",
    ];
    assert_eq!(ended(&mut sandbox.command(&run)).0, Some(0));
    let url = format!("https://localhost:{}/behind", tls.port());
    let with_user = format!("https://me:c4nary@localhost:{}", tls.port());
    for (url, more, header) in [
        (
            &url,
            &["--push-gateway-token-file=token"][..],
            "authorization: Bearer c4nary",
        ),
        (&with_user, &[], "authorization: Basic bWU6YzRuYXJ5"),
        (&url, &[], ""),
    ] {
        let mut args = vec!["report", "run", "--push-gateway", url];
        args.extend(more);
        let mut command = sandbox.command(&args);
        command.env("SSL_CERT_FILE", &trust);
        if header.is_empty() {
            command.env("DST_LOAD_PUSH_GATEWAY_BASIC_AUTH", "me:c4nary");
        }
        let (code, out, log) = ended(&mut command);
        assert_eq!(code, Some(0), "{out}\n{log}");
        assert!(!log.contains("nothing was pushed"), "{log}");
        assert!(!format!("{out}{log}").contains("c4nary"), "{log}");
        let head = gateway.heads().pop().unwrap();
        assert!(head.starts_with("PUT /"), "{head}");
        let header = if header.is_empty() {
            "authorization: Basic bWU6YzRuYXJ5"
        } else {
            header
        };
        assert!(head.contains(header), "{head}");
    }
    // Both at once cannot be meant.
    let args = [
        "report",
        "run",
        "--push-gateway",
        &url,
        "--push-gateway-token-file=token",
    ];
    let mut command = sandbox.command(&args);
    let (code, _, log) = ended(command.env("DST_LOAD_PUSH_GATEWAY_BASIC_AUTH", "me:c4nary"));
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("are both given; give one"), "{log}");
}
