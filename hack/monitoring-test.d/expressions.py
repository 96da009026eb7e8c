"""Every PromQL expression of the repository: where it is, what Grafana makes of it, and its parts."""

import dataclasses
import json
import pathlib
import re

import promql_parser
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/dst-load-test"
# What these let through may rightly be nothing, in a healthy run.
FILTERS = {"and", "unless", "==", "!=", "<", "<=", ">", ">="}


@dataclasses.dataclass(frozen=True)
class Expression:
    """`kind`: panel, annotation, variable, alert, record or document; `label`: a variable's."""

    origin: str
    kind: str
    text: str
    label: str = ""


def of_dashboards(directory=CHART / "dashboards"):
    for path in sorted(directory.glob("*.json")):
        content = json.loads(path.read_text())
        for panel in content["panels"]:
            for target in panel.get("targets", []):
                yield Expression(f"{path.name}: {panel['title']} {target['refId']}", "panel", target["expr"])
        for annotation in content["annotations"]["list"]:
            if "expr" in annotation:
                yield Expression(f"{path.name}: annotation {annotation['name']}", "annotation", annotation["expr"])
        for variable in content["templating"]["list"]:
            if variable["type"] == "query":
                origin, text = f"{path.name}: variable {variable['name']}", variable["query"]["query"]
                values = re.fullmatch(r"label_values\((.*), (\w+)\)", text)
                if not values:
                    raise SystemExit(f"{origin}: not of the form label_values(SERIES, LABEL): {text}")
                yield Expression(origin, "variable", values[1], values[2])


def of_rules(paths=None):
    for path in paths or sorted((CHART / "rules").glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                kind = "alert" if "alert" in rule else "record"
                yield Expression(f"{path.name}: {rule[kind]}", kind, rule["expr"])


def of_documents():
    """Of code blocks marked promql: one expression each, or several with blank lines between them."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(CHART.glob("*.md"))]:
        for block in re.finditer(r"^ *```promql\n(.*?)^ *```", path.read_text(), re.MULTILINE | re.DOTALL):
            for text in re.split(r"\n\s*\n", block[1]):
                plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
                if plain.strip():
                    yield Expression(f"{path.relative_to(ROOT)}: {plain.strip().splitlines()[0]}", "document", plain.strip())


def everything():
    found = [*of_dashboards(), *of_rules(), *of_documents()]
    for kind in ("panel", "annotation", "variable", "alert", "record", "document"):
        if not any(expression.kind == kind for expression in found):
            raise SystemExit(f"no {kind} was found: is the path right?")
    return found


def substituted(text, variables):
    """As Grafana sends it. What is left of a variable's sign is a variable that nobody has set."""
    for name in sorted(variables, key=len, reverse=True):
        text = text.replace("${" + name + "}", variables[name]).replace("$" + name, variables[name])
    if "$" in text:
        raise SystemExit(f"unknown variable in {text}")
    return text


def _children(node):
    for name in ("lhs", "rhs", "expr", "param", "args", "vector_selector"):
        child = getattr(node, name, None)
        for one in child if isinstance(child, list) else [child]:
            if isinstance(one, promql_parser.Expr):
                yield one


def _operator(node):
    return str(node.op) if isinstance(node, promql_parser.BinaryExpr) else None


def _filters(node):
    return _operator(node) in FILTERS or any(_filters(child) for child in _children(node))


def parts(text):
    """What must have data for the expression to mean anything: both sides of each filter and of each
    `or`, as far as they are no filters themselves; and every series that it names."""
    found = []

    def visit(node):
        if _operator(node) in FILTERS | {"or"}:
            found.extend(side.prettify() for side in (node.lhs, node.rhs) if not _filters(side))
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node.prettify())
        for child in _children(node):
            visit(child)

    visit(promql_parser.parse(text))
    if not found:
        raise SystemExit(f"names no series: {text}")
    return list(dict.fromkeys(part for part in found if not re.fullmatch(r"[-+0-9.e]+", part)))


def names(text):
    """The names of the series of an expression."""
    found = set()

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        for child in _children(node):
            visit(child)

    visit(promql_parser.parse(text))
    return found
