"""Our client of Togai's second API against the sandbox, and our bodies against the vendor's own models."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from shared.errors import KeyRefused, Malformed, NotFound, RateLimited, Rejected, Unavailable
from togai_client.models.edit_account_schedule_request import EditAccountScheduleRequest
from togai_client.models.finalize_account_schedules import FinalizeAccountSchedules

from tests.contract.clients.conftest import TogaiSide
from tests.contract.clients.test_togai import failed, new

FOREVER = "9999-01-01"


def day(after: int) -> str:
    """A day from now on. None is asked for when this file is read: the day may end before a test begins."""
    return (datetime.now(UTC).date() + timedelta(days=after)).isoformat()


def plan(side: TogaiSide, **more: Any) -> str:
    """A plan of the second API, as a person makes it."""
    body = {"account": side.account, "name": "Starter", "rates": {"CHF": "49.123456789012"}, "api": "v2"} | more
    return str(side.control.call("POST", "/togai/price_plans", body)["id"])


async def test_a_plan_and_its_rate_cards(togai_side: TogaiSide) -> None:
    """Amounts are decimals; newest version, active version and a draft's rate cards differ."""
    client, found = togai_side.client.v2, plan(togai_side)
    [card] = await client.rate_cards(found)
    rate = card["rateCardDetails"]["fixedFeeRateCard"]["rateValues"][0]["rate"]
    first = await client.price_plan(found, "LATEST")
    changed = {"account": togai_side.account, "rates": {"CHF": "50"}, "active": False}
    togai_side.control.call("PATCH", f"/togai/price_plans/{found}", changed)
    newest, active = await client.price_plan(found, "LATEST"), await client.price_plan(found, "ACTIVE")
    [drafted] = await client.rate_cards(found)

    assert rate == Decimal("49.123456789012")
    assert (newest["status"], newest["version"], active) == ("DRAFT", 2, first)
    assert (card["referenceId"], drafted["referenceId"]) == (active["referenceId"], newest["referenceId"])


async def test_lists_are_read_to_their_ends(togai_side: TogaiSide) -> None:
    """Every page of the plans by its token; all rate cards of a plan at once."""
    made = [plan(togai_side) for _ in range(3)]
    rates = {"currency": "CHF", "rate": 1}
    cards = [
        {"id": f"addon.{n}", "displayName": f"Fee {n}", "rateValues": [rates], "enableProration": False}
        for n in range(105)
    ]
    details = {"supportedCurrencies": ["CHF"], "fixedFeeRateCards": cards,
               "pricingCycleConfig": {"interval": "MONTHLY", "gracePeriod": 1}}  # fmt: skip
    large = plan(togai_side, rates=None, details=details)
    first = await togai_side.client.v2.price_plans()
    rest = await togai_side.client.v2.price_plans(first.token)

    assert {row["id"] for row in first.rows} == {*made, large}
    assert (rest.rows, rest.token) == ([], "")
    assert len(await togai_side.client.v2.rate_cards(large)) == 105


async def test_an_edit_and_its_finalizing(togai_side: TogaiSide) -> None:
    """Our bodies are what the vendor's models say; a draft becomes what the account has."""
    client, found, sent = togai_side.client, plan(togai_side), list[Any]()

    async def remember(request: Any) -> None:
        if request.content:
            sent.append(json.loads(request.content))

    await client.create_customer(new())
    togai_side.http.event_hooks["request"].append(remember)
    await client.v2.edit_schedules("acme", found, day(1))
    await client.v2.edit_schedules("acme", found, later := day(2), discard=True)
    [drafted], before = await client.v2.schedules("acme", "DRAFT"), await client.v2.schedules("acme", "ACTIVE")
    await client.v2.finalize_schedules("acme")
    [active] = await client.v2.schedules("acme", "ACTIVE")
    edit, _, finalized = sent
    through = EditAccountScheduleRequest.from_dict(edit).to_dict()  # type: ignore[union-attr]
    for one in through["edits"]:
        one |= {name: str(one[name]) for name in ("effectiveFrom", "effectiveUntil")}

    assert (through, FinalizeAccountSchedules.from_dict(finalized).to_dict()) == (edit, finalized)  # type: ignore[union-attr]
    assert (before, await client.v2.schedules("acme", "DRAFT")) == ([], [])
    assert (drafted["startDate"], active["pricePlanId"]) == (active["startDate"], found)
    assert active["startDate"][:10] == later


async def test_its_errors_are_ours(togai_side: TogaiSide) -> None:
    """By status, as those of the first API."""
    client, found = togai_side.client.v2, plan(togai_side)
    await togai_side.client.create_customer(new())
    assert isinstance(await failed(client.price_plan("pp.none", "LATEST")), NotFound)
    assert isinstance(await failed(client.schedules("nobody", "ACTIVE")), NotFound)
    assert isinstance(await failed(client.edit_schedules("acme", found, "2020-01-01")), Rejected)
    assert isinstance(await failed(client.finalize_schedules("acme")), Rejected)
    assert isinstance(await failed(client.rate_cards("..")), Malformed)
    for kind, expected in (("rate_limited", RateLimited), ("error_after", Unavailable), ("cut_before", Unavailable),
                           ("html", Unavailable), ("unauthorized", KeyRefused)):  # fmt: skip
        with togai_side.fault(kind, times=1):
            assert isinstance(await failed(client.schedules("acme", "DRAFT")), expected), kind


@pytest.mark.parametrize("answer", ["price_plan", "rate_cards", "schedules"])
async def test_half_an_answer_is_no_answer(togai_side: TogaiSide, answer: str) -> None:
    """What was cut short is asked for again."""
    found = plan(togai_side)
    await togai_side.client.create_customer(new())
    more = {"price_plan": (found, "LATEST"), "rate_cards": (found,), "schedules": ("acme", "ACTIVE")}
    with togai_side.fault("truncated_json", times=1):
        assert isinstance(await failed(getattr(togai_side.client.v2, answer)(*more[answer])), Unavailable)


async def test_an_account_with_many_schedules_is_read_whole(togai_side: TogaiSide) -> None:
    """By either API, more than Togai's usual page and more than its largest: none of them is overlooked."""
    found = plan(togai_side, api="v1"), plan(togai_side, api="v1")
    await togai_side.client.create_customer(new())
    days = [day(n) for n in range(1, 113)]
    edits = [
        {"mode": "ASSOCIATE", "pricePlanId": found[n % 2], "effectiveFrom": days[n], "effectiveUntil": days[n + 1]}
        for n in range(110)
    ]
    headers = {"Authorization": f"Bearer {togai_side.key}"}
    for place in range(0, 110, 10):
        body = {"edits": edits[place : place + 10]}
        sent = togai_side.control.http.post(
            f"{togai_side.base}/accounts/acme/edit_schedules", json=body, headers=headers
        )
        assert sent.is_success, sent.text
    first = await togai_side.client.pricing_schedules("acme")
    second = await togai_side.client.v2.schedules("acme", "ACTIVE")

    assert len({row["id"] for row in first}) == 110
    assert {row["id"] for row in second} == {row["id"] for row in first}
