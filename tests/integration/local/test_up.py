"""What happens to the parts when the supervisor is asked to stop, killed, or orphaned. Small parts stand in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from console.local.home import UP, Home
from console.local.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
LEAVE_TIME = 15


class Running:
    """A supervisor with two parts, read by its JSON lines."""

    def __init__(self, home: Path, *options: str, within: list[str] | None = None) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.integration.local.small",
            str(home),
            *map(str, (free_port(), free_port())),
        ]
        self.process = subprocess.Popen(
            [*(within or []), *command, *options], stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
        )
        self.events: list[dict[str, object]] = []
        self.wait_for("running")
        self.parts = [psutil.Process(part.pid) for part in Home(home).parts()]
        holder = Home(home).holder(UP)
        assert holder
        self.supervisor = psutil.Process(holder.pid)

    def wait_for(self, event: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == event:
                return
        raise AssertionError(f"no {event} among {self.events}")

    def all_gone(self) -> bool:
        """Whether supervisor and parts have ended, after waiting for it."""
        return not psutil.wait_procs([self.supervisor, *self.parts], timeout=LEAVE_TIME)[1]

    def end(self) -> None:
        for process in [self.supervisor, *self.parts]:
            if process.is_running():
                process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def one(*options: str, within: list[str] | None = None) -> Running:
        started.append(Running(tmp_path / "home", *options, within=within))
        return started[-1]

    yield one
    for running in started:
        running.end()


def test_in_order_with_readiness_between(start: Callable[..., Running]) -> None:
    """The second part starts when the first is ready, and the last line is the console's."""
    running = start()

    assert [(event["event"], event.get("part")) for event in running.events] == [
        ("starting", "part0"),
        ("ready", "part0"),
        ("starting", "part1"),
        ("ready", "part1"),
        ("running", None),
    ]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_stop(start: Callable[..., Running], signum: int) -> None:
    """Ctrl-C, SIGTERM and a closed terminal stop every part, and the exit code is 0."""
    running = start()
    os.kill(running.supervisor.pid, signum)
    running.wait_for("stopped")

    assert running.process.wait(LEAVE_TIME) == 0
    assert running.all_gone()


def test_kill_9_of_the_supervisor_leaves_no_orphan(start: Callable[..., Running]) -> None:
    """The kernel ends every part with the supervisor, and the home is free at once."""
    running = start()
    os.kill(running.supervisor.pid, signal.SIGKILL)

    assert running.all_gone()
    start()


def test_kill_9_of_the_parent_stops_everything(start: Callable[..., Running]) -> None:
    """With --stop-with-parent a killed `make` stops the parts in order; here a shell stands in for it."""
    running = start("--stop-with-parent", within=["sh", "-c", '"$@"; true', "sh"])
    assert running.supervisor.pid != running.process.pid
    os.kill(running.process.pid, signal.SIGKILL)
    running.wait_for("stopped")

    assert running.all_gone()


@pytest.mark.parametrize("later", [0.0, 0.7], ids=["at once", "while the first part is being stopped"])
def test_a_second_ctrl_c_kills(tmp_path: Path, start: Callable[..., Running], later: float) -> None:
    """A part that takes its time to stop does not hold up who asks twice."""
    running = start()
    for part in running.parts:
        part.suspend()  # as deaf as a process can be
    os.kill(running.supervisor.pid, signal.SIGINT)
    running.wait_for("stopping")
    time.sleep(later)
    os.kill(running.supervisor.pid, signal.SIGINT)

    running.wait_for("stopped")
    assert float(str(running.events[-1]["seconds"])) < 5
