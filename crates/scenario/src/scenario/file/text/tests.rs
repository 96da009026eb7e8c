//! Texts that are of a form, and such as are not.

use super::{super::forms::*, *};

/// Whether a whole text is of the form.
fn takes<F: Form>(text: &str) -> bool {
    problem::<F>(text).is_none()
}

/// The form takes the first texts, and none of the others.
fn judged<F: Form>(right: &[&str], wrong: &[&str]) {
    for text in right {
        assert_eq!(problem::<F>(text), None, "{text:?}");
        // Nothing stands beside what is right.
        for more in [
            "\nhostNetwork: true",
            "\n",
            "\r\n",
            "\0",
            "\x1b[2J",
            "\u{9b}",
        ] {
            let either = [format!("{text}{more}"), format!("{more}{text}")];
            let lines = F::NAME == Prose::NAME
                && more
                    .chars()
                    .all(|it| it != '\0' && it != '\x1b' && it != '\u{9b}');
            assert!(
                either.iter().all(|it| takes::<F>(it) == lines),
                "{text:?} and {more:?}"
            );
        }
    }
    for text in wrong {
        assert!(!takes::<F>(text), "{} is {text:?}", F::NAME);
    }
}

#[test]
fn names_are_those_of_kubernetes() {
    let long = |count| "a".repeat(count);
    judged::<DnsLabel>(
        &["a", "a-b", "9", &long(63)],
        &["", "-a", "a-", "A", "a.b", "a_b", &long(64)],
    );
    judged::<ServiceName>(&["a", "a-9"], &["9a", "", "a.b", "a-"]);
    judged::<ObjectName>(
        &["a", "a.b-c", "97", &long(253)],
        &["", "a..b", ".a", "A", &long(254)],
    );
    judged::<DataKey>(
        &["kubeconfig", ".a", "a..b", "A_b.yaml"],
        &["", ".", "..", "..a", "a/b", "a b"],
    );
    judged::<OrEmpty<ObjectName>>(&["a"], &["A", " "]);
    assert!(takes::<OrEmpty<ObjectName>>(""));
    judged::<VariableName>(&["RUST_LOG", "_", "a.b-c"], &["", "9A", "A=B", "A B"]);
}

#[test]
fn labels_and_annotations_are_those_of_kubernetes() {
    let long = |count| "a".repeat(count);
    let domain = format!("{}.example/{}", long(100), long(63));
    judged::<LabelKey>(
        &["a", "app.kubernetes.io/name", "A_b.c", &domain],
        &["", "/a", "a/", "A/a", "a/b/c", "-a", "a b", &long(64)],
    );
    judged::<AnnotationKey>(
        &["a", "Example.com/a", "checksum/scenario"],
        &["", "/a", "a/", "a/b/c", "a b"],
    );
    judged::<LabelValue>(
        &["a", "A_b.c-d", &long(63)],
        &["-a", "a-", "a b", "a/b", &long(64)],
    );
    assert!(takes::<LabelValue>(""));
    judged::<Prose>(
        &["a b", "a\tb", "a: 'b' # {{ c }}", "ä🦀"],
        &["\x07", "\x7f", "\u{85}"],
    );
    judged::<OneLine>(
        &["user@cluster", "arn:aws:eks:x:1:cluster/y"],
        &["\t", "\x7f"],
    );
}

#[test]
fn images_quantities_and_durations_are_read_as_where_they_go() {
    judged::<ImageName>(
        &[
            "dst-load-controller",
            "registry.example/a/b_c",
            "localhost:5000/a",
            "[::1]:5000/a",
            "Registry.example/a",
        ],
        &[
            "",
            "A",
            "a:tag",
            "a@sha256:0",
            "a/",
            "/a",
            "a//b",
            "a b",
            "https://a/b",
        ],
    );
    judged::<ImageTag>(
        &["v9", "1.10", "_a", &"a".repeat(128)],
        &["", ".a", "-a", "a:b", &"a".repeat(129)],
    );
    let digest = format!("sha256:{}", "0a".repeat(32));
    judged::<ImageDigest>(
        &[&digest],
        &["", "sha256:0123", "0a", &digest.to_uppercase()],
    );
    judged::<Quantity>(
        &["1Gi", "500m", "2", "1.5", ".5", "1e3", "1E6", "+1", "100k"],
        &["", "-1", "1 Gi", "1GB", "m", "Gi", "1gi"],
    );
    judged::<ScrapeInterval>(
        &["5s", "1m30s", "500ms", "0"],
        &["5", "5x", "-5s", "1.5s", "30s1m"],
    );
}

#[test]
fn what_is_no_address_is_refused() {
    let right = [
        "linkerd-dst.linkerd.svc.cluster.local:8086",
        "10.0.0.1:8086",
        "[::1]:8086",
        "host",
        "http://host:8086",
        "https://host:8086/",
        "dns:///host:8086",
        "ipv4:10.0.0.1:8086",
        "ipv6:[::1]:8086",
        "passthrough:///host:8086",
    ];
    let wrong = [
        "",
        "host:port",
        "a b",
        "host:8086/path",
        "user@host:8086",
        "ftp://host:1",
        "::1",
        "host:8086\nx",
    ];
    judged::<Destination>(&right, &wrong);
    judged::<Commas<Destination>>(&["a:1,b:2", "a:1, b:2"], &[",", "a:1,", "a:1;b:2"]);
    judged::<Url>(
        &[
            "http://10.0.0.1:9996/metrics",
            "https://u:p@host/x?y=z",
            "http://[::1]:9996",
        ],
        &[
            "",
            "host:9996",
            "ftp://host",
            "http://",
            "http:///x",
            "http://a,b",
            "http://a b",
            "http://a\"b",
        ],
    );
}

#[test]
fn what_yaml_takes_for_another_kind_is_judged_too() {
    let label = |text: &str| serde_json::from_str::<Word<LabelValue>>(text).is_ok();
    assert!(["true", "12345678", "0.5", "\"a\""].into_iter().all(label));
    assert!(
        !["-1", "1e300", "[]", "\"a b\"", "\"x\\ny\""]
            .into_iter()
            .any(label)
    );
    let any = |text: &str| serde_json::from_str::<Word<Prose>>(text).is_ok();
    assert!(["true", "-1", "1e300", "\"x\\ny\""].into_iter().all(any));
    let quantity = |text: &str| serde_json::from_str::<Number<Quantity>>(text).is_ok();
    assert!(["1", "0.5", "\"1Gi\""].into_iter().all(quantity));
    assert!(!["true", "-1", "\"1 Gi\""].into_iter().any(quantity));
    let pairs = |text: &str| serde_json::from_str::<Pairs<LabelKey, Word<LabelValue>>>(text);
    assert!(pairs("{\"a/b\": 1}").is_ok());
    let message = pairs("{\"a\\nb\": 1}").unwrap_err().to_string();
    assert!(
        message.starts_with("\"a\\nb\" is not a label's key; write letters"),
        "{message}"
    );
}
