"""The sandbox's application inside the test's own process: no socket, no port, thousands of calls a second."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sandbox.app import make_app
from sandbox.seeds import open_world
from sandbox.settings import Settings

UNLIMITED: dict[str, Any] = {
    "stripe_test_rate": None, "stripe_live_rate": None, "stripe_operation_rate": None, "togai_rate": None,
    "togai_unauthenticated": None,
}  # fmt: skip


class Inside:
    """Calls the application; every account that it makes is a fresh one."""

    def __init__(self, folder: Path) -> None:
        self.world = open_world(folder)
        self.world.keep_settings(Settings(**UNLIMITED))
        self._loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(make_app(self.world))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://sandbox")

    def close(self) -> None:
        """Closes the state."""
        self._loop.run_until_complete(self._http.aclose())
        self._loop.close()
        self.world.store.close()

    def call(self, method: str, path: str, key: str = "", **arguments: Any) -> httpx.Response:
        """One call, with a key or token when one is given."""
        headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **arguments.pop("headers", {})}
        return self._loop.run_until_complete(self._http.request(method, path, headers=headers, **arguments))

    def control(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """A call of the control API that is expected to succeed."""
        answer = self.call(method, f"/control{path}", json=body, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def account(self, app: str) -> dict[str, Any]:
        """A fresh Stripe account or Togai organization."""
        return self.control("POST", "/accounts", {"app": app})


@contextmanager
def inside(folder: Path) -> Iterator[Inside]:
    """An application for a while."""
    made = Inside(folder)
    try:
        yield made
    finally:
        made.close()
