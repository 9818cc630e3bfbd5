"""Every change makes an event, and the list of events filters as Stripe's does."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import StripeSide


def test_life_of_a_customer(side: StripeSide) -> None:
    """Create, update and delete make one event each, with snapshot, request and what changed."""
    made = side.sdk.v1.customers.create({"name": "A", "metadata": {"k": "1"}}, {"idempotency_key": "mine"})
    side.sdk.v1.customers.update(made.id, {"name": "B", "metadata": {"n": "2"}, "address": {"city": "X"}})
    side.sdk.v1.customers.delete(made.id)
    deleted, updated, created = side.sdk.v1.events.list().data
    assert [e.type for e in (created, updated, deleted)] == ["customer.created", "customer.updated", "customer.deleted"]
    assert created.data.object["id"] == made.id
    assert created.request is not None
    assert (created.request.idempotency_key, created.request.id is not None) == ("mine", True)
    assert (created.livemode, created.api_version, created.pending_webhooks) == (False, "2026-10-28.endive", 0)
    assert updated.to_dict()["data"]["previous_attributes"] == {"name": "A", "metadata": {"n": None}, "address": None}
    assert side.sdk.v1.events.retrieve(updated.id).to_dict() == updated.to_dict()
    assert "previous_attributes" not in created.to_dict()["data"]


def test_no_change_no_event(side: StripeSide) -> None:
    """An update that changes nothing makes no event, and nor does a replay."""
    made = side.sdk.v1.customers.create({"name": "A"}, {"idempotency_key": "k"})
    side.sdk.v1.customers.update(made.id, {"name": "A"})
    side.sdk.v1.customers.create({"name": "A"}, {"idempotency_key": "k"})
    assert len(side.sdk.v1.events.list().data) == 1


def test_filters(side: StripeSide) -> None:
    """Types, wildcards, created ranges and cursors select events."""
    made = side.sdk.v1.customers.create({"name": "A"})
    side.sdk.v1.customers.update(made.id, {"name": "B"})
    events = side.sdk.v1.events

    def types(params: Any) -> list[str]:
        return [event.type for event in events.list(params).data]

    assert types({"type": "customer.updated"}) == ["customer.updated"]
    assert types({"type": "customer.*"}) == ["customer.updated", "customer.created"]
    assert types({"types": ["customer.created", "invoice.paid"]}) == ["customer.created"]
    assert types({"type": "invoice.*"}) == []
    assert types({"created": {"gt": made.created + 60}}) == []
    newest = events.list({"limit": 1})
    assert types({"starting_after": newest.data[0].id}) == ["customer.created"]
    assert [event.type for event in newest.auto_paging_iter()] == ["customer.updated", "customer.created"]


@pytest.mark.parametrize("params", [{"types": ["a"] * 21}, {"type": "a", "types": ["b"]}, {"delivery_success": "yes"}])
def test_refused_filters(side: StripeSide, params: Any) -> None:
    """More than 20 types, type beside types, and "yes" for a truth value are refused."""
    with pytest.raises(stripe.InvalidRequestError):
        side.sdk.v1.events.list(params)


def test_events_are_kept_for_30_days(side: StripeSide, control: tools.Control) -> None:
    """After 30 days on the sandbox's clock an event is gone from list and retrieve."""
    side.sdk.v1.customers.create({"name": "A"})
    event = side.sdk.v1.events.list().data[0]
    control.call("POST", "/clock", {"advance": 30 * 24 * 3600 + 1})
    assert side.sdk.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        side.sdk.v1.events.retrieve(event.id)


def test_delivery_success(side: StripeSide, control: tools.Control, receiver: tools.Receiver) -> None:
    """`delivery_success` tells delivered events from pending and failed ones."""
    side.sdk.v1.webhook_endpoints.create({"url": f"{receiver.url}/x", "enabled_events": ["*"]})
    good = side.sdk.v1.customers.create({"name": "good"})
    tools.until(lambda: control.deliveries(side.account, state="delivered"))
    receiver.answers = [500] * 10
    bad = side.sdk.v1.customers.create({"name": "bad"})
    tools.until(lambda: control.deliveries(side.account, state="failed"))
    found = {
        wanted: [e.data.object["id"] for e in side.sdk.v1.events.list({"delivery_success": wanted}).data]
        for wanted in (True, False)
    }
    assert found == {True: [good.id], False: [bad.id]}
