"""What a start looks like."""

from __future__ import annotations

import io
import json

import pytest
from console.local.report import JsonLines, Lines
from rich.console import Console


def test_a_line_per_part() -> None:
    """A ready part says its time and place, a dead one why, when it starts again, and where its log is."""
    shown = io.StringIO()
    lines = Lines(Console(file=shown, width=200))
    lines.starting("kafka")
    lines.ready("kafka", 2.94, "127.0.0.1:8492")
    lines.died("ingress", "was killed by SIGKILL", 0.5, "/home/logs/ingress.log")

    ready, died = (" ".join(line.split()) for line in shown.getvalue().splitlines())
    assert ready == "✓ kafka ready in 2.9 s 127.0.0.1:8492"
    assert died == "✗ ingress was killed by SIGKILL; starts again in 0.5 s log: /home/logs/ingress.log"


def test_progress_without_a_terminal_is_few_lines() -> None:
    """A log file gets a line per quarter and not one per file."""
    shown = io.StringIO()
    lines = Lines(Console(file=shown, width=200))
    for done in range(46):
        lines.progress("kafka", done, 45)

    assert len(shown.getvalue().splitlines()) == 5


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Every line stands alone as an object that names its event."""
    lines = JsonLines()
    lines.ready("kafka", 2.94, "127.0.0.1:8492")
    lines.running("http://127.0.0.1:8401", 9.0)

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"event": "ready", "part": "kafka", "seconds": 2.94, "at": "127.0.0.1:8492", "again": False},
        {"event": "running", "console": "http://127.0.0.1:8401", "seconds": 9.0},
    ]
