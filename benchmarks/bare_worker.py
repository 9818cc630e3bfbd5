"""The least that a worker can be: read events with aiokafka, and do a flow's calls for each, 64 at a time.

    python -m benchmarks.bare_worker BOOTSTRAP TOPIC EVENTS VENDOR

Prints its events a second, from the first event to the last, and the processor time of one in milliseconds. The calls
are those of the flow from a Togai account to a Stripe customer, by the same clients; nothing is claimed, recorded or
acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from shared.apps.model import Access
from shared.apps.stripe import client as stripe_client
from shared.apps.stripe.client import StripeApp
from shared.apps.togai import client as togai_client
from shared.apps.togai.client import TogaiApp

from tests.engines import access

IN_FLIGHT = 64
"""Calls at the same time, as many as a worker of Tandem has."""
SETTING = "StripeCustomerId"


class Gate:
    """So many calls at once, and no other limit."""

    def __init__(self) -> None:
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)

    @asynccontextmanager
    async def call(self, *_: object) -> AsyncIterator[None]:
        """One of the calls in flight."""
        async with self._in_flight:
            yield


async def handle(togai: TogaiApp, stripe: StripeApp, account_id: str) -> None:
    """What the flow calls for one account."""
    account = await togai.account(account_id)
    customer = await togai.customer(account.customer_id)
    await togai.setting(SETTING, "ACCOUNT", account.id)
    params = {"name": customer.name, "email": account.primary_email, "metadata": {"togai_account_id": account.id}}
    made = await stripe.create_customer(params, f"bench-{account.id}")
    await togai.create_setting(SETTING, made.id, "ACCOUNT", account.id)


async def work(bootstrap: str, topic: str, events: int, vendor: str) -> dict[str, float]:
    """Handle so many events, and measure."""
    gate, consumer = Gate(), AIOKafkaConsumer(topic, **access.options(bootstrap), auto_offset_reset="earliest")
    http = togai_client.http_client(15.0)
    togai = TogaiApp(Access("con_togai", "togai:test:org_1", "t", f"{vendor}/togai", gate), http)  # type: ignore[arg-type]
    sdk = stripe_client.http_client(15.0)
    stripe = StripeApp(Access("con_stripe", "stripe:test:acct_1", "sk_test_x", f"{vendor}/stripe", gate), sdk)  # type: ignore[arg-type]
    await consumer.start()
    began, used, tasks = 0.0, 0.0, set()
    try:
        async for record in consumer:
            if not began:
                began, used = time.perf_counter(), time.process_time()
            tasks.add(asyncio.create_task(handle(togai, stripe, json.loads(record.value)["subject"])))
            if len(tasks) == events:
                break
        await asyncio.gather(*tasks)
        seconds, used = time.perf_counter() - began, time.process_time() - used
        return {"per_second": events / seconds, "processor_ms": 1000 * used / events}
    finally:
        await consumer.stop()
        await http.aclose()
        await sdk.close_async()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))))
