"""The log becomes tables: once, wholly, again and again the same, and never past what cannot be read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from console.api.errors import describe
from console.projection import pending, queries
from console.projection.database import Batch, Database, Move, PositionMoved
from console.projection.projector import Projector
from console.projection.queries import Search
from console.projection.rows import RUN
from console.projection.tables import NameRow, RunRow
from shared.errors import Misconfigured
from shared.events.topics import Topics
from shared.flows import runs
from shared.kafka.log import Log, client_options
from shared.linking import mappings, pairs
from shared.linking.pairs import Side
from shared.runtime.admin import ensure_topics
from shared.settings import Settings
from sqlalchemy import event, text
from sqlalchemy.exc import DataError
from sqlmodel import Session, SQLModel, select

from shared import connections, key_states
from tests.integration.console import records
from tests.integration.console.conftest import running, until


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with database.engine.connect() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(table.select()))
            for table in SQLModel.metadata.sorted_tables
        }


def states(database: Database) -> dict[str, str]:
    with Session(database.engine) as session:
        return {row.event: row.state for row in session.scalars(select(RunRow))}


async def write_runs(log: Log, topics: Topics, count: int) -> None:
    """Each run twice: running, then succeeded."""
    for state in ("running", "succeeded"):
        for number in range(count):
            run = records.run(f"evt_{number}", number, state=state)
            await log.append(topics.runs, run.id, runs.encode(run))


async def caught_up(settings: Settings, database: Database, **options: Any) -> Projector:
    """Fold to the end, then stop."""
    async with running(Projector(settings, database, **options)) as projector:
        await until(lambda: projector.caught_up and projector.lag == 0, "the end of the log")
        return projector


async def write_all(log: Log, topics: Topics) -> None:
    """Some of every kind, with changes, a withdrawn and a deleted pair, and tombstones."""
    await write_runs(log, topics, 5)
    for second, pair in enumerate([records.claim("a"), records.mapping("a"), records.mapping("b")]):
        await log.append(topics.mappings, pair.id, mappings.encode(pair))
        assert second < 60
    for name, state in (("b", "deleted"), ("c", "withdrawn")):
        pair = records.mapping(name, 9, state=state)
        await log.append(topics.mappings, pair.id, mappings.encode(pair))
    gone = records.mapping("gone")
    await log.append(topics.mappings, gone.id, mappings.encode(gone))
    await log.append(topics.mappings, gone.id, None)
    letter = records.dead_letter("evt_0")
    await log.append(topics.dead_letters, letter.id, runs.encode(letter))
    conflict = records.conflict("evt_9", f"{records.TOGAI}/account/acme")
    await log.append(topics.runs, conflict.id, runs.encode(conflict))
    sides: tuple[Side, ...] = ("togai", "stripe", "togai")
    for side in sides:
        known = records.pair_state(records.mapping("a"), side, differences={"name": records.difference()})
        await log.append(topics.pair_states, known.key, pairs.encode(known))
    gone_state = records.pair_state(gone, "togai", differences={"name": records.difference()})
    await log.append(topics.pair_states, gone_state.key, pairs.encode(gone_state))
    await log.append(topics.pair_states, gone_state.key, None)
    await log.append(topics.connections, "stripe", connections.encode(records.connection()))
    await log.append(topics.key_states, records.key_state().key, key_states.encode(records.key_state()))
    await log.append(topics.flow_links, "link", connections.encode(records.flow_link()))


async def test_every_kind_of_record_is_folded_to_its_newest_state(
    settings: Settings, topics: Topics, log: Log, database: Database
) -> None:
    """One row per key, holding its last record; tombstones leave none; any id finds it."""
    await write_all(log, topics)

    await caught_up(settings, database)

    with Session(database.engine) as session:
        assert queries.counts(session, RunRow) == {"succeeded": 5, "parked": 1}
        assert [d.field for d in pending.differences_page(session, Search())[0]] == ["name"]
        assert [r.event for r in pending.conflicts_page(session, Search())[0]] == ["evt_9"]
        pairs, _ = queries.mappings_page(session, Search())
        assert {p.source.rpartition("_")[2]: p.state for p in pairs} == {
            "a": "linked",
            "b": "deleted",
            "c": "withdrawn",
        }
        found, _ = queries.mappings_page(session, Search(id="togai_a"))
        assert [p.id for p in found] == [records.mapping("a").id]
        assert [d.event for d in queries.dead_letters_page(session, Search())[0]] == ["evt_0"]
        assert [c.sealed for c in queries.connections(session)] == [""]
        assert [link.id for link in queries.flow_links(session)] == ["link"]


async def test_tables_that_were_dropped_are_refolded_equal(
    settings: Settings, topics: Topics, log: Log, database: Database
) -> None:
    """Nothing in them comes from the way they were made: not the batch size, not the clock."""
    await write_all(log, topics)
    await caught_up(settings, database, batch_size=3)
    before = contents(database)

    database.drop()
    database.prepare()
    await caught_up(settings, database)

    assert contents(database) == before
    assert before["names"]
    assert before["pair_states"]
    assert before["differences"]


async def test_a_projector_that_dies_between_batches_loses_and_doubles_nothing(
    settings: Settings, topics: Topics, log: Log, database: Database
) -> None:
    """Rows and positions are one transaction: killed at every commit in turn, it ends as if it had never died."""
    await write_runs(log, topics, 6)
    commits = 0

    def die(_session: Session) -> None:
        nonlocal commits
        commits += 1
        if commits % 2:
            raise OSError("killed before the commit")

    event.listen(Session, "before_commit", die)
    try:
        async with running(Projector(settings, database, batch_size=2, retry_after=0.01)):
            await until(lambda: commits > 5, "a few deaths")
    finally:
        event.remove(Session, "before_commit", die)
    with database.engine.connect() as connection:
        positions = connection.execute(text("SELECT sum(next_offset) FROM positions")).scalar() or 0
        assert (positions == 0) == (connection.execute(text("SELECT count(*) FROM runs")).scalar() == 0)

    await caught_up(settings, database)

    assert states(database) == {f"evt_{n}": "succeeded" for n in range(6)}


def test_a_batch_that_was_folded_before_changes_nothing(database: Database) -> None:
    """The second writer of the same batch gets an error, and its rows are rolled back."""
    at = ("runs", 0)
    database.positions([at])
    old, new = (RUN.fold("", runs.encode(records.run("e", state=s))) for s in ("running", "succeeded"))
    database.fold(Batch([Move(at, 0, 1)], [old]))
    database.fold(Batch([Move(at, 1, 2)], [new]))
    before = contents(database)

    with pytest.raises(PositionMoved):
        database.fold(Batch([Move(at, 0, 1)], [old]))

    assert contents(database) == before


def test_names_follow_the_newest_record(database: Database) -> None:
    """An id that a run no longer names does not find it any more: a refold would not find it either."""
    at = ("runs", 0)
    database.positions([at])
    for place, refs in enumerate([["stripe:test:a/customer/old"], ["stripe:test:a/customer/new"]]):
        folded = RUN.fold("", runs.encode(records.run("e", refs=refs)))
        database.fold(Batch([Move(at, place, place + 1)], [folded]))

    with Session(database.engine) as session:
        names = {row.name for row in session.scalars(select(NameRow))}
        assert {"new"} == names & {"old", "new"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (runs.encode(records.run("future", schemaversion="2.0")), "schema version 2.0"),
        (b"this is no record", "cannot be read"),
    ],
)
async def test_what_cannot_be_read_stops_its_partition_visibly_and_is_never_skipped(
    settings: Settings, topics: Topics, log: Log, sqlite: Database, value: bytes, says: str
) -> None:
    """What stands before it is shown, what stands after it is not, other topics go on, and readiness says why."""
    pair = records.mapping("after")
    before = records.run("evt_1")
    await log.append(topics.dead_letters, "dead_1", runs.encode(records.dead_letter("evt_1", id="dead_1")))
    place = await log.append(topics.runs, before.id, runs.encode(before))
    stuck = await log.append(topics.runs, before.id, value)
    await log.append(topics.runs, before.id, runs.encode(records.run("evt_1", state="dead")))

    async with running(Projector(settings, sqlite)) as projector:
        await until(lambda: bool(projector.stopped), "the stop")
        await log.append(topics.mappings, pair.id, mappings.encode(pair))
        await until(lambda: projector.positions.get((topics.mappings, 0), 0) == 1, "the mapping")
        health = projector.health()

    assert not health["ready"]
    assert [(s["topic"], s["partition"]) for s in health["stopped"]] == [(topics.runs, place.partition)]
    assert says in health["stopped"][0]["reason"]
    assert projector.positions[topics.runs, place.partition] == stuck.offset
    assert states(sqlite) == {"evt_1": "succeeded"}


async def test_a_topic_that_was_made_anew_is_refolded(
    settings: Settings, topics: Topics, log: Log, sqlite: Database
) -> None:
    """A position beyond the end means another log: what was folded from the old one goes."""
    await write_runs(log, topics, 4)
    await caught_up(settings, sqlite)
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    await admin.delete_topics([topics.runs])

    async def gone() -> bool:
        return topics.runs not in await admin.list_topics()

    await until(gone, "the deletion")
    await admin.close()
    await ensure_topics(settings)
    async with Log(settings) as kafka:
        run = records.run("evt_new")
        await kafka.append(topics.runs, run.id, runs.encode(run))

    async with running(Projector(settings, sqlite)) as projector:
        await until(lambda: states(sqlite) == {"evt_new": "succeeded"}, "the new log alone")
        await until(lambda: projector.caught_up and projector.lag == 0, "the positions follow")

    assert states(sqlite) == {"evt_new": "succeeded"}


async def test_without_kafka_the_tables_are_served_with_their_age(settings: Settings, sqlite: Database) -> None:
    """The projector goes on trying, and says what is wrong instead of ending."""
    away = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})

    async with running(Projector(away, sqlite)) as projector:
        await until(lambda: "127.0.0.1:9" in projector.problem, "the problem")

    assert not projector.health()["ready"]
    assert projector.health()["as_of"] is None


def test_one_database_holds_the_log_of_one_prefix(database: Database) -> None:
    """Two Tandems in one database would mix what belongs to two."""
    other = Database(database.engine.url.render_as_string(hide_password=False), "other.")

    with pytest.raises(Misconfigured, match="DATABASE_URL"):
        other.prepare()

    other.close()


def test_another_kind_of_database_is_refused_by_name() -> None:
    """With what may stand there instead."""
    with pytest.raises(Misconfigured, match="SQLite.*PostgreSQL"):
        Database("mysql://user:password@host/name")


def test_no_text_of_others_is_too_long_for_an_index(database: Database) -> None:
    """Whatever stands in a record: its row is written, and it is found by what is short enough."""
    hard = "".join(chr(0x1F300 + number % 700) for number in range(5000))
    run = msgspec.structs.replace(
        records.run("evt_1", 3), refs=[f"stripe:test:acct_1/customer/{hard}", hard, hard[:600]]
    )
    database.fold(Batch([], [RUN.fold("", runs.encode(run))]))

    with Session(database.engine) as session:
        found, _ = queries.runs_page(session, Search(id="evt_1"))
    assert [one.refs for one in found] == [run.refs]


def test_an_id_that_no_database_takes_is_the_askers_fault(database: Database) -> None:
    """PostgreSQL refuses NUL, SQLite finds nothing: neither is a database that is away."""
    with Session(database.engine) as session:
        try:
            answer: tuple[int, object] = (200, queries.run(session, "run_\x00"))
        except DataError as error:
            answer = describe(error)[:2]

    assert answer == ((400, "bad_request") if database.engine.dialect.name == "postgresql" else (200, None))
