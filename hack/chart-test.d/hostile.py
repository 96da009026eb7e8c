#!/usr/bin/env python3
"""Puts texts that try to be YAML into every key of values.schema.json: hostile.py HELM CHART VALUES…

No text may become more than a scalar: hostile.py takes each key of the schema from the schema itself, and asserts
that a text is refused there, or that the documents are those of a harmless text in the same place, but for that text,
which is in them as it was given. It does so twice: with the schema, and without it (--skip-schema-validation), where
the templates alone must keep a text in its place. Of VALUES, each is a file that enables as much as it can.
"""

import concurrent.futures
import copy
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

helm, chart, *files = sys.argv[1:]
schema = json.load(open(f"{chart}/values.schema.json"))
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# A text that means nothing anywhere, a key that does not, and the value of a key that is under test, which suits all.
HARMLESS, KEY, OTHER = "harmless", "keyed", "1"
SECRET = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: injected}\n"
LINES = [
    "x\nhostNetwork: true",
    "x\n  hostNetwork: true\n",
    "x\n      hostNetwork: true",
    "x\r\nhostNetwork: true\r\n",
    "x\rhostNetwork: true",
    f"x\n{SECRET}",
    'x"\nhostNetwork: true\n#',
    "x'\nhostNetwork: true\n#",
    '"]}\n- hostNetwork: true',
    "x\u2028hostNetwork: true",
    "x\u0085hostNetwork: true",
    "\nx",
    "x\n",
    "x\n---\n",
]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NO_CHARACTER = "x\ufffe"
OTHERS = [
    'x"} or vector(1) #', '"', "'", "\\", '\\"', "x # y", " #", "a: b", "a:", ": ", "- a", "-", "--kubeconfig", "*a", "&a b", "!!binary eA==",
    "!x", "@x", "%x", "|", ">-", "[a", "{a: b}", "{", "?", "? a", ",", "`id`", "$(id)", "; reboot", "${HOME}", "%s%d%n",
    '{{ .Release.Name }}', '{{ fail "x" }}', "{{", "\0", "x\0y", "\x1b[2J", "\x07", "x\x7f", "\x9b2J", "\ufeffx", NO_CHARACTER, "~", "null",
    "true", "no", "on", "0", "0123", "0x1f", "1e3", "1_000", ".5", "-1", "12:30:45", "2026-01-01", "=", "<<", "...", " x", "x ", "\tx",
    "../../x", "x/../y", "UPPER", "under_score", "ä", "🦀", "y " * 300, "y" * 100_000,
]  # fmt: skip


class Leaf:
    """A scalar of the values, or the key of a map that takes any."""

    def __init__(self, path, is_key=False):
        self.path, self.is_key = path, is_key

    def __repr__(self):
        return ".".join(map(str, self.path)) + (" (its key)" if self.is_key else "")

    def put(self, values, text):
        at = values
        for key, following in zip(self.path, (*self.path[1:], None)):
            if following is None:
                # A list takes the first item's place.
                if isinstance(at, list):
                    at[:1] = [text]
                elif self.is_key:
                    at[text] = OTHER
                else:
                    at[key] = text
            elif isinstance(at, list):
                at[:1] = at[:1] or [[] if following == 0 else {}]
                at = at[0]
            else:
                kind = list if following == 0 else dict
                if not isinstance(at.get(key), kind):
                    at[key] = kind()
                at = at[key]


def resolved(of):
    while isinstance(of, dict):
        if "else" in of:
            of = of["else"]
        elif "$ref" in of:
            of = schema["definitions"][of["$ref"].rsplit("/", 1)[1]]
        else:
            break
    return of


def leaves(of, lists, path=()):
    of = resolved(of)
    kinds = of.get("type", []) if isinstance(of.get("type"), list) else [of.get("type")]
    # What may be one text or a list of them is only one of these at a time.
    if "array" in kinds and not (lists == 0 and "string" in kinds):
        yield from leaves(of["items"], lists, (*path, 0))
        return
    if "object" in kinds:
        for name, below in of.get("properties", {}).items():
            yield from leaves(below, lists, (*path, name))
        further = of.get("additionalProperties")
        for below in [*of.get("patternProperties", {}).values(), *([further] if further else [])]:
            yield Leaf((*path, KEY), is_key=True)
            yield from [Leaf((*path, KEY))] if resolved(below) in (True, {}) else leaves(below, lists, (*path, KEY))
    if set(kinds) - {"array", "object"}:
        yield Leaf(path)


def sample(values, path):
    """What VALUES have there."""
    for key in path:
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            return None
    return values if isinstance(values, str) else None


directory = tempfile.mkdtemp()
shutil.copytree(chart, f"{directory}/chart")
# What `helm install` prints is judged with the manifests.
with open(f"{directory}/chart/templates/notes.yaml", "w") as notes:
    notes.write('kind: Notes\ntext: {{ include "dst-load-test/templates/NOTES.txt" . | quote }}\n')


