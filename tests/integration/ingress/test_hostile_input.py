"""A thousand slow senders, and large bodies side by side: whoever is honest is still served."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.ingress.harness import HOOK_TOKEN, NEW_SECRET, STRIPE, TOGAI, Harness, event, event_id, signed
from tests.stack.topics import records

SLOW = 1000
SILENT = 1100
"""More than the server's backlog."""
FILES = 4096
"""Open files that the slow senders of this process need, and ingress at its other end."""
DRIP = 0.5
IN_TIME = "60"
"""Seconds for an append: what is taken counts, not how quick a machine is with 80 megabytes."""


@pytest.fixture(scope="module")
def many_files() -> Iterator[None]:
    """Room for every connection at both ends: what this process may open, the processes that it starts may too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    assert wanted > 2 * SILENT, f"this machine lets a process open {hard} files only"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def own(many_files: None, kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[Harness]:
    """An ingress of the test's own: the slow ones would hold up the others' tests."""
    opened = await Harness.open(tmp_path, kafka_bootstrap, TANDEM_APPEND_TIMEOUT=IN_TIME)
    yield opened
    await opened.close()


def beginnings(number: int) -> bytes:
    """What a slow sender sends at once: no header at all, half of the headers, or the headers and no body."""
    body = event()
    stripe = f"POST /webhooks/stripe/{STRIPE} HTTP/1.1\r\nHost: x\r\n"
    signature = f"Stripe-Signature: {signed(body, NEW_SECRET)}\r\n"
    togai = f"POST /webhooks/togai/{TOGAI}/account.created/{HOOK_TOKEN} HTTP/1.1\r\nHost: x\r\n"
    length = f"Content-Length: {len(body)}\r\n\r\n"
    return ["", stripe + "X-Slow: ", stripe + signature + length, togai + length][number % 4].encode()


@asynccontextmanager
async def slow_senders(port: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """A thousand connections that drip a byte now and then, and never come to an end by themselves."""
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SLOW)]
    for number, (_, writer) in enumerate(pairs):
        writer.write(beginnings(number))

    async def drip() -> None:
        while True:
            await asyncio.sleep(DRIP)
            for number, (_, writer) in enumerate(pairs):
                if number % 4 and not writer.is_closing():
                    writer.write(b"x")

    dripping = asyncio.create_task(drip())
    try:
        yield [reader for reader, _ in pairs]
    finally:
        dripping.cancel()
        for _, writer in pairs:
            writer.close()


async def test_a_thousand_slow_senders_hold_nobody_up(own: Harness) -> None:
    """While they drip headers and bodies good webhooks of both vendors are taken, and slow bodies are sent away."""
    names = [event_id() for _ in range(20)]
    async with slow_senders(own.stack.ports["ingress"]) as readers:
        for name in names:
            assert (await own.stripe(event(name))).status_code == 200
            assert (await own.togai(b'{"payload": {"id": "acme"}}')).status_code == 200
        with_bodies = [reader for number, reader in enumerate(readers) if number % 4 > 1]
        heads = await asyncio.gather(*(reader.readuntil(b"\r\n") for reader in with_bodies))
    found = await records(own.stack.settings(), own.topics.events("customer"))
    taken = [json.loads(record.value)["id"] for record in found]

    assert set(heads) == {b"HTTP/1.1 408 Request Timeout\r\n"}
    assert [name for name in taken if name.startswith("evt_")] == names
    assert len(taken) == 2 * len(names)


async def test_bodies_of_a_megabyte_side_by_side_are_all_taken(own: Harness) -> None:
    """Forty at once, each of them whole in the log; forty forged ones beside them are not."""
    names = [event_id() for _ in range(40)]
    room = {"object": {"id": "cus_1", "object": "customer", "x": "x" * (1024 * 1024 - 2000)}}
    good = [own.stripe(event(name, data=room)) for name in names]
    forged = [own.stripe(event(data=room), secret="whsec_wrong") for _ in names]
    answers = await asyncio.gather(*good, *forged)
    found = await records(own.stack.settings(), own.topics.events("customer"))

    assert [answer.status_code for answer in answers] == [200] * 40 + [400] * 40
    assert sorted(json.loads(record.value)["id"] for record in found) == sorted(names)
    assert all(len(json.loads(record.value)["data"]["data"]["object"]["x"]) == 1024 * 1024 - 2000 for record in found)


async def test_silent_connections_hold_nobody_up_and_are_closed(own: Harness) -> None:
    """More of them than the server's backlog never say a word: webhooks are taken meanwhile, and they are sent away."""
    pairs = [await asyncio.open_connection("127.0.0.1", own.stack.ports["ingress"]) for _ in range(SILENT)]
    try:
        assert (await own.stripe(event())).status_code == 200
        output = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in pairs)), 120)
    finally:
        for _, writer in pairs:
            writer.close()

    assert set(output) == {b""}
