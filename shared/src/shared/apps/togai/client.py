"""Calls to one Togai organization. Every call passes the gate; no retry happens in here.

Togai tells errors apart by status code only; the body is `{"message": ...}` and there is no idempotency header: ids
that we choose are what makes a create safe to send again.
"""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from typing import Any, Literal, TypeVar

import httpx2
import msgspec
from pydantic import BaseModel, ValidationError

from shared.apps.model import Access
from shared.apps.togai.answers import FOREVER, leads_on, operation_of, page_of, part, rows_of
from shared.apps.togai.answers import Page as Page
from shared.apps.togai.models import USER_NAMESPACE, NewCustomer, NewSetting, Setting, TogaiAccount, TogaiCustomer
from shared.apps.togai.v2 import TogaiV2
from shared.errors import (
    Blocked,
    KeyRefused,
    Malformed,
    NotFound,
    QuotaUsed,
    RateLimited,
    Rejected,
    SyncError,
    Unavailable,
)
from shared.identity import LONGEST_ID, key_fingerprint
from shared.tls import trusted

M = TypeVar("M", bound=BaseModel)
_encode = msgspec.json.Encoder(decimal_format="number").encode
LARGEST_PAGE = 100
QUOTA = re.compile(r"quota|limit|exceed|maximum", re.IGNORECASE)
"""What Togai's text of a 403 names where it is no right that lacks."""
LONGEST_SETTING = 3 * LONGEST_ID
"""Characters of a setting's full id, which holds its name and an entity's id."""


def http_client(timeout: float) -> httpx2.AsyncClient:
    """One per event loop, shared by every connection. `timeout` in seconds per call; redirects are not followed."""
    # httpx2, for httpx's pool looks at each connection for each other one at every call: with 64, three quarters of a
    # worker's time (encode/httpcore#1035). It still asks of each idle one at each call whether it was closed.
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=16)
    return httpx2.AsyncClient(timeout=timeout, follow_redirects=False, limits=limits, verify=trusted())


def setting_path(name: str, entity_type: str, entity_id: str, namespace: str = USER_NAMESPACE) -> str:
    """A setting's full id, as it stands in the path."""
    return f"setting.{namespace}.{name}.{entity_type}.{entity_id}"


