"""Many dead letters tried again at once, after the cause that they share was mended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from shared.flows.runs import DeadLetter
from shared.model import Model
from sqlmodel import Session

from console.api import models
from console.api.changes import retry_letter
from console.api.errors import ErrorBody, NotNow
from console.api.paging import decode_cursor, next_cursor, parse_since
from console.api.state import State, StateDep
from console.projection import queries
from console.projection.queries import Search

router = APIRouter(prefix="/api", responses={400: {"model": ErrorBody}, 503: {"model": ErrorBody}})

PAGE = 200
"""Dead letters of one request: whoever asks goes on from the last one."""


class RetryMany(Model):
    """Which open dead letters are tried again; nothing named: all of them."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field("", max_length=queries.LONGEST_SEARCH, description="any id of either side", examples=[models.CUS])
    since: str = Field("", description="only newer ones: a time, or a span as `24h`", examples=["24h"])
    noun: str = Field("", description="only those of this noun", examples=["customer"])
    flow_link: str = Field("", description="only those of this flow link")
    error: str = Field("", description="only those with this error", examples=["Misconfigured"])
    limit: int = Field(PAGE, ge=1, le=PAGE, description="how many are looked at")
    cursor: str = Field("", description="`next_cursor` of the answer before")

    def means(self, letter: DeadLetter) -> bool:
        """Whether it is one of these, as far as the search does not tell."""
        link = letter.run.flow_link if letter.run else ""
        return self.flow_link in ("", link) and self.error in ("", letter.problem.error)


class Retried(Model):
    """How many were sent again."""

    sent: int
    next_cursor: models.NextCursor = None


@router.post("/dead-letters/retry", status_code=202, tags=["dead letters"], summary="Try many dead letters again")
async def retry_many(state: StateDep, body: RetryMany) -> Retried:
    """Each as a single one is, behind live events. Mend the cause first. A page at a time: send `next_cursor` as
    `cursor` until it is null. One that fails again is open again, and not tried twice.
    """
    search = Search(
        id=body.id,
        since=parse_since(body.since, datetime.now(UTC)) if body.since else "",
        limit=body.limit,
        after=decode_cursor(body.cursor) if body.cursor else None,
        equal={"state": "open"} | ({"noun": body.noun} if body.noun else {}),
    )

    def read() -> tuple[list[DeadLetter], tuple[str, str] | None]:
        with Session(state.database.engine) as session:
            return queries.dead_letters_page(session, search)

    found, after = await asyncio.to_thread(read)
    sent = await asyncio.gather(*(_retry(state, letter.id) for letter in found if body.means(letter)))
    return Retried(sent=sum(sent), next_cursor=next_cursor(after))


async def retry_all(state: State, body: RetryMany) -> int:
    """Every page of them. Returns how many were sent again."""
    sent, cursor = 0, ""
    while True:
        answer = await retry_many(state, body.model_copy(update={"cursor": cursor}))
        sent, cursor = sent + answer.sent, answer.next_cursor or ""
        if not cursor:
            return sent


async def _retry(state: State, letter_id: str) -> bool:
    """Whether it was sent: somebody else may have retried or discarded it just now."""
    with suppress(NotNow):
        await retry_letter(state, letter_id)
        return True
    return False
