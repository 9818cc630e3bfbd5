"""The console's projector under crash points: a log that grows, a console that dies at its transactions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console.projection.database import Database
from console.projection.projector import Projector
from shared.events.topics import Topics
from shared.flows import runs
from shared.kafka.log import Log, Place
from shared.linking import mappings, pairs
from shared.runtime.admin import ensure_topics
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

from tests.integration.console import records
from tests.reliability.crash.points import EXIT, Plan, passings
from tests.reliability.crash.tandem import LAST_BREATH, Bred
from tests.stack.forked import Forked
from tests.stack.points import Point
from tests.stack.processes import Stack, until

Written = tuple[str, str, bytes | None]
Moment = Callable[[], Awaitable[None]]
Rows = dict[str, list[tuple[Any, ...]]]


def some_records(topics: Topics) -> list[Written]:
    """New ones each time: with ids that find them, with parts, made, changed and removed."""
    name = secrets.token_hex(4)
    run, mapping = records.run(f"evt_{name}"), records.mapping(name)
    differing = records.pair_state(mapping, "togai", differences={"name": records.difference()})
    return [
        (topics.runs, run.id, runs.encode(run)),
        (topics.pair_states, differing.key, pairs.encode(differing)),
        (topics.mappings, mapping.id, mappings.encode(mapping)),
        (topics.mappings, mapping.id, None),
    ]


@dataclass
class Console:
    """One console over one database. `ends` is what was appended last to every partition."""

    stack: Bred
    database: Database
    log: Log
    plan: Plan = Plan(0)
    life: Forked | None = None
    ends: dict[tuple[str, int], Place] = field(default_factory=dict)

    async def record(self, moment: Moment) -> list[Point]:
        """The transactions of a moment of the console's life, both phases of each."""
        plan = self._plan_for()
        await moment()
        passed = passings(self.stack.home / "journal")
        found = sorted({p.point for p in passed if p.plan == plan.id and p.point.label == "transaction"})
        assert found, f"no transaction in {moment.__name__}"
        return found

    async def die(self, moment: Moment, point: Point) -> bool:
        """Die at a point of a moment and live again, to the log's end. Returns whether it died there."""
        self._plan_for(point)
        await moment()
        with suppress(AssertionError):
            await until(self._died, "its death", LAST_BREATH)
        died = self.dead()
        self._plan_for()
        await self.live()
        return died

    def _plan_for(self, die: Point | None = None) -> Plan:
        """Count from zero from now on, and die at a point if one is given."""
        self.plan = Plan(self.plan.id + 1, die)
        self.plan.write(self.stack.home / "plan.json")
        return self.plan

    async def live(self) -> None:
        """A new life, which finds a new record, until the log's end is in the tables."""
        if self.life:
            await self.life.kill()
        await self._append(some_records(Topics(self.stack.settings()))[0])
        self.stack.launch("console")
        self.life = self.stack.children["console"]
        await self.caught_up()

    async def fold(self) -> None:
        """Append some records, each after the one before is in the tables."""
        for written in some_records(Topics(self.stack.settings())):
            await self._append(written)
            await self.caught_up()

    async def _append(self, written: Written) -> None:
        place = await self.log.append(*written)
        self.ends[place.topic, place.partition] = place

    async def _died(self) -> bool:
        return self.dead()

    def dead(self) -> bool:
        """Whether it died at its point. Raises AssertionError if of anything else."""
        assert self.life
        if self.life.alive:
            return False
        assert self.life.code == EXIT, "\n".join(self.life.last_lines)
        return True

    async def caught_up(self) -> None:
        """Wait until everything is in the tables, or the console dead."""

        async def come() -> bool:
            return self.dead() or all(self.position(place) > place.offset for place in self.ends.values())

        await until(come, "everything in the tables", 30)

    def position(self, place: Place) -> int:
        """How far the tables are; 0 while there are none."""
        statement = "SELECT next_offset FROM positions WHERE topic = :topic AND partition = :partition"
        with suppress(Exception), self.database.engine.connect() as connection:
            found = connection.execute(text(statement), {"topic": place.topic, "partition": place.partition})
            return int(found.scalar() or 0)
        return 0


@asynccontextmanager
async def open_console(sandbox: Stack, home: Path, url: str = "") -> AsyncIterator[Console]:
    """A console that is to die, on topics and tables of its own. It has not begun yet."""
    stack = Bred.beside(sandbox, home, "", **({"DATABASE_URL": url} if url else {}))
    settings = stack.settings()
    await ensure_topics(settings)
    database = Database(url or settings.effective_database_url, settings.topic_prefix)
    async with Log(settings) as log:
        console = Console(stack, database, log)
        console.plan.write(stack.home / "plan.json")
        try:
            yield console
        finally:
            if console.life:
                await console.life.kill()
            database.close()


def contents(database: Database) -> Rows:
    """Every row of every table that has some. This process may know tables that the console's does not: a domain's of
    the tests.
    """
    there = inspect(database.engine).get_table_names()
    tables = [table for table in SQLModel.metadata.sorted_tables if table.name in there]
    with database.engine.connect() as connection:
        found = {table.name: sorted(tuple(row) for row in connection.execute(table.select())) for table in tables}
    return {name: rows for name, rows in found.items() if rows}


async def refolded(console: Console, home: Path) -> Rows:
    """The tables as the log alone makes them, in one go and without any death."""
    settings = console.stack.settings()
    database = Database(f"sqlite:///{home / secrets.token_hex(4)}.sqlite3", settings.topic_prefix)
    database.prepare()
    projector = Projector(settings, database)
    folding = asyncio.create_task(projector.run())
    try:
        await until(_done(projector), "the end of the log", 30)
        return contents(database)
    finally:
        folding.cancel()
        with suppress(asyncio.CancelledError):
            await folding
        database.close()


def _done(projector: Projector) -> Callable[[], Any]:
    async def done() -> bool:
        return projector.caught_up and projector.lag == 0

    return done
