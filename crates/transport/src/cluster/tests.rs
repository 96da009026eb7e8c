//! Claims about which cluster a kubeconfig means: a zoo of what people have, each with its outcome.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const FILE: &str = r#"
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: here, context: {cluster: c, user: u, namespace: there}}]
"#;

/// A kubeconfig in a directory of its own.
fn file(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    fs::write(&path, text).unwrap();
    (directory, path)
}

/// A kubeconfig with this cluster and this user.
fn of(cluster: &str, user: &str) -> String {
    format!(
        "{{current-context: x, clusters: [{{name: c, cluster: {cluster}}}], \
         users: [{{name: u, user: {user}}}], \
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]}}"
    )
}

/// The server that a kubeconfig leads to, and a client of it; or what is wrong.
async fn found(text: impl AsRef<[u8]>) -> Result<Cluster, String> {
    let (_directory, path) = file(text);
    let cluster = Cluster::find(Some(&path), None).await;
    let shown = path.display().to_string();
    let plain = |error: &ClusterError| chain(error).replace(&shown, "FILE");
    let cluster = cluster.map_err(|error| plain(&error))?;
    cluster.client().map_err(|error| plain(&error))?;
    Ok(cluster)
}

async fn url(text: impl AsRef<[u8]>) -> Result<String, String> {
    Ok(found(text).await?.url())
}

async fn wrong(text: impl AsRef<[u8]>) -> String {
    found(text).await.map(|it| it.url()).unwrap_err()
}

#[tokio::test]
async fn a_named_file_and_its_context_say_where_to_go() {
    let cluster = found(FILE).await.unwrap();
    assert_eq!(cluster.default_namespace(), "there");
    assert_eq!(cluster.url(), "http://127.0.0.1:1/");
    // What it would take from the system, where there may be none.
    assert!(cluster.config.root_cert.is_some());

    let (_directory, path) = file(FILE);
    let error = Cluster::find(Some(&path), Some("elsewhere")).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "context \"elsewhere\" cannot be used: there is no such context; there are: here"
    );
    let missing = path.with_file_name("missing");
    let error = Cluster::find(Some(&missing), Some("any")).await;
    let wanted = format!(
        "kubeconfig {} cannot be used: it is not there",
        missing.display()
    );
    assert_eq!(error.unwrap_err().to_string(), wanted);
}

