//! Runs the scripts of `hack` with stand-ins for what they call, and compares what they said and
//! called with `scripts/expected`. With `UPDATE_GOLDEN=1` those files are written anew.
//!
//! Nothing here knows the crate, so that it is built in a second:
//! `CARGO_MANIFEST_DIR=$PWD/dst-load-controller rustc --edition 2024 --test -o /tmp/scripts dst-load-controller/tests/repository/scripts.rs`

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "helpers of tests may fail a test, and say what was not checked"
)]

#[path = "scripts/certificates.rs"]
mod certificates;
#[path = "scripts/files.rs"]
mod files;
#[path = "scripts/stage.rs"]
mod stage;

use stage::{Outcome, Stage, compare};

const K3D: &str = "k3d-multicluster.sh";
const KWOK: &str = "install-kwok.sh";
const LINKERD: &str = "install-linkerd-multicluster.sh";
const CERTIFICATES: &str = "gen-certs.sh";

/// The programs that each script wants, beside what every system has.
const SCRIPTS: [(&str, &[&str]); 4] = [
    (CERTIFICATES, &["step"]),
    (K3D, &["docker", "k3d", "kubectl"]),
    (KWOK, &["helm", "helmfile", "kubectl"]),
    (LINKERD, &["helm", "helmfile", "kubectl", "linkerd"]),
];

/// A stage with all that a script wants, and certificates.
fn stage(script: &str) -> Stage {
    let (_, programs) = SCRIPTS.iter().find(|(name, _)| *name == script).unwrap();
    let stage = Stage::new(programs);
    if script == LINKERD {
        for name in ["ca.crt", "issuer.crt", "issuer.key"] {
            stage.write(&format!("certs/{name}"), "a certificate");
        }
    }
    stage
}

/// Runs dry, for real, and again: the dry run changes nothing and shows what the real one does; the
/// second finds nothing to do.
fn fresh(script: &str, arguments: &[&str], name: &str) -> Stage {
    let stage = stage(script);
    let dry = stage.run(script, &[arguments, &["--dry-run"]].concat());
    assert_eq!(dry.code, 0, "{}", dry.text());
    assert_eq!(dry.changes(), Vec::<String>::new(), "a dry run");
    let first = stage.run(script, arguments);
    assert_eq!(first.code, 0, "{}", first.text());
    assert!(!first.changes().is_empty(), "{}", first.text());
    assert_eq!(first.shown(), first.changes(), "what is shown is done");
    assert_eq!(
        dry.shown(),
        first.changes_with_placeholders(),
        "a dry run shows what is done"
    );
    let second = stage.run(script, arguments);
    assert_eq!(second.code, 0, "{}", second.text());
    assert_eq!(second.changes(), Vec::<String>::new(), "a second run");
    compare(
        name,
        &[
            ("dry run", &dry),
            ("first run", &first),
            ("second run", &second),
        ],
    );
    stage
}

/// A run that must fail with 1, and say why.
fn fails(outcome: &Outcome, why: &str) {
    assert_eq!(outcome.code, 1, "{}", outcome.text());
    assert!(outcome.stderr.contains(why), "{}", outcome.text());
}

#[test]
fn clusters_are_made_once() {
    let stage = fresh(K3D, &[], "k3d-fresh");
    // A restarted container has lost its routes, and only those come back.
    stage.remove("state/route-k3d-source-server-0");
    stage.write("state/running-k3d-target-server-0", "false\n");
    let repaired = stage.run(K3D, &[]);
    let dry = stage.run(K3D, &["--delete", "--dry-run"]);
    assert_eq!(dry.changes(), Vec::<String>::new());
    let deleted = stage.run(K3D, &["--delete"]);
    assert_eq!(dry.shown(), deleted.changes());
    let again = stage.run(K3D, &["--delete"]);
    assert_eq!(again.changes(), Vec::<String>::new());
    compare(
        "k3d-repair-and-delete",
        &[
            ("after a restart", &repaired),
            ("deleted", &deleted),
            ("deleted again", &again),
        ],
    );
}

#[test]
fn a_cluster_that_cannot_be_made_is_said() {
    let stage = stage(K3D);
    let created = stage.run_with(K3D, &[], &[("FAIL", "k3d cluster create target*")]);
    fails(&created, "k3d could not make the cluster target");
    // What was made stays, and is not made again.
    let on = stage.run(K3D, &[]);
    assert_eq!(on.code, 0, "{}", on.text());
    let calls = on.changes().join("\n");
    assert!(!calls.contains("k3d cluster create source"), "{calls}");
    assert!(calls.contains("k3d cluster create target"), "{calls}");

    let docker = stage.run_with(K3D, &[], &[("FAIL", "docker info")]);
    fails(&docker, "docker does not answer");
    let route = stage.run_with(K3D, &["--delete"], &[("FAIL", "docker network rm*")]);
    assert_eq!(route.code, 1, "{}", route.text());
}

