"""What the address of an offer's page holds."""

from __future__ import annotations

import re
import time

import pytest
from console.domains.plans.tokens import DAY, Tokens
from cryptography.fernet import Fernet
from shared.apps import APPS
from shared.connections import Connection
from shared.domains.invoices.pages import InvoicePages
from shared.errors import Misconfigured
from shared.identity import Ref
from shared.sealed_addresses import Expired, NoToken
from shared.sealed_texts import CHECKOUT_SECRETS, PORTAL_TOKENS, TextSeal
from shared.settings import Settings

OFFER = Ref("togai:test:org", "offer", "pp.gold~acme")
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def made(keys: str, **more: str) -> Tokens:
    return Tokens(Settings(_env_file=None, portal_keys=keys, **more))  # type: ignore[arg-type]


def token_of(address: str) -> str:
    return address.partition("/portal/")[2].partition("/")[0]


def test_a_token_names_its_offer() -> None:
    """Under the address that customers reach, in letters that no mail program breaks."""
    address = made(NEW, portal_url="https://pay.example.com/").address(OFFER)

    assert address.startswith("https://pay.example.com/portal/")
    assert not {"acme", "="} & set(re.split(r"(acme|=)", address))
    assert made(NEW).offer_of(token_of(address)) == OFFER


def test_a_changed_key_opens_old_tokens_as_long_as_it_is_kept() -> None:
    """And none without it."""
    token = token_of(made(OLD).address(OFFER))

    assert made(f"{NEW},{OLD}").offer_of(token) == OFFER
    with pytest.raises(NoToken):
        made(NEW).offer_of(token)


def test_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """But who pays at the last moment can come back."""
    found = made(NEW)
    token = token_of(found.address(OFFER, DAY))
    back = token_of(found.return_address(token))
    later = time.time() + 2 * DAY
    monkeypatch.setattr("shared.sealed_addresses.time.time", lambda: later)

    assert found.offer_of(back) == OFFER
    with pytest.raises(Expired):
        found.offer_of(token)


def test_nobody_prolongs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session that is asked for has a way back, which the visitor sees: it leads no further than the first did."""
    found, start = made(NEW), time.time()
    token = token_of(found.address(OFFER, DAY))
    for days in range(4):
        monkeypatch.setattr("shared.sealed_addresses.time.time", lambda days=days: start + days * 0.9 * DAY)
        token = token_of(found.return_address(token))
    monkeypatch.setattr("shared.sealed_addresses.time.time", lambda: start + 3.1 * DAY)

    with pytest.raises(Expired):
        found.offer_of(token)


def test_what_is_sealed_for_another_purpose_opens_nothing() -> None:
    """A client secret is no token."""
    text = TextSeal([NEW], CHECKOUT_SECRETS).seal("9999999999|togai:test:org/offer/pp.gold~acme")

    assert TextSeal([NEW], PORTAL_TOKENS).open(text) is None


def test_the_page_of_an_invoice_has_tokens_of_its_own() -> None:
    """They open no offer, and those of offers no invoice, whatever entity they name."""
    settings = Settings(_env_file=None, portal_keys=NEW)
    invoice, pages, offers = Ref("togai:test:org", "invoice", "inv.1"), InvoicePages(settings), made(NEW)
    own, back = (
        pages.address(invoice).rpartition("/")[2],
        token_of(offers.return_address(token_of(offers.address(OFFER)))),
    )

    assert pages.invoice_of(own) == invoice
    with pytest.raises(NoToken):
        offers.offer_of(own)
    for foreign in (token_of(offers.address(invoice)), back):
        with pytest.raises(NoToken):
            pages.invoice_of(foreign)


@pytest.mark.parametrize(
    ("app", "key", "good"),
    [
        ("stripe", "pk_test_51Nabcdefgh", True),
        ("stripe", "", True),
        ("stripe", "pk_live_51Nabcdefgh", False),
        ("stripe", "sk_test_51Nabcdefgh", False),
        ("stripe", 'pk_test_"><script>', False),
        ("togai", "pk_test_51Nabcdefgh", False),
    ],
)
def test_a_publishable_key(app: str, key: str, good: bool) -> None:
    """Of the connection's mode, and never a secret one: everybody sees it."""
    connection = Connection(id="con", app=app, app_account=f"{app}:test:1", mode="test", api_base="", sealed="")
    if good:
        APPS[app].connector.check_publishable(connection, key)
        return
    with pytest.raises(Misconfigured):
        APPS[app].connector.check_publishable(connection, key)
