"""Togai's second API of price plans and schedules, which replaces the first. Source: Togai OpenAPI spec, December 2024.

What it does not say, and what is taken for it here: without a draft the list of one is empty; the rate cards of a plan
are those of its newest version, a draft too; nothing is active before it is finalized.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from shared.apps.togai.answers import FOREVER, Page, leads_on, page_of, part

Json = dict[str, Any]
Mode = Literal["ACTIVE", "DRAFT"]
LARGEST_PAGE = "100"


class TogaiV2:
    """The second API of one connection. `call` sends a request and raises errors of `shared.errors` only."""

    def __init__(self, call: Callable[..., Awaitable[Json]]) -> None:
        self._call = call

    async def price_plans(self, token: str = "") -> Page:
        """GET /v2/price_plans: one page of the newest version of each, drafts too. It has no filters."""
        params = {"nextToken": token} if token else {"pageSize": LARGEST_PAGE}
        return page_of(await self._call("GET", "/v2/price_plans", params=params), "v2/price_plans")

    async def price_plan(self, plan_id: str, version: Literal["LATEST", "ACTIVE"]) -> Json:
        """GET /v2/price_plans/{id}: one version without rate cards. Raises NotFound, also for one without such."""
        return await self._call("GET", f"/v2/price_plans/{part(plan_id)}", params={"version": version})

    async def rate_cards(self, plan_id: str) -> list[Json]:
        """GET /v2/price_plans/{id}/rate_cards, all of them; `referenceId` names the version. Numbers are decimals."""
        return await self._all(f"/v2/price_plans/{part(plan_id)}/rate_cards", {})

    async def schedules(self, account_id: str, mode: Mode) -> list[Json]:
        """GET /v2/accounts/{id}/schedules: which plan an account has when, or is to have by a draft."""
        return await self._all(f"/v2/accounts/{part(account_id)}/schedules", {"mode": mode})

    async def edit_schedules(self, account_id: str, plan_id: str, since: str, *, discard: bool = False) -> None:
        """POST /v2/accounts/{id}/edit_schedules: the account's draft has the plan from a day on; `discard`: in place of
        the draft that is there. It has no idempotency. Raises Rejected, also for a day that is too early.
        """
        edit = {
            "mode": "ASSOCIATE",
            "effectiveFrom": since,
            "effectiveUntil": FOREVER,
            "associationConfig": {"pricePlanId": plan_id, "retainStartOffsets": False},
            "mergeSchedules": False,
        }
        params = {"discard": "true"} if discard else {}
        path = f"/v2/accounts/{part(account_id)}/edit_schedules"
        await self._call("POST", path, params=params, json={"edits": [edit]})

    async def finalize_schedules(self, account_id: str) -> None:
        """POST /v2/accounts/{id}/finalize_schedules: the draft is what the account has from now on. Raises Rejected."""
        path = f"/v2/accounts/{part(account_id)}/finalize_schedules"
        await self._call("POST", path, json={"mergeSchedules": False, "preActions": []})

    async def discard_schedules(self, account_id: str) -> None:
        """DELETE /v2/accounts/{id}/discard_schedules: the account's draft is no more. Raises Rejected without one."""
        await self._call("DELETE", f"/v2/accounts/{part(account_id)}/discard_schedules")

    async def _all(self, path: str, asked: dict[str, str]) -> list[Json]:
        rows: list[Json] = []
        token = ""
        while True:
            place = {"nextToken": token} if token else {"pageSize": LARGEST_PAGE}
            page = page_of(await self._call("GET", path, params=asked | place), path.strip("/"))
            rows += page.rows
            if not leads_on(page.token, page.rows, token):
                return rows
            token = page.token
