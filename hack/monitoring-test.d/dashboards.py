#!/usr/bin/env python3
"""Writes the chart's dashboards; with --check, says which of them are not what would be written.

They are written rather than exported so that one place says what a selector, a legend or a rate
looks like, and so that a change can be read.
"""

import argparse
import json
import pathlib
import sys

import panels_client
import panels_controller

DIRECTORY = pathlib.Path(__file__).resolve().parents[2] / "charts/dst-load-test/dashboards"
DASHBOARDS = {
    "control-plane.json": panels_controller.resources,
    "destination.json": panels_controller.internals,
    "clients.json": panels_client.client,
    "timeline.json": panels_client.timeline,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    check = parser.parse_args().check
    differing = [path.name for path in DIRECTORY.glob("*.json") if path.name not in DASHBOARDS]
    for name, made in DASHBOARDS.items():
        path, text = DIRECTORY / name, json.dumps(made(), indent=2) + "\n"
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            differing.append(name)
    if differing:
        sys.exit(f"not as {pathlib.Path(__file__).name} writes them: {', '.join(sorted(differing))}")


if __name__ == "__main__":
    main()
