"""Stripe's webhooks at the real ingress: what is good is in the log once, what is not gets a 4xx with its reason."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.ingress.harness import (
    BARE,
    LIVE,
    LIVE_SECRET,
    NEW_SECRET,
    OLD_SECRET,
    STRIPE,
    Harness,
    event,
    event_id,
    signed,
)
from tests.stack.topics import records

ADDRESS = f"/webhooks/stripe/{STRIPE}"


async def test_a_good_webhook_is_appended_once_and_unchanged(harness: Harness) -> None:
    """Key is the customer, the vendor's bytes stand in the envelope as they came, and the answer names the event."""
    name = event_id()
    body = event(name)
    answer = await harness.stripe(body)
    (record,) = await harness.events(name)
    envelope = json.loads(record.value)

    assert (answer.status_code, answer.json()) == (200, {"received": name})
    assert record.key == b"stripe:test:acct_1/customer/cus_1"
    assert body in record.value
    assert envelope["data"] == json.loads(body)
    assert (envelope["type"], envelope["origin"], envelope["connection"]) == ("stripe.customer.created", "live", STRIPE)
    assert (envelope["appaccount"], envelope["specversion"]) == ("stripe:test:acct_1", "1.0")
    assert list(record.headers) == []


async def test_a_type_that_nobody_knows_is_kept(harness: Harness) -> None:
    """A private flow can use any type: it stands in the topic of the others."""
    name = event_id()
    answer = await harness.stripe(event(name, type="radar.early_fraud_warning.created"))
    (record,) = await harness.events(name, harness.topics.other)

    assert answer.status_code == 200
    assert json.loads(record.value)["type"] == "stripe.radar.early_fraud_warning.created"


@pytest.mark.parametrize("secrets", [(OLD_SECRET,), (NEW_SECRET,), ("whsec_gone", NEW_SECRET), (OLD_SECRET, "other")])
async def test_each_of_two_secrets_is_good(harness: Harness, secrets: tuple[str, ...]) -> None:
    """While a secret is rolled the sender signs with either or both."""
    body = event()

    assert (await harness.post(ADDRESS, body, {"Stripe-Signature": signed(body, *secrets)})).status_code == 200


async def test_spaces_in_the_header_are_borne(harness: Harness) -> None:
    """Proxies are known to write a space after the comma."""
    body = event()
    header = signed(body, NEW_SECRET).replace(",", ", ")

    assert (await harness.post(ADDRESS, body, {"Stripe-Signature": header})).status_code == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe", "not_utf8"),
        (event("evt_x").replace("ë".encode(), b"\xeb"), "not_utf8"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (event("evt_x") + b"}", "not_json"),
        (event("evt_x", data={"object": {"id": "X"}}).replace(b'"X"', b'"\\ud800"'), "not_json"),
        (event("evt_x", data={"object": {"id": "X"}}).replace(b'"X"', b"1e999"), "not_an_event"),
        (b"[]", "not_an_event"),
        (b"[{}]", "not_an_event"),
        (b"null", "not_an_event"),
        (b"7", "not_an_event"),
        (event("evt_x", object="customer"), "not_an_event"),
        (event("evt_" + "x" * 300), "not_an_event"),
        (event("evt_x", type="x" * 300), "not_an_event"),
        (event("evt_x", id=None), "not_an_event"),
        (event("evt_x", created="soon"), "not_an_event"),
        (event("evt_x", created=10**18), "not_an_event"),
        (event("evt_x", livemode=1), "not_an_event"),
        (event("evt_x", data=0).replace(b'"data": 0', b'"data": ' + b"[" * 5000 + b"]" * 5000), "not_an_event"),
        (b'{"object": "v2.core.event", "id": "evt_1", "type": "v1.customer.created", "livemode": false}', "thin_event"),
    ],
)
async def test_a_good_signature_over_a_bad_body_is_refused(harness: Harness, body: bytes, reason: str) -> None:
    """Never a 500: the sender would come again for three days."""
    refused = f'tandem_ingress_refused_total{{app="stripe",reason="{reason}"}}'
    before = await harness.counted(refused)
    answer = await harness.stripe(body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, reason)
    assert answer.json()["error"]["message"]
    assert await harness.counted(refused) == before + 1


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (lambda body: None, "signature_missing"),
        (lambda body: "", "signature_missing"),
        (lambda body: "nonsense", "signature_malformed"),
        (lambda body: signed(body), "signature_malformed"),
        (lambda body: signed(body, NEW_SECRET).partition(",")[2], "signature_malformed"),
        (lambda body: signed(body, NEW_SECRET).replace("t=", "t=-"), "signature_malformed"),
        (lambda body: signed(body, NEW_SECRET).replace("t=", "t=9999999999999"), "signature_malformed"),
        (lambda body: "t=²,v1=00".encode("latin-1"), "signature_malformed"),
        (lambda body: signed(body, NEW_SECRET).replace("v1=", "v0="), "signature_malformed"),
        (lambda body: signed(body, NEW_SECRET).replace("v1=", "v1=é").encode(), "signature_mismatch"),
        (lambda body: signed(body, NEW_SECRET).upper().replace("T=", "t=").replace("V1=", "v1="), "signature_mismatch"),
        (lambda body: signed(body + b" ", NEW_SECRET), "signature_mismatch"),
        (lambda body: signed(body, "whsec_wrong"), "signature_mismatch"),
        (lambda body: signed(body, LIVE_SECRET), "signature_mismatch"),
        (lambda body: signed(body, NEW_SECRET, at=time.time() - 330), "signature_stale"),
        (lambda body: signed(body, NEW_SECRET, at=time.time() + 330), "signature_stale"),
        (lambda body: signed(body, NEW_SECRET, at=0), "signature_stale"),
    ],
)
async def test_a_bad_signature_is_refused_with_its_reason(harness: Harness, header: Any, reason: str) -> None:
    """Stale both ways, wrong, missing or not even one: 400, and nothing of it is in the log."""
    name = event_id()
    body = event(name)
    made = header(body)
    answer = await harness.post(ADDRESS, body, {} if made is None else {"Stripe-Signature": made})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, reason)
    assert await harness.events(name) == []


