"""A Kafka that is still starting: it answers, and names no broker."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from aiokafka.protocol import metadata
from shared.tasks import ended

from tests.stack.processes import until

METADATA = 3
"""The key of the one request whose answer is changed (Kafka protocol, "Api Keys")."""


@dataclass
class StartingBroker:
    """Passes everything on to a real broker, which answers with its own address; `starting`, it names no broker."""

    real: str
    bootstrap: str = ""
    starting: bool = True
    asked: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        host, port = self.real.split(":")
        from_broker, to_broker = await asyncio.open_connection(host, int(port))
        versions: dict[int, int] = {}
        ways = [self._requests(reader, to_broker, versions), self._answers(from_broker, writer, versions)]
        tasks = [asyncio.create_task(way) for way in ways]
        self._open.update(tasks)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            await ended(task)
        for end in (writer, to_broker):
            end.close()

    async def _requests(self, source: Any, target: Any, versions: dict[int, int]) -> None:
        while frame := await _frame(source):
            key, version, correlation = struct.unpack(">hhi", frame[:8])
            if key == METADATA and self.starting:
                self.asked += 1
                versions[correlation] = version
            await _send(target, frame)

    async def _answers(self, source: Any, target: Any, versions: dict[int, int]) -> None:
        while frame := await _frame(source):
            version = versions.pop(struct.unpack(">i", frame[:4])[0], None)
            await _send(target, frame if version is None else frame[:4] + _without_brokers(version, frame[4:]))

    async def was_asked(self, times: int) -> None:
        """Return when clients have asked so many times for its brokers."""

        async def asked() -> bool:
            return self.asked >= times

        await until(asked, f"{times} questions for brokers")

    async def close(self) -> None:
        """Hang up on everybody."""
        for task in self._open:
            await ended(task)


def _without_brokers(version: int, answer: bytes) -> bytes:
    schema = getattr(metadata, f"MetadataResponse_v{version}").SCHEMA
    values = schema.decode(BytesIO(answer))
    kept = [() if name in ("brokers", "topics") else value for name, value in zip(schema.names, values, strict=True)]
    encoded: bytes = schema.encode(kept)
    return encoded


async def _frame(source: asyncio.StreamReader) -> bytes:
    """What comes next, empty at the end."""
    try:
        return await source.readexactly(struct.unpack(">i", await source.readexactly(4))[0])
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def _send(target: asyncio.StreamWriter, frame: bytes) -> None:
    target.write(struct.pack(">i", len(frame)) + frame)
    await target.drain()


@asynccontextmanager
async def starting_broker(real: str) -> AsyncIterator[StartingBroker]:
    """One before the broker at this address."""
    made = StartingBroker(real)
    server = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.bootstrap = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        await made.close()
