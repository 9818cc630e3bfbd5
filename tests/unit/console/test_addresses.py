"""Where keys and tokens may go: over https, or to this machine."""

from __future__ import annotations

from typing import Any

import pytest
from console.addresses import PUBLIC, check_api_base, check_public_url
from console.connect import connect
from console.local.environment import variable
from console.setup import prepare
from cryptography.fernet import Fernet
from pydantic import SecretStr
from shared.apps.connecting import Wanted
from shared.connections import Vault
from shared.errors import Misconfigured
from shared.settings import STRIPE_API, TOGAI_API, Settings

CLEAR = ("http://hooks.example.com", "http://10.0.0.5:8400", "http://127.0.0.1.example.com", "HTTP://hooks.example.com")
NONE = ("hooks.example.com", "ftp://hooks.example.com", "https://", "https://[", "https://u:p@hooks.example.com",
        "javascript:alert(1)", "http://x:99999")  # fmt: skip
SAFE = ("https://hooks.example.com", "https://hooks.example.com:8443/tandem", "http://127.0.0.1:8400",
        "http://localhost", "http://[::1]:8400")  # fmt: skip


@pytest.mark.parametrize("url", ["", *SAFE])
def test_https_and_this_machine_are_taken(url: str) -> None:
    """As a public address, and with a live key; no public address is none."""
    check_public_url(url, "public_url")
    if url:
        check_api_base(url, "STRIPE_API_BASE", "live")


@pytest.mark.parametrize("url", CLEAR)
def test_nothing_travels_in_the_clear(url: str) -> None:
    """Neither a vendor's body with Togai's token, nor a live key; a test key may, to a sandbox elsewhere."""
    with pytest.raises(Misconfigured, match="https://"):
        check_public_url(url, "public_url")
    with pytest.raises(Misconfigured, match="TOGAI_API_BASE"):
        check_api_base(url, "TOGAI_API_BASE", "live")
    check_api_base(url, "TOGAI_API_BASE", "test")


@pytest.mark.parametrize("url", NONE)
def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    """Whatever the mode; a password in it would be shown with the address."""
    with pytest.raises(Misconfigured, match="no web address"):
        check_public_url(url, "public_url")
    with pytest.raises(Misconfigured, match="no web address") as caught:
        check_api_base(url, "STRIPE_API_BASE", "test")
    assert ":p@" not in str(caught.value)


def test_the_vendors_own_addresses_are_taken() -> None:
    """Both modes of each."""
    for url in (STRIPE_API, *TOGAI_API):
        check_api_base(url, "ANY", "live")


@pytest.mark.parametrize(
    "wanted",
    [
        {"app": "stripe", "key": "rk_live_1", "api_base": "http://stripe.invalid"},
        {"app": "togai", "key": "token", "api_base": "http://togai.invalid", "mode": "live"},
    ],
)
async def test_no_live_key_is_sent_in_the_clear(wanted: dict[str, Any]) -> None:
    """Not even to ask whose it is."""
    vault = Vault([Fernet.generate_key().decode()])
    with pytest.raises(Misconfigured, match="travel there in the clear"):
        await connect(Wanted(id="con_1", **wanted), Settings(_env_file=None), vault)


@pytest.mark.parametrize("field", PUBLIC)
async def test_set_up_begins_with_the_public_addresses(field: str) -> None:
    """Before topics, keys and connections are made: a customer's address of an offer opens it to whoever reads it."""
    both = {"stripe_api_key": SecretStr("sk_test_1"), "togai_api_token": SecretStr("t"), field: CLEAR[0]}
    with pytest.raises(Misconfigured, match=variable(field)):
        await prepare(Settings(_env_file=None, **both))  # type: ignore[arg-type]
