"""What the sandbox's tests share: the server as a process, its control API, and a receiver of webhooks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
import stripe
from shared.tls import trusted
from togai_client.api_client import ApiClient
from togai_client.configuration import Configuration

UNLIMITED = {"stripe_test_rate": None, "stripe_live_rate": None, "stripe_operation_rate": None, "togai_rate": None}
PATIENCE = 30.0
T = TypeVar("T")


def until(found: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Polls until something is found; raises AssertionError at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        result = found()
        if result:
            return result
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@dataclass
class Process:
    """The sandbox as a process on a port of its own."""

    state: Path
    port: int
    handle: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        command = [sys.executable, "-m", "sandbox", "--port", str(self.port), "--state", str(self.state)]
        self.handle = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONWARNINGS": "error"}
        )
        until(self._ready, 30)

    def _ready(self) -> bool:
        if self.handle is None or self.handle.poll() is not None:
            raise RuntimeError("the sandbox ended while starting")
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", verify=trusted(), trust_env=False).status_code == 200
        return False

    def stop(self) -> int:
        """Stops it with SIGTERM and tells its exit code."""
        if self.handle is None:
            return 0
        self.handle.terminate()
        return self.handle.wait(10)

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        if self.handle:
            self.handle.kill()
            self.handle.wait(10)


@dataclass
class Control:
    """The sandbox's control API."""

    url: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=trusted(), trust_env=False, timeout=20))

    def call(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        """Calls the control API and expects success."""
        answer = self.http.request(method, f"{self.url}/control{path}", json=body, params=query)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def account(self, app: str, **more: Any) -> dict[str, Any]:
        """A new account or organization."""
        return self.call("POST", "/accounts", {"app": app, **more})

    @contextlib.contextmanager
    def settings(self, **changed: Any) -> Iterator[None]:
        """Changes switches for a while."""
        before = self.call("GET", "/settings")
        self.call("PATCH", "/settings", changed)
        try:
            yield
        finally:
            self.call("PATCH", "/settings", before)

    @contextlib.contextmanager
    def fault(self, **rule: Any) -> Iterator[Callable[[], int]]:
        """Adds a fault rule for a while; gives how often it fired."""
        added = self.call("POST", "/faults", rule)

        def fired() -> int:
            return next(int(f["fired"]) for f in self.call("GET", "/faults")["faults"] if f["id"] == added["id"])

        try:
            yield fired
        finally:
            self.call("DELETE", f"/faults/{added['id']}")

    def deliveries(self, account: str, **query: str) -> list[dict[str, Any]]:
        """An account's deliveries, the newest first."""
        found: list[dict[str, Any]] = self.call("GET", "/deliveries", account=account, **query)["deliveries"]
        return found


@dataclass
class Received:
    """One webhook as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> dict[str, Any]:
        """The parsed body."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


class Receiver:
    """A webhook endpoint that records what comes in and answers what `answers` holds, else 200."""

    def __init__(self) -> None:
        self.got: list[Received] = []
        self.answers: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(
                    Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body, time.monotonic())
                )
                if self.path == "/slow":
                    receiver.gate.wait(PATIENCE)
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        return Handler

    def on(self, path: str) -> list[Received]:
        """What came in on one path, in order."""
        return [received for received in self.got if received.path == path]

    def close(self) -> None:
        """Stops listening."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


def stripe_client(url: str, key: str, **more: Any) -> stripe.StripeClient:
    """The SDK, so set that nothing can leave loopback."""
    base = f"{url}/stripe"
    addresses: Any = {"api": base, "connect": base, "files": base, "meter_events": base}
    return stripe.StripeClient(key, base_addresses=addresses, **more)


def togai_sdk(url: str, token: str) -> Any:
    """The vendor's own client for Togai, which has no types to check."""
    return ApiClient(Configuration(host=f"{url}/togai", access_token=token))


def togai_http(url: str, token: str) -> httpx.Client:
    """Plain HTTP to Togai, for what the vendor's client would not send."""
    return _http(f"{url}/togai", token)


def stripe_http(url: str, key: str) -> httpx.Client:
    """Plain HTTP to Stripe, for what the SDK would not send."""
    return _http(f"{url}/stripe", key)


def _http(base: str, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=base, headers=headers, verify=trusted(), trust_env=False, timeout=20)
