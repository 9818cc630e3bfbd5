"""What the health pages say: to everybody that something is wrong, to whoever has the token what."""

from __future__ import annotations

import httpx
import msgspec
from console.api.state import State
from shared.flows import runs
from shared.kafka.log import Log
from sqlalchemy import text

from tests.integration.console import records
from tests.integration.console.conftest import until


async def test_what_everybody_may_ask_tells_no_record(console: State, log: Log, api: httpx.AsyncClient) -> None:
    """A database that refuses a row: its words are for whoever has the token, and hold nothing of what was written."""
    run = msgspec.structs.replace(records.run("evt_1", 1), event="a@secret.example")
    with console.database.engine.begin() as connection:
        connection.execute(
            text("CREATE TRIGGER no BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'no more rows'); END")
        )
    await log.append(console.topics.runs, run.id, runs.encode(run))
    await until(lambda: bool(console.projector.problem), "a problem")
    ready, health = await api.get("/readyz"), await api.get("/api/health")

    assert ready.json()["problem"] == "see `tandem status`"
    assert health.json()["problem"] == "the database does not take the records: IntegrityError: no more rows"
    assert "secret" not in ready.text + health.text


async def test_a_record_that_cannot_be_read_is_named_and_not_shown(
    console: State, log: Log, api: httpx.AsyncClient
) -> None:
    """Its place is for everybody, the reason for whoever has the token."""
    await log.append(console.topics.connections, "con_1", b'{"id": "a@secret.example", "app": "none"}')
    await until(lambda: bool(console.projector.stopped), "a stopped partition")
    ready, health = await api.get("/readyz"), await api.get("/api/health")

    assert ready.status_code == 503
    assert ready.json()["stopped"] == [{"topic": console.topics.connections, "partition": 0}]
    assert "cannot be read" in health.json()["stopped"][0]["reason"]
    assert "secret" not in ready.text + health.text
