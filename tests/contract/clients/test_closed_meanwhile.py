"""A call that waited for its turn is not sent if its connection was closed meanwhile."""

from __future__ import annotations

import pytest
from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.errors import ConnectionClosed

from tests.contract.clients.conftest import StripeSide, TogaiSide


def closed(_operation: str) -> None:
    raise ConnectionClosed("con", "401")


async def test_no_call_of_a_closed_connection_goes_to_stripe(stripe_side: StripeSide) -> None:
    """It is asked after the wait, so that what stood in the queue stays here."""
    account = f"stripe:test:{stripe_side.account}"
    client = StripeApp("con", account, stripe_side.key, stripe_side.base, stripe_side.gate, stripe_side.http, closed)

    with pytest.raises(ConnectionClosed):
        await client.account()
    assert stripe_side.calls() == []


async def test_no_call_of_a_closed_connection_goes_to_togai(togai_side: TogaiSide) -> None:
    """The same at Togai, which locks an address after five such calls."""
    account = f"togai:test:{togai_side.account}"
    client = TogaiApp("con", account, togai_side.key, togai_side.base, togai_side.gate, togai_side.http, closed)

    with pytest.raises(ConnectionClosed):
        await client.organization()
    assert togai_side.calls() == []
