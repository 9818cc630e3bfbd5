"""Our Stripe client when things go wrong: each fault of the sandbox becomes the error that says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from shared.errors import Blocked, KeyRefused, KeyReused, NotFound, RateLimited, Rejected, SyncError, Unavailable
from shared.identity import key_fingerprint
from shared.retries import is_worth_retrying

from tests.contract.clients.conftest import StripeSide, other_stripe

NEW = {"name": "x"}


async def until(found: Callable[[], object]) -> None:
    """Ask until it is so; the caller's task goes on meanwhile."""
    async with asyncio.timeout(20):
        while not found():  # noqa: ASYNC110 - what is asked is another process
            await asyncio.sleep(0.01)


async def failed(call: Any) -> SyncError:
    """The error of a call; anything that is none of ours fails the test."""
    with pytest.raises(SyncError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("reason", ["global-rate", "endpoint-rate", "global-concurrency", ""])
async def test_a_rate_limit_keeps_its_reason_and_slows_down(stripe_side: StripeSide, reason: str) -> None:
    """Nothing was done, and nobody calls that account for a while."""
    with stripe_side.fault("rate_limited", times=1, reason=reason, retry_after=7):
        error = await failed(stripe_side.client.create_customer(NEW, "k"))
    made = await stripe_side.client.create_customer(NEW, "k")

    assert isinstance(error, RateLimited)
    assert (error.reason, error.retry_after, error.replayed) == (reason, 7.0, False)
    assert stripe_side.gate.slowed_down == [(f"stripe:test:{stripe_side.account}", 7.0)]
    assert stripe_side.gate.operations == ["customers.create" if reason.startswith("endpoint-") else ""]
    assert [customer["id"] for customer in stripe_side.state()["customers"]] == [made.id]


async def test_a_lock_on_the_object_silences_nobody_else(stripe_side: StripeSide) -> None:
    """`lock_timeout` comes as 429 without a reason: it is the affair of the call that met it, which is retried."""
    with stripe_side.fault("lock_timeout", times=1):
        error = await failed(stripe_side.client.create_customer(NEW, "k"))

    assert isinstance(error, RateLimited)
    assert (error.code, error.reason, error.retry_after) == ("lock_timeout", "lock_timeout", None)
    assert is_worth_retrying(error)
    assert stripe_side.gate.slowed_down == []


@pytest.mark.parametrize(("kind", "made"), [("error_before", 0), ("error_after", 1)])
async def test_a_stored_error_comes_again_as_replayed(stripe_side: StripeSide, kind: str, made: int) -> None:
    """The first time nothing is known; the same answer again is poison, and says so."""
    with stripe_side.fault(kind, times=1):
        first = await failed(stripe_side.client.create_customer(NEW, "k"))
    second = await failed(stripe_side.client.create_customer(NEW, "k"))

    assert isinstance(first, Unavailable)
    assert isinstance(second, Unavailable)
    assert (first.replayed, second.replayed) == (False, True)
    assert len(stripe_side.state()["customers"]) == made


async def test_an_error_that_was_not_stored_is_tried_again(stripe_side: StripeSide) -> None:
    """The same key then makes the customer."""
    with stripe_side.fault("error_before", times=1, stored=False):
        error = await failed(stripe_side.client.create_customer(NEW, "k"))

    assert isinstance(error, Unavailable)
    assert (await stripe_side.client.create_customer(NEW, "k")).name == "x"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("should_retry", [None, True, False])
async def test_5xx_is_unavailable_and_called_once(
    stripe_side: StripeSide, status: int, should_retry: bool | None
) -> None:
    """No retry happens inside the client, whatever the vendor asks for."""
    with stripe_side.fault("error_before", status=status, stored=False, should_retry=should_retry) as fired:
        error = await failed(stripe_side.client.retrieve_customer("cus_1"))
        assert fired() == 1

    assert isinstance(error, Unavailable)


@pytest.mark.parametrize(
    ("kind", "rule", "made"),
    [
        ("hang_before", {"seconds": 2.5}, None),
        ("hang_after", {"seconds": 2.5}, 1),
        ("cut_before", {}, 0),
        ("cut_after", {}, 1),
        ("html", {"status": 502}, 1),
        ("html", {"status": 200}, 1),
        ("truncated_json", {}, 1),
        ("slow", {"seconds": 4}, 1),
    ],
)
async def test_an_answer_that_does_not_come_whole_is_unavailable(
    stripe_side: StripeSide, kind: str, rule: dict[str, Any], made: int | None
) -> None:
    """Nothing is known then; the same key finds or makes the one customer as soon as the first call has ended."""
    with stripe_side.fault(kind, times=1, **rule):
        error = await failed(stripe_side.client.create_customer(NEW, "k"))
    assert isinstance(error, Unavailable)
    assert not error.replayed
    if made is not None:
        assert len(stripe_side.state()["customers"]) == made

    async def again() -> str:
        while True:
            try:
                return (await stripe_side.client.create_customer(NEW, "k")).id
            except Unavailable:
                await asyncio.sleep(0.05)

    found = await asyncio.wait_for(again(), 20)
    assert [customer["id"] for customer in stripe_side.state()["customers"]] == [found]


async def test_the_same_key_while_the_first_call_runs_is_unavailable(stripe_side: StripeSide) -> None:
    """409 in flight: not refused, not spent, to be asked again."""
    with stripe_side.fault("hang_before", times=1, seconds=0.6) as fired:
        first = asyncio.create_task(stripe_side.client.create_customer(NEW, "k"))
        await until(fired)
        error = await failed(stripe_side.client.create_customer(NEW, "k"))

    assert isinstance(error, Unavailable)
    assert (error.code, error.replayed) == ("idempotency_key_in_use", False)
    assert (await first).name == "x"


async def test_the_same_key_with_another_body_is_spent(stripe_side: StripeSide) -> None:
    """The attempt must be raised after absence was proved."""
    await stripe_side.client.create_customer(NEW, "k")
    error = await failed(stripe_side.client.create_customer({"name": "y"}, "k"))

    assert isinstance(error, KeyReused)
    assert error.status == 400


async def test_a_wrong_key_is_a_state_of_the_connection(stripe_side: StripeSide) -> None:
    """401 names the connection, and never the key."""
    error = await failed(other_stripe(stripe_side, "sk_test_nobody_knows").account())

    assert isinstance(error, KeyRefused)
    assert (error.connection, error.fingerprint) == ("con_s", key_fingerprint("sk_test_nobody_knows"))
    assert "sk_test_nobody_knows" not in error.message


async def test_a_missing_right_blocks_the_operation(stripe_side: StripeSide) -> None:
    """403 of a restricted key, in Stripe's words, which name the right; what it may do goes on."""
    rights = {"customers": "read", "account": "read"}
    key = stripe_side.control.call("POST", "/keys", {"account": stripe_side.account, "rights": rights})["key"]
    client = other_stripe(stripe_side, key)
    error = await failed(client.create_customer(NEW, "k"))

    assert isinstance(error, Blocked)
    assert (error.connection, error.operation) == ("con_s", "customers.create")
    assert "rak_customer_write" in error.message
    assert [customer async for customer in client.customers_since(0)] == []


async def test_a_missing_object_is_not_found(stripe_side: StripeSide) -> None:
    """404 with the vendor's code."""
    error = await failed(stripe_side.client.retrieve_customer("cus_missing"))

    assert isinstance(error, NotFound)
    assert (error.status, error.code) == (404, "resource_missing")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"emial": "x@x.test"}, "parameter_unknown"),
        ({"email": "nonsense"}, "email_invalid"),
        ({"name": "x" * 257}, ""),
        ({"metadata": {"k" * 41: "v"}}, ""),
    ],
)
async def test_a_refused_parameter_is_rejected_with_its_code(
    stripe_side: StripeSide, params: dict[str, Any], code: str
) -> None:
    """400: the same call would fail again."""
    error = await failed(stripe_side.client.create_customer(params, "k"))

    assert type(error) is Rejected
    assert (error.status, error.replayed) == (400, False)
    assert code in error.code


async def test_nobody_there_is_unavailable(stripe_side: StripeSide) -> None:
    """A refused connection, as while the vendor is away."""
    client = other_stripe(stripe_side, stripe_side.key, base="http://127.0.0.1:1")

    assert isinstance(await failed(client.account()), Unavailable)
