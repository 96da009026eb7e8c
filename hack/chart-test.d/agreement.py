#!/usr/bin/env python3
"""Asks the chart and `plan` for their opinion of the same values: both take them, or both refuse them.

Each key of values.schema.json gets what is at, below and above a bound, and what is of another kind; then several
keys at once get values by chance, the same with each run. What the chart alone can judge is listed in OF_THE_CHART.
"""

import concurrent.futures
import copy
import json
import os
import random
import re
import subprocess
import sys
import tempfile

helm, tool, chart, budget = sys.argv[1:4] + [int(sys.argv[4])]
schema = json.load(open(f"{chart}/values.schema.json"))

ROLLING = {"services": 2, "pattern": "rolling-update", "endpoints": 10, "minHold": "30s"}
OSCILLATING = {"services": 2, "pattern": "oscillate", "minEndpoints": 5, "maxEndpoints": 30, "minHold": "3s", "maxHold": "4s"}
BASES = {
    "stable": {"services": 2, "endpoints": 10},
    "oscillate": OSCILLATING,
    "spike": OSCILLATING | {"pattern": "spike", "jitter": "2s"},
    "batch": OSCILLATING | {"pattern": "batch", "batchSize": 2, "batchInterval": "1s"},
    "scale-up": {"services": 2, "pattern": "scale-up", "scaleFrom": 3, "scaleTo": 50, "scaleDuration": "30s"},
    "sawtooth": OSCILLATING | {"pattern": "sawtooth", "scaleDuration": "30s", "jitter": "2s"},
    "rolling-update": ROLLING,
    "slices": OSCILLATING | {"backend": "slices", "addresses": "10.0.0.0/24"},
    "mixed": {
        "backend": "pods",
        "stable": {"services": 2, "endpoints": 10},
        "oscillate": {"services": 1, "minEndpoints": 1, "maxEndpoints": 5, "hold": "5s"},
        "provoke": {"endpoints": 5, "hold": "5s", "kinds": ["podMoved"]},
    },
}
untried = set(schema["definitions"]["Pattern"]["enum"]) - {churn.get("pattern", "stable") for churn in BASES.values()}
if untried:
    sys.exit(f"BASES has no scenario of the pattern {', '.join(sorted(untried))}")

WHOLE = [0, 1, 2, 3, -1, 20, 21, 29, 30, 31, 100, 101, 5000, 5001, 65535, 65536, 150000, 150001, 1000001]
WHOLE += [2**32 - 1, 2**32, 2**53 - 1, 2**53, 10.0, 1.5, "5", "x", True, [], {}]
SPANS = ["0", "0s", "0.0s", "1ms", "1.5ms", "0.5ms", "500us500us", "0.1ns", "1ns", "5s", "1h30m", "24h", "24h1ns", "25h"]
SPANS += ["87840h", "87840h1ns", "87841h", "99999999999999999999h", "5", "5x", "-5s", "", "1.s", ".5s", "1.2.3s", "1s 2s"]
SPANS += ["1S", "1000μs", "1000µs", "00s", "01s", "010s", "0.0000000000000001s", "0.001000000000000s", "1us", 0, 5, 0.0, True, []]
SHARES = [0, 1, 0.5, 1.0001, 2, -0.1, 1e-7, 100, 101, "0%", "50%", "100%", "101%", "99.99%", "100.0%", "0", "1", "1.0", "1.5"]
SHARES += [".5", ".5%", "5.%", "00.5", "05%", "1e-3", "+5%", "x%", "%", "50 %", "", "5", "150000", "150001", "0150000", "1.5", True]
LABELS = ["a", "a-b", "-a", "a-", "A", "a_b", "", "9a", "a--b", "local-service", "test-service", 5, "a.b", "ä"]
LABELS += ["a" * length for length in (20, 21, 50, 51, 60, 61, 62, 63, 64)]
CPUS = ["500m", "2", "2.5", "m", "2x", ".5", "5.m", "0", "-1", "", 2, 0, -1, 1.5, 1e-7, True]
SIZES = ["512Mi", "6GB", "6 GB", "6ki", "6k", "6kB", "6KB", "6K", "6XB", "1.5Gi", ".5Gi", "1048576Ti", "1048577Ti", "2000000Ti"]
SIZES += ["0", "B", "6B", "6iB", "1e3", "", 0, 1.5, 2**60, 2**61, -1, True]
RANGES = ["240.0.0.0/4", "10.0.0.0/8", "10.0.0.1/8", "0.0.0.0/0", "127.0.0.0/8", "127.1.0.0/16", "127.0.0.1/32", "126.0.0.0/7"]
RANGES += ["169.254.0.0/16", "169.254.3.0/24", "168.0.0.0/6", "224.0.0.0/4", "239.0.0.0/8", "192.0.0.0/2", "128.0.0.0/1"]
RANGES += ["10.0.0.0/33", "10.0.0.0/32", "10.0.0.0/27", "10.0.0.0/26", "10.0.0.0/25", "10.0.0.0/+8", "10.0.0.0/08", "010.0.0.0/8"]
RANGES += ["256.0.0.0/8", "10.0.0/8", "10.0.0.0", "0.0.0.0/32", "1.2.3.4/32", "", 10]
MAPS = [{}, {"a": "b"}, {"a": 1}, {"a": 12345678}, {"a": True}, {"a": 0.5}, {"a": [1]}, {"a": None}, "x", [], 5]
MAPS += [{"a b": "c"}, {"a/b": "c"}, {"A/b": "c"}, {"a": "b c"}, {"a": -1}, {"a": 1e300}, {"a": "1Gi"}, {"a": "1 Gi"}, {"a": "b\n"}, {"a": "\x07"}]
TEXTS = ["", "x", 5, True, [], {}, "x\ny", "x y", "\x07", "a.b", "A_b", "..", "1Gi", "1 Gi", ".5", "1e3", "5s", "5x", "1.5s", "v9"]
TEXTS += ["http://h:1/x", "http://h x", "h:1", "r.example/a", "sha256:" + "0" * 64, "sha256:0", "Exists", "NoSchedule", "a/b", "/a"]
# What differed once, and few runs would try by chance.
ONCE = [(("measure", "deadline"), "1us")]

