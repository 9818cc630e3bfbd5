"""Names and sentences are those of the field: the words that only a reader from inside understands are out."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from scripts.check import ROOT

NAMES_OUT = {
    "begin_anew": "on_partitions_assigned",
    "begun": "started, open_claim",
    "bench": "harness",
    "blows": "process faults",
    "born": "origin",
    "buried": "dead_lettered",
    "bury": "dead_letter",
    "desk": "deps",
    "dice": "rng",
    "door": "the ingress harness",
    "feed": "index writer",
    "fresh": "new, snapshot",
    "heard": "received",
    "hears": "receives",
    "in_step": "sync_fields",
    "keeper": "daemon, task",
    "knew": "last_seen_link",
    "lately": "recently_linked",
    "look_every": "check_every",
    "look_again": "recheck",
    "look_requested": "recheck.requested",
    "looked_at": "checked_at",
    "naming": "holders_of, recheck_body",
    "nursery": "fork server",
    "office": "allocator",
    "opened_by": "claim_of",
    "parking": "parked",
    "permit": "lease",
    "play": "scenario runner",
    "pocket": "leases",
    "pulse": "watchdog",
    "purse": "lease client",
    "put_out": "evicted",
    "same_address": "email_matching",
    "settle": "flush, upsert, commit, drain",
    "spell": "ttl, fault",
    "stage": "group, cluster",
    "stands": "is_winning_claim, ready",
    "togai_walk": "paginator",
    "told": "reported",
    "waking": "recheck",
    "weather": "vendor faults",
    "wish": "lease request",
}
"""A part of a name that is out, and the term for it."""
NAME_PATTERN = re.compile(rf"_({'|'.join(NAMES_OUT)})_")

NAME_EXCEPTIONS = {
    "has_begun": "says of a run that it holds an open claim: `started` is said of every run",
    "LAST_PARKING": "counts how often a run was parked in a row: the noun of the design's word `parked`",
}

SENTENCES_OUT = {
    r"told": "reported, answered, written, named: say which",
    r"hears?|heard": "receives, is notified, learns",
    r"bears?": "must tolerate, must be safe",
    r"stands? for|stood for": "represents, replaces, means",
    r"anew": "again, new",
    r"bur(?:y|ies|ied|ying|ial)": "dead-letter",
    r"(?:a|an|the|each|every|next|last|first|one|no|further|another|its|own) look(?! (?:at|like)\b)"
    r"|(?:a|the|each|next|last|first|one|no|further|another|its|own) look at"
    r"|(?:two|few|seldom|more|of|pollers'|the) looks": "poll, check, comparison",
}
"""What says nothing to a reader from outside, and what to write instead."""

SENTENCE_EXCEPTIONS = {
    "tests/repository/test_words.py": "lists the words",
    "requirements.lock": "names of packages",
    "requirements-dev.lock": "names of packages",
    "LICENSE": "not ours",
}


def tracked(*suffixes: str) -> list[Path]:
    """Files of the repository by how their names end."""
    command = ["git", "ls-files", "-co", "--exclude-standard", *(f"*{suffix}" for suffix in suffixes)]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [path for name in sorted(listed) if (path := ROOT / name).is_file()]


@cache
def word_out(name: str) -> str:
    """The part of a name that is out, empty if none is."""
    found = NAME_PATTERN.search(parts(name))
    return found[1] if found and name not in NAME_EXCEPTIONS else ""


def parts(name: str) -> str:
    """`LinkIndex` and `link_index` alike as `_link_index_`."""
    return "_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_") + "_"


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that a module defines or uses, with its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield name, line
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, line
            case ast.keyword(arg=str(name)):
                yield name, line


def names_out(text: str) -> list[str]:
    """The names of a module that are out, each with the term for it."""
    return [
        f"line {line}: {name}: {word} -> {NAMES_OUT[word]}"
        for name, line in names(ast.parse(text))
        if (word := word_out(name))
    ]


def sentences_out(text: str) -> list[str]:
    """The lines with a word that is out, each with what to write instead."""
    found = []
    for pattern, term in SENTENCES_OUT.items():
        for match in re.finditer(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
            number = text.count("\n", 0, match.start()) + 1
            found.append(f"line {number}: {match[0]} -> {term}: {text.splitlines()[number - 1].strip()}")
    return found


PYTHON = tracked(".py")
TEXTS = [*PYTHON, *tracked(".md", ".html", ".js", ".yml", ".toml"), ROOT / ".env.example", ROOT / "Makefile"]


def test_no_name_is_out() -> None:
    """Functions, classes, parameters, attributes, variables and files."""
    found = [f"{path.relative_to(ROOT)}: {one}" for path in PYTHON for one in names_out(path.read_text())]
    found += [f"{path.relative_to(ROOT)}: {word}" for path in TEXTS if (word := word_out(path.stem))]

    assert found == []


def test_no_sentence_is_out() -> None:
    """Documents, docstrings, comments and messages."""
    found = [
        f"{name}: {one}"
        for path in TEXTS
        if (name := str(path.relative_to(ROOT))) not in SENTENCE_EXCEPTIONS
        for one in sentences_out(path.read_text())
    ]

    assert found == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def _bury(told): ...", 2), ("class ToldGate: ...", 1), ("found.looked_at = 1", 1), ("f(knew='')", 1),
        ("from shared.flows import waking", 1), ("settled = retold = outlook = 1", 0),
    ],
)  # fmt: skip
def test_a_name_that_is_out_is_found(text: str, expected: int) -> None:
    """Whole parts of a name count, in either way of writing."""
    assert len(names_out(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The worker is told of it.", 1), ("Seconds between two looks at it", 1), ("callers must bear twice", 1),
        ("It looks again, and takes another look", 1), ("Whoever looks at it sees a test_told_of", 0),
    ],
)  # fmt: skip
def test_a_sentence_that_is_out_is_found(text: str, expected: int) -> None:
    """The noun `look` is out, the verb is not."""
    assert len(sentences_out(text)) == expected
