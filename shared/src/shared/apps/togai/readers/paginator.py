"""Walks over Togai's lists: every page of every status, or only the pages at the head."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from shared.apps.togai.answers import leads_on
from shared.apps.togai.client import Page, TogaiApp
from shared.apps.togai.readers.rows import Row, seconds
from shared.errors import Rejected
from shared.log import get_logger

log = get_logger(__name__)

Noun = Literal["customers", "accounts"]
STATUSES = ("ACTIVE", "ARCHIVED")
"""Each is listed apart: Togai's documents name no list of both."""


class Paginator:
    """One walk over a noun's whole list, page by page. `cursor` is where it goes on, empty before and after it.

    `whole` tells that it began at the beginning and no token was refused; `shown` holds the ids that it saw.
    """

    def __init__(self, noun: Noun, cursor: str = "") -> None:
        status, _, token = cursor.partition(" ")
        self.noun = noun
        self.whole = not cursor
        self.done = False
        self.calls = 0
        self.seen = 0
        self.shown: set[str] = set()
        self._again = False
        self._status = status if status in STATUSES else STATUSES[0]
        self._token = token

    @property
    def cursor(self) -> str:
        at_the_beginning = self._status == STATUSES[0] and not self._token
        return "" if self.done or at_the_beginning else f"{self._status} {self._token}"

    async def step(self, client: TogaiApp) -> list[Row]:
        """The next page. A token that the vendor does not take any more begins the walk again.

        Raises Rejected if a second one is refused, for then the walk would never end.
        """
        self.calls += 1
        try:
            page = await client.page(self.noun, self._status, self._token)
        except Rejected as error:
            if not self._token or self._again:
                raise
            self._again = True
            log.warning("poll.cursor_refused", app_account=client.app_account, list=self.noun, reason=error.message)
            self._status, self._token, self.seen, self.shown, self.whole = STATUSES[0], "", 0, set(), True
            return []
        if leads_on(page.token, page.rows, self._token):
            self._token = page.token
        else:
            self._next_status()
        self.seen += len(page.rows)
        self.shown.update(row["id"] for row in page.rows if isinstance(row.get("id"), str))
        return page.rows

    def _next_status(self) -> None:
        self._token = ""
        place = STATUSES.index(self._status) + 1
        self.done = place == len(STATUSES)
        self._status = STATUSES[min(place, len(STATUSES) - 1)]


async def first_pages(client: TogaiApp, noun: Noun, go_on: Callable[[list[Row]], Awaitable[bool]], most: int) -> int:
    """The first pages of each status: `go_on` takes a page and tells whether the next one is wanted too.

    Returns the number of calls, `most` at most, but one for each status in any case.
    """
    calls = 0
    for left, status in zip(range(len(STATUSES) - 1, -1, -1), STATUSES, strict=True):
        token = ""
        while True:
            calls += 1
            page = await client.page(noun, status, token)
            wanted = await go_on(page.rows)
            if not wanted or not leads_on(page.token, page.rows, token) or calls + left >= most:
                break
            token = page.token
    return calls


async def page_at(ask: Callable[[str], Awaitable[Page]], token: str) -> tuple[Page, str]:
    """A page, and its token: one that the vendor does not take any more begins the list again."""
    try:
        return await ask(token), token
    except Rejected:
        if not token:
            raise
        return await ask(""), ""


def sorted_by_change(rows: list[Row]) -> bool:
    """Whether the last changed comes first, as Togai's examples show, and all tell when that was."""
    times = [seconds(row, "updatedAt") for row in rows]
    return all(times) and all(earlier >= later for earlier, later in zip(times, times[1:], strict=False))