class TogaiApp:
    """One connection. Raises errors of `shared.errors` only."""

    def __init__(self, access: Access, http: httpx2.AsyncClient) -> None:
        self.connection = access.connection
        self.app_account = access.app_account
        self._base = access.api_base.rstrip("/")
        self._headers = {"Authorization": f"Bearer {access.key}"}
        self._gate = access.gate
        self._fingerprint = key_fingerprint(access.key)
        self._before = access.before
        self._after = access.after
        self._http = http
        self.v2 = TogaiV2(self._call)

    async def organization(self) -> str:
        """The organization's id, as its own settings tell it; empty if it has none. GET /settings."""
        found = await self._call("GET", "/settings", params={"entity_type": "ORGANIZATION", "pageSize": "1"})
        rows = rows_of(found, "settings")
        return str(rows[0].get("entityId", "")) if rows else ""

    async def account(self, account_id: str) -> TogaiAccount:
        """GET /accounts/{id}. Raises NotFound."""
        return _read(TogaiAccount, await self._call("GET", f"/accounts/{part(account_id)}"))

    async def customer(self, customer_id: str) -> TogaiCustomer:
        """GET /customers/{id}. Raises NotFound."""
        return _read(TogaiCustomer, await self._call("GET", f"/customers/{part(customer_id)}"))

    async def email_of(self, account: TogaiAccount) -> str:
        """An account's address, else that of its customer; empty for none. Raises NotFound."""
        return account.primary_email or (await self.customer(account.customer_id)).primary_email or ""

    async def create_customer(self, new: NewCustomer | dict[str, Any]) -> TogaiCustomer:
        """POST /customers with its account. Raises Rejected, for a taken id too (the specification does not say)."""
        body = new.body() if isinstance(new, NewCustomer) else new
        return _read(TogaiCustomer, await self._call("POST", "/customers", json=body))

    async def update_customer(self, customer_id: str, changes: dict[str, Any]) -> None:
        """PATCH /customers/{id}: name, primaryEmail and address only; what is not named stays. Raises NotFound."""
        await self._call("PATCH", f"/customers/{part(customer_id)}", json=changes)

    async def update_account(self, account_id: str, changes: dict[str, Any]) -> None:
        """PATCH /accounts/{id}: `metadata` and `address` are replaced whole. Raises NotFound."""
        await self._call("PATCH", f"/accounts/{part(account_id)}", json=changes)

    async def page(self, noun: Literal["customers", "accounts"], status: str, token: str = "") -> Page:
        """GET /customers or /accounts: one page of those in a status, as they stand, the last changed first.

        The order and the filter are documented nowhere but in examples: callers must expect any. The last page of items
        may carry a token too, an empty page then follows.
        """
        params = {"nextToken": token} if token else {"status": status, "pageSize": str(LARGEST_PAGE)}
        found = await self._call("GET", f"/{noun}", params=params)
        return page_of(found, noun)

    async def invoice(self, invoice_id: str) -> dict[str, Any]:
        """GET /invoices/{id}: with its tree of lines, numbers as decimals. Raises NotFound."""
        return await self._call("GET", f"/invoices/{part(invoice_id)}")

    async def invoices(self, status: str, token: str = "", owner: str = "") -> Page:
        """GET /invoices: one page of those in a status, as they stand; of one account or group, if it is named."""
        first = {"status": status, "pageSize": "50"} | ({"owner_id": owner} if owner else {})
        params = {"nextToken": token} if token else first
        found = await self._call("GET", "/invoices", params=params)
        return page_of(found, "invoices")

    async def invoice_group(self, group_id: str) -> dict[str, Any]:
        """GET /invoice_groups/{id}: with the ids of its accounts. Raises NotFound."""
        return await self._call("GET", f"/invoice_groups/{part(group_id)}")

    async def group_of(self, account_id: str) -> str:
        """GET /accounts/{id}: the invoice group of an account; empty for none, or where there is no such account."""
        try:
            params = {"includeGroupDetails": "true"}
            found = await self._call("GET", f"/accounts/{part(account_id)}", params=params)
        except NotFound:
            return ""
        return str((found.get("invoiceGroupDetails") or {}).get("id") or "")

    async def update_invoice(self, invoice_id: str, status: str) -> None:
        """PATCH /invoices/{id}: its status; the same one again changes nothing. Raises NotFound, Rejected."""
        await self._call("PATCH", f"/invoices/{part(invoice_id)}", json={"status": status})

    async def put_charges(self, invoice_id: str, charges: list[dict[str, str]]) -> None:
        """PUT /invoices/{id}/miscellaneous_charges: of a draft; they replace those that are there. Raises Rejected."""
        items = [
            {name: Decimal(text) if name in ("rate", "quantity") else text for name, text in charge.items()}
            for charge in charges
        ]
        headers, path = self._headers | {"Content-Type": "application/json"}, f"/invoices/{part(invoice_id)}"
        await self._call("PUT", f"{path}/miscellaneous_charges", content=_encode({"items": items}), headers=headers)

    async def price_plans(self, status: str, token: str = "") -> Page:
        """GET /price_plans: one page of those in a status, their newest version without rate cards."""
        params = {"nextToken": token} if token else {"status": status, "pageSize": "50"}
        found = await self._call("GET", "/price_plans", params=params)
        return page_of(found, "price_plans")

    async def price_plan(self, plan_id: str) -> dict[str, Any]:
        """GET /price_plans/{id}: with every version and its rate cards, numbers as decimals. Raises NotFound."""
        return await self._call("GET", f"/price_plans/{part(plan_id)}")

    async def pricing_schedules(self, account_id: str) -> list[dict[str, Any]]:
        """GET /accounts/{id}/pricing_schedules: which plan an account has when. Raises NotFound."""
        rows: list[dict[str, Any]] = []
        token = ""
        while True:
            params = {"nextToken": token} if token else {"pageSize": str(LARGEST_PAGE)}
            found = await self._call("GET", f"/accounts/{part(account_id)}/pricing_schedules", params=params)
            page = page_of({"data": found.get("pricingSchedules"), **found}, "pricing_schedules")
            rows += page.rows
            # Togai gives a token with its last page too: one that is not full is taken for it, else each account would
            # cost the poller two calls.
            if len(page.rows) < LARGEST_PAGE or not leads_on(page.token, page.rows, token):
                return rows
            token = page.token

    async def associate(self, account_id: str, plan_id: str, since: str) -> list[dict[str, Any]]:
        """POST /accounts/{id}/price_plans: the account has the plan from a day on. It has no idempotency: the same call
        twice makes two schedules. Returns the account's schedules. Raises Rejected, also for a day that is too early.
        """
        body = {"mode": "ASSOCIATE", "pricePlanId": plan_id, "effectiveFrom": since, "effectiveUntil": FOREVER}
        found = await self._call("POST", f"/accounts/{part(account_id)}/price_plans", json=body)
        rows = found.get("pricingSchedules")
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    async def create_payment(self, body: dict[str, Any]) -> dict[str, Any]:
        """POST /payments; amounts may be texts, as claims hold them. It has no idempotency: what guards it is the
        caller's look at `payment_of` before.
        """
        headers = self._headers | {"Content-Type": "application/json"}
        lines = [line | {"amount": Decimal(line["amount"])} for line in body["lineItemRecords"]]
        sent = body | {"totalAmount": Decimal(body["totalAmount"]), "lineItemRecords": lines}
        return await self._call("POST", "/payments", content=_encode(sent), headers=headers)

    async def payment_of(self, transaction: str) -> dict[str, Any] | None:
        """The payment under a transaction number, by walking over all there are: Togai's list has no filter."""
        token = ""
        while True:
            page = await self.payments(token)
            for payment in page.rows:
                known = payment.get("externalPaymentReferences") or {}
                if known.get("transactionNumber") == transaction:
                    return payment
            if not page.token or not page.rows:
                return None
            token = page.token

    async def payments(self, token: str = "") -> Page:
        """GET /payments: one page, as they stand."""
        params = {"nextToken": token} if token else {"pageSize": "50"}
        found = await self._call("GET", "/payments", params=params)
        return page_of(found, "payments")

    async def setting(self, name: str, entity_type: str, entity_id: str) -> Setting | None:
        """GET /settings/{full id}, None if there is none."""
        path = part(setting_path(name, entity_type, entity_id), LONGEST_SETTING)
        try:
            return _read(Setting, await self._call("GET", f"/settings/{path}"))
        except NotFound:
            return None

    async def settings_named(self, name: str, token: str = "") -> Page:
        """GET /settings: one page of the accounts' settings of a name, as they stand."""
        filters = {"entity_type": "ACCOUNT", "setting_id": name, "namespace": USER_NAMESPACE}
        params = {"nextToken": token} if token else filters | {"pageSize": str(LARGEST_PAGE)}
        found = await self._call("GET", "/settings", params=params)
        return page_of(found, "settings")

    async def create_setting(self, name: str, value: str, entity_type: str, entity_id: str) -> None:
        """POST /settings: answers 201, or 204 without a body. Raises Rejected if it stands already."""
        new = NewSetting(id=name, value=value, name=name)
        body = new.model_dump(by_alias=True) | {"entityType": entity_type, "entityId": entity_id}
        await self._call("POST", "/settings", json=body)

    async def fill_setting(self, name: str, value: str, entity_type: str, entity_id: str) -> str:
        """Write a setting that stands nowhere, or is empty: Togai has no upsert, so a refused create is looked up.

        Returns the value that stands there already and stays; empty where ours was written. Raises Rejected.
        """
        try:
            await self.create_setting(name, value, entity_type, entity_id)
        except Rejected:
            present = await self.setting(name, entity_type, entity_id)
            if present is None:
                raise
            if present.value:
                return present.value
            await self.update_setting(name, value, entity_type, entity_id)
        return ""

    async def set_setting(self, name: str, value: str, entity_type: str, entity_id: str) -> str | None:
        """Give a setting a value; no call removes one, so an empty value means none. Returns what stood there before,
        None where nothing was to be written.
        """
        present = await self.setting(name, entity_type, entity_id)
        if (present.value if present else "") == value:
            return None
        if present is None:
            await self.create_setting(name, value, entity_type, entity_id)
            return ""
        await self.update_setting(name, value, entity_type, entity_id)
        return present.value

    async def update_setting(self, name: str, value: str, entity_type: str, entity_id: str) -> None:
        """PATCH /settings/{full id}: answers 201 or 204."""
        path = part(setting_path(name, entity_type, entity_id), LONGEST_SETTING)
        await self._call("PATCH", f"/settings/{path}", json={"value": value})

    async def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        operation = operation_of(method, path)
        async with self._gate.call(self.app_account, operation):
            self._before(operation)
            try:
                # httpx2 restarts its time-out at every piece that arrives: one that drips would hold us for ever.
                async with asyncio.timeout(self._http.timeout.read):
                    answer = await self._http.request(
                        method, self._base + path, **({"headers": self._headers} | arguments)
                    )
            except httpx2.InvalidURL as error:
                # Ids are short: a page's token alone may be of any length.
                raise Malformed(f"Togai: {method} {path.split('?')[0][:LONGEST_ID]} has no address: {error}") from error
            except (httpx2.HTTPError, TimeoutError) as error:
                raise Unavailable(f"Togai: {method} {path}: {type(error).__name__} {error}".strip()) from error
        if answer.is_success:
            await self._after(operation)
            return _body(answer, f"{method} {path}")
        raised = self._error(answer, f"{method} {path}", operation)
        if isinstance(raised, RateLimited):
            self._gate.refused(self.app_account, operation, raised)
        raise raised

    def _error(self, answer: httpx2.Response, call: str, operation: str) -> SyncError:
        """The one table from Togai's status codes to our errors."""
        status = answer.status_code
        message = f"Togai: {call} answered {status}: {_message(answer)}"
        code = str(status)
        if status == 429:
            return RateLimited(message, code=code, retry_after=_retry_after(answer))
        if status >= 500 or status in (408, 425) or status < 400:
            return Unavailable(message, code=code, retry_after=_retry_after(answer))
        if status == 401:
            return KeyRefused(message, code=code, connection=self.connection, fingerprint=self._fingerprint)
        if status == 403:
            # A right that lacks or a quota of resources that is used up: Togai's text alone tells which.
            kind = QuotaUsed if QUOTA.search(message) else Blocked
            return kind(self.connection, message, code=code, operation=operation, fingerprint=self._fingerprint)
        if status == 404:
            return NotFound(message, code=code, status=status)
        return Rejected(message, code=code, status=status)


def _body(answer: httpx2.Response, call: str) -> dict[str, Any]:
    if not answer.content:
        return {}
    try:
        # Amounts are decimals: a float would change them.
        body = json.loads(answer.content, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        # A proxy's page, or an answer cut short: what Togai did is not known.
        raise Unavailable(f"Togai: {call} answered {answer.status_code} with no JSON") from error
    return body if isinstance(body, dict) else {"data": body}


def _message(answer: httpx2.Response) -> str:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return "no JSON"
    return str(body.get("message", "no message"))[:500] if isinstance(body, dict) else "no message"


def _retry_after(answer: httpx2.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.replace(".", "", 1).isdecimal() else None


def _read(model: type[M], body: dict[str, Any]) -> M:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise Malformed(f"Togai's answer is no {model.__name__}: {error.error_count()} fields do not fit") from error
