"""A plan from a day on by Togai's second API: one edit makes a draft of the account's schedules, one call finalizes it.

A draft that is there before ours is a person's. Ours is known by its content, under an open claim: it holds the plan
and nothing else that is new. So whoever dies between the two calls is followed by one who finalizes. The claim keeps
what stood there then: a draft may take back what was changed since, so ours is made again where something was.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from shared.apps.togai.client import TogaiApp
from shared.errors import NotReady, Rejected, Unavailable, WaitingUntold
from shared.linking.mappings import Mapping
from shared.runtime.creating import Creation, UnkeyedCreation

from plan_sync.actions.schedules import Json, days_of, holding
from plan_sync.decide import Spans, is_own_draft, missing_after, spans_of

FIRST_DAY, STOOD = "first", "stood"
"""In a claim's body: the day for which the plan was wanted, and what stood there, when it was started."""


@dataclass(frozen=True)
class _Wanted:
    """A plan from a day on; `started` is the day on which this was wanted first."""

    plan: str
    first: date
    started: date

    @property
    def days(self) -> set[str]:
        """From when our draft may have the plan."""
        # Togai shows moments in UTC: where the organization is far east, a day begins on the one before.
        last = days_of(self.first)[-1]
        return {(self.started + timedelta(days=n)).isoformat() for n in range(-1, (last - self.started).days + 1)}


def _noted(plan: str, first: date, held: Mapping | None) -> tuple[_Wanted, Spans]:
    """What a claim was begun for, and what stood there then."""
    noted = held.claim.body if held and held.claim else {}
    wanted = _Wanted(plan, first, date.fromisoformat(noted[FIRST_DAY]) if FIRST_DAY in noted else first)
    return wanted, frozenset((a, b, c, d) for a, b, c, d in noted.get(STOOD, ()))


class SecondApi:
    """An account's schedules by the second API."""

    def __init__(self, client: TogaiApp, account: str) -> None:
        self._client = client.v2
        self._account = account
        self._rows: list[Json] = []
        self._after: Spans | None = None

    async def read(self) -> list[Json]:
        self._rows = await self._client.schedules(self._account, "ACTIVE")
        return self._rows

    def noted(self, first: date) -> dict[str, Any]:
        return {FIRST_DAY: first.isoformat(), STOOD: sorted(spans_of(self._rows))}

    async def check_free(self) -> None:
        if await self._draft():
            raise self._taken()

    async def _draft(self) -> list[Json]:
        return await self._client.schedules(self._account, "DRAFT")

    def _taken(self) -> WaitingUntold:
        why = f"account {self._account} has a draft of its schedules in Togai that is none of Tandem's"
        return WaitingUntold(f"{why}: finalize or discard it there", code="draft")

    def attaching(self, plan: str, first: date, held: Mapping | None, *, resumed: bool) -> Creation[Json]:
        claim = held.claim if held else None
        wanted, stood = _noted(plan, first, held)

        async def post(_body: Json) -> Json:
            return holding(self._rows, plan, first) or await self._attached(wanted, None)

        async def made() -> Json | None:
            if found := holding(await self.read(), plan, first):
                return found
            return await self._attached(wanted, stood) if await self._draft() else None

        return UnkeyedCreation(post, made, opened_at=claim.opened_at if claim and resumed else "")

    async def associated(self, plan: str, first: date) -> Json:
        drafted = spans_of(await self.read()) if await self._draft() else None
        return await self._attached(_Wanted(plan, first, first), drafted)

    async def _attached(self, wanted: _Wanted, drafted: Spans | None) -> Json:
        """Edit and finalize for the wanted day, else for the next. `drafted`: what stood there when a draft was started
        that is there and may be ours, None for no draft.

        Raises Rejected if Togai refuses both days, WaitingUntold for a draft that holds anything else.
        """
        days = list(days_of(wanted.first))
        stale = False
        if drafted is not None:
            with suppress(Rejected):  # its day has passed meanwhile
                if found := await self._finalized(wanted, drafted):
                    return found
                stale = True
        while True:
            try:
                if drafted is not None and not stale:  # our own makes room for another one, nobody else's
                    await self._check_own(wanted, drafted)
                before, day = spans_of(self._rows), days[0].isoformat()
                await self._client.edit_schedules(self._account, wanted.plan, day, discard=drafted is not None)
                drafted, stale = before, False
                if found := await self._finalized(wanted, drafted):
                    return found
                why = f"the schedules of account {self._account} have changed: looking again"
                raise NotReady(why, code="moved")  # what is attached there now may be a conflict
            except Rejected:
                if found := holding(await self.read(), wanted.plan, wanted.first):
                    return found  # somebody else has finalized it
                del days[0]
                if not days:
                    raise

    async def _finalized(self, wanted: _Wanted, stood: Spans) -> Json | None:
        """Draft and schedules are read once more before: a person may have changed them. None where the schedules are
        not what they were when the draft was started: it would take the change back.
        """
        if not await self._check_own(wanted, stood):
            return None
        await self._client.finalize_schedules(self._account)
        after = await self._client.schedules(self._account, "ACTIVE")
        self._after = spans_of(after)
        found = holding(after, wanted.plan, wanted.first)
        if found is None:
            raise Unavailable(f"Togai took {wanted.plan} for {self._account} and shows no schedule of it yet")
        return found

    async def _check_own(self, wanted: _Wanted, stood: Spans) -> bool:
        """Whether the schedules are what they were when our draft was started. Raises WaitingUntold for another
        draft.
        """
        active, draft = spans_of(await self.read()), spans_of(await self._draft())
        if is_own_draft(stood, draft, wanted.plan, wanted.days):
            return active == stood
        if is_own_draft(active, draft, wanted.plan, wanted.days):
            return True  # an earlier attempt made it again
        raise self._taken()

    async def take_back(self, plan: str, first: date, held: Mapping) -> bool:
        wanted, stood = _noted(plan, first, held)
        active, draft = spans_of(self._rows), spans_of(await self._draft())
        if not any(is_own_draft(before, draft, plan, wanted.days) for before in (stood, active)):
            return False  # none, or one that a person made, or went on with
        with suppress(Rejected):  # a person has just ended it
            await self._client.discard_schedules(self._account)
        return True

    def changed_beside(self, plan: str) -> list[str]:
        return [] if self._after is None else missing_after(spans_of(self._rows), self._after, plan)
