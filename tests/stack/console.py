"""A console over the log of a worker in the test's own process: its whole API and pages, without Kafka and a port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from console.api.hub import Hub
from console.api.lag import Lag
from console.api.state import State, Writer
from console.app import create_app
from console.cli import client
from console.projection.database import Batch, Database
from console.projection.projector import Projector
from console.projection.rows import NotShown
from shared.kafka.log import Place
from starlette.testclient import TestClient

from tests.stack.in_process import InProcess


class _Folded(Projector):
    """Whoever waits for a record folds all that is written."""

    fold: Callable[[], None]

    async def wait_for(self, place: Place, deadline: float = 5.0) -> None:
        self.fold()


class Console:
    """Folded when it is asked."""

    def __init__(self, tandem: InProcess, folder: Path) -> None:
        self._tandem = tandem
        self._read = 0
        self._database = Database(f"sqlite:///{folder / 'console.sqlite3'}")
        self._database.prepare()
        settings = tandem.settings.model_copy(update={"home": folder})
        self._kinds = Projector(settings, self._database).kinds
        projector, writer = _Folded(settings, self._database), cast(Writer, tandem.log)
        projector.fold = self._fold
        self.state = State(settings, tandem.topics, self._database, projector, writer, Hub(), Lag(settings))
        self._open = ExitStack()
        # Entered, so that all requests are answered on one event loop, as the real one has.
        client = TestClient(create_app(self.state), base_url="http://127.0.0.1:8401")
        self._client = self._open.enter_context(client)

    def ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        """One request, by whoever stands in a thread of his own; what was written before it is in the tables."""
        self._fold()
        return cast(httpx.Response, self._client.request(method, path, **what))

    def _fold(self) -> None:
        written, self._read = self._tandem.log.written[self._read :], len(self._tandem.log.written)
        for record in written:
            if kind := self._kinds.get(record.topic):
                try:
                    self._database.fold(Batch((), (kind.fold(record.key, record.value or None, self._read),)))
                except NotShown:
                    continue

    def close(self) -> None:
        self._open.close()
        self._database.close()


@contextmanager
def answering(tandem: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """A console that answers the commands of its test, too."""
    made = Console(tandem, folder)

    def call(method: str, path: str, *, params: Any = None, body: Any = None) -> httpx.Response:
        wanted = {name: value for name, value in (params or {}).items() if value not in ("", None)}
        return made.ask(method, path, params=wanted, **({"json": body} if body else {}))

    monkeypatch.setattr(client, "call", call)
    yield made
    made.close()


async def succeeded(console: Console, method: str, path: str, **what: Any) -> dict[str, Any]:
    """The answer to a request that is expected to succeed."""
    answer = await asyncio.to_thread(console.ask, method, path, **what)
    assert answer.is_success, answer.text
    return dict(answer.json())