# What no scenario has, and the chart alone can judge.
OF_THE_CHART = [("destination", "address")]


def resolved(of):
    while True:
        if "else" in of:
            of = of["else"]
        elif "$ref" in of:
            of = schema["definitions"][of["$ref"].rsplit("/", 1)[1]]
        else:
            return of


def values_of(name, of):
    """What to try for a key."""
    pattern, kind = of.get("pattern", ""), of.get("type")
    if "enum" in of:
        return [*of["enum"], "", "x", 5, True, False]
    if name == "targets":
        sections = [{"count": 1, "exponent": it} for it in (0, 0.5, 10, 10.5, -1, "1", True)]
        sections += [{"count": 3, "distribution": it} for it in ("zipf", "uniform", "Zipf", "")]
        sections += [{"count": it} for it in WHOLE]
        sections += [{}, {"exponent": 1}, {"count": 2, "distribution": "uniform", "exponent": 1}, {"count": 2, "exponent": None}]
        return WHOLE + sections
    if "anyOf" in of:
        return [*SPANS, {"min": "1s", "max": "2s"}, {"min": "2s", "max": "1s"}, {"min": "1s"}, {"min": None, "max": "1s"}, {}]
    if name == "extraArgs":
        return [[], ["a"], ["a\nb"], ["a\x07"], [1], [12345678], [True], [None], [[1]], "x"]
    if kind == "array":
        items = resolved(of["items"])
        if "enum" in items:
            one = items["enum"][0]
            return [[], [one], items["enum"], [one, one], [one, None], [None], ["x"], [5], [""], one, {}]
        if "properties" in items:
            return [[], [{}], [None], "x", {}]
        return [[], [{}], ["x"], ["http://h:1"], [{"name": "x"}], [{"a b": "x"}], [{"name": ["\x07"]}], [None], "x", 5]
    if kind == "object":
        return MAPS if of.get("additionalProperties") or of.get("patternProperties") else [{}, "x", 5, [], {"x": 1}]
    if kind == "boolean":
        return [True, False, "true", 0]
    if name == "cpuMax":
        return CPUS
    if name.startswith("memory") and "G" in pattern:
        return SIZES
    if name == "addresses":
        return RANGES
    if "ms" in pattern:
        return SPANS + (SHARES if "%" in pattern else [])
    if "%" in pattern:
        return SHARES
    if kind == "string":
        texts = [*TEXTS, *LABELS]
        right = [it for it in texts if isinstance(it, str) and re.search(pattern, it)]
        # Not many more that are refused, or all cases would be.
        return right + [it for it in texts if it not in right][: len(right) + 3]
    return WHOLE if kind == "integer" else SHARES + WHOLE


