"""What docs/security.md promises is held by a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
PROMISED = PAGE.partition("\n## Your part\n")[0]
"""Before what is left to the reader and what does not stand."""
STATEMENTS = re.findall(r"^- .*(?:\n  .*)*", PROMISED, re.MULTILINE)
NAMED = re.compile(r"`((?:unit|integration|contract|repository|e2e)/[\w/]+\.py)`")


@pytest.mark.parametrize("name", sorted(set(NAMED.findall(PAGE))))
def test_a_named_test_is_there(name: str) -> None:
    """A renamed one would leave a promise that nobody checks."""
    assert (ROOT / "tests" / name).is_file()
    assert "def test_" in (ROOT / "tests" / name).read_text()


def test_every_test_is_named_by_its_path() -> None:
    """Several files have one name."""
    assert set(re.findall(r"test_\w+\.py", PAGE)) == {Path(name).name for name in NAMED.findall(PAGE)}
    assert len(re.findall(r"test_\w+\.py", PAGE)) == len(NAMED.findall(PAGE))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statement_names_its_test(statement: str) -> None:
    """What no test holds is a wish, and stands under the known limits or under the reader's part."""
    assert NAMED.search(statement)


def test_where_to_report() -> None:
    """The first thing that somebody looks for who found a weakness, in the place where platforms look."""
    assert "Report it privately" in (ROOT / "SECURITY.md").read_text()
    assert "SECURITY.md" in PAGE
    assert "SECURITY.md" in (ROOT / "README.md").read_text()
