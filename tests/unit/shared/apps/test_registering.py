"""An app is refused with a sentence where the rest could not use it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from shared.scrub import APP_FORMS

from shared import apps
from tests.made_up.ledger import Ledger


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "stripe"}, "app stripe is there already"),
        ({"name": "two words"}, "a name is of small letters"),
        ({"name": "Ledger"}, "a name is of small letters"),
        ({"secret_forms": None}, "say in `secret_forms`"),
        ({"secret_forms": (re.compile("led_[a-z]+"),)}, "with a first group that is shown"),
    ],
)
def test_what_cannot_be_used_is_refused(changed: dict[str, Any], said: str) -> None:
    """Nothing of it is known afterwards."""
    made = type("Changed", (Ledger,), changed)()
    before = dict(apps.APPS), dict(APP_FORMS)
    with pytest.raises(ValueError, match=said):
        apps.register(made)

    assert before == (apps.APPS, APP_FORMS)
