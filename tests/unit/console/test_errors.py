"""Every error of ours has a status and a next step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from console.api.errors import ApiError, BadRequest, NotNow, Unknown, describe, install
from console.projection.database import Database
from fastapi import FastAPI
from shared.errors import Blocked, ConnectionClosed, Permanent, Retryable, SyncError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shared import errors


def _below(kind: type[SyncError]) -> list[type[SyncError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _below(child))]


MADE: dict[type[SyncError], Callable[[], SyncError]] = {
    ConnectionClosed: lambda: ConnectionClosed("con_1", "401"),
    Blocked: lambda: Blocked("con_1", "401"),
    errors.Held: lambda: errors.Held("it went wrong", code="held", blocker="link_1"),
    errors.NotLinked: lambda: errors.NotLinked("it went wrong", "customer", "togai:test:o/account/a", code="x"),
    errors.FlowLinkOff: lambda: errors.FlowLinkOff("link_1"),
    errors.QuotaUsed: lambda: errors.QuotaUsed("con_1", "403"),
    errors.NotPolled: lambda: errors.NotPolled("it went wrong", "togai:test:o"),
    errors.Paused: lambda: errors.Paused("import", "imp_1"),
    errors.OverwritesHeld: lambda: errors.OverwritesHeld("link_1", 20, 600.0),
}
"""How those are made that take more than a message."""


@pytest.mark.parametrize("kind", _below(SyncError), ids=lambda kind: kind.__name__)
def test_every_class_of_ours_has_a_status(kind: type[SyncError]) -> None:
    """5xx means "send it again", 4xx "do not"."""
    error = MADE[kind]() if kind in MADE else kind("it went wrong")
    status, code, message, what_to_do = describe(error)

    assert (message, bool(code), bool(what_to_do)) == (error.message, True, True)
    if issubclass(kind, Retryable):
        assert status == 503
    elif issubclass(kind, Permanent):
        assert status == 422


@pytest.mark.parametrize(("kind", "status"), [(BadRequest, 400), (Unknown, 404), (NotNow, 409), (ApiError, 500)])
def test_the_api_has_errors_of_its_own(kind: type[ApiError], status: int) -> None:
    """They carry their own next step."""
    assert describe(kind("message", "do this"))[0] == status
    assert describe(kind("message", "do this"))[3] == "do this"


def test_a_bug_tells_nothing_of_its_inside() -> None:
    """The message of an unexpected exception may hold anything; it stays in the log."""
    status, _, message, _ = describe(ValueError("password=hunter2"))

    assert status == 500
    assert "hunter2" not in message


def test_an_error_of_sql_shows_no_record(tmp_path: Path) -> None:
    """It reaches logs and pages, and would bring along what was to be written."""
    database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    with pytest.raises(SQLAlchemyError) as caught, database.engine.begin() as connection:
        connection.execute(text("INSERT INTO none VALUES (:name)"), {"name": "Zoe Secret"})
    database.close()

    assert "Secret" not in str(caught.value)


def test_the_walk_finds_the_classes() -> None:
    """The table above is not empty by accident."""
    assert {errors.Unavailable, errors.Misconfigured} <= set(_below(SyncError))


async def test_the_answer_to_a_bug_is_not_sniffed_either() -> None:
    """It goes past every middleware."""
    app = FastAPI()
    install(app)

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("<script>")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/bug")

    assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (500, "nosniff")
