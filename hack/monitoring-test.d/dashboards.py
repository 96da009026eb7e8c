#!/usr/bin/env python3
"""Generates the chart's dashboards, and the list of their panels in docs/monitoring.md; with --check, lists
the files that differ.

They are generated rather than exported so that selectors, legends and rates are defined once, and so that
a change can be reviewed.
"""

import argparse
import json
import pathlib
import sys

import panels_client
import panels_controller

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "charts/dst-load-test/dashboards"
DOCUMENT = ROOT / "docs/monitoring.md"
BEGIN = "<!-- panels: written by hack/monitoring-test.d/dashboards.py -->\n"
END = "<!-- end of panels -->\n"
DASHBOARDS = {
    "control-plane.json": panels_controller.resources,
    "destination.json": panels_controller.internals,
    "clients.json": panels_client.client,
    "timeline.json": panels_client.timeline,
}


def document(dashboards):
    """The document with its list of panels."""
    text = DOCUMENT.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    lines = []
    for name, made in dashboards.items():
        lines += [f"\n### {made['title'].split(' / ')[1]} (`{name}`)\n\n{made['description']}\n\n| Panel | What it shows |\n|---|---|\n"]
        for panel in made["panels"]:
            if panel["type"] != "row":
                lines.append(f"| {panel['title']} | {panel['description']} |\n")
    return before + BEGIN + "".join(lines) + "\n" + END + after


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    check = parser.parse_args().check
    differing = [path.name for path in DIRECTORY.glob("*.json") if path.name not in DASHBOARDS]
    dashboards = {name: made() for name, made in DASHBOARDS.items()}
    files = {DIRECTORY / name: json.dumps(made, indent=2) + "\n" for name, made in dashboards.items()}
    files[DOCUMENT] = document(dashboards)
    for path, text in files.items():
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            differing.append(path.name)
    if differing:
        sys.exit(f"not as {pathlib.Path(__file__).name} writes them: {', '.join(sorted(differing))}")


if __name__ == "__main__":
    main()