def keys(of, path=()):
    for name, below in of.get("properties", {}).items():
        below = resolved(below)
        if (*path, name) not in OF_THE_CHART:
            yield (*path, name), values_of(name, below)
            yield from keys(below, (*path, name))
            if below.get("type") == "array":
                yield from keys(resolved(below["items"]), (*path, name, 0))


def put(values, path, value):
    """The values with one of them set; sections and a list's first item are made on the way."""
    values = copy.deepcopy(values)
    at = values
    for key, following in zip(path, path[1:] + (None,)):
        last = following is None
        if isinstance(at, list) and isinstance(key, int):
            if not at:
                at.append({})
            at = at[key]
            continue
        # Another value took the section's place.
        if not isinstance(at, dict):
            return values
        if last:
            at[key] = value
        else:
            if not isinstance(at.get(key), (dict, list)):
                at[key] = [{"kind": "dropUpdate"}] if following == 0 else {}
            at = at[key]
    return values


def bases_for(path):
    """The scenarios in which a key of churn matters, and one in which it does not."""
    if path[0] != "churn":
        return ["stable", "mixed"] if path[0] in ("federation", "client") else ["stable"]
    named = [base for base, churn in BASES.items() if len(path) > 1 and path[1] in churn]
    return (named or ["stable", "oscillate", "rolling-update", "slices"]) + ["scale-up", "mixed"]


every = list(keys(schema))
cases = []
for path, tried in every:
    for base in dict.fromkeys(bases_for(path)):
        for value in [*tried, None]:
            cases.append((f"{base}: {'.'.join(map(str, path))} = {json.dumps(value, ensure_ascii=False)}", put({"churn": BASES[base]}, path, value)))
# Without a key that is there.
for base, churn in BASES.items():
    for key in churn:
        cases.append((f"{base}: without {key}", {"churn": {name: value for name, value in churn.items() if name != key}}))
    for key in OSCILLATING:
        cases.append((f"{base}: with {key}", {"churn": churn | {key: OSCILLATING[key]}}))
chance = random.Random(1)
scenario = [(path, tried) for path, tried in every if path[0] in ("scenario", "churn", "client", "federation", "measure", "criteria", "sandbox") and len(path) > 1]
together = []
for _ in range(budget):
    base = chance.choice(list(BASES))
    values, told = {"churn": BASES[base]}, []
    for path, tried in chance.sample(scenario, chance.randint(2, 4)):
        value = chance.choice(tried)
        values = put(values, path, value)
        told.append(f"{'.'.join(map(str, path))} = {json.dumps(value, ensure_ascii=False)}")
    together.append((f"{base}: " + ", ".join(told), values))
# One value at a time is a few thousand cases: a share of them, each key among them, and another with another seed.
if budget < len(cases):
    chance.shuffle(cases)
    cases = cases[:budget]
cases += [(f"stable: {'.'.join(path)} = {value}", put({"churn": BASES["stable"]}, path, value)) for path, value in ONCE]
cases += together

directory = tempfile.mkdtemp()


def opinions(case):
    index, (told, values) = case
    file = f"{directory}/{index}.json"
    with open(file, "w") as out:
        json.dump(values, out, ensure_ascii=False)
    of_helm = subprocess.run([helm, "template", "load", chart, "-f", file], capture_output=True, text=True)
    of_plan = subprocess.run([tool, "plan", file], capture_output=True, text=True)
    os.unlink(file)
    if (of_helm.returncode == 0) == (of_plan.returncode == 0):
        # What helm says is said for people: no word of Go's.
        for word in ("interface {}", "nil pointer", "wrong type", "error calling", "can't evaluate"):
            if word in of_helm.stderr and "execution error at" not in of_helm.stderr:
                return f"{told}\n    {of_helm.stderr.strip()[-300:]}", of_plan.returncode
        return None, of_plan.returncode
    said = of_helm.stderr.strip() if of_helm.returncode else of_plan.stderr.strip()
    return f"{told}\n    refused by {'the chart' if of_helm.returncode else 'plan'} alone: {said[-300:]}", of_plan.returncode


wrong = refused = 0
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for answer, code in pool.map(opinions, enumerate(cases)):
        refused += bool(code)
        if answer:
            wrong += 1
            print(answer, flush=True)
os.rmdir(directory)
print(f"{len(cases)} values, of which {refused} are refused; {wrong} differ")
# Were all refused, or all taken, nothing would have been compared.
sys.exit(wrong > 0 or not len(cases) // 5 < refused < len(cases) * 4 // 5)
