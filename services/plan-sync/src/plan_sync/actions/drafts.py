"""A plan from a day on by Togai's second API: one edit makes a draft of the account's schedules, one call finalizes it.

A draft that is there before ours is a person's. Ours is known by its content, under an open claim: it holds the plan
and nothing else that is new. So whoever dies between the two calls is followed by one who finalizes.
"""

from __future__ import annotations

from datetime import date, timedelta

from shared.apps.togai.client import TogaiApp
from shared.errors import Rejected, Unavailable, Waiting
from shared.linking.mappings import Mapping
from shared.runtime.creating import Creation, UnkeyedCreation

from plan_sync.actions.schedules import Json, days_of, holding
from plan_sync.decide import is_own_draft, is_same, missing_after

FIRST = "first"
"""In a claim's body: the day for which the plan was wanted when it was started."""


class SecondApi:
    """An account's schedules by the second API. What was read last is what an edit begins with."""

    def __init__(self, client: TogaiApp, account: str) -> None:
        self._client = client.v2
        self._account = account
        self._before: list[Json] = []
        self._after: list[Json] | None = None

    async def read(self) -> list[Json]:
        self._before = await self._client.schedules(self._account, "ACTIVE")
        return self._before

    async def check_free(self) -> None:
        if await self._draft():
            raise self._taken()

    async def _draft(self) -> list[Json]:
        return await self._client.schedules(self._account, "DRAFT")

    def _taken(self) -> Waiting:
        why = f"account {self._account} has a draft of its schedules in Togai that is none of Tandem's"
        return Waiting(f"{why}: finalize or discard it there", code="draft")

    def attaching(self, plan: str, first: date, held: Mapping | None, *, resumed: bool) -> Creation[Json]:
        claim = held.claim if held else None
        started = date.fromisoformat(claim.body[FIRST]) if claim and FIRST in claim.body else first

        async def post(_body: Json) -> Json:
            if found := holding(self._before, plan, first):
                return found
            return await self._attached(plan, first, started, drafted=False)

        async def made() -> Json | None:
            if found := holding(await self.read(), plan, first):
                return found
            if not await self._draft():
                return None
            return await self._attached(plan, first, started, drafted=True)

        return UnkeyedCreation(post, made, opened_at=claim.opened_at if claim and resumed else "")

    async def associated(self, plan: str, first: date) -> Json:
        await self.read()
        return await self._attached(plan, first, first, drafted=bool(await self._draft()))

    async def _attached(self, plan: str, first: date, started: date, *, drafted: bool) -> Json:
        """Edit and finalize for the wanted day, else for the next; `drafted`: a draft that may be ours is there.

        Raises Rejected if Togai refuses both, Waiting for a draft that holds anything else.
        """
        refused: Rejected | None = None
        if drafted:
            try:
                return await self._finalized(plan, first, started)
            except Rejected as error:
                refused = error  # its day has passed meanwhile
        for day in days_of(first):
            try:
                if drafted:  # only our own makes room for another one
                    await self._check_own(plan, first, started)
                await self._client.edit_schedules(self._account, plan, day.isoformat(), discard=drafted)
                drafted = True
                return await self._finalized(plan, first, started)
            except Rejected as error:
                refused = error
        assert refused
        raise refused

    async def _finalized(self, plan: str, first: date, started: date) -> Json:
        """What the draft holds is shown once more before it is finalized: a person may have edited it with us."""
        await self._check_own(plan, first, started)
        await self._client.finalize_schedules(self._account)
        self._after = await self._client.schedules(self._account, "ACTIVE")
        found = holding(self._after, plan, first)
        if found is None:
            raise Unavailable(f"Togai took {plan} for {self._account} and shows no schedule of it yet")
        return found

    async def _check_own(self, plan: str, first: date, started: date) -> None:
        """Raises Waiting for a draft that is not ours alone, and where the account's schedules have changed since it
        was started: it would take the change back.
        """
        # Togai shows moments in UTC: where the organization is far east, a day begins on the one before.
        last = days_of(first)[-1]
        days = {(started + timedelta(days=n)).isoformat() for n in range(-1, (last - started).days + 1)}
        seen, active, draft = self._before, await self.read(), await self._draft()
        if not is_same(seen, active) or not is_own_draft(active, draft, plan, days):
            raise self._taken()

    def changed_beside(self, plan: str) -> list[str]:
        return [] if self._after is None else missing_after(self._before, self._after, plan)
