"""The pages that people read, and the texts of the code, for the tests that hold them together."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.repository.packages import ROOT, SERVICES

README = (ROOT / "README.md").read_text()
USING, CONNECTING, TROUBLESHOOTING = (
    (ROOT / f"docs/{name}.md").read_text() for name in ("using", "connecting", "troubleshooting")
)
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/*/*.md"), *ROOT.glob("s*/README.md")]
)
SOURCES = {
    folder.name: sorted((folder / "src").glob("**/*.py"))
    for folder in (ROOT / "shared", *(ROOT / "services" / service for service in SERVICES))
}
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))


def by_path(file: Path) -> str:
    """A page's name in the report of the tests."""
    return str(file.relative_to(ROOT))


def rows(page: str, first: str) -> list[list[str]]:
    """The cells of the table whose head begins with `first`."""
    (found,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found.splitlines()]


@cache
def literals() -> tuple[str, ...]:
    """Every text of the code; a formatted one with `…` for what is put in."""
    found = []
    for file in [*(file for files in SOURCES.values() for file in files), ROOT / "scripts/bootstrap.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values))
    return tuple(found)
