"""How far the pollers are, and how often they poll."""

from __future__ import annotations

from typing import Any

import pytest
from shared.apps.stripe.polls import events_interval
from shared.polls import Poll, PollKind, Polls, decode, encode, webhooks_come_in
from shared.runtime.registry import Registry
from shared.settings import Settings


def test_an_app_account_is_indexed_when_all_its_lists_were_read_once() -> None:
    """Before that an address that is not found says nothing."""
    registry, kinds = Registry(), ("togai-customers", "togai-accounts", "togai-settings")
    assert [poll.kind for poll in registry.not_indexed("togai:test:o")] == list(kinds)

    kind: PollKind
    for kind in kinds:
        registry.polls.apply(Poll(app_account="togai:test:o", kind=kind, complete=True))
    assert registry.not_indexed("togai:test:o") == []
    assert registry.not_indexed("togai:test:other") != []


def test_the_last_record_holds_and_reads_back() -> None:
    """One record per app account and list."""
    polls = Polls()
    last = Poll(app_account="stripe:test:s", kind="stripe-events", position="2026-11-24T00:00:00Z", found=3)
    polls.apply(Poll(app_account="stripe:test:s", kind="stripe-events"))
    polls.apply(decode(encode(last)))

    assert polls.get("stripe:test:s", "stripe-events") == last
    assert polls.all() == [last]


@pytest.mark.parametrize(
    ("given", "mode", "seconds"),
    [
        ({}, "test", 900),
        ({"stripe_api_key": "sk_test_x", "togai_api_token": "t"}, "test", 15),
        ({"stripe_api_key": "sk_live_x", "togai_api_token": "t"}, "live", 600),
        ({"stripe_api_key": "sk_live_x", "togai_api_token": "t", "public_url": "https://x.test"}, "live", 900),
        ({"stripe_poll_interval": 3}, "test", 3),
    ],
)
def test_stripe_is_asked_seldom_where_webhooks_come_in(given: dict[str, Any], mode: str, seconds: float) -> None:
    """The sandbox calls this machine itself; the vendor needs a public address."""
    assert events_interval(Settings(_env_file=None, **given), mode) == seconds


def test_webhooks_come_in_by_a_public_address_or_from_the_sandbox() -> None:
    """Anything else is reached by polling only."""
    keys: dict[str, Any] = {"stripe_api_key": "sk_test_x", "togai_api_token": "t"}

    assert webhooks_come_in(Settings(_env_file=None))
    assert not webhooks_come_in(Settings(_env_file=None, **keys))
    assert webhooks_come_in(Settings(_env_file=None, public_url="https://x.test", **keys))
