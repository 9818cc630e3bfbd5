"""Two locks, of what runs and what develops; nothing moves that nobody asked for; the audit says what it left out."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from scripts import audit, bootstrap, lock
from tests.repository.packages import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
RUN_TIME = lock.pins(lock.RUN_TIME.read_text())
DEVELOPMENT = lock.pins(lock.DEVELOPMENT.read_text())
OURS = {*PACKAGES, "sandbox"}


def test_the_locks_agree() -> None:
    """With the pyproject files and with each other, and they name no address."""
    assert lock.out_of_step() == []


def test_every_entry_has_a_hash() -> None:
    """A package without one could be any file."""
    for file in (lock.RUN_TIME, lock.DEVELOPMENT):
        entries = [match[0] for match in lock.ENTRY.finditer(file.read_text())]
        assert entries
        assert "".join(entries) == file.read_text()
        assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)


def test_set_up_takes_nothing_without_its_hash() -> None:
    """Whatever `make up` installs is checked against the lock; of our own it takes the folders, and no dependency."""
    calls = [line for line in Path(bootstrap.__file__).read_text().splitlines() if re.search(r'"pip", .*"-q"', line)]

    assert len(calls) == 3
    assert all(
        "--require-hashes" in call or '"--no-deps", "--no-build-isolation", *editables' in call for call in calls
    )


def test_no_tool_of_developers_runs() -> None:
    """Whatever is installed can be broken into: nothing that only tests use is in the lock of run-time."""
    assert {"pytest", "mypy", "hypothesis", "testcontainers", "pip-audit", "docker"} <= DEVELOPMENT.keys()
    assert {"pytest", "mypy", "hypothesis", "testcontainers", "pip-audit", "docker"}.isdisjoint(RUN_TIME)


def test_all_that_the_code_imports_is_locked_for_run_time() -> None:
    """A developer has all packages and would not notice that a user lacks one."""
    folders = [ROOT / "shared/src", ROOT / "sandbox/src", *ROOT.glob("services/*/src")]
    trees = [ast.walk(ast.parse(file.read_text())) for folder in folders for file in folder.rglob("*.py")]
    named = {
        name.split(".")[0]
        for tree in trees
        for node in tree
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    } - OURS
    found = packages_distributions()
    lacking = {
        name
        for name in named - sys.stdlib_module_names
        if not any(canonicalize_name(package) in RUN_TIME for package in found.get(name, ["?"]))
    }

    assert lacking == set()


def test_images_and_users_get_what_runs() -> None:
    """`make up` and every Dockerfile name the lock of run-time alone."""
    dockerfiles = [*ROOT.glob("services/*/Dockerfile"), ROOT / "sandbox/Dockerfile"]

    assert all("requirements-dev" not in file.read_text() for file in dockerfiles)
    assert bootstrap.wanted_locks(development=False, stamp="") == [bootstrap.LOCK]


def test_make_up_takes_nothing_from_a_developer() -> None:
    """Both use one environment: what is there stays, in step with its lock."""
    both = [bootstrap.LOCK, bootstrap.LOCK_OF_DEVELOPMENT]
    stamp = bootstrap.fingerprint(bootstrap.wanted_locks(development=True, stamp=""))

    assert bootstrap.wanted_locks(development=False, stamp=stamp) == both
    assert bootstrap.wanted_locks(development=True, stamp=bootstrap.fingerprint([bootstrap.LOCK])) == both


def test_the_present_locks_are_what_a_resolution_prefers() -> None:
    """uv keeps what stands in its output: each package of both locks stands there, once."""
    whole = lock.both(lock.RUN_TIME.read_text(), lock.DEVELOPMENT.read_text())

    assert lock.pins(whole) == RUN_TIME | DEVELOPMENT
    assert len(list(lock.ENTRY.finditer(whole))) == len(RUN_TIME | DEVELOPMENT)


def packages(*found: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": list(found), "fixes": []})


GOOD = {"name": "idna", "version": "3.11", "vulns": []}
BAD = {
    "name": "idna",
    "version": "3.3",
    "vulns": [{"id": "PYSEC-2024-60", "fix_versions": ["3.7"], "aliases": ["CVE-2024-3651"], "description": "..."}],
}
SKIPPED = {"name": "uv", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("output", "code", "reported"),
    [
        (packages(GOOD), 0, "1 packages checked, 0 vulnerabilities known"),
        (packages(GOOD, BAD), 1, "idna 3.3: PYSEC-2024-60, CVE-2024-3651; mended in 3.7"),
        (packages(GOOD, SKIPPED), 2, "NOT CHECKED: uv: Dependency not found"),
        (packages(BAD, SKIPPED), 1, "NOT DONE"),
        (packages(), 2, "NOT CHECKED: all of it"),
        ("", 2, "NOT CHECKED: all of it: ConnectionError: no such host"),
    ],
)
def test_the_audit_says_what_it_knows_and_what_it_did_not_ask(output: str, code: int, reported: str) -> None:
    """No answer is never taken for a good one."""
    answer = audit.judge("a.lock", output, "Traceback\nConnectionError: no such host\n")
    lines, found = audit.report([audit.judge("b.lock", packages(GOOD), ""), answer])

    assert found == code
    assert reported in "\n".join(lines)
