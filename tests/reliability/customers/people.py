"""People at both vendors: actions become calls, under keys of their own that no fault is for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from console.http import own_machine

from tests.reliability.action import Action
from tests.reliability.checker.facts import Facts
from tests.reliability.customers.units import VATN, World, account_id, customer_id
from tests.stack.processes import Stack
from tests.stack.tenants import Tenant

CHECK_EVERY = 0.3


class CustomerPeople:
    """Does actions. `customers` are the Stripe ids that came of them, by unit; `lost` whose other side never came."""

    def __init__(self, stack: Stack, tenant: Tenant, world: World, keys: dict[str, str], patience: float) -> None:
        self.customers: dict[str, str] = {}
        self.keys = keys
        self.lost: dict[str, str] = {}
        self._world = world
        self._patience = patience
        self._tenant = tenant
        limits = httpx.Limits(max_connections=32)
        self._stripe = self._client(stack, "/stripe", keys["stripe"], limits)
        self._togai = self._client(stack, "/togai", keys["togai"], limits)
        self._control = own_machine(base_url=stack.url("sandbox", "/control"), timeout=60, limits=limits)
        self._found: dict[str, str] = {}

    @staticmethod
    def _client(stack: Stack, path: str, key: str, limits: httpx.Limits) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"}
        return own_machine(base_url=stack.url("sandbox", path), timeout=60, headers=headers, limits=limits)

    async def close(self) -> None:
        for client in (self._stripe, self._togai, self._control):
            await client.aclose()

    async def act(self, action: Action) -> None:
        """Do one action, after the other sides that it needs. Raises AssertionError if one of them is lost."""
        for unit in action.needs:
            await self._linked(unit)
        noun, _, verb = action.verb.partition(".")
        do: Callable[[Action], Any] = getattr(self, f"_{noun}_{verb}")
        await do(action)

    # --- whose other side is where ---

    async def _linked(self, key: str) -> None:
        """Wait until a unit's other side is there and both know each other."""
        unit = self._world.units[key]
        if key in self._found:
            return
        if key in self.lost:
            raise AssertionError(self.lost[key])

        async def found() -> bool:
            account = self.account(key) if unit.origin == "stripe" else account_id(key)
            if not account or not (value := await self._setting(account)):
                return False
            customer = (await self._stripe.get(f"/v1/customers/{value}")).json()
            metadata = customer.get("metadata", {})
            # People name the account themselves, sometimes; its customer's id is Tandem's to write.
            if metadata.get("togai_account_id") != account or not metadata.get("togai_customer_id"):
                return bool(customer.get("deleted"))
            self._found[key] = value
            return True

        deadline = asyncio.get_running_loop().time() + self._patience
        while not await found():
            if asyncio.get_running_loop().time() > deadline:
                self.lost[key] = f"the other side of {key} did not come within {self._patience:.0f} s"
                raise AssertionError(self.lost[key])
            await asyncio.sleep(CHECK_EVERY)

    async def _setting(self, account: str) -> str:
        answer = await self._togai.get(f"/settings/setting.USER.StripeCustomerId.ACCOUNT.{account}")
        return str(answer.json().get("value", "")) if answer.is_success else ""

    def account(self, key: str) -> str:
        """The Togai account of a unit, as far as it can be named."""
        unit = self._world.units[key]
        if unit.origin == "togai":
            return account_id(key)
        return f"acc_{self.customers[key]}" if key in self.customers else ""

    def customer(self, key: str) -> str:
        """The Stripe customer of a unit."""
        return self.customers.get(key) or self._found[key]

    # --- in Stripe ---

    async def _stripe_make(self, action: Action) -> None:
        values = dict(action.values)
        metadata = {f"metadata[{name}]": value for name, value in values.pop("names", {}).items()}
        answer = await self._stripe.post("/v1/customers", data=form(values) | metadata)
        self.customers[action.unit] = str(_good(answer)["id"])

    async def _stripe_change(self, action: Action) -> None:
        _good(await self._stripe.post(f"/v1/customers/{self.customer(action.unit)}", data=form(action.values)))

    _stripe_by_hand = _stripe_change

    async def _stripe_delete(self, action: Action) -> None:
        _good(await self._stripe.delete(f"/v1/customers/{self.customer(action.unit)}"))

    async def touch(self, facts: Facts) -> None:
        """A change of every active account that concerns nobody: each is compared, and nothing is to be done."""
        for account in facts.accounts.values():
            if account["status"] == "ACTIVE":
                _good(await self._togai.patch(f"/accounts/{account['id']}", json={"tags": ["touched"]}))

    # --- in Togai ---

    async def _togai_make(self, action: Action) -> None:
        account = togai_body(action.values["account"]) | {
            "id": account_id(action.unit), "name": f"Account {action.unit}", "invoiceCurrency": "EUR",
        }  # fmt: skip
        if "email" in action.values:
            account["primaryEmail"] = action.values["email"]
        if named := action.values.get("names"):
            account["settings"] = [
                {"id": "StripeCustomerId", "name": "StripeCustomerId", "value": self.customers[named]}
                | {"dataType": "STRING", "namespace": "USER"}
            ]
        body = togai_body(action.values["customer"]) | {"id": customer_id(action.subject), "account": account}
        _good(await self._togai.post("/customers", json=body))

    async def _togai_add_account(self, action: Action) -> None:
        body = togai_body(action.values) | {
            "id": account_id(action.unit), "name": f"Account {action.unit}", "invoiceCurrency": "EUR",
            "customerId": customer_id(action.subject),
        }  # fmt: skip
        _good(await self._togai.post("/accounts", json=body))

    async def _togai_change_account(self, action: Action) -> None:
        _good(await self._togai.patch(f"/accounts/{account_id(action.unit)}", json=togai_body(action.values)))

    async def _togai_change_customer(self, action: Action) -> None:
        _good(await self._togai.patch(f"/customers/{customer_id(action.unit)}", json=togai_body(action.values)))

    async def _togai_by_hand(self, action: Action) -> None:
        """What stands above a pair that was born in Stripe: the name is the customer's, the address the account's."""
        if "name" in action.values:
            path = f"/customers/{self.customers[action.unit]}"
        else:
            path = f"/accounts/{self.account(action.unit)}"
        _good(await self._togai.patch(path, json=togai_body(action.values)))

    async def _togai_archive_account(self, action: Action) -> None:
        await self._pages("archive", togai_account=self.account(action.unit))

    async def _togai_unarchive_account(self, action: Action) -> None:
        await self._pages("unarchive", togai_account=self.account(action.unit))

    async def _togai_archive_customer(self, action: Action) -> None:
        await self._pages("archive", customer=customer_id(action.unit))

    async def _togai_unarchive_customer(self, action: Action) -> None:
        await self._pages("unarchive", customer=customer_id(action.unit))

    async def _pages(self, what: str, **body: str) -> None:
        _good(await self._control.post(f"/togai/{what}", json={"account": self._tenant.togai_org} | body))


def form(values: dict[str, Any]) -> dict[str, str]:
    """Fields as Stripe's parameters."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if name == "address":
            found |= {f"address[{part}]": text for part, text in value.items()}
        elif name == VATN:
            found["metadata[VATN]"] = value
        else:
            found[name] = value
    return found


def togai_body(values: dict[str, Any]) -> dict[str, Any]:
    """Fields as Togai's bodies have them: the phone number stands in the address."""
    body: dict[str, Any] = {}
    for name, value in values.items():
        if name == "email":
            body["primaryEmail"] = value
        elif name == VATN:
            body["metadata"] = {"VATN": value}
        elif name == "phone":
            body.setdefault("address", {})["phoneNumber"] = value
        elif name == "address":
            body.setdefault("address", {}).update(value)
        else:
            body[name] = value
    return body


def _good(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return dict(answer.json()) if answer.content else {}
