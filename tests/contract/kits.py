"""What the conformance suite needs of each app: a connection, webhooks good and bad, calls, and a vendor in memory."""

from __future__ import annotations

import hmac
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import msgspec
from shared.apps import APPS, App
from shared.apps.model import Access
from shared.connections import Connection, Secrets
from shared.ratelimit import CallGate
from shared.settings import Settings

from tests.fakes.polling import NOW, Clock, FakeStripe, FakeTogai, connection
from tests.made_up.ledger import Ledger
from tests.made_up.vendor import Vendor, open_vendor

UNLIMITED = Settings(_env_file=None, stripe_quota=0, togai_quota=0)
TIMEOUT = 5.0
"""Seconds for a call."""
HAPPENS = 3
"""Things that happen at a vendor after it was connected."""


@dataclass(frozen=True)
class Webhook:
    """A request as its vendor sends it: what stands behind the connection in the address, headers, the body."""

    body: bytes
    path: Sequence[str] = ()
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    secrets: Secrets | None = None
    """Those of the connection, if they are not the kit's."""
    unread: bool = False
    """Whether it must be refused without its body."""


class Kit(ABC):
    """One app's part."""

    app: App
    connection: Connection
    secrets: Secrets
    account_answer: Any
    """What the vendor answers to `identify`, as JSON, for the account of `connection`."""

    def as_written(self) -> Sequence[str]:
        """Texts with the key and with what opens a webhook, as others write them: bare, where their form tells them."""
        return (self.secrets.api_key, *self.secrets.webhook_secrets)

    @abstractmethod
    def webhook(self, body: bytes | None = None) -> Webhook:
        """A good request, with a body of its own or with another one."""

    @abstractmethod
    def refused(self) -> dict[str, Webhook]:
        """Requests that must be refused, by what is wrong with them."""

    @abstractmethod
    def calls(self) -> Sequence[Callable[[Any], Awaitable[Any]]]:
        """A call of each method and kind of answer."""

    @abstractmethod
    def vendor(self, clock: Clock) -> Any:
        """A context: a client of a vendor in memory, and what makes the n-th thing happen there."""

    def client(self, url: str, session: Any, key: str = "") -> Any:
        """A client that calls an address; the answers are its own."""
        key, account = key or self.secrets.api_key, self.connection.app_account
        return self.app.client(Access(self.connection.id, account, key, url, CallGate(UNLIMITED)), session)


SIGNED_BY = "whsec_9fTgPz2QxW4rTn"


class StripeKit(Kit):
    """Signed webhooks, whose body tells the mode."""

    app = APPS["stripe"]
    connection = connection("stripe")
    secrets = Secrets(api_key="sk_test_4kDq8LmZ", webhook_secrets=[SIGNED_BY])
    account_answer = {"id": "acct_1", "object": "account"}

    def webhook(self, body: bytes | None = None) -> Webhook:
        return self._signed(self._body() if body is None else body)

    def _body(self, **changes: Any) -> bytes:
        customer = {"id": "cus_1", "object": "customer"}
        event = {"id": "evt_1", "object": "event", "type": "customer.updated", "created": int(NOW), "livemode": False}
        return json.dumps(event | {"data": {"object": customer}} | changes).encode()

    def _signed(self, body: bytes, secret: str = SIGNED_BY, age: float = 0.0, **more: Any) -> Webhook:
        stamp = str(int(time.time() - age)).encode()
        signature = hmac.digest(secret.encode(), stamp + b"." + body, "sha256").hex().encode()
        return Webhook(body, headers={b"stripe-signature": b"t=" + stamp + b",v1=" + signature}, **more)

    def refused(self) -> dict[str, Webhook]:
        body = self._body()
        return {
            "no secret": self._signed(body, secret="", secrets=Secrets(api_key="k"), unread=True),
            "a blank secret": self._signed(
                body, secret=" ", secrets=Secrets(api_key="k", webhook_secrets=[" "]), unread=True
            ),
            "no signature": Webhook(body, unread=True),
            "wrong signature": self._signed(body, secret="whsec_0therS3cr3t"),
            "old signature": self._signed(body, age=3600, unread=True),
            "wrong mode": self._signed(self._body(livemode=True)),
            "another account": self._signed(self._body(account="acct_2")),
            "unreadable": self._signed(b"{"),
            "unknown address": Webhook(body, path=("x",), unread=True),
        }

    def calls(self) -> Sequence[Callable[[Any], Awaitable[Any]]]:
        return (
            lambda c: c.account(),
            lambda c: c.create_customer({"name": "x"}, "key"),
            lambda c: c.retrieve_customer("cus_1"),
            lambda c: c.update_customer("cus_1", {"name": "x"}),
            lambda c: anext(aiter(c.customers_since(0)), None),
            lambda c: c.events_page(0),
            lambda c: c.customers_page(),
            lambda c: c.webhook_endpoints(),
            lambda c: c.create("/v1/invoices", {"customer": "cus_1"}, "key"),
            lambda c: c.update("/v1/invoices", "in_1", {"metadata": {}}),
            lambda c: c.act("/v1/invoices", "in_1", "finalize", {}),
            lambda c: c.retrieve("/v1/invoices", "in_1"),
            lambda c: anext(aiter(c.listed("/v1/invoices", {})), None),
        )

    @asynccontextmanager
    async def vendor(self, clock: Clock) -> AsyncIterator[Any]:
        stripe = FakeStripe(size=2)

        def happen(number: int) -> None:
            stripe.happen(clock(), subject=f"cus_{number}", customer={"email": f"{number}@x.test"})

        yield stripe, happen


