"""A Stripe account inside the test's own process, of which every answer and every event is held against the schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from tests.contract.sandbox.inside import Inside
from tests.contract.sandbox.stripe_schema import problem

Json = dict[str, Any]


def flattened(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as form fields, in Stripe's way."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from flattened(inner, f"{name}[{key}]" if name else str(key))
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


class Shop:
    """A fresh account with a few short words for what tests do in it."""

    def __init__(self, app: Inside) -> None:
        self.app = app
        made = app.account("stripe")
        self.account, self.key = made["account"], made["key"]
        self._seen: set[str] = set()

    def call(self, method: str, path: str, params: Json, key: str = "", **headers: str) -> httpx.Response:
        """One call, with nested parameters."""
        fields = dict(flattened(params))
        place = "data" if method == "POST" else "params"
        return self.app.call(method, f"/stripe/v1/{path}", key or self.key, headers=headers, **{place: fields})

    def post(self, path: str, **params: Any) -> Json:
        """A POST that is expected to succeed."""
        return self._good(self.call("POST", path, params))

    def get(self, path: str, **params: Any) -> Json:
        """A GET that is expected to succeed."""
        return self._good(self.call("GET", path, params))

    def delete(self, path: str) -> Json:
        """A DELETE that is expected to succeed."""
        return self._good(self.call("DELETE", path, {}))

    def _good(self, answer: httpx.Response) -> Json:
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        assert problem(body) is None, problem(body)
        return body

    def error(self, method: str, path: str, **params: Any) -> Json:
        """The error of a call that is expected to be refused."""
        answer = self.call(method, path, params)
        assert answer.status_code in (400, 402, 403, 404), answer.text
        error: Json = answer.json()["error"]
        return error

    def events(self, *types: str) -> list[Json]:
        """The account's events, the oldest first: those of some types, else all of them."""
        answer = self.call("GET", "events", {"limit": 100, **({"types": list(types)} if types else {})})
        found = answer.json()["data"]
        for event in found:
            if event["id"] in self._seen:
                continue
            self._seen.add(event["id"])
            assert problem(event["data"]["object"]) is None, (event["type"], problem(event["data"]["object"]))
        return list(reversed(found))

    def types(self) -> list[str]:
        """The types of the account's events, the oldest first."""
        return [event["type"] for event in self.events()]

    def control(self, method: str, path: str, **body: Any) -> Json:
        """A call of the control API for this account that is expected to succeed."""
        return self.app.control(method, path, {"account": self.account, **body})

    def price(self, amount: int = 1000, **more: Any) -> Json:
        """A product of its own with a price."""
        product = more.pop("product", None) or self.post("products", name="Starter")["id"]
        return self.post("prices", **{"product": product, "currency": "usd", "unit_amount": amount, **more})

    def meter(self, event: str = "calls") -> str:
        """A meter that sums up, by its id."""
        return str(
            self.post("billing/meters", display_name="x", event_name=event, default_aggregation={"formula": "sum"})[
                "id"
            ]
        )

    def customer(self) -> str:
        """A customer with an address."""
        return str(self.post("customers", name="ACME", email="a@example.com")["id"])

    def draft(self, amount: int | None = None, **more: Any) -> Json:
        """A draft that is to be sent, with one line if an amount is given."""
        customer = more.pop("customer", None) or self.customer()
        terms = {"collection_method": "send_invoice", "days_until_due": 30}
        draft = self.post("invoices", **{"customer": customer, **terms, **more})
        if amount is None:
            return draft
        return self.post(f"invoices/{draft['id']}/add_lines", lines=[{"amount": amount, "description": "Fee"}])

    def open_invoice(self, amount: int = 1000, **more: Any) -> Json:
        """A finalized invoice of one line."""
        return self.post(f"invoices/{self.draft(amount, **more)['id']}/finalize")

    def step(self, invoice: str, step: str) -> None:
        """One step of an invoice that is expected to succeed."""
        assert self.try_step(invoice, step) == 200

    def try_step(self, invoice: str, step: str) -> int:
        """The status that one step of an invoice answers."""
        if step == "delete":
            return self.call("DELETE", f"invoices/{invoice}", {}).status_code
        params = {"paid_out_of_band": True} if step == "pay" else {}
        return self.call("POST", f"invoices/{invoice}/{step}", params).status_code