#[test]
fn a_cluster_on_another_network_is_not_taken() {
    let stage = stage(K3D);
    stage.write("state/cluster-source", "");
    stage.write("state/running-k3d-source-server-0", "true\n");
    let outcome = stage.run_with(K3D, &[], &[("FAIL", "docker inspect*IPAddress*source*")]);
    fails(&outcome, "but not on the network dst-load-test");
}

#[test]
fn kwok_is_installed_once() {
    let stage = fresh(KWOK, &["--context", "k3d-test"], "kwok-fresh");
    let more = stage.run(KWOK, &["--context", "k3d-test", "--nodes", "7"]);
    let dry = stage.run(KWOK, &["--context=k3d-test", "--sync", "--dry-run"]);
    assert_eq!(dry.changes(), Vec::<String>::new());
    compare("kwok-changed", &[("more Nodes", &more), ("--sync", &dry)]);
    assert_eq!(more.changes().len(), 1);
}

#[test]
fn nodes_that_share_addresses_are_found() {
    let stage = stage(KWOK);
    // Within, around, and beside the range of a fake Node.
    for (range, shared) in [
        ("10.42.130.0/24", true),
        ("10.42.0.0/16", true),
        ("10.42.127.0/24", false),
        ("10.42.208.0/24", false),
    ] {
        let outcome = stage.run_with(KWOK, &[], &[("REAL_NODE_RANGE", range)]);
        if shared {
            fails(&outcome, "would give pods the same addresses");
        } else {
            assert_eq!(outcome.code, 0, "{range}: {}", outcome.text());
        }
    }
}

/// A cluster with another range than k3s's, or one that gives Nodes none.
#[test]
fn nodes_outside_the_range_of_the_cluster_are_warned_of() {
    for (range, warned) in [
        ("10.244.0.0/24", true),
        ("10.42.3.0/24", false),
        ("", false),
    ] {
        let outcome = stage(KWOK).run_with(KWOK, &["--dry-run"], &[("REAL_NODE_RANGE", range)]);
        assert_eq!(outcome.code, 0, "{}", outcome.text());
        let warning = "range begins with 10.42., and those of real Nodes with 10.244.;";
        assert_eq!(
            outcome.stderr.contains(warning),
            warned,
            "{}",
            outcome.text()
        );
    }
}

#[test]
fn what_fails_below_is_said() {
    let stage = stage(KWOK);
    for (pattern, why) in [
        (
            "kubectl*readyz*",
            "the cluster of the current context does not answer: kubectl: told to fail",
        ),
        (
            "helmfile*list",
            "helmfile cannot read helmfile.yaml: helmfile: told to fail",
        ),
        ("helm list*", "helm cannot list the releases"),
        (
            "helmfile*template*",
            "the Nodes cannot be as asked for: helmfile: told to fail",
        ),
        ("helmfile*sync", "helmfile could not install KWOK"),
        ("kubectl wait*", "KWOK does not make the Nodes ready"),
    ] {
        fails(&stage.run_with(KWOK, &[], &[("FAIL", pattern)]), why);
    }
}

#[test]
fn clusters_are_linked_once() {
    let stage = fresh(LINKERD, &[], "linkerd-fresh");
    // Another address makes another Link, and the controller is told.
    let moved = stage.run(LINKERD, &["--server", "https://elsewhere:6443"]);
    compare("linkerd-moved", &[("another address", &moved)]);
    assert!(
        moved
            .changes()
            .iter()
            .any(|call| call.contains("rollout restart")),
        "{}",
        moved.text()
    );
}

#[test]
fn monitoring_is_asked_for() {
    let stage = stage(LINKERD);
    let outcome = stage.run(LINKERD, &["--monitoring", "--source", "a", "--target=b"]);
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    let syncs: Vec<_> = outcome.changes();
    let syncs: Vec<_> = syncs
        .iter()
        .filter(|call| call.ends_with(" sync"))
        .collect();
    assert_eq!(syncs.len(), 2);
    assert!(syncs[0].contains("--kube-context b") && !syncs[0].contains("monitoring"));
    assert!(
        syncs[1].contains("--kube-context a")
            && syncs[1].contains("--state-values-set monitoring.enabled=true")
    );
}

