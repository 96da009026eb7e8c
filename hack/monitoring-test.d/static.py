#!/usr/bin/env python3
"""What can be said of expressions and alerts without running anything: static.py OUTPUT.

Writes all expressions as one Prometheus rule file, for promtool to parse; and fails where an alert
has no test, or lacks words.
"""

import json
import pathlib
import re
import sys

import yaml

import expressions
from live import RIGHTLY_EMPTY, VARIABLES

HERE = pathlib.Path(__file__).resolve().parent
UNITS = {"short", "bytes", "cores", "s", "ops", "Bps", "reqps", "percentunit"}


def parsed_by_promtool(found, path):
    rules = []
    for i, expression in enumerate(found):
        text = expressions.substituted(expression.text, VARIABLES)
        rules.append({"record": f"expression:{i}", "expr": text, "labels": {"origin": expression.origin}})
    path.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": rules}]}))
    kinds = [e.kind for e in found]
    print(", ".join(f"{kinds.count(kind)} of {kind}s" for kind in dict.fromkeys(kinds)))


def untested():
    """Alerts without a test in which they fire and the namespace `good` does not."""
    firing = set()
    for path in (HERE / "alerts").glob("*.yaml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            counter = any('namespace="good"' in s["series"] or 'namespace="watching"' in s["series"] for s in test["input_series"])
            for asked in test["promql_expr_test"]:
                # Only a query for all alerts says that no other one fires.
                if not re.fullmatch(r'(count by \([\w, ]+\) \()?ALERTS(\{alertstate="firing"\})?\)?', asked["expr"]):
                    yield f"{path.name}: {test['name']}: does not ask for all alerts"
                for sample in asked["exp_samples"]:
                    if counter:
                        firing.add(re.search(r'alertname="(\w+)"', sample["labels"])[1])
    for path in sorted((expressions.CHART / "rules").glob("*.yaml")):
        for rule in (rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]):
            if "alert" in rule:
                if rule["alert"] not in firing:
                    yield f"{path.name}: {rule['alert']} has no test in which it fires and another namespace does not"
                for key in ("summary", "description", "remedy"):
                    if not rule["annotations"].get(key):
                        yield f"{path.name}: {rule['alert']} has no {key}"
                if rule["labels"].get("severity") not in ("warning", "critical"):
                    yield f"{path.name}: {rule['alert']} has no severity"


def careless():
    """What a schema cannot see in a dashboard."""
    uids = set()
    for path in sorted((expressions.CHART / "dashboards").glob("*.json")):
        content = json.loads(path.read_text())
        if content["uid"] in uids:
            yield f"{path.name}: its uid is another dashboard's"
        uids.add(content["uid"])
        for panel in (p for p in content["panels"] if p["type"] != "row"):
            where = f"{path.name}: {panel['title']}"
            unit = panel["fieldConfig"]["defaults"]["unit"]
            if unit not in UNITS:
                yield f"{where}: unit {unit} is none of {', '.join(sorted(UNITS))}"
            if not re.search(r"[.)?]$", panel["description"]) or len(panel["description"].split()) < 4:
                yield f"{where}: its description is no sentence"
            for target in panel["targets"]:
                if not target["legendFormat"]:
                    yield f"{where}: a query without a legend"
                # Quantiles of several processes cannot be averaged; only buckets can be added up.
                if re.search(r"(avg|sum)\b[^(]*\([^()]*quantile=", target["expr"]):
                    yield f"{where}: adds up quantiles"
            if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24:
                yield f"{where}: is wider than the dashboard"


def main():
    found = expressions.everything()
    parsed_by_promtool(found, pathlib.Path(sys.argv[1]))
    problems = [*untested(), *careless()]
    problems += [f"RIGHTLY_EMPTY names {o}, which there is not" for o in RIGHTLY_EMPTY if o not in {e.origin for e in found}]
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
