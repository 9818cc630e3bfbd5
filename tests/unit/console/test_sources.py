"""How changes come in, as the start says it."""

from __future__ import annotations

from typing import Any

import pytest
from console import sources
from shared.settings import Mode, Settings

KEYS = {"stripe_api_key": "sk_test_1", "togai_api_token": "t", "public_url": ""}
PUBLIC = KEYS | {"public_url": "https://hooks.example.com"}
LATE = "Stripe: webhooks come in; its list of events is read every {} for what they missed"
ALONE = "Stripe: TANDEM_PUBLIC_URL is not set, so its list of events is read every {}"


@pytest.mark.parametrize(
    ("given", "mode", "expected"),
    [
        ({}, "test", LATE.format("15 min")),
        (PUBLIC, "live", LATE.format("15 min")),
        (PUBLIC | {"stripe_poll_interval": 7200}, "live", LATE.format("2 h")),
        (KEYS, "test", ALONE.format("15 s (test)")),
        (KEYS, "live", ALONE.format("10 min (live)")),
        (KEYS | {"stripe_poll_interval": 0.5}, "test", ALONE.format("0.5 s (test)")),
    ],
)
def test_the_interval_is_the_one_that_holds(given: dict[str, Any], mode: Mode, expected: str) -> None:
    """Seldom where webhooks come in, often where they do not, or as it was set."""
    stripe, togai = sources.sentences(Settings(_env_file=None, **given), {"stripe": mode, "togai": mode})

    assert stripe == expected
    assert togai == "Togai: changes are found by reading its lists every 60 s"


def test_without_polling_that_is_said() -> None:
    """Nobody then notices what no webhook brings."""
    (output,) = sources.sentences(Settings(_env_file=None, polling=False), {"stripe": "test"})

    assert "TANDEM_POLLING is off" in output


@pytest.mark.parametrize(
    ("seconds", "expected"), [(15, "15 s"), (60, "60 s"), (90, "90 s"), (120, "2 min"), (3600, "60 min"), (7200, "2 h")]
)
def test_a_span_is_a_round_number(seconds: float, expected: str) -> None:
    """Never "1.5 min"."""
    assert sources.span(seconds) == expected