#[tokio::test]
async fn what_kubectl_takes_is_taken() {
    let here = "http://127.0.0.1:1/".to_owned();
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(FILE.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    for (what, text) in [
        (
            "a key that is there twice",
            FILE.replace("kind: Config", "kind: Config\nkind: Config"),
        ),
        (
            "a section twice, of which the last counts",
            format!("clusters: []\n{FILE}"),
        ),
        (
            "JSON",
            serde_json::to_string(&serde_saphyr::from_str::<serde_json::Value>(FILE).unwrap())
                .unwrap(),
        ),
        ("several documents", format!("users: []\n---\n{FILE}")),
        ("a byte order mark", format!("\u{feff}{FILE}")),
        (
            "keys of others",
            format!("{FILE}\npreferences: {{colors: 7}}\nmine: {{a: [1]}}"),
        ),
        ("another kind", FILE.replace("kind: Config", "kind: 7")),
        ("a section that is null", format!("{FILE}\nextensions:")),
        (
            "items that are null",
            FILE.replace("users: [", "users: [null, "),
        ),
        ("a context without a user", FILE.replace("user: u, ", "")),
        (
            "a user that is not there",
            FILE.replace("user: u, ", "user: gone, "),
        ),
        (
            "a context without a cluster that is not used",
            FILE.replace("contexts: [", "contexts: [{name: y, context: {user: u}}, "),
        ),
        (
            "what `kubectl config set-context` leaves",
            FILE.replace(
                "contexts: [",
                "contexts: [{name: y, context: {cluster: \"\", user: \"\"}}, ",
            ),
        ),
        (
            "empty values",
            FILE.replace(
                "\"}}]",
                "\", certificate-authority: \"\", proxy-url: \"\", tls-server-name: \"\"}}]",
            ),
        ),
        (
            "an empty user",
            FILE.replace(
                "user: {}",
                "user: {client-certificate: \"\", token: \"\", exec: null}",
            ),
        ),
        (
            "a server without a scheme",
            FILE.replace("http://127", "127"),
        ),
        (
            "a proxy",
            FILE.replace("\"}}]", "\", proxy-url: \"http://proxy.corp:3128\"}}]"),
        ),
    ] {
        assert_eq!(url(&text).await, Ok(here.clone()), "{what}: {text}");
    }
    assert_eq!(url(utf16).await, Ok(here));
    // Of two, the last.
    let twice = FILE.replace("namespace: there", "namespace: there, namespace: then");
    assert_eq!(found(twice).await.unwrap().default_namespace(), "then");
    let bare = FILE.replace(", namespace: there", ", namespace: \"\"");
    assert_eq!(found(bare).await.unwrap().default_namespace(), "default");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_a_sentence_with_its_name() {
    let here = "server: \"https://127.0.0.1:1\"";
    for (text, said) in [
        (
            String::new(),
            "kubeconfig FILE cannot be used: the kubeconfig has no context",
        ),
        (
            "[]".into(),
            "kubeconfig FILE cannot be used: it is no mapping of keys",
        ),
        ("a: [".into(), "kubeconfig FILE cannot be used: "),
        (
            "clusters: 7".into(),
            "kubeconfig FILE cannot be used: invalid type: integer, expected a sequence",
        ),
        (
            FILE.replace("current-context: here", ""),
            "kubeconfig FILE cannot be used: the kubeconfig has no current context; name one with --context: here",
        ),
        (
            FILE.replace("current-context: here", "current-context: gone"),
            "context \"gone\" cannot be used: there is no such context; there are: here",
        ),
        (
            FILE.replace("cluster: c,", "cluster: gone,"),
            "context \"here\" cannot be used: its cluster \"gone\" is not there",
        ),
        (
            of("{}", "{}"),
            "context \"x\" cannot be used: its cluster has no server",
        ),
        (
            of("{server: \"ftp://a\"}", "{}"),
            "context \"x\" cannot be used: its server \"ftp://a\" is no address such as",
        ),
        (
            of("{server: \"https://a:port\"}", "{}"),
            "context \"x\" cannot be used: its server \"https://a:port\" is no address",
        ),
        (
            of(
                &format!("{{{here}, certificate-authority: /missing/ca.crt}}"),
                "{}",
            ),
            "context \"x\" cannot be used: its certificate-authority /missing/ca.crt: No such file",
        ),
        (
            of(
                &format!("{{{here}, certificate-authority-data: \"%%\"}}"),
                "{}",
            ),
            "context \"x\" cannot be used: its certificate-authority-data is no base64",
        ),
        (
            of(
                &format!("{{{here}, certificate-authority-data: YQ==}}"),
                "{}",
            ),
            "context \"x\" cannot be used: its certificate-authority-data holds no certificate in PEM",
        ),
        (
            of(
                &format!("{{{here}, proxy-url: \"ftp://me:s3cret@p\"}}"),
                "{}",
            ),
            "context \"x\" cannot be used: its proxy-url names no proxy: write http://HOST:PORT",
        ),
        (
            of(
                "{server: \"http://a\"}",
                "{client-certificate: /missing/crt, client-key: /missing/key}",
            ),
            "user \"u\" cannot be used: its client-certificate /missing/crt: No such file",
        ),
        (
            of("{server: \"http://a\"}", "{tokenFile: /missing/token}"),
            "user \"u\" cannot be used: its tokenFile /missing/token: No such file",
        ),
        (
            of("{server: \"http://a\"}", "{token: \"s3cret\\nb\"}"),
            "user \"u\" cannot be used: its token: a header takes no line breaks",
        ),
        (
            of("{server: \"http://a\"}", "{client-certificate-data: YQ==}"),
            "user \"u\" cannot be used: it has a client-certificate and no client-key",
        ),
        (
            of(
                "{server: \"http://a\"}",
                "{client-certificate-data: \"%%\", client-key-data: YQ==}",
            ),
            "user \"u\" cannot be used: its client-certificate-data is no base64",
        ),
        (
            of(
                "{server: \"http://a\"}",
                "{client-certificate-data: YQ==, client-key-data: YQ==}",
            ),
            "user \"u\" cannot be used: its certificate is no PEM",
        ),
        (
            of("{server: \"http://a\"}", "{auth-provider: {name: gcp}}"),
            "user \"u\" cannot be used: its auth-provider \"gcp\" is not supported, nor is it by kubectl",
        ),
        (
            of("{server: \"http://a\"}", "{as: \"a\\nb\"}"),
            "user \"u\" cannot be used: it acts as \"a\\nb\", which cannot be sent in a header",
        ),
        (
            of(&format!("{{{here}, tls-server-name: \"a b\"}}"), "{}"),
            "no client of https://127.0.0.1:1/ can be made: ",
        ),
        (
            of("{server: \"http://a\"}", "{exec: {}}"),
            "user \"u\" has no credentials: its `exec` has no command",
        ),
        (
            of(
                "{server: \"http://a\"}",
                "{exec: {command: no-such-plugin, installHint: \"brew install it\"}}",
            ),
            "user \"u\" has no credentials: credential plugin \"no-such-plugin\" is not installed: brew install it",
        ),
        (
            of(
                "{server: \"http://a\"}",
                "{exec: {command: sh, args: [\"-c\", \"echo log in first >&2; exit 3\"]}}",
            ),
            "user \"u\" has no credentials: credential plugin \"sh\" failed (exit status: 3): log in first",
        ),
        (
            of(
                "{server: \"http://a\"}",
                "{exec: {command: echo, args: [hello]}}",
            ),
            "user \"u\" has no credentials: credential plugin \"echo\" printed no credentials: it is no ExecCredential",
        ),
        (
            of(
                "{server: \"http://a\"}",
                "{exec: {command: echo, args: ['{\"status\": {}}']}}",
            ),
            "user \"u\" has no credentials: credential plugin \"echo\" printed no credentials: it has neither a token nor a certificate",
        ),
        (
            of(
                "{server: \"http://a\"}",
                "{exec: {command: echo, apiVersion: v1, args: ['{\"apiVersion\": \"v2\", \"status\": {\"token\": \"a\"}}']}}",
            ),
            "printed no credentials: it was asked for version \"v1\" and answered \"v2\"",
        ),
        (
            of(
                "{server: \"http://a\"}",
                "{exec: {command: cat, interactiveMode: Always}}",
            ),
            "asks for a terminal (interactiveMode: Always)",
        ),
    ] {
        let error = wrong(&text).await;
        assert!(error.contains(said), "{text}\n{error}");
        assert!(
            !error.contains("s3cret") && !error.contains('\n'),
            "{error}"
        );
    }
}

#[tokio::test]
async fn paths_count_from_the_files_directory() {
    let text = of(
        "{server: \"http://a\"}",
        "{exec: {command: ./plugin, apiVersion: client.authentication.k8s.io/v1}, token: \"\"}",
    );
    let (directory, path) = file(text);
    let plugin = directory.path().join("plugin");
    let prints = r#"#!/bin/sh
echo run >> "$(dirname "$0")/runs"
sleep 0.2
echo '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "t0ken"}}'
"#;
    fs::write(&plugin, prints).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    // Many who ask at once, and again later.
    let asked = (0..8).map(|_| Cluster::find(Some(&path), None));
    for cluster in futures::future::join_all(asked).await {
        let credentials = cluster.unwrap().credentials.unwrap();
        let header = credentials.header().await.unwrap().unwrap();
        assert_eq!(header, "Bearer t0ken");
        assert!(header.is_sensitive());
    }
    let runs = fs::read_to_string(directory.path().join("runs")).unwrap();
    assert_eq!(runs, "run\n", "it is run once for all");
}

#[tokio::test]
async fn credentials_that_have_expired_are_got_again() {
    let user = "{exec: {command: sh, args: [\"-c\", \"date +%N > $D/now; \
         echo \\\"{status: {token: t$(cat $D/now), expirationTimestamp: '2001-01-01T00:00:00Z'}}\\\"\"], \
         env: [{name: D, value: DIRECTORY}]}}";
    let directory = tempfile::tempdir().unwrap();
    let user = user.replace("DIRECTORY", &directory.path().display().to_string());
    let cluster = found(of("{server: \"http://a\"}", &user)).await.unwrap();
    let credentials = cluster.credentials.unwrap();
    let (first, second) = (credentials.header().await, credentials.header().await);
    assert_ne!(first.unwrap(), second.unwrap());
}

#[tokio::test]
async fn a_token_in_a_file_goes_before_one_that_is_written_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    fs::write(directory.path().join("token"), "new").unwrap();
    fs::write(
        &path,
        of("{server: \"http://a\"}", "{token: old, tokenFile: token}"),
    )
    .unwrap();
    let cluster = Cluster::find(Some(&path), None).await.unwrap();
    assert!(cluster.config.auth_info.token.is_none());
    fs::remove_file(directory.path().join("token")).unwrap();
    let cluster = Cluster::find(Some(&path), None).await.unwrap();
    assert!(cluster.config.auth_info.token.is_some());
}

/// Values that a key of a kubeconfig may have, right or wrong. None is a program's name.
fn value() -> impl Strategy<Value = String> {
    let scalar = scalar();
    let listed = scalar.clone().prop_map(|value| format!("[{value}]"));
    let mapped = (scalar.clone(), scalar.clone())
        .prop_map(|(key, value)| format!("{{{key}: [{value}], name: oidc}}"));
    prop_oneof![8 => scalar, 1 => listed, 1 => mapped]
}

fn scalar() -> impl Strategy<Value = String> + Clone {
    let hostile = "[\\x00-\\x20\\x7fa-z\\u{80}-\\u{a0}\\u{fffe}]{1,6}";
    let hostile = hostile.prop_map(|text| serde_json::to_string(&text).unwrap());
    prop_oneof![
        4 => hostile,
        1 => Just("null".to_owned()),
        1 => Just("\"\"".to_owned()),
        1 => Just("{}".to_owned()),
        1 => Just("[]".to_owned()),
        1 => Just("true".to_owned()),
        1 => "[a-z0-9:./\\[\\]@%_-]{0,24}".prop_map(|text| format!("{text:?}")),
        1 => "(https?|socks5|ftp)://[a-z0-9:.\\[\\]@%-]{0,16}".prop_map(|text| format!("{text:?}")),
        1 => "[A-Za-z0-9+/=]{0,24}".prop_map(|text| format!("{text:?}")),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

fn part(keys: &'static [&'static str]) -> impl Strategy<Value = String> {
    let entry = (prop::sample::select(keys), value());
    prop::collection::vec(entry, 0..6).prop_map(|entries| {
        let entries: Vec<_> = entries
            .iter()
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        format!("{{{}}}", entries.join(", "))
    })
}

const CLUSTER: &[&str] = &[
    "server",
    "server",
    "server",
    "proxy-url",
    "tls-server-name",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "extensions",
];
const USER: &[&str] = &[
    "token",
    "tokenFile",
    "username",
    "password",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "as",
    "as-groups",
    "as-uid",
    "as-user-extra",
    "auth-provider",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_kubeconfig_makes_it_panic(
        cluster in part(CLUSTER),
        user in part(USER),
        one in (prop::sample::select(USER), value()),
        cut in 0..400_usize,
        junk in "\\PC{0,12}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let whole = of(&cluster, &user);
        let at = (0..=cut.min(whole.len())).rev().find(|&at| whole.is_char_boundary(at));
        let damaged = format!("{}{junk}{}", &whole[..at.unwrap()], &whole[at.unwrap()..]);
        // Alone, since what is wrong with another key would be told first.
        let (key, value) = one;
        let alone = of("{server: \"http://a\"}", &format!("{{{key}: {value}}}"));
        for text in [whole, damaged, alone] {
            if let Err(error) = runtime.block_on(found(&text)) {
                prop_assert!(!error.is_empty());
            }
        }
    }
}
