#!/usr/bin/env python3
"""Takes the rules out of what helm rendered: rendered.py MANIFESTS OUTPUT.

Fails where the chart and the dashboards would not find each other: labels of the PodMonitor, names of
containers, dashboards that are not the files, criteria that are not the scenario's.
"""

import json
import pathlib
import sys

import yaml

import expressions

# scenario.yaml's criteria, in seconds, bytes, shares and cores.
LIMITS = {
    "updateLatency.p50": 1,
    "updateLatency.p95": 1,
    "updateLatency.p99": 2,
    "updateLatency.p999": 5,
    "endToEnd.p99": 10,
    "everyClientWithin": 10,
    "firstEndpoint": 60,
    "retained": 30,
    "unexpectedResets": 0,
    "sendTimeoutRate": 0.01,
    "target.memoryMax": 6e9,
    "target.memorySpike": 2e9,
    "target.memoryGrowthPerCycle": 10,
    "target.memoryGrowthPerHour": 10,
    "target.cpuMax": 4,
    "target.viewsActive": 30,
}


def problems(manifests, groups):
    def of(kind):
        return [m for m in manifests if m["kind"] == kind]

    files = {f"dst-load-{path.name}": json.loads(path.read_text()) for path in (expressions.CHART / "dashboards").glob("*.json")}
    maps = [m for m in of("ConfigMap") if m["metadata"]["labels"].get("grafana_dashboard") == "1"]
    if {name: json.loads(text) for m in maps for name, text in m["data"].items()} != files:
        yield "the ConfigMaps' dashboards are not the files"
    containers = [c["name"] for m in of("Pod") if "helm.sh/hook" not in m["metadata"].get("annotations", {}) for c in m["spec"]["containers"]]
    containers += [c["name"] for m in of("Deployment") for c in m["spec"]["template"]["spec"]["containers"]]
    if sorted(containers) != ["churn", "client"]:
        yield f"containers are named {containers}, and queries choose churn and client"
    for monitor in of("PodMonitor"):
        if "app.kubernetes.io/instance" not in monitor["spec"].get("podTargetLabels", []):
            yield "the PodMonitor does not give app_kubernetes_io_instance, which is the variable release"
    rules = [rule for group in groups for rule in group["rules"]]
    limits = {r["labels"]["criterion"]: r for r in rules if r.get("record") == "dst_load:criterion"}
    values = {name: float(r["expr"].removeprefix("vector(").removesuffix(")")) for name, r in limits.items()}
    if values != LIMITS:
        yield f"criteria are {values}, and should be {LIMITS}"
    for name, rule in limits.items():
        namespace = "linkerd" if name.startswith("target.") else "load"
        if rule["labels"]["namespace"] != namespace:
            yield f"{name} is in namespace {rule['labels']['namespace']}, and should be in {namespace}"
    if limits.get("everyClientWithin", {"labels": {}})["labels"].get("le") != "10.0":
        yield "everyClientWithin has not the bucket le=10.0"
    written = sorted(e.text for e in expressions.of_rules())
    if sorted(r["expr"] for r in rules if not r["expr"].startswith("vector(")) != written:
        yield "the PrometheusRule has not the rules of the files"


def main():
    manifests = [m for m in yaml.safe_load_all(pathlib.Path(sys.argv[1]).read_text()) if m]
    groups = next(m for m in manifests if m["kind"] == "PrometheusRule")["spec"]["groups"]
    pathlib.Path(sys.argv[2]).write_text(yaml.safe_dump({"groups": groups}))
    found = list(problems(manifests, groups))
    if found:
        sys.exit("\n".join(found))
    print(f"{len(groups)} groups of rules, as the files and the scenario have them")


if __name__ == "__main__":
    main()
