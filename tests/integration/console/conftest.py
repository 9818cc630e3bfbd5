"""A console on real engines: its projector, its API, and a log to write to."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from console.api.hub import Hub
from console.api.lag import Lag
from console.api.state import State, Writer
from console.app import create_app
from console.http import own_machine
from console.local.ports import free_port
from console.projection.database import Database, driver_url
from console.projection.projector import Projector
from pydantic import SecretStr
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.runtime.admin import ensure_topics
from shared.settings import Settings
from sqlalchemy import create_engine, text

from tests.engines import access
from tests.integration.console.records import unique
from tests.stack import forked
from tests.stack.forked import Forked, fork
from tests.stack.topics import remove

DEADLINE = 20.0
Tandem = Callable[..., subprocess.CompletedProcess[str]]


async def until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for an outcome. Fails with `what` if it does not come."""
    try:
        async with asyncio.timeout(DEADLINE):
            while True:
                answer = holds()
                if answer if isinstance(answer, bool) else await answer:
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"did not come within {DEADLINE} s: {what}")


@pytest.fixture
def settings(kafka_bootstrap: str, tmp_path: Path) -> Settings:
    """Topics of this test alone."""
    return Settings(
        **access.fields(kafka_bootstrap),
        topic_prefix=f"{unique('console')}.",
        topic_partitions=2,
        home=tmp_path,
        database_url=SecretStr(f"sqlite:///{tmp_path / 'console.sqlite3'}"),
    )


@pytest.fixture
def topics(settings: Settings) -> Topics:
    return Topics(settings)


@pytest.fixture
async def log(settings: Settings) -> AsyncIterator[Log]:
    """The log of this test, its topics made, and removed at the end."""
    await ensure_topics(settings)
    async with Log(settings) as log:
        yield log
    await remove(settings)


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """A database of this test alone, by a plain address."""
    name = unique("console")
    engine = create_engine(driver_url(postgres_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield engine.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Database]:
    """The console's tables, in each of the two engines."""
    postgres = request.param == "postgres"
    url: str = request.getfixturevalue("postgres_database") if postgres else settings.effective_database_url
    found = Database(url, settings.topic_prefix)
    found.prepare()
    yield found
    found.close()


@pytest.fixture
def sqlite(settings: Settings) -> Iterator[Database]:
    """The console's tables where the engine makes no difference."""
    found = Database(settings.effective_database_url, settings.topic_prefix)
    found.prepare()
    yield found
    found.close()


@asynccontextmanager
async def running(projector: Projector) -> AsyncIterator[Projector]:
    """The projector at work; cancelled at the end, wherever it is."""
    task = asyncio.create_task(projector.run())
    try:
        yield projector
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def console(settings: Settings, sqlite: Database, log: Log) -> AsyncIterator[State]:
    """A whole console but for the port."""
    hub = Hub()
    projector = Projector(settings, sqlite, publish=hub.publish)
    async with Writer(settings) as writer, running(projector):
        await until(lambda: projector.caught_up, "the end of the log")
        yield State(settings, Topics(settings), sqlite, projector, writer, hub, Lag(settings))
        hub.close()


@pytest.fixture
async def api(console: State) -> AsyncIterator[httpx.AsyncClient]:
    """A client of its API."""
    transport = httpx.ASGITransport(create_app(console))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8401") as client:
        yield client


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """What a process of this test reads its settings from."""
    own = {
        **access.environment(settings.kafka_bootstrap_servers),
        "TANDEM_TOPIC_PREFIX": settings.topic_prefix,
        "TANDEM_TOPIC_PARTITIONS": str(settings.topic_partitions),
        "TANDEM_HOME": str(tmp_path),
        "TANDEM_CONSOLE_PORT": str(free_port()),
    }
    return {**os.environ, **own}


@pytest.fixture
def tandem(environment: dict[str, str], tmp_path: Path) -> Tandem:
    """Runs the command as a user does."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return forked.run("console.cli", *arguments, env=environment, cwd=tmp_path)

    return run


@pytest.fixture
async def process(environment: dict[str, str], log: Log, tmp_path: Path) -> AsyncIterator[Forked]:
    """A console of its own process, ready."""
    started = fork(["console"], tmp_path / "console.log", env=environment, cwd=tmp_path)
    url = f"http://127.0.0.1:{environment['TANDEM_CONSOLE_PORT']}/readyz"
    async with own_machine() as client:

        async def ready() -> bool:
            try:
                return (await client.get(url)).is_success
            except httpx.TransportError:
                return False

        await until(ready, "a ready console")
    yield started
    await started.kill()