async def test_a_connection_without_a_secret_takes_nothing(harness: Harness) -> None:
    """The refusal says which setting is missing."""
    answer = await harness.stripe(event(), connection=BARE)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "signature_no_secret")
    assert "STRIPE_WEBHOOK_SECRETS" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("connection", "secret", "livemode"), [(STRIPE, NEW_SECRET, True), (LIVE, LIVE_SECRET, False)])
async def test_test_and_live_never_meet(harness: Harness, connection: str, secret: str, livemode: bool) -> None:
    """An event of the other mode is taken and counted as refused: saying no for days gets the endpoint switched off."""
    refused, name = 'tandem_ingress_refused_total{app="stripe",reason="wrong_mode"}', event_id()
    before = await harness.counted(refused)
    answer = await harness.stripe(event(name, livemode=livemode), secret, connection)
    (record,) = await harness.events(name, harness.topics.other)

    assert (answer.status_code, answer.json()["refused"]["code"]) == (200, "wrong_mode")
    assert await harness.counted(refused) == before + 1
    assert json.loads(record.value)["refused"] == "wrong_mode"
    assert await harness.events(name) == []


async def test_a_live_event_at_a_live_connection_is_taken(harness: Harness) -> None:
    """Its app account is the live one."""
    name = event_id()
    answer = await harness.stripe(event(name, livemode=True), LIVE_SECRET, LIVE)
    (record,) = await harness.events(name)

    assert answer.status_code == 200
    assert record.key == b"stripe:live:acct_1/customer/cus_1"


async def test_a_body_of_a_megabyte_is_taken_and_a_larger_one_is_not(harness: Harness) -> None:
    """With a length announced before and without one."""
    name = event_id()
    room = 1024 * 1024 - len(event(name, data={"object": {"id": "cus_1", "object": "customer", "x": ""}}))
    largest = event(name, data={"object": {"id": "cus_1", "object": "customer", "x": "x" * room}})

    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    header = {"Stripe-Signature": signed(largest, NEW_SECRET)}
    reported = await harness.post(ADDRESS, largest, header)
    untold = await harness.post(ADDRESS, chunks(largest), header)
    refused = [
        await harness.post(ADDRESS, body, {"Stripe-Signature": signed(largest + b" ", NEW_SECRET)})
        for body in (largest + b" ", chunks(largest + b" "))
    ]

    assert len(largest) == 1024 * 1024
    assert (reported.status_code, untold.status_code) == (200, 200)
    assert [(a.status_code, a.json()["error"]["code"]) for a in refused] == [(413, "too_large")] * 2


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"object": None}, {"object": "cus_1"}, {"object": {"id": "x" * 700_000, "object": "customer"}}],
)
async def test_an_event_that_names_no_object_is_kept(harness: Harness, data: Any) -> None:
    """Under its own id: it ends as a dead letter that somebody sees. No id of 700 kB is a key."""
    name = event_id()
    answer = await harness.stripe(event(name, data=data))
    (record,) = await harness.events(name)

    assert answer.status_code == 200
    assert record.key == f"stripe:test:acct_1/event/{name}".encode()


async def test_many_at_once_are_all_appended_and_none_twice(harness: Harness) -> None:
    """200 good webhooks side by side."""
    names = [event_id() for _ in range(200)]
    async with harness.client(60) as http:
        bodies = [event(name, data={"object": {"id": f"cus_{name}", "object": "customer"}}) for name in names]
        answers = await asyncio.gather(
            *(
                http.post(harness.url(ADDRESS), content=body, headers={"Stripe-Signature": signed(body, NEW_SECRET)})
                for body in bodies
            )
        )
    everything = await records(harness.stack.settings(), harness.topics.events("customer"))
    found = [json.loads(r.value)["id"] for r in everything if json.loads(r.value)["id"] in names]

    assert {answer.status_code for answer in answers} == {200}
    assert sorted(found) == sorted(names)
