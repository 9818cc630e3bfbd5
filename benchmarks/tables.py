"""Tables of figures: minimum, median and maximum over the runs, printed and kept in `docs/performance.md`."""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs/performance.md"


@dataclass(frozen=True)
class Figure:
    """One thing that was measured in each run. `goal` is what it should be, in words; empty for none."""

    name: str
    values: Sequence[float]
    unit: str = ""
    goal: str = ""

    def row(self) -> list[str]:
        """Its line of the table."""
        least, middle, most = min(self.values), statistics.median(self.values), max(self.values)
        return [self.name, *(number(value) for value in (least, middle, most)), self.unit, self.goal]


def number(value: float) -> str:
    """Three digits that count, and no more."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table."""
    head = ["figure", "minimum", "median", "maximum", "unit", "goal"]
    lines = [head, ["---", "---:", "---:", "---:", "---", "---"], *(figure.row() for figure in figures)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def arguments(what: str, runs: int) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--runs", type=int, default=runs, help=f"how often everything is measured (default {runs})")
    parser.add_argument("--keep", action="store_true", help="put the table into docs/performance.md")
    return parser


def show(section: str, figures: Sequence[Figure], *, keep: bool, runs: int) -> None:
    """Print the table, and put it into its section of the page if asked to."""
    keep_text(section, f"{table(figures)}\n\n{runs} runs, {machine()}", keep=keep)


def machine() -> str:
    """What it was measured with, as the end of a sentence."""
    return f"Python {platform.python_version()}, {cores()} cores."


def keep_text(section: str, text: str, *, keep: bool) -> None:
    """Print a text, and put it into its section of the page if asked to."""
    print(text)
    if keep:
        PAGE.write_text(placed(PAGE.read_text(), section, text))


def placed(page: str, section: str, text: str) -> str:
    """The page with a section's figures replaced. Raises ValueError if it has no such section."""
    begin, end = f"<!-- figures: {section} -->", "<!-- end of figures -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no section {begin}")
    return pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
