"""What a connection must have, before anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest
from console.connect import Wanted, connect
from cryptography.fernet import Fernet
from shared.connections import Vault
from shared.errors import Misconfigured
from shared.settings import Settings

NOBODY = "http://127.0.0.1:1"


@pytest.mark.parametrize("id", ["", "a/b", "../x", "con\x1b[2J", "con 1", "x" * 65, "-x", "ü"])
async def test_a_connections_name_fits_into_an_address(id: str) -> None:
    """It stands in webhook addresses, in records' keys and in logs."""
    vault = Vault([Fernet.generate_key().decode()])
    with pytest.raises(Misconfigured, match="no name for a connection"):
        await connect(Wanted(id=id, app="stripe", key="sk_test_1", api_base=NOBODY), Settings(_env_file=None), vault)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"app": "stripe", "key": "sk_test_1", "webhook_secrets": ("",)}, "signing secret of con_1 is empty"),
        ({"app": "stripe", "key": "sk_test_1", "webhook_secrets": (" ", "\n")}, "signing secret of con_1 is empty"),
        ({"app": "stripe", "key": ""}, "key of con_1 is empty"),
        ({"app": "togai", "key": " \n", "mode": "test"}, "key of con_1 is empty"),
    ],
)
async def test_blank_secrets_are_refused_before_the_vendor_is_asked(given: dict[str, Any], message: str) -> None:
    """By the command, the settings, or whoever else wants a connection."""
    vault = Vault([Fernet.generate_key().decode()])
    with pytest.raises(Misconfigured, match=message):
        await connect(Wanted(id="con_1", api_base=NOBODY, **given), Settings(_env_file=None), vault)
