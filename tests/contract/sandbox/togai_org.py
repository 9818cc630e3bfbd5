"""A Togai organization inside the test's own process."""

from __future__ import annotations

from typing import Any

import httpx

from tests.contract.sandbox.inside import Inside
from tests.contract.sandbox.togai_plans import BILLABLES

FOR_EVER = "9999-01-01"


class Org:
    """A fresh organization with an account in USD, and short words for what tests do in it."""

    def __init__(self, app: Inside) -> None:
        self.app = app
        made = app.account("togai")
        self.account, self.token = made["account"], made["key"]
        account = {"id": "A1", "name": "First account", "invoiceCurrency": "USD"}
        customer = {"id": "C1", "name": "First customer", "primaryEmail": "a@example.com", "address": {}}
        self.good("POST", "/customers", {**customer, "account": account})
        app.control("POST", "/togai/billables", {"account": self.account, **BILLABLES})

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call of the API."""
        return self.app.call(method, f"/togai{path}", self.token, json=body)

    def good(self, method: str, path: str, body: Any = None) -> Any:
        """A call that is expected to succeed."""
        answer = self.call(method, path, body)
        assert answer.is_success, answer.text
        return answer.json()

    def invoice(self, **more: Any) -> Any:
        """An invoice that Togai generated: one fee of 100.00, due."""
        body = {"account": self.account, "togai_account": "A1", "status": "DUE"}
        lines = [{"name": "Fee", "amount": "100.00"}]
        return self.app.control("POST", "/togai/invoices", {**body, "lines": lines, **more})

    def pay(self, invoice: str, amount: Any = None, **more: Any) -> httpx.Response:
        """A payment that was made elsewhere."""
        line = {"type": "INVOICE", "togaiId": invoice, "order": 1, **({} if amount is None else {"amount": amount})}
        reference = {"sourceName": "stripe", "sourceType": "GATEWAY", "transactionNumber": "pi_1"}
        body = {"accountId": "A1", "currency": "USD", "totalAmount": amount or 100, "lineItemRecords": [line]}
        return self.call("POST", "/payments", {**body, "externalPaymentReference": reference, **more})

    def plan(self, **more: Any) -> Any:
        """A plan that a person made in Togai's pages."""
        body = {"account": self.account, "name": "Starter", "rates": {"USD": "49.00"}, **more}
        return self.app.control("POST", "/togai/price_plans", body)

    def put_on(self, plan: str, start: str, until: str = FOR_EVER, **more: Any) -> httpx.Response:
        """Puts a plan on the account."""
        body = {"mode": "ASSOCIATE", "pricePlanId": plan, "effectiveFrom": start, "effectiveUntil": until, **more}
        return self.call("POST", "/accounts/A1/price_plans", body)

    def schedules(self, query: str = "") -> list[tuple[str, str, str]]:
        """What stands on the account: plan, first day, last day, by time."""
        found = self.good("GET", f"/accounts/A1/pricing_schedules{query}")["data"]
        return sorted(((s["pricePlanId"], s["startDate"][:10], s["endDate"][:10]) for s in found), key=lambda s: s[1])
