#!/usr/bin/env python3
"""Asks a real Prometheus, which scrapes the real program, for every expression.

The sandbox, churn and two clients run on free ports of loopback for as long as it takes until every
expression, both sides of every comparison and of every `or`, and every series that is named has
returned a finite value: some 40 s. What has not after --timeout is reported, and fails.
"""

import argparse
import http.server
import json
import math
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import yaml

import expressions

HERE = pathlib.Path(__file__).resolve().parent
SERVICES = [f"test-service-{n}" for n in (1, 2, 3)]
# What a user has chosen in the dashboards.
VARIABLES = {
    "linkerd_namespace": "linkerd",
    "linkerd_pod": "linkerd-destination-0",
    "namespace": "load",
    "release": "run",
    "pod": "run-dst-load-test-client-a|run-dst-load-test-client-b",
    "service": "|".join(SERVICES),
    "__rate_interval": "30s",
    "__interval": "5s",
    "__range": "1m",
}

# What may return nothing as a whole, and why; its parts must still return something.
RIGHTLY_EMPTY = {
    "timeline.json: annotation Rollouts": "the scenario scales, and starts no rollouts",
}


def labels(half, pod):
    """What a PodMonitor of the chart gives the series of one pod."""
    return {
        "namespace": "load",
        "pod": f"run-dst-load-test-{pod}",
        "container": half,
        "endpoint": "admin",
        "job": half,
        "app_kubernetes_io_component": half,
        "app_kubernetes_io_instance": "run",
    }


# What the PodMonitor of Linkerd's chart gives.
DESTINATION = {
    "namespace": "linkerd",
    "pod": "linkerd-destination-0",
    "container": "destination",
    "component": "destination",
    "job": "linkerd/linkerd-controller",
}


