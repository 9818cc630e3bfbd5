"""What the command shows of others' texts: whatever the table, nothing in it steers the terminal."""

from __future__ import annotations

import io
import sys

import httpx
import pytest
from console.cli import client, main, tables
from console.cli.terminal import say, terminal
from rich.text import Text
from shared.errors import SyncError
from typer.testing import CliRunner

HOSTILE = "Acme\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\u202eevil"
STEERS = ("\x1b", "\x07", "\x9b", "\u202e")


def test_no_way_of_showing_lets_a_text_steer() -> None:
    """Tables, facts, texts, markup and plain prints: all of them end in one console."""
    file = io.StringIO()
    out = terminal(file=file, width=200, force_terminal=False)
    out.print(tables.table((HOSTILE,), [(HOSTILE,), (Text(HOSTILE, style="red"),)]))
    tables.facts(out, {HOSTILE: HOSTILE, "list": [HOSTILE], "text": Text(HOSTILE)})
    tables.problem(out, {"error": HOSTILE, "code": HOSTILE, "reason": HOSTILE, "candidates": [HOSTILE]})
    out.print(HOSTILE, markup=False)
    out.print(f"[bold]{HOSTILE}[/]")
    out.print({"value": HOSTILE})

    shown = file.getvalue()
    assert not [mark for mark in STEERS if mark in shown]
    assert shown.count("\\x1b[2J") >= 8


def test_colours_of_our_own_are_kept() -> None:
    """On a terminal styles are still written, and only ours."""
    file = io.StringIO()
    out = terminal(file=file, force_terminal=True, color_system="standard", width=200)
    out.print(Text(HOSTILE, style="red"))

    assert file.getvalue().startswith("\x1b[31m")
    assert "\\x1b[2J" in file.getvalue()
    assert "\x9b" not in file.getvalue()


def test_json_and_plain_lines_do_not_steer(capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` shows the API's answer, in which C1 stands as it is."""
    client.print_json(httpx.Response(200, text='{"name": "\x9b2J\u202e"}'))
    say(HOSTILE)
    say(HOSTILE, err=True)

    found = capsys.readouterr()
    assert '"\\u009b2J\\u202e"' in found.out
    assert not [mark for mark in STEERS if mark in found.out + found.err]


@pytest.mark.parametrize("error", [SyncError(f"Stripe: {HOSTILE}"), ValueError(HOSTILE)])
def test_an_error_does_not_steer(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A known one in its line, and a bug in its traceback."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(main, "app", lambda: (_ for _ in ()).throw(error))
    try:
        main.main()
    except SystemExit:
        pass
    except ValueError as bug:
        sys.excepthook(type(bug), bug, bug.__traceback__)

    shown = capsys.readouterr().err
    assert "\\x1b[2J" in shown
    assert not [mark for mark in STEERS if mark in shown]


@pytest.mark.parametrize("command", [
    ("mappings", "unlink", "map_1"), ("dead-letters", "discard", "dead_1"), ("invoices", "hold", "in_1"),
])  # fmt: skip
@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_decision_without_a_reason_is_refused_in_plain_words(command: tuple[str, ...], reason: str) -> None:
    """Before anybody is asked."""
    done = CliRunner().invoke(main.app, [*command, "--reason", reason])

    assert done.exit_code == 2
    assert "say why, in 1 to 500 characters" in done.output
