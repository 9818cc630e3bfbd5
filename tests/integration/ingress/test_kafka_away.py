"""Without Kafka nothing is taken: 503 in time, and everything again as soon as it is back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from console.local.kafka import EmbeddedKafka
from shared.events.topics import Topics

from tests.integration.ingress.harness import NEW_SECRET, STRIPE, Harness, event, event_id, signed
from tests.stack.broker import freeze, own_broker, thaw
from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant
from tests.stack.topics import records

PATIENT = 60.0
"""Far above the append's deadline: what takes so long hangs."""


@pytest.fixture
async def broker(kafka_jars: None, tmp_path: Path) -> AsyncIterator[EmbeddedKafka]:
    """A broker of the test's own, to be stopped."""
    async with own_broker(tmp_path / "kafka-home") as running:
        yield running


async def test_503_until_the_connections_have_been_read(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Started before anything was prepared, it lives but takes nothing, and begins by itself when it can."""
    harness = await Harness.open(tmp_path, kafka_bootstrap, wait=False)
    try:
        answers = [
            await harness.stripe(event()),
            await harness.togai(b"{}"),
            await harness.post("/webhooks/stripe/x", b""),
        ]
        async with harness.client() as http:
            ready = await http.get(harness.url("/readyz"))

        assert [(a.status_code, a.json()["error"]["code"]) for a in answers] == [(503, "unavailable")] * 3
        assert (ready.status_code, ready.json()["ready"]) == (503, False)

        await harness.prepare()
        await harness.stack.ready("ingress")

        # Ready means what the topics held when reading began: the connections may have come after that.
        await harness.taken(event())
    finally:
        await harness.close()


async def test_503_in_time_while_kafka_is_paused_or_dead(broker: EmbeddedKafka, tmp_path: Path) -> None:
    """No sender hangs, one that comes again is taken, and what arrived late is the same event; kill -9 of the broker
    loses nothing that was answered by 200.
    """
    harness = await Harness.open(tmp_path / "harness", broker.bootstrap, TANDEM_APPEND_TIMEOUT="1")
    try:
        before, after = event_id(), event_id()
        names = [event_id() for _ in range(5)]
        headers = [(event(name), signed(event(name), NEW_SECRET)) for name in names]
        await harness.taken(event(before))
        freeze(broker)
        async with harness.client(PATIENT) as http:

            async def send(body: bytes, header: str) -> httpx.Response:
                address = harness.url(f"/webhooks/stripe/{STRIPE}")
                return await http.post(address, content=body, headers={"Stripe-Signature": header})

            refused = await asyncio.gather(*(send(body, header) for body, header in headers))
            alive = await http.get(harness.url("/healthz"))
            thaw(broker)

            async def taken() -> bool:
                answers = [await send(body, header) for body, header in headers]
                return {answer.status_code for answer in answers} == {200}

            await until(taken, "webhooks are taken again")

        assert [(a.status_code, a.json()["error"]["code"]) for a in refused] == [(503, "unavailable")] * 5
        assert alive.status_code == 200
        assert await harness.counted("tandem_ingress_append_failed_total") >= 5
        for name in names:
            found = await harness.events(name)
            assert found
            assert len({(r.key, json.loads(r.value)["source"]) for r in found}) == 1
        await broker.kill()
        assert (await harness.stripe(event())).status_code == 503
        await broker.start()
        await harness.taken(event(after))
        for name in (before, *names, after):
            assert await harness.events(name)
    finally:
        await harness.close()


async def test_a_retry_whose_first_record_arrived_late_has_one_effect(broker: EmbeddedKafka, tmp_path: Path) -> None:
    """Stripe gets 503 and sends again; both records come to stand in the log; one customer is made at Togai."""
    stack = await Stack.start(tmp_path / "stack", broker.bootstrap, workers=1, TANDEM_APPEND_TIMEOUT="0.5")
    try:
        tenant = await Tenant.make(stack)
        # Only a client that knows the topic has a record under way when the broker falls silent.
        first = await tenant.new_customer()
        await tenant.mapping(first)
        freeze(broker)
        customer = await tenant.new_customer()

        async def refused() -> bool:
            query = {"account": tenant.stripe_account, "object": customer}
            found = (await stack.control("GET", "/deliveries", params=query))["deliveries"]
            return any(len(delivery["attempts"]) >= 2 for delivery in found)

        await until(refused, "two deliveries that got 503")
        thaw(broker)
        await tenant.mapping(customer)
        await tenant.settled(customer)

        async def delivered() -> bool:
            query = {"account": tenant.stripe_account, "object": customer, "state": "delivered"}
            return bool((await stack.control("GET", "/deliveries", params=query))["deliveries"])

        await until(delivered, "the delivery that was taken")
        created = [r for r in await _events(stack, customer) if r["type"] == "stripe.customer.created"]
        runs = await tenant.runs(customer)
        assert len(created) >= 2
        assert len({r["id"] for r in created}) == 1
        # A worker that got its partitions again after the silence knows no record as finished: it changes nothing.
        began = [r["state"] for r in runs if r["event_type"] == "stripe.customer.created" and r["flow"]]
        assert began.count("succeeded") == 1
        assert set(began) <= {"succeeded", "in_sync"}
        assert sorted(c["id"] for c in (await tenant.togai_state())["customers"]) == sorted([first, customer])
    finally:
        await stack.stop()


async def _events(stack: Stack, customer: str) -> list[dict[str, Any]]:
    topic = Topics(stack.settings()).events("customer")
    return [
        e for e in (json.loads(r.value) for r in await records(stack.settings(), topic)) if e["subject"] == customer
    ]