#[test]
fn what_keeps_clusters_from_being_linked_is_said() {
    let stage = stage(LINKERD);
    let old = stage.run_with(LINKERD, &[], &[("LINKERD_CLI", "edge-25.1.1")]);
    fails(&old, "the linkerd CLI is edge-25.1.1, and the charts are");
    assert_eq!(old.changes(), Vec::<String>::new());
    let any = stage.run_with(
        LINKERD,
        &["--any-cli", "--dry-run"],
        &[("LINKERD_CLI", "edge-25.1.1")],
    );
    assert_eq!(any.code, 0, "{}", any.text());
    for (pattern, why) in [
        (
            "kubectl --context k3d-target*readyz*",
            "the cluster of the context k3d-target does not answer",
        ),
        (
            "linkerd multicluster link-gen --help",
            "has no `multicluster link-gen`",
        ),
        (
            "helmfile*target*sync",
            "helmfile could not install all into k3d-target",
        ),
        (
            "kubectl*apply*",
            "the ConfigMap linkerd-config could not be written to k3d-target",
        ),
        (
            "kubectl*control-plane*",
            "k3d-target shows no address of a Node of its control plane",
        ),
        (
            "linkerd*--cluster-name*",
            "linkerd could not write the Link",
        ),
        (
            "kubectl*rollout status*controller-target*",
            "linkerd-multicluster/controller-target does not become ready",
        ),
    ] {
        fails(&stage.run_with(LINKERD, &[], &[("FAIL", pattern)]), why);
    }
    stage.remove("certs/issuer.key");
    let uncertified = stage.run(LINKERD, &[]);
    fails(
        &uncertified,
        "issuer.key is missing; make it with hack/gen-certs.sh",
    );
    assert_eq!(uncertified.changes(), Vec::<String>::new());
}

#[test]
fn what_is_missing_is_named_all_at_once() {
    for (script, programs) in SCRIPTS {
        let stage = Stage::new(&[]);
        let outcome = stage.run(script, &[]);
        assert_eq!(outcome.code, 1, "{}", outcome.text());
        compare(
            &format!("missing-{}", script.trim_end_matches(".sh")),
            &[("nothing is there", &outcome)],
        );
        for program in programs {
            // For certificates either of two will do.
            let program = program.replace("step", "openssl");
            let why = format!("error: {program} is missing: ");
            assert!(outcome.stderr.contains(&why), "{}", outcome.text());
        }
    }
}

#[test]
fn help_needs_nothing() {
    for (script, _) in SCRIPTS {
        let stage = Stage::new(&[]);
        let outcome = stage.run(script, &["--help"]);
        assert_eq!(outcome.code, 0, "{}", outcome.text());
        assert_eq!(outcome.stderr, "");
        assert_eq!(outcome.calls, Vec::<Vec<String>>::new());
        compare(
            &format!("help-{}", script.trim_end_matches(".sh")),
            &[("--help", &outcome)],
        );
    }
}

#[test]
fn a_mistake_in_the_command_line_is_told_from_a_failure() {
    for (script, arguments, why) in [
        (CERTIFICATES, &["--wiht=step"][..], "unknown option --wiht"),
        (CERTIFICATES, &["--with", "gpg"], "--with gpg: step or"),
        (CERTIFICATES, &["a", "b"], "not both a and b"),
        (K3D, &["up"], "unknown argument up"),
        (K3D, &["--image"], "--image wants a value"),
        (K3D, &["--image", "--delete"], "--image wants a value"),
        (KWOK, &["--env", "prod"], "--env prod: default, source or"),
        (
            KWOK,
            &["--pod-cidr", "10.42.128.0/17,linkerd.enabled=false"],
            "kwok.podCIDR is 10.42.128.0/17,linkerd.enabled=false: digits",
        ),
        (KWOK, &["--nodes=5,a=b"], "kwok.nodes is 5,a=b: digits"),
        (K3D, &["--network", "a\"}}{{.Id}}"], "letters, digits, _"),
        (LINKERD, &["--source", "x", "--target", "x"], "are both x"),
    ] {
        let outcome = stage(script).run(script, arguments);
        assert_eq!(outcome.code, 2, "{}", outcome.text());
        assert!(outcome.stderr.contains(why), "{}", outcome.text());
        assert!(
            outcome
                .stderr
                .contains(&format!("See hack/{script} --help."))
        );
        assert_eq!(outcome.calls, Vec::<Vec<String>>::new());
    }
}
