"""What an app account may be called: by the vendors' own numbers, by settings, and by what a person set."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from shared.connections import Connection, Limits
from shared.ratelimit.quotas import Quota, Quotas
from shared.settings import Settings

ACCOUNT = "stripe:live:acct_1"


def connection(name: str, account: str = ACCOUNT, **limits: float) -> Connection:
    return Connection(
        id=name, app="stripe", app_account=account, mode="live", api_base="", sealed="", limits=Limits(**limits)
    )


def quota_of(*connections: Connection, **settings: Any) -> Quota:
    known = {found.id: found for found in connections}
    return Quotas(Settings(_env_file=None, **settings), known).of(ACCOUNT)


@pytest.mark.parametrize(
    ("account", "quota"),
    [
        ("stripe:live:acct_1", Quota(100, 25, 25)),
        ("stripe:test:acct_1", Quota(25, 25, 25)),
        ("stripe", Quota(25, 25, 25)),
        ("togai:live:org", Quota(10)),
    ],
)
def test_quotas_by_app_and_mode(account: str, quota: Quota) -> None:
    """As the vendors publish them, unless a setting says otherwise."""
    assert Quotas(Settings(_env_file=None)).of(account) == quota
    assert not Quotas(Settings(_env_file=None, stripe_quota=0, togai_quota=0)).of(account).limited


def test_what_a_connection_says_counts_instead_of_the_settings() -> None:
    """The least of what several say; what one leaves open another one may say, else the settings."""
    found = quota_of(
        connection("one", quota=50, polling_share=0.2),
        connection("two", quota=40, background_share=0.5),
        connection("other", "stripe:live:acct_2", quota=1),
        stripe_quota=10,
    )

    assert (found.rate, found.polling_share, found.background_share) == (40, 0.2, 0.5)
    assert quota_of(connection("plain")) == Quota(100, 25, 25)


def test_a_connection_that_is_gone_says_nothing() -> None:
    """Its record stays; and limits that are lifted for all stay lifted."""
    removed = msgspec.structs.replace(connection("one", quota=50), state="removed")

    assert quota_of(removed).rate == 100
    assert not quota_of(connection("one", quota=50), stripe_quota=0).limited