def run(values, *flags):
    # JSON's surrogates are no characters to Helm, and some characters are none to it unless they are escaped.
    written = re.sub("[\x7f-\x9f\u2028\ufeff\ufffe]", lambda it: f"\\u{ord(it[0]):04x}", json.dumps(values, ensure_ascii=False))
    with tempfile.NamedTemporaryFile("w", dir=directory, suffix=".json", delete=False, encoding="utf-8") as out:
        out.write(written)
    command = [helm, "template", "load", f"{directory}/chart", "--namespace", "load", "--api-versions", "monitoring.coreos.com/v1", "-f", out.name, *flags]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    os.unlink(out.name)
    return done.returncode, done.stdout, done.stderr


# What changes with every value: the hash of a configuration.
HASHES = re.compile(r"\b([0-9a-f]{64}|[0-9a-f]{8})$", re.MULTILINE)


def tree(node, at=""):
    """A document without its comments: maps as lists of entries, scalars with what YAML takes them for."""
    if isinstance(node, yaml.MappingNode):
        entries = []
        for key, value in node.value:
            below = tree(value, f"{at}.{key.value}")
            if key.value == "scenario.yaml":
                below = tree(yaml.compose(value.value, Loader), key.value)
            entries.append(((key.tag, key.value), below))
        return sorted(entries, key=lambda entry: entry[0])
    if isinstance(node, yaml.SequenceNode):
        return [("item", tree(item, at)) for item in node.value]
    hashed = at.endswith(("checksum/scenario", "linkerd.io/configuration", "metadata.name", ".text"))
    # To others than Python these are texts.
    tag = re.sub(":(value|merge)$", ":str", node.tag)
    return tag, HASHES.sub("HASH", node.value) if hashed else node.value


def documents(text):
    nodes = yaml.compose_all(text, Loader)
    return [("item", tree(node)) for node in nodes if isinstance(node, yaml.MappingNode)]


def replaced(of, one, other):
    """The same with a text in place of another."""
    if isinstance(of, list):
        below = [(replaced(key, one, other) if isinstance(key, tuple) else key, replaced(value, one, other)) for key, value in of]
        return sorted(below, key=lambda entry: entry[0]) if below and isinstance(below[0][0], tuple) else below
    return of[0], of[1].replace(one, other)


def keys(of):
    """Each key, at any depth."""
    if isinstance(of, list):
        for key, value in of:
            yield key
            yield from keys(value)


def notes(of):
    """What `helm install` prints."""
    ((_, text),) = [value for _, document in of for key, value in document if key[1] == "text"]
    return text


def kinds(of):
    """The objects' kinds."""
    return [value for _, document in of for key, value in document if key[1] == "kind"]


def difference(one, other, at=""):
    if isinstance(one, list) and isinstance(other, list):
        if [key for key, _ in one] != [key for key, _ in other]:
            names = [{str(key) for key, _ in side} for side in (one, other)]
            return f"{at}: other keys or items: {sorted(names[0] ^ names[1]) or [len(one), len(other)]}"[:500]
        for (key, a), (_, b) in zip(one, other):
            if found := difference(a, b, f"{at}.{key[1] if isinstance(key, tuple) else key}"):
                return found
        return None
    return None if one == other else f"{at}: wanted {one!r:.300}, got {other!r:.300}"


REFUSED = re.compile(r"at '((?:[^'\\]|\\.)*)': (.*)")


def refused_leaves(stderr, all_leaves):
    """Those of which the schema's complaints speak."""
    places, maps = set(), set()
    for place, complaint in REFUSED.findall(stderr):
        (maps if complaint.startswith("additional properties") else places).add(place)
    refused = set()
    for leaf in all_leaves:
        above = "".join(f"/{key}" for key in leaf.path[:-1])
        if (above in maps) if leaf.is_key else (f"{above}/{leaf.path[-1]}" in places):
            refused.add(leaf)
    return refused


