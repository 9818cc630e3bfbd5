"""What people do at the sandbox's Stripe and Togai, and what stands there, by the names of its accounts."""

from __future__ import annotations

import secrets
from typing import Any

import httpx

from tests.contract.sandbox.tools import Control

ON_HAND = ("stripe", "togai")
"""The accounts that every test has."""


class Vendors:
    """Fresh accounts at the sandbox, called with their own keys; `accounts` are by name, `togai` the organization."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.accounts: dict[str, dict[str, Any]] = {}

    def call(self, name: str, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """A call to a vendor with its own key, by hand."""
        app = "togai" if name == "togai" else "stripe"
        headers = {"Authorization": f"Bearer {self.accounts[name]['key']}"}
        answer = self.control.http.request(method, f"{self.control.url}/{app}{path}", headers=headers, **arguments)
        assert answer.is_success, answer.text
        return dict(answer.json()) if answer.content else {}

    def customer(self, *, at: str = "stripe", **fields: str) -> str:
        """A Stripe customer, as a person makes it; by default with a name and an address of its own."""
        body = {"name": "Globex", "email": f"{secrets.token_hex(4)}@globex.test"} | fields
        return str(self.call(at, "POST", "/v1/customers", data=body)["id"])

    def change(self, customer: str, *, at: str = "stripe", **fields: str) -> None:
        self.call(at, "POST", f"/v1/customers/{customer}", data=fields)

    def account(self, account: str = "acme", customer: dict[str, Any] | None = None, **fields: Any) -> str:
        """A Togai customer with one account, as a person makes it."""
        own = {"id": account, "name": f"Account {account}", "invoiceCurrency": "USD"} | fields
        body = {
            "id": f"c-{account}",
            "name": f"Customer {account}",
            "primaryEmail": f"{account}@example.test",
            "address": {},
            "account": own,
        }
        self.call("togai", "POST", "/customers", json=body | (customer or {}))
        return account

    def stripe(self, customer: str, name: str = "stripe") -> dict[str, Any]:
        return self.call(name, "GET", f"/v1/customers/{customer}")

    def customers(self, name: str = "stripe") -> list[dict[str, Any]]:
        """Every customer at Stripe that is not deleted."""
        return list(self.call(name, "GET", "/v1/customers", params={"limit": 100})["data"])

    def togai(self, account: str = "acme") -> dict[str, Any]:
        """The account, with its customer under `customer`."""
        found = self.call("togai", "GET", f"/accounts/{account}")
        return found | {"customer": self.call("togai", "GET", f"/customers/{found['customerId']}")}

    def setting(self, account: str) -> str | None:
        """The Stripe customer that an account's Settings name."""
        path = f"/settings/setting.USER.StripeCustomerId.ACCOUNT.{account}"
        app = "togai"
        headers = {"Authorization": f"Bearer {self.accounts[app]['key']}"}
        answer: httpx.Response = self.control.http.get(f"{self.control.url}/{app}{path}", headers=headers)
        if answer.status_code == 404:
            return None
        assert answer.is_success, answer.text
        return str(answer.json()["value"])

    def name(self, account: str, customer: str) -> None:
        """A person lets an account's Settings name a Stripe customer, or nobody."""
        setting = {"id": "StripeCustomerId", "name": "Stripe", "value": customer, "dataType": "STRING"}
        body = setting | {"entityType": "ACCOUNT", "entityId": account, "namespace": "USER"}
        self.call("togai", "POST", "/settings", json=body)

    def organization(self) -> list[str]:
        """Ids of the accounts at Togai."""
        return sorted(row["id"] for row in self.call("togai", "GET", "/accounts", params={"pageSize": 100})["data"])

    def calls(self) -> dict[str, int]:
        """Calls at each side."""
        return {
            name: len(self.control.call("GET", "/calls", account=self.accounts[name]["id"])["calls"])
            for name in ON_HAND
        }

    def writes(self) -> int:
        """Calls at both sides that were no reads."""
        return sum(
            1
            for name in ON_HAND
            for call in self.control.call("GET", "/calls", account=self.accounts[name]["id"])["calls"]
            if call["method"] != "GET"
        )
