"""`make up` as a person runs it: a subprocess on a home and ports of its own, read line by line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from console.local.home import UP, Home
from console.local.ports import free_port
from shared.tls import trusted

from tests.stack.sides import with_ids

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
LEAVE_TIME = 30.0
FOREIGN = ("TANDEM_", "STRIPE_", "TOGAI_", "KAFKA_", "DATABASE_URL", "MAKE", "MFLAGS")


def until(found: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Ask until there is an answer; raises AssertionError that says what did not come."""
    deadline = time.monotonic() + patience
    while not (answer := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come within {patience:.0f} s: {what}")
        time.sleep(0.05)
    return answer


@dataclass
class Place:
    """A home with its ports and settings; every `make up` on it finds what the one before left."""

    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ports = {name: free_port() for name in ("ingress", "ingress_admin", "console", "sandbox", "sandbox_mail")}
        self.ports["kafka"] = free_port(in_a_row=2)

    def environment(self) -> dict[str, str]:
        """Of this machine's own settings nothing, and nothing of a `make` that runs the tests."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        ports = {f"TANDEM_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        return (
            kept | ports | {"TANDEM_HOME": str(self.folder), "TANDEM_ENV_FILE": "", "PYTHONUNBUFFERED": "1"} | self.keys
        )

    def up(self) -> Up:
        """Run `make up` in a process group of its own, as a terminal does."""
        return Up(self)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The `tandem` command, with the same settings."""
        command = [str(ROOT / ".venv/bin/tandem"), *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def answer_of(self, *arguments: str) -> Any:
        """What a command says with --json."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def api(self, path: str, **query: Any) -> Any:
        """What the console's API says."""
        url = f"http://127.0.0.1:{self.ports['console']}/api{path}"
        answer = httpx.get(url, params=query, timeout=20, verify=trusted(), trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def visit(self, part: str, path: str, **form: str) -> httpx.Response:
        """What a person sees at a part's page, or after sending a form of it."""
        url, method = f"http://127.0.0.1:{self.ports[part]}{path}", "POST" if form else "GET"
        with httpx.Client(timeout=20, verify=trusted(), trust_env=False, follow_redirects=True) as http:
            return http.request(method, url, data=form)

    def has_polled(self, since: str) -> bool:
        """Whether both vendors were polled to their last lists after a time (RFC 3339), and nothing is left to do."""
        status = self.api("/status")
        polled = {item["kind"] for item in status["pollers"]["items"] if item["at"] > since}
        left = [group["live"] for group in status["consumers"]] + [status["projection"]["lag"]]
        return {"stripe-events", "togai-schedules"} <= polled and not any(left)

    def linked(self) -> dict[str, str]:
        """Stripe's id of every linked Togai account."""
        items = map(with_ids, self.api("/mappings", state="linked", limit=200)["items"])
        return {item["togai_account_id"]: item["stripe_id"] for item in items if item["stripe_id"]}


class Up:
    """One life of `make up`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            ["make", "--no-print-directory", "up"],
            cwd=ROOT,
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.seen: list[psutil.Process] = [psutil.Process(self.process.pid)]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def says(self, text: str) -> None:
        """Wait for a text in what it prints."""

        def output() -> bool:
            if text in self.text:
                return True
            if self.process.poll() is not None:
                self._reader.join(5)
                assert text in self.text, f"make ended with {self.process.returncode} before {text!r}:\n{self.text}"
            return False

        until(output, f"{text!r} in:\n{self.text}")

    def runs(self) -> None:
        """Wait until everything runs, and remember every process of it."""
        self.says("Tandem runs after")
        home = Home(self.place.folder)
        holder = home.holder(UP)
        assert holder
        supervisor = psutil.Process(holder.pid)
        # Parts are the supervisor's own children; what they started in turn must be gone with them.
        self.seen += [supervisor, *supervisor.children(recursive=True)]
        assert {part.pid for part in home.parts()} <= {process.pid for process in self.seen}

    def ctrl_c(self) -> None:
        """SIGINT to the whole process group, as the terminal sends it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill_everything(self) -> None:
        """kill -9, by number, of everything that was seen."""
        for process in self.seen:
            if process.is_running():
                process.kill()

    def left(self) -> list[psutil.Process]:
        """What still runs of it, after waiting for its end, which may be that of a start that is refused."""
        self.process.wait(PATIENCE)
        self._reader.join(5)
        return psutil.wait_procs(self.seen, timeout=LEAVE_TIME)[1]

    def end(self) -> None:
        """Whatever happened: nothing is left when the test ends."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(LEAVE_TIME)
            except subprocess.TimeoutExpired:
                self.kill_everything()
        self.kill_everything()