class Processes:
    """What was started here, each with a log; ended in reverse order, however the test ends."""

    def __init__(self, directory):
        self.directory, self.started = directory, []

    def start(self, name, *command):
        log = open(self.directory / f"{name}.log", "w", encoding="utf-8")
        output = open(self.directory / f"{name}.out", "w", encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DST_LOAD_") and k != "KUBECONFIG"}
        process = subprocess.Popen([str(c) for c in command], stdout=output, stderr=log, env=environment)
        self.started.append((name, process))

    def read(self, name, pattern, suffix="log", seconds=30):
        """The first match in what the process wrote."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, (self.directory / f"{name}.{suffix}").read_text())
            if found:
                return found[1]
            self.check()
            time.sleep(0.1)
        raise SystemExit(f"{name} did not say {pattern}:\n{self.tail(name)}")

    def check(self):
        for name, process in self.started:
            if process.poll() is not None:
                raise SystemExit(f"{name} ended with {process.returncode}:\n{self.tail(name)}")

    def tail(self, name):
        return "\n".join((self.directory / f"{name}.log").read_text().splitlines()[-15:])

    def end(self):
        for _, process in reversed(self.started):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def named(entries):
    return {entry["series"].split("{")[0] for entry in entries}


class Synthetic:
    """Serves the series of synthetic.yaml; what grows does so with the clock."""

    def __init__(self, linkerd):
        content = yaml.safe_load((HERE / "synthetic.yaml").read_text())
        self.series = list(content["always"])
        self.own = content["unobserved"] + ([] if linkerd else content["withoutLinkerd"])
        # What no process here may serve, what the target may not, and what a real controller must.
        self.nowhere = named(content["always"])
        self.not_of_target = set() if linkerd else named(self.own)
        self.of_target = named(content["unobserved"]) if linkerd else set()
        given = ", ".join(f'{k}="{v}"' for k, v in DESTINATION.items())
        for entry in self.own:
            name, _, inner = entry["series"].rstrip("}").partition("{")
            self.series.append(dict(entry, series=f"{name}{{{', '.join(filter(None, [given, inner]))}}}"))
        self.begin = time.monotonic()
        handler = type("Handler", (http.server.BaseHTTPRequestHandler,), {
            "do_GET": lambda request: self.answer(request), "log_message": lambda *_: None})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"

    def answer(self, request):
        lines, elapsed = [], time.monotonic() - self.begin
        for entry in self.series:
            start, _, growth = str(entry["value"]).partition("+")
            lines.append(f"{entry['series']} {float(start) + float(growth or 0) * elapsed}\n")
        body = "".join(sorted(lines)).encode()
        request.send_response(200)
        request.send_header("Content-Type", "text/plain; version=0.0.4")
        request.end_headers()
        request.wfile.write(body)


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def hurried(path, copy):
    """The rules, with alerts that fire after ten seconds at the latest."""
    content = yaml.safe_load(path.read_text())
    for rule in (rule for group in content["groups"] for rule in group["rules"]):
        if "for" in rule:
            rule["for"] = "10s"
    copy.write_text(yaml.safe_dump(content))
    return str(copy)


class Prometheus:
    def __init__(self, processes, program, targets, synthetic, rules):
        directory, self.port = processes.directory, free_port()
        scrape = [
            {"job_name": f"pod-{i}", "metrics_path": "/metrics", "static_configs": [{"targets": [address], "labels": given}]}
            for i, (address, given) in enumerate(targets)
        ]
        scrape.append({"job_name": "synthetic", "honor_labels": True, "static_configs": [{"targets": [synthetic.address]}]})
        shortened = [hurried(path, directory / f"rules-{i}.yaml") for i, path in enumerate(rules)]
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": shortened,
            "scrape_configs": scrape,
        }
        (directory / "prometheus.yaml").write_text(json.dumps(configuration))
        processes.start("prometheus", program, f"--config.file={directory}/prometheus.yaml",
                        f"--storage.tsdb.path={directory}/prometheus", f"--web.listen-address=127.0.0.1:{self.port}",
                        "--log.level=warn")
        deadline = time.monotonic() + 30
        while True:
            processes.check()
            try:
                fetch(f"http://127.0.0.1:{self.port}/-/ready")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit("Prometheus did not get ready") from None
                time.sleep(0.2)

    def query(self, text):
        """The series that the expression returns now: (labels, value)."""
        data = urllib.parse.urlencode({"query": text}).encode()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query", data, timeout=20) as answer:
                found = json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise SystemExit(f"Prometheus refuses {text}: {json.load(error)['error']}") from None
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(s["metric"], float(s["value"][1])) for s in found["result"]]


def wanted(found):
    """Every text that must return something, with who says so. Offsets are made short: nothing here
    is an hour old."""
    texts = {}
    for expression in found:
        text = expressions.substituted(expression.text, VARIABLES)
        text = re.sub(r"\boffset \d+[smhd]", "offset 5s", text)
        whole = [] if expression.kind == "alert" or expression.origin in RIGHTLY_EMPTY else [text]
        for part in whole + expressions.parts(text):
            texts.setdefault(part, []).append(expression)
    return texts


def proven(series, asked):
    label = next((e.label for e in asked if e.label), "")
    return any(math.isfinite(value) and (not label or given.get(label)) for given, value in series)


def served(addresses):
    """The names of the series that real processes serve."""
    found = set()
    for address in addresses:
        lines = fetch(f"http://{address}/metrics").splitlines()
        found |= {re.match(r"[\w:]+", line)[0] for line in lines if line and not line.startswith("#")}
    return found


def bounds_differ(pages):
    """The template names the buckets of the clients' latency: are they these?"""
    template = (expressions.CHART / "templates/prometheusrule.yaml").read_text()
    named = {float(bound) for bound in re.search(r"\$buckets := list ([\d. ]+)", template)[1].split()}
    real = re.findall(r'destination_client_update_latency_histogram_seconds_bucket\{.*le="([\d.]+)"', pages)
    return named ^ {float(bound) for bound in real}


def without_data(missing, prometheus):
    """Series that nobody serves, with where they are asked for; and what returns nothing all the same."""
    names = {name for text in missing for name in expressions.names(text)}
    absent = {name for name in names if not prometheus.query(f'count({{__name__="{name}"}})')}
    for name in sorted(absent):
        origins = {e.origin for text, asked in missing.items() if name in expressions.names(text) for e in asked}
        yield f"no series: {name}\n    of " + "\n    of ".join(sorted(origins))
    for text, asked in missing.items():
        if not absent & expressions.names(text):
            yield f"no data: {' '.join(text.split())}\n    of {asked[0].origin}"


def run(arguments, directory, processes):
    linkerd = os.environ.get("LINKERD_DESTINATION_BIN", "")
    tool, scenario = arguments.tool, HERE / "scenario.yaml"
    sandbox = ["--destination-bin", linkerd, "--destination-log", directory / "destination.log"] if linkerd else []
    config = directory / "kubeconfig"
    processes.start("sandbox", tool, "sandbox", "-o", "json", "--kubeconfig", config, "--scenario", scenario, *sandbox)
    ready = json.loads(processes.read("sandbox", r"(\{.*\})", "out", 60))
    print(f"target: {'Linkerd' if linkerd else 'the reference destination'} ({ready.get('destination_version', 'reference')})", flush=True)
    admin = r"admin server address=(\S+)"
    processes.start("churn", tool, "churn", "--kubeconfig", config, "--scenario", scenario, "--namespace", "load",
                    "--admin-addr", "127.0.0.1:0")
    churn = processes.read("churn", admin)
    client = [tool, "client", "--kubeconfig", config, "--destination", ready["destination"], "--churn", f"http://{churn}",
              "--destination-metrics", ready["destination_metrics"], "--admin-addr", "127.0.0.1:0",
              "--services", ",".join(f"{s}.load.svc.cluster.local:8080" for s in SERVICES)]
    processes.start("client-a", *client, "--clients", "8")
    # Its streams end every few seconds, so that there are some that have ended.
    processes.start("client-b", *client, "--clients", "2", "--stream-max-lifetime", "4s", "--profiles", "--policies")
    halves = [(churn, labels("churn", "churn-1"))]
    halves += [(processes.read(name, admin), labels("client", name)) for name in ("client-a", "client-b")]
    target = urllib.parse.urlsplit(ready["destination_metrics"]).netloc
    synthetic = Synthetic(bool(linkerd))
    prometheus = Prometheus(processes, arguments.prometheus, [*halves, (target, DESTINATION)], synthetic, arguments.rules)

    begin, texts = time.monotonic(), wanted(expressions.everything())
    missing = dict(texts)
    while missing and time.monotonic() - begin < arguments.timeout:
        time.sleep(2)
        processes.check()
        for text in [t for t, asked in missing.items() if proven(prometheus.query(t), asked)]:
            del missing[text]
    # Long enough for the alerts' `for`, which is shortened here, to show a false alarm.
    time.sleep(max(0, arguments.least - (time.monotonic() - begin)))
    problems = list(without_data(missing, prometheus))
    of_target = served([target])
    real = served([address for address, _ in halves]) | of_target
    doubled = synthetic.nowhere & real | synthetic.not_of_target & of_target
    problems += [f"{name} is served by a real process now: take it out of synthetic.yaml" for name in sorted(doubled)]
    problems += [f"{name} is not served by Linkerd's controller" for name in sorted(synthetic.of_target - of_target)]
    unused = named(synthetic.series) - {n for t in texts for n in expressions.names(t)}
    problems += [f"{name} is in synthetic.yaml, and no expression names it" for name in sorted(unused)]
    differing = bounds_differ(fetch(f"http://{halves[1][0]}/metrics"))
    if differing:
        problems.append(f"templates/prometheusrule.yaml names other buckets than the client has: {sorted(differing)}")
    for given, _ in prometheus.query('ALERTS{alertstate="firing"}'):
        problems.append(f"fires in a healthy run: {given}")
    rules = json.loads(fetch(f"http://127.0.0.1:{prometheus.port}/api/v1/rules"))["data"]["groups"]
    unhealthy = [r for g in rules for r in g["rules"] if r["health"] != "ok"]
    problems += [f"{r['name']}: {r.get('lastError', r['health'])}" for r in unhealthy]
    seconds = round(time.monotonic() - begin)
    print(f"{len(texts) - len(missing)} of {len(texts)} queries returned data, of "
          f"{len({e for asked in texts.values() for e in asked})} expressions, within {seconds} s; "
          f"{sum(len(g['rules']) for g in rules)} rules evaluated; {len(real)} names of series from real processes")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", required=True, help="the program dst-load-controller")
    parser.add_argument("--prometheus", default="prometheus", help="the program prometheus")
    parser.add_argument("--timeout", type=float, default=90, help="seconds until what has no data is reported")
    parser.add_argument("--least", type=float, default=40, help="seconds that it runs at least, for false alarms")
    parser.add_argument("rules", nargs="+", type=pathlib.Path, help="Prometheus rule files")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="monitoring-test-") as name:
        directory = pathlib.Path(name)
        processes = Processes(directory)
        try:
            problems = run(arguments, directory, processes)
        finally:
            processes.end()
    if problems:
        print(*problems, sep="\n")
        raise SystemExit(f"{len(problems)} problems")
    print("every expression returns data, and no alert fires")


if __name__ == "__main__":
    main()
