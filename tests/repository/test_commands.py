"""Commands that pages and messages name are there, and each that is there stands in a page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from console.cli.main import app

from tests.repository.packages import ROOT
from tests.repository.pages import PAGES, USING, by_path, literals


def code(page: Path) -> list[str]:
    """What stands as code in a page: spans, and lines of blocks."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
    return [*spans, *(line for block in blocks for line in block.splitlines())]


@cache
def tandem() -> Any:
    """The command with all sub-commands: to put it together takes 0.1 s."""
    return typer.main.get_command(app)


def check_command(words: list[str]) -> None:
    """Raises AssertionError for a sub-command or an option that `tandem` does not have."""
    found = tandem()
    path = "tandem"
    for word in words:
        if word.startswith("--"):
            options = {option for parameter in found.params for option in parameter.opts}
            assert word in options, f"{path} has no {word}"
        elif hasattr(found, "commands"):
            assert word in found.commands, f"{path} has no {word}"
            found, path = found.commands[word], f"{path} {word}"


@pytest.mark.parametrize("page", PAGES, ids=by_path)
def test_commands_exist(page: Path) -> None:
    """Every `make` target, and every `tandem` command with its options."""
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in code(page):
        if make := re.match(r"make ([a-z-]+)", line):
            assert make[1] in targets, line
        if command := re.match(r"(?:\.venv/bin/)?tandem((?: (?:--)?[a-z][a-z-]*)*)", line):
            check_command(command[1].split())


def test_commands_in_messages_exist() -> None:
    """An error that sends somebody to a command sends them to one that is there."""
    for text in literals():
        for output in re.findall(r"`tandem((?: (?:--)?[a-z][a-z-]*)+)", text):
            check_command(output.split())


def test_the_page_of_commands_names_every_one() -> None:
    """What is not named is not found; `kafka run` is for programs."""
    top = tandem()
    for name, command in top.commands.items():
        for path in [f"{name} {sub}" for sub in getattr(command, "commands", {})] or [name]:
            assert f"tandem {path}" in USING or path == "kafka run", f"docs/using.md lacks `tandem {path}`"
