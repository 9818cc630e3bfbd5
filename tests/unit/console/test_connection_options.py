"""What a person sets of a connection, and what is refused."""

from __future__ import annotations

import pytest
from console.connection_options import shown, with_options
from shared.connections import Connection, Limits
from shared.errors import Misconfigured

STRIPE = Connection(
    id="con_stripe", app="stripe", app_account="stripe:test:acct_1", mode="test", api_base="", sealed="s"
)


def test_several_at_once_and_taken_away_again() -> None:
    """What is not named stays."""
    made = with_options(STRIPE, ["quota=50", "polling_share = 0.1", "publishable_key=pk_test_12345678"], "now")
    again = with_options(made, ["quota=", "background_share=0.25"], "later")

    assert (made.limits, made.publishable_key) == (Limits(quota=50, polling_share=0.1), "pk_test_12345678")
    assert (again.limits, again.publishable_key) == (
        Limits(polling_share=0.1, background_share=0.25),
        "pk_test_12345678",
    )
    assert shown(again) == [
        "publishable_key=pk_test_12345678",
        "quota=(by the settings)",
        "polling_share=0.1",
        "background_share=0.25",
    ]


@pytest.mark.parametrize(
    "option",
    [
        "quota",
        "quota=0",
        "quota=-1",
        "quota=many",
        "quota=inf",
        "quota=nan",
        "polling_share=1",
        "polling_share=5",
        "color=red",
    ],
)
def test_what_cannot_be_is_refused(option: str) -> None:
    """With what can be; a key that was typed in a wrong place is not repeated whole."""
    with pytest.raises(Misconfigured) as raised:
        with_options(STRIPE, [option], "now")

    assert option.partition("=")[0] in raised.value.message
    with pytest.raises(Misconfigured) as raised:
        with_options(STRIPE, ["sk_live_" + "x" * 40], "now")
    assert "x" * 10 not in raised.value.message
