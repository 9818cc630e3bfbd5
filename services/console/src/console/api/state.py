"""What the routes work with, made once at the start and passed in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Annotated, Self

from aiokafka.errors import KafkaError
from fastapi import Depends, Request, Response
from shared.errors import Unavailable
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.kafka.log import Headers, Log, Place
from shared.settings import Settings
from sqlmodel import Session

from console.api.hub import Hub
from console.api.lag import Lag
from console.portal.limits import ALL_SESSIONS, SESSIONS, Limits
from console.projection.database import Database
from console.projection.projector import Projector


class Writer:
    """Appends to the log. Connects at the first write: a console must start, and show, while Kafka is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._log: Log | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._log:
            await self._log.__aexit__(kind, error, trace)

    async def append(self, topic: str, key: str, value: bytes, *, headers: Headers = ()) -> Place:
        """Raises Unavailable if Kafka does not confirm the record."""
        return await (await self._open()).append(topic, key, value, headers=headers)

    async def _open(self) -> Log:
        async with self._opening:
            if self._log is None:
                log = Log(self._settings)
                try:
                    async with asyncio.timeout(self._settings.append_timeout):
                        await log.__aenter__()
                except (TimeoutError, KafkaError) as error:
                    await log.__aexit__(None, None, None)
                    raise Unavailable(f"Kafka at {self._settings.bootstrap_servers} does not answer") from error
                self._log = log
            return self._log


@dataclass
class State:
    """The console's parts. `busy` holds the dead letters that are being retried or discarded right now."""

    settings: Settings
    topics: Topics
    database: Database
    projector: Projector
    writer: Writer
    hub: Hub
    lag: Lag
    busy: set[str] = field(default_factory=set)
    sign_ins: Limits = field(default_factory=Limits)
    sessions: Limits = field(default_factory=partial(Limits, ALL_SESSIONS, SESSIONS))


def of_request(request: Request) -> State:
    state: State = request.app.state.tandem
    return state


def session_of_request(request: Request) -> Iterator[Session]:
    with Session(of_request(request).database.engine) as session:
        yield session


def stamp(request: Request, response: Response) -> None:
    """Tell with every answer how fresh it is: with Kafka away the tables are served as they are."""
    seen = of_request(request).projector.end_read_at
    response.headers["Tandem-As-Of"] = timestamp(seen) if seen else "never"


StateDep = Annotated[State, Depends(of_request)]
SessionDep = Annotated[Session, Depends(session_of_request)]
