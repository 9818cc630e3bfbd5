"""From bodies to envelopes, and every malformed body to a 4xx with its reason."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.apps.receiving import NotOurs, Refused
from shared.apps.stripe.webhooks import stripe_event
from shared.apps.togai.webhooks import togai_event
from shared.connections import Connection
from shared.domains import subject_of

STRIPE = Connection(id="con_s", app="stripe", app_account="stripe:test:acct_1", mode="test", api_base="", sealed="")
TOGAI = Connection(id="con_t", app="togai", app_account="togai:test:org_1", mode="test", api_base="", sealed="")
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def event(**changes: Any) -> bytes:
    body = {
        "id": "evt_1",
        "object": "event",
        "type": "customer.created",
        "created": 1795428000,
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    }
    return json.dumps(body | changes).encode()


def test_a_customer_event_is_keyed_by_its_customer() -> None:
    """The event id is Stripe's, so a redelivery is the same event."""
    found = stripe_event(event(), STRIPE, subject_of)

    assert (found.id, found.type, found.subject) == ("evt_1", "stripe.customer.created", "cus_1")
    assert found.aggregate == "stripe:test:acct_1/customer/cus_1"
    assert found.time == "2026-11-23T10:00:00.000Z"
    assert bytes(found.data) == event()


def test_an_event_without_an_object_id_is_kept_under_its_own() -> None:
    """`balance.available` has an object without an id."""
    body = event(type="balance.available", data={"object": {"object": "balance"}})

    assert stripe_event(body, STRIPE, subject_of).aggregate == "stripe:test:acct_1/event/evt_1"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe", "not_utf8"),
        (b'{"id": "\xff"}', "not_utf8"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (event() + b"}", "not_json"),
        (b"[]", "not_an_event"),
        (b"[1]", "not_an_event"),
        (b"null", "not_an_event"),
        (b'"text"', "not_an_event"),
        (b"{}", "not_an_event"),
        (event(object="customer"), "not_an_event"),
        (event(id=""), "not_an_event"),
        (event(id=5), "not_an_event"),
        (event(created="soon"), "not_an_event"),
        (event(created=10**18), "not_an_event"),
        (event(id="x" * 256), "not_an_event"),
        (event(id="evt_\x1b[2J"), "not_an_event"),
        (event(data=0).replace(b'"data": 0', b'"data": ' + b"[" * 300 + b"]" * 300), "not_an_event"),
        (b'{"id": 5, "data": ' + b"[" * 5000 + b"]" * 5000 + b"}", "not_an_event"),
        (event(data=0).replace(b'"data": 0', b'"data": ' + b"[" * 5000 + b"]" * 5000), "not_an_event"),
        (event(data="X").replace(b'"X"', b'{"id": "\\ud800"}'), "not_json"),
        (event(data="X").replace(b'"X"', b"1e999"), "not_an_event"),
        (b'{"object": "v2.core.event", "id": "evt_1", "type": "v1.customer.created"}', "thin_event"),
    ],
)
def test_a_malformed_body_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    """Each of them made a 500 somewhere else, and Stripe retried for days."""
    with pytest.raises(Refused) as caught:
        stripe_event(body, STRIPE, subject_of)

    assert caught.value.status == 400
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("changes", "reason"), [({"livemode": True}, "wrong_mode"), ({"account": "acct_other"}, "other_account")]
)
def test_what_is_not_the_connections_keeps_its_record(changes: dict[str, Any], reason: str) -> None:
    """Under a type that starts nothing, with the vendor's body as it came, and what to do about it."""
    with pytest.raises(NotOurs, match="endpoint in Stripe") as caught:
        stripe_event(event(**changes), STRIPE, subject_of)
    record = caught.value.record

    assert (record.id, record.type, record.refused) == ("evt_1", "tandem.event.refused", reason)
    assert (record.connection, record.appaccount) == ("con_s", "stripe:test:acct_1")
    assert bytes(record.data) == event(**changes)


@given(st.binary(max_size=300) | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)).map(lambda v: json.dumps(v).encode()))  # fmt: skip  # noqa: E501
def test_no_body_ever_raises_anything_else(body: bytes) -> None:
    """Whatever comes: an envelope or a refusal, at Stripe's address and at Togai's."""
    with suppress(Refused):
        stripe_event(body, STRIPE, subject_of)
    assert (
        togai_event("account.created", body, TOGAI, event_id="tgi_1", now=NOW, subject_of=subject_of).type
        == "togai.account.created"
    )


def test_a_togai_body_of_any_depth_is_kept_as_text() -> None:
    """No worker has to go down into it, and the entity is fetched anyway."""
    body = b'{"accountId": "acme", "x": ' + b"[" * 300 + b"]" * 300 + b"}"
    found = togai_event("account.created", body, TOGAI, event_id="tgi_1", now=NOW, subject_of=subject_of)

    assert found.body() == body.decode()
    assert found.subject == "acme"


@pytest.mark.parametrize("entity", ["x" * 256, "a\x00b", "a\nb", "\x1b[31m", ""])
def test_what_can_be_no_id_names_nothing(entity: str) -> None:
    """It would stand in URLs, in Kafka's keys and in SQL's indexes."""
    found = togai_event(
        "account.created",
        json.dumps({"accountId": entity}).encode(),
        TOGAI,
        event_id="e",
        now=NOW,
        subject_of=subject_of,
    )
    stripe = stripe_event(event(data={"object": {"id": entity, "object": "customer"}}), STRIPE, subject_of)

    assert (found.subject, stripe.subject) == ("unknown-e", "evt_1")


def test_a_togai_event_is_keyed_by_its_account() -> None:
    """The body is a hint; the address names the event."""
    found = togai_event(
        "account.created",
        b'{"payload": {"id": "a", "customerId": "c"}}',
        TOGAI,
        event_id="e",
        now=NOW,
        subject_of=subject_of,
    )

    assert found.aggregate == "togai:test:org_1/account/a"


def test_a_togai_body_that_names_nothing_is_kept() -> None:
    """It ends as a dead letter that somebody sees."""
    found = togai_event("account.created", b"<html>", TOGAI, event_id="tgi_1", now=NOW, subject_of=subject_of)

    assert found.aggregate == "togai:test:org_1/event/unknown-tgi_1"
    assert found.body() == "<html>"


@pytest.mark.parametrize("name", ["", "Account", "a..b", "a/b", "x" * 65, "a.b\n"])
def test_an_impossible_event_name_is_unknown(name: str) -> None:
    """404: the address was mistyped."""
    with pytest.raises(Refused) as caught:
        togai_event(name, b"{}", TOGAI, event_id="e", now=NOW, subject_of=subject_of)

    assert caught.value.status == 404
