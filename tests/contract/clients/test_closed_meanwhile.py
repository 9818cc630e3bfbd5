"""A call that waited for its turn is not sent if its connection was closed meanwhile."""

from __future__ import annotations

import pytest
from shared.apps.model import Access
from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.errors import ConnectionClosed

from tests.contract.clients.conftest import StripeSide, TogaiSide


def closed(_operation: str) -> None:
    raise ConnectionClosed("con", "401")


async def test_no_call_of_a_closed_connection_goes_to_stripe(stripe_side: StripeSide) -> None:
    """It is asked after the wait, so that what stood in the queue stays here."""
    account = f"stripe:test:{stripe_side.account}"
    client = StripeApp(
        Access("con", account, stripe_side.key, stripe_side.base, stripe_side.gate, closed), stripe_side.http
    )

    with pytest.raises(ConnectionClosed):
        await client.account()
    assert stripe_side.calls() == []


async def test_no_call_of_a_closed_connection_goes_to_togai(togai_side: TogaiSide) -> None:
    """The same at Togai, which locks an address after five such calls."""
    account = f"togai:test:{togai_side.account}"
    client = TogaiApp(Access("con", account, togai_side.key, togai_side.base, togai_side.gate, closed), togai_side.http)

    with pytest.raises(ConnectionClosed):
        await client.organization()
    assert togai_side.calls() == []