class Group:
    """Some values, and the keys that are tried in them."""

    def __init__(self, values, lists):
        self.base = functools.reduce(merged, [yaml.safe_load(open(file)) for file in values.split()])
        self.every = list(leaves(schema, lists))
        self.harmless = []
        self.harmless = [leaf for leaf in self.every if leaf not in self.refused({leaf: HARMLESS for leaf in self.every})]
        self.wanted = {}
        # All keys of what is made with harmless texts, and without any, and those of a scenario. With targets, clients are
        # of another kind.
        each = [{}, {leaf: HARMLESS for leaf in self.harmless}, {Leaf(("client", "targets")): 1}]
        rendered = [self.rendered(texts) for texts in each]
        self.keys = {key for text in rendered for of in [documents(text)] for key in [*keys(of), *kinds(of)]}
        self.keys |= {("tag:yaml.org,2002:str", str(key)) for leaf in self.every for key in leaf.path}

    def values(self, texts):
        values = copy.deepcopy(self.base)
        # Keys last: whatever else is in their map is put there before.
        for leaf in sorted(texts, key=lambda leaf: leaf.is_key):
            leaf.put(values, texts[leaf])
        return values

    def rendered(self, texts):
        code, said, stderr = run(self.values(texts))
        if code:
            raise AssertionError(f"taken by the schema, and not by the templates: {stderr.strip()[-600:]}")
        return said

    def refused(self, texts):
        """The keys whose text the schema refuses, all of them at once."""
        code, _, stderr = run(self.values(texts))
        refused = refused_leaves(stderr, texts) if code else set()
        if code and not refused:
            raise AssertionError(f"neither refused by the schema, nor rendered: {stderr.strip()[-600:]}")
        return refused

    def with_schema(self, text):
        """One text in all keys at once: those that take it must have it as it was given."""
        # Helm reads no key that is longer.
        given = {leaf: text for leaf in self.every if len(text) < 1000 or not leaf.is_key}
        refused = self.refused(given)
        # A number is one of the mixed form's, which no other may stand beside.
        taken = [leaf for leaf in given if leaf not in refused and (leaf in self.harmless or leaf.path[0] != "churn")]
        # What YAML has no character for is in no schema, and refused in words.
        if text == NO_CHARACTER:
            said = run(self.values({leaf: text for leaf in taken}))[2]
            if "has a character that YAML cannot have" not in said:
                raise AssertionError(f"not refused in words: {said[-600:]}")
            return
        got = self.rendered({leaf: text for leaf in taken})
        if found := CONTROL.search(got):
            raise AssertionError(f"a control character in the manifests: {found[0]!r}")
        # What has a form of its own and takes it, such as 0 for a quantity, is the same on both sides.
        harmless = {leaf: HARMLESS if leaf in self.harmless else text for leaf in taken}
        if (key := tuple(harmless.items())) not in self.wanted:
            self.wanted[key] = documents(self.rendered(harmless))
        if found := difference(replaced(self.wanted[key], HARMLESS, text), documents(got)):
            raise AssertionError(found)

    def with_a_form(self, text):
        """No form takes a line break, before or behind what it takes."""
        formed = {leaf: sample(self.base, leaf.path) for leaf in self.every if leaf not in self.harmless and not leaf.is_key}
        for put in (lambda it: it + text.removeprefix("x"), lambda it: text + it):
            given = {leaf: put(it) for leaf, it in formed.items() if it}
            if taken := given.keys() - self.refused(given):
                raise AssertionError(f"taken by {list(taken)}")

    def without_schema(self, some):
        """The templates alone: no key is there that is not there with harmless texts, or they refuse it."""
        code, said, stderr = run(self.values({leaf: WORST for leaf in some}), "--skip-schema-validation")
        if code and len(some) > 1:
            half = len(some) // 2
            self.without_schema(some[:half])
            self.without_schema(some[half:])
        elif code:
            # It was not refused, but left its scalar.
            if "YAML parse error" in stderr:
                raise AssertionError(f"{some}: {stderr.strip()[-600:]}")
        else:
            got = documents(said)
            if found := CONTROL.search(notes(got)):
                raise AssertionError(f"{some}: {found[0]!r} in the notes")
            got = replaced(got, WORST, HARMLESS)
            if further := {*keys(got), *kinds(got)} - self.keys:
                raise AssertionError(f"{some}: other keys or kinds: {sorted(further)[:5]}")


# The sections that are rendered otherwise with other values.
ELSEWHERE = ["destination", "federation", "monitoring"]

# Every way out of a scalar at once.
WORST = 'x"\'\nhostNetwork: true\n---\nkind: Secret\nmetadata: {name: injected}\n---\n# {{ .Release.Name }} } ] \\ \x1b[2J'


def merged(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: merged(one[key], value) if key in one else value for key, value in other.items()}
    return other


failed = count = 0
groups = [Group(values, lists) for lists, values in enumerate(" ".join(files).split(" -- "))]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for group in groups:
        # The other groups are for what the first does not make.
        others, tried = (OTHERS, group.every) if group is groups[0] else ([], [leaf for leaf in group.every if leaf.path[0] in ELSEWHERE])
        judged = {pool.submit(group.with_schema, text): repr(text) for text in [*LINES, *others]}
        judged |= {pool.submit(group.with_a_form, text): f"{text!r}, beside what a form takes" for text in LINES}
        for at in range(0, len(tried), 8):
            some = tried[at : at + 8]
            judged[pool.submit(group.without_schema, some)] = f"without the schema, {some[0]} to {some[-1]}"
        for future, name in judged.items():
            count += 1
            if error := future.exception():
                failed += 1
                print(f"{name[:100]}: {error}", flush=True)
shutil.rmtree(directory)
for group in groups:
    print(f"{len(group.every)} keys, of which {len(group.harmless)} take any word")
    # A schema that is not understood would have none.
    failed += len(group.every) < 200
print(f"{count} cases, of which {failed} failed")
sys.exit(bool(failed))