class TogaiKit(Kit):
    """A token in the address; any body is kept."""

    app = APPS["togai"]
    connection = connection("togai")
    secrets = Secrets(api_key="t0fTogai4kDq8LmZ9fTg", webhook_token="token-of-22-characters-or-more")
    account_answer = {"data": [{"id": "s", "entityId": "org_1"}]}

    def as_written(self) -> Sequence[str]:
        path = self.app.connector.webhook_path(self.secrets)
        return (f"Authorization: Bearer {self.secrets.api_key}", f"POST /webhooks/togai/con_togai{path} 503")

    def webhook(self, body: bytes | None = None) -> Webhook:
        given = b'{"accountId": "a1"}' if body is None else body
        return Webhook(given, path=("account.created", self.secrets.webhook_token))

    def refused(self) -> dict[str, Webhook]:
        return {
            "no secret": Webhook(b"{}", path=("account.created", ""), secrets=Secrets(api_key="t"), unread=True),
            "a blank secret": Webhook(
                b"{}", path=("account.created", " "), secrets=Secrets(api_key="t", webhook_token=" "), unread=True
            ),
            "wrong token": Webhook(b"{}", path=("account.created", "guessed"), unread=True),
            "unknown event": Webhook(b"{}", path=("Not An Event", self.secrets.webhook_token)),
            "Tandem's own event": Webhook(b"{}", path=("tandem.run", self.secrets.webhook_token)),
            "unknown address": Webhook(b"{}", unread=True),
        }

    def calls(self) -> Sequence[Callable[[Any], Awaitable[Any]]]:
        return (
            lambda c: c.organization(),
            lambda c: c.account("a"),
            lambda c: c.customer("c"),
            lambda c: c.create_customer({"id": "c"}),
            lambda c: c.update_customer("c", {"name": "x"}),
            lambda c: c.update_account("a", {"name": "x"}),
            lambda c: c.page("accounts", "ACTIVE"),
            lambda c: c.create_setting("s", "v", "ACCOUNT", "a"),
            lambda c: c.invoice("inv.1"),
            lambda c: c.invoices("DUE"),
            lambda c: c.payment_of("pi_1"),
        )

    @asynccontextmanager
    async def vendor(self, clock: Clock) -> AsyncIterator[Any]:
        togai = FakeTogai(clock, size=2)
        yield togai, lambda number: togai.add(f"c{number}")


_LASTING = ExitStack()


@cache
def ledgers() -> Vendor:
    """The ledger's server, one for all tests of this process; it ends with it."""
    return _LASTING.enter_context(open_vendor())


class LedgerKit(Kit):
    """The made-up app: a token in a header, and a vendor that answers by HTTP."""

    app = Ledger()
    connection = msgspec.structs.replace(connection("stripe"), id="led", app="ledger", app_account="ledger:test:book_1")
    secrets = Secrets(api_key="ledger-key-4kDq8LmZ", webhook_secrets=["ledger-token-9fTgPz2Q"])
    account_answer = {"id": "book_1"}

    def webhook(self, body: bytes | None = None) -> Webhook:
        given = b'{"event": "e1", "entry": "ent_1", "account": "acme"}' if body is None else body
        return Webhook(
            given, path=("entry.made",), headers={b"x-ledger-token": self.secrets.webhook_secrets[0].encode()}
        )

    def refused(self) -> dict[str, Webhook]:
        good = self.webhook()

        def shows(token: bytes, *secrets: str) -> Webhook:
            known = Secrets(api_key="k", webhook_secrets=list(secrets))
            return replace(good, headers={b"x-ledger-token": token}, secrets=known, unread=True)

        return {
            "no secret": shows(b""),
            "a blank secret": shows(b" ", " "),
            "wrong token": shows(b"guessed", *self.secrets.webhook_secrets),
            "unreadable": self.webhook(b"{"),
            "unknown address": replace(good, path=(), unread=True),
        }

    def calls(self) -> Sequence[Callable[[Any], Awaitable[Any]]]:
        return (lambda c: c.book(), lambda c: c.entries(0), lambda c: c.note("e", "text"))

    @asynccontextmanager
    async def vendor(self, clock: Clock) -> AsyncIterator[Any]:
        running = ledgers()
        book = running.open_book()
        async with self.app.session(TIMEOUT) as session:
            yield self.client(running.url, session, book.key), lambda number: book.enter(f"ent_{number}")


KITS: dict[str, type[Kit]] = {"stripe": StripeKit, "togai": TogaiKit, "ledger": LedgerKit}
"""By the app's name."""
