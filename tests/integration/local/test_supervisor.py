"""The supervisor with small parts."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest
from console.http import own_machine
from console.local.child import Child
from console.local.errors import LocalError
from console.local.home import UP, Home
from console.local.polling import until
from console.local.ports import free_port
from console.local.probe import url_answers
from console.local.report import JsonLines
from console.local.supervisor import Supervisor

from tests.integration.local.small import SERVER, small_part

NO_WAIT = (0.01,)


class RecordedReport(JsonLines):
    """Remembers what was reported to it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def _report(self, event: str, **data: object) -> None:
        self.events.append((event, str(data.get("part", ""))))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def report() -> RecordedReport:
    return RecordedReport()


@pytest.fixture
async def supervisor(home: Home, report: RecordedReport) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(home, report, back_off=NO_WAIT)
    yield supervisor
    await supervisor.stop()


def written(home: Home) -> list[dict[str, str]]:
    """What `run/parts.json` says."""
    parts: list[dict[str, str]] = json.loads((home.run / "parts.json").read_text())
    return parts


async def test_a_started_part_is_ready_and_noted(supervisor: Supervisor, home: Home, report: RecordedReport) -> None:
    """`start` returns when the part answers, and the state file then has its process, place and log."""
    port = free_port()
    await supervisor.start(small_part("one", port))
    (noted,) = written(home)

    assert await url_answers(f"http://127.0.0.1:{port}/")
    assert report.events == [("starting", "one"), ("ready", "one")]
    assert psutil.pid_exists(int(noted["pid"]))
    assert noted["url"] == f"http://127.0.0.1:{port}"
    assert noted["log"] == str(home.logs / "one.log")
    assert (home.logs / "one.log").read_text() == f"listening {port}\n"


async def test_a_dead_part_starts_again(supervisor: Supervisor, report: RecordedReport) -> None:
    """A part that dies is reported in one line and comes back."""
    port = free_port()
    await supervisor.start(small_part("one", port))
    async with own_machine() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://127.0.0.1:{port}/die")

    async def again() -> bool:
        return report.events[-2:] == [("died", "one"), ("ready", "one")]

    await asyncio.wait_for(until(again, 0.02), 20)

    assert await url_answers(f"http://127.0.0.1:{port}/")


async def test_a_grandchild_does_not_keep_the_port(supervisor: Supervisor, home: Home, report: RecordedReport) -> None:
    """When a part is killed its whole group goes, so that the next one finds its port free."""
    port = free_port()
    fork = "import os, sys, time\nif os.fork():\n    time.sleep(600)\n"
    await supervisor.start(small_part("one", port, fork + SERVER))
    os.kill(int(written(home)[0]["pid"]), 9)

    async def again() -> bool:
        return report.events[-1] == ("ready", "one") and ("died", "one") in report.events

    await asyncio.wait_for(until(again, 0.02), 20)


async def test_a_part_that_does_not_start_says_its_last_words(supervisor: Supervisor) -> None:
    """The error has the exit code, the place of the log, and what the part said last."""
    broken = small_part("one", free_port(), "print('no such table'); raise SystemExit(3)")

    with pytest.raises(LocalError, match=r"(?s)one ended with exit code 3.*logs/one\.log.*no such table"):
        await supervisor.start(broken)


async def test_a_part_that_is_never_ready(supervisor: Supervisor) -> None:
    """Waiting for readiness has an end."""
    silent = small_part("one", free_port(), "import time; time.sleep(600)", ready_timeout=0.3)

    with pytest.raises(LocalError, match="one was not ready within 0 s"):
        await supervisor.start(silent)


async def test_a_busy_port_names_the_setting_and_the_holder(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's port is reported with what to change and whom to stop."""
    monkeypatch.setattr("console.local.ports.LEAVE_TIME", 0.1)
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(
            LocalError, match=rf"Port {port} for one is taken by .*process {os.getpid()}.*TANDEM_ONE_PORT"
        ):
            await supervisor.start(small_part("one", port))


async def test_stop_is_in_reverse_order(supervisor: Supervisor, home: Home, tmp_path: Path) -> None:
    """What started last, and needs the others, stops first."""
    order = tmp_path / "order"
    write = f"open({str(order)!r}, 'a').write(sys.argv[1] + ' ')"
    tell = f"import signal, sys, os\ndef bye(*a):\n    {write}\n    os._exit(0)\n"
    first, second = free_port(), free_port()
    await supervisor.start(small_part("one", first, f"{tell}signal.signal(15, bye)\n{SERVER}"))
    await supervisor.start(small_part("two", second, f"{tell}signal.signal(15, bye)\n{SERVER}"))
    await supervisor.stop()

    assert order.read_text() == f"{second} {first} "
    assert written(home) == []


async def test_a_deaf_part_is_killed(supervisor: Supervisor, home: Home) -> None:
    """A part that ignores SIGTERM has its time and is then killed."""
    deaf = small_part(
        "one", free_port(), "import signal\nsignal.signal(15, signal.SIG_IGN)\n" + SERVER, stop_timeout=0.2
    )
    await supervisor.start(deaf)
    pid = int(written(home)[0]["pid"])
    await supervisor.stop()

    assert not psutil.pid_exists(pid)


async def test_a_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that talks without end fills some files of fixed size and no more, and its last lines are kept."""
    monkeypatch.setattr("console.local.child.LOG_BYTES", 1000)
    child = Child([sys.executable, "-c", "for i in range(1000): print('line', i)"], tmp_path / "one.log")
    await child.ended()
    await child.kill()

    sizes = {name: os.stat(tmp_path / name).st_size for name in os.listdir(tmp_path)}
    assert sorted(sizes) == ["one.log", "one.log.1", "one.log.2"]
    assert max(sizes.values()) <= 1000
    assert child.last_lines[-1] == "line 999"


def test_a_second_instance_is_refused(home: Home) -> None:
    """One home has one Tandem; the refusal names the process and both ways out."""
    began = time.strftime("%Y")
    with (
        home.hold(UP, "tandem up", 8401),
        pytest.raises(LocalError, match=rf"`tandem up`, process {os.getpid()}, since {began}.*TANDEM_HOME"),
        Home(home.folder).hold(UP, "tandem up", 8401),
    ):
        pass

    assert home.holder(UP) is None
