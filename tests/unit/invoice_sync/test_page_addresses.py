"""What has to be set before the customer of a payment intent has a page to pay it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from invoice_sync.actions.page_addresses import lacking
from shared.connections import Connection, FlowLink
from shared.settings import STRIPE_API, Settings

AT = {"stripe": "con_1", "togai": "con_2"}
REAL = Connection(id="con_1", app="stripe", app_account="stripe:test:a", mode="test", api_base=STRIPE_API, sealed="")
SANDBOX = msgspec.structs.replace(REAL, api_base="http://127.0.0.1:8400/stripe")
CHARGES = FlowLink(id="charges", flow="togai-invoice-to-stripe-payment-intent", connections=AT)
FORM = FlowLink(id="form", flow="togai-invoice-to-payment-form", connections=AT)
ELSEWHERE = msgspec.structs.replace(FORM, connections=AT | {"stripe": "con_9"})
SET: dict[str, Any] = {"portal_keys": Fernet.generate_key().decode(), "portal_url": "https://pay.example.com"}
KEY = {"publishable_key": "pk_test_51Nabcdefgh"}


@pytest.mark.parametrize(
    ("settings", "connection", "link", "words"),
    [
        (SET, msgspec.structs.replace(REAL, **KEY), FORM, []),
        ({}, SANDBOX, FORM, ["set TANDEM_PORTAL_KEYS"]),
        (SET | {"portal_url": ""}, SANDBOX, FORM, []),
        (SET | {"portal_url": ""}, msgspec.structs.replace(REAL, **KEY), FORM, ["set TANDEM_PORTAL_URL"]),
        (SET, REAL, FORM, ["`tandem connections set con_1 publishable_key=pk_...`"]),
        (SET, SANDBOX, ELSEWHERE, ["switch the flow togai-invoice-to-payment-form on"]),
        (
            SET,
            SANDBOX,
            msgspec.structs.replace(FORM, enabled=False),
            ["switch the flow togai-invoice-to-payment-form on"],
        ),
    ],
)
def test_what_lacks(
    tmp_path: Path, settings: dict[str, Any], connection: Connection, link: FlowLink, words: list[str]
) -> None:
    """Each thing by its name; the sandbox's pages are on this machine, and need no publishable key."""
    found = lacking(Settings(_env_file=None, home=tmp_path, **settings), connection, CHARGES, [CHARGES, link])

    assert list(found) == words
