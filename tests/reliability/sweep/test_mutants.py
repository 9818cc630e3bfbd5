"""The points that the gate keeps catch a product that is broken: else they would prove nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from invoice_sync.actions import sending
from shared.apps.stripe.client import StripeApp
from shared.linking.claims import Claims
from shared.linking.mappings import Mapping as Link
from shared.runtime.creating import UnkeyedCreation

from tests.contract.sandbox.tools import Control
from tests.reliability.sweep.conftest import Recorded
from tests.reliability.sweep.ends import differences
from tests.reliability.sweep.lives import DAY, deaths, first_of_each, lived
from tests.reliability.sweep.scenarios import SCENARIOS


def other_keys(patch: Callable[[object, str, object], None]) -> None:
    """A create's key is not the claim's but a new one at each try."""
    create = StripeApp.create

    async def mutated(self: StripeApp, path: str, params: Mapping[str, Any], key: str) -> dict[str, Any]:
        return await create(self, path, params, f"{key}-{secrets.token_hex(4)}")

    patch(StripeApp, "create", mutated)


def unwritten_claims(patch: Callable[[object, str, object], None]) -> None:
    """Something is made before it is written that it will be."""
    write = Claims._write

    async def mutated(self: Claims, mapping: Link) -> Link:
        return mapping if mapping.state == "claimed" else await write(self, mapping)

    patch(Claims, "_write", mutated)


def unseen_payments(patch: Callable[[object, str, object], None]) -> None:
    """What has no key is sent again unseen."""

    async def mutated(self: UnkeyedCreation[Any], body: dict[str, Any], key: str) -> Any:
        return await self._post(body)

    patch(UnkeyedCreation, "send", mutated)


def trusted_keys(patch: Callable[[object, str, object], None]) -> None:
    """A key is taken to be known at the vendor for ever."""
    patch(Claims, "is_older", lambda *_: False)


def unseen_mails(patch: Callable[[object, str, object], None]) -> None:
    """Nobody asks whether an invoice was mailed before."""
    send_once = sending.send_once

    async def mutated(context: Any, client: StripeApp, mail: sending.Mail) -> bool:
        return await send_once(context, client, mail._replace(may_be_sent=False))

    patch(sending, "send_once", mutated)


@pytest.mark.parametrize(
    ("mutate", "name", "doubled", "dead_for"),
    [
        (other_keys, "offer", "stripe payment_links", 0),
        (unwritten_claims, "collected", "togai payments", 0),
        (unseen_payments, "collected", "togai payments", 0),
        (trusted_keys, "collected", "stripe invoices", DAY),
        (trusted_keys, "charged", "stripe payment_intents", DAY),
        (unseen_mails, "collected", "stripe mails", DAY),
    ],
)
async def test_a_broken_promise_is_seen(
    mutate: Callable[[Callable[[object, str, object], None]], None], name: str, doubled: str, dead_for: int,
    control: Control, recorded: Recorded, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Something stands there twice at the end."""
    right = await recorded(name)
    mutate(monkeypatch.setattr)
    died = await lived(control, SCENARIOS[name], deaths(first_of_each(right.points, "after"), dead_for))

    assert differences(died.end, right.end)[doubled]["too much"]
