"""Subscriptions that are there already: their periods, what holds them up, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.shop import Shop


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("subscriptions")) as made:
        yield made


@pytest.fixture
def shop(app: Inside) -> Shop:
    """A fresh account."""
    return Shop(app)


def started(shop: Shop, **more: Any) -> dict[str, Any]:
    price = shop.price(recurring={"interval": "week"})
    return shop.post("subscriptions", customer=shop.customer(), items=[{"price": price["id"]}], **more)


def put(shop: Shop, subscription: str, **changes: Any) -> None:
    shop.control("POST", f"/stripe/subscriptions/{subscription}", **changes)


def test_the_period_is_that_of_the_items(shop: Shop) -> None:
    """The subscription itself tells none, since basil."""
    found = started(shop)
    [item] = found["items"]["data"]
    assert "current_period_end" not in found
    assert item["current_period_end"] - item["current_period_start"] == 7 * 86_400


def test_it_ends_with_its_period_and_may_go_on_before(shop: Shop) -> None:
    """Nothing changes twice; once ended it cannot be changed."""
    before, found = len(shop.types()), started(shop)
    end = found["items"]["data"][0]["current_period_end"]
    ends = shop.post(f"subscriptions/{found['id']}", cancel_at_period_end=True)
    shop.post(f"subscriptions/{found['id']}", cancel_at_period_end=True)
    goes_on = shop.post(f"subscriptions/{found['id']}", cancel_at_period_end=False)
    shop.post(f"subscriptions/{found['id']}", cancel_at_period_end=True)
    shop.app.control("POST", "/clock", {"advance": end - found["created"] + 60})
    ended = shop.get(f"subscriptions/{found['id']}")
    events = [name for name in shop.types()[before:] if name.startswith("customer.subscription.")]

    assert (ends["status"], ends["cancel_at_period_end"], ends["cancel_at"]) == ("active", True, end)
    assert ends["cancellation_details"]["reason"] == "cancellation_requested"
    assert (goes_on["cancel_at_period_end"], goes_on["cancel_at"], goes_on["canceled_at"]) == (False, None, None)
    assert (ended["status"], ended["ended_at"]) == ("canceled", end)
    assert shop.get("subscriptions")["data"] == []
    assert events == [
        "customer.subscription.created", *["customer.subscription.updated"] * 3, "customer.subscription.deleted"
    ]  # fmt: skip
    assert shop.error("POST", f"subscriptions/{found['id']}", cancel_at_period_end=False)["code"] == "resource_missing"


def test_a_pause_and_metadata(shop: Shop) -> None:
    """A pause of the collection leaves the status as it is; an empty one ends it."""
    found = started(shop)
    paused = shop.post(f"subscriptions/{found['id']}", pause_collection={"behavior": "void"}, metadata={"a": "1"})
    again = shop.post(f"subscriptions/{found['id']}", pause_collection="")

    assert (paused["pause_collection"], paused["status"]) == ({"behavior": "void", "resumes_at": None}, "active")
    assert (again["pause_collection"], again["metadata"]) == (None, {"a": "1"})


@pytest.mark.parametrize("changes", [{"status": "past_due"}, {"discounted": True}, {"period_end": 1_900_000_000}])
def test_what_becomes_of_one_without_a_call(shop: Shop, changes: dict[str, Any]) -> None:
    """By control; every state is valid by Stripe's schema, and an event tells of it."""
    found = started(shop)
    put(shop, found["id"], **changes)
    shown = shop.get(f"subscriptions/{found['id']}")

    assert shop.types()[-1] == "customer.subscription.updated"
    assert shown != found


def test_what_the_sandbox_cannot_change_is_refused(shop: Shop) -> None:
    """To pass it over would look like success."""
    assert shop.error("POST", f"subscriptions/{started(shop)['id']}", description="x")["param"] == "description"
