"""Webhooks that never come in: what two polls of the vendors' lists bring is all that was missing, and once."""

from __future__ import annotations

import random

import pytest

from tests.integration.customers.conftest import Make
from tests.stack.in_process import InProcess
from tests.stack.polled import Polled

EACH = 40
DROPPED = 0.05
KEYS = {"stripe_api_key": "sk_test_x", "togai_api_token": "x", "default_currency": "USD"}
"""With keys of its own nobody waits for a webhook."""


async def brought(tandem: InProcess, rng: random.Random, known: set[str]) -> int:
    """Deliver webhooks of what Stripe tells and of new accounts, in any order, but for one in twenty. How many were
    dropped.
    """
    page = tandem.call("stripe", "GET", "/v1/events", params={"limit": 100})["data"]
    new = {event["id"]: event for event in page if event["id"] not in known}
    accounts = [account for account in tandem.organization() if account not in known and not account.startswith("acc_")]
    known |= {*new, *accounts}
    names = [*new, *accounts]
    dropped = set(rng.sample(names, max(1, round(DROPPED * len(names)))))
    rng.shuffle(names)
    for name in [name for name in names if name not in dropped]:
        if name in new:
            tandem.deliver(tandem.event_of(new[name]))
        else:
            tandem.reported(name)
    await tandem.work_off()
    return len(dropped)


def shown(tandem: InProcess) -> list[tuple[str, str]]:
    """Each Stripe customer's address and that of the account it is linked to."""
    pairs = [(one, tandem.linked(one["id"])) for one in tandem.customers()]
    at_togai = [next(ref for ref in pair.refs if ref.startswith("togai:")).rpartition("/")[2] for _, pair in pairs]
    found = [tandem.togai(account) for account in at_togai]
    return [
        (str(customer["email"]), str(account.get("primaryEmail") or account["customer"]["primaryEmail"]))
        for (customer, _), account in zip(pairs, found, strict=True)
    ]


@pytest.mark.parametrize("seed", [1, 2])
async def test_two_polls_find_what_webhooks_did_not_bring(make: Make, seed: int) -> None:
    """New and changed on both sides, one webhook in twenty dropped: all is linked once and equal after two polls, and
    a third one writes nothing.
    """
    tandem, rng, known = await make(**KEYS), random.Random(seed), set[str]()
    polled = Polled(tandem)
    await polled.poll()
    customers = [tandem.customer() for _ in range(EACH)]
    for number in range(EACH):
        tandem.account(f"a{number}")
    missing = await brought(tandem, rng, known)
    for customer in customers:
        tandem.change(customer, email=f"{customer[4:].lower()}@later.test")
    missing += await brought(tandem, rng, known)
    await polled.poll(2)
    addresses, before = shown(tandem), tandem.writes()
    await polled.poll()

    assert missing >= 5
    assert len(addresses) == len(tandem.organization()) == 2 * EACH
    assert [pair for pair in addresses if len(set(pair)) > 1] == []
    assert len({at_stripe for at_stripe, _ in addresses}) == 2 * EACH
    assert tandem.writes() == before
