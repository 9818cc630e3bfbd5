"""The page at `/`: both sides' objects, events and deliveries, and forms by which a person makes customers."""

from __future__ import annotations

import time
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.identifiers import random_text
from sandbox.store import dump
from sandbox.stripe_api import customers as stripe_customers
from sandbox.stripe_api import params as stripe_params
from sandbox.stripe_api.calls import Call as StripeCall
from sandbox.stripe_api.currencies import shown
from sandbox.stripe_api.errors import StripeError
from sandbox.tenants import Tenant
from sandbox.togai_api import customers as togai_customers
from sandbox.togai_api.calls import Call as TogaiCall
from sandbox.togai_api.errors import TogaiError
from sandbox.world import World

SHOWN = 25


class Page:
    """Shows the sandbox, and does what a person would do in the vendors' dashboards."""

    def __init__(self, world: World) -> None:
        self._world = world
        loader = PackageLoader("sandbox")
        self._jinja = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)

    async def show(self, request: Request) -> Response:
        """GET /."""
        return self._render(request, None)

    async def create_stripe(self, request: Request) -> Response:
        """Makes a Stripe customer as the dashboard does: its event names no request."""
        form = await self._fields(request)
        tenant = self._world.tenants.find(form.pop("account", ""))
        if tenant is None or tenant.app != "stripe":
            return self._render(request, "Choose a Stripe account.")
        call = StripeCall(self._world, tenant, {}, "", None, None)
        try:
            call.params = stripe_params.CUSTOMER_CREATE.read({name: text for name, text in form.items() if text}, ())
            stripe_customers.check(call)
            with self._world.store.transaction():
                made = stripe_customers.create(call)
        except StripeError as error:
            return self._render(request, error.message)
        return RedirectResponse(f"/?made={made['id']}", 303)

    async def create_togai(self, request: Request) -> Response:
        """Makes a Togai customer with an account."""
        form = await self._fields(request)
        tenant = self._world.tenants.find(form.get("account", ""))
        if tenant is None or tenant.app != "togai":
            return self._render(request, "Choose a Togai organization.")
        id = form.get("id") or f"cust_{random_text(10)}"
        name, email = form.get("name", ""), form.get("email", "")
        account: dict[str, Any] = {"id": form.get("account_id") or f"acc_{random_text(10)}", "name": name}
        account |= {"primaryEmail": email, "invoiceCurrency": form.get("currency") or "USD"}
        body = {"id": id, "name": name, "primaryEmail": email, "address": {}, "account": account}
        call = TogaiCall(self._world, tenant, "", {}, dump(body).encode())
        try:
            with self._world.store.transaction():
                togai_customers.create(call)
        except TogaiError as error:
            return self._render(request, error.message)
        return RedirectResponse(f"/?made={id}", 303)

    async def _fields(self, request: Request) -> dict[str, str]:
        form = await request.form()
        return {name: value.strip() for name, value in form.items() if isinstance(value, str)}

    def _render(self, request: Request, error: str | None) -> Response:
        tenants = self._world.tenants.all()
        html = self._jinja.get_template("page.html").render(
            error=error,
            made=request.query_params.get("made"),
            watch="watch" in request.query_params,
            stripe=[self._stripe(tenant) for tenant in tenants if tenant.app == "stripe"],
            togai=[self._togai(tenant) for tenant in tenants if tenant.app == "togai"],
            deliveries=self._deliveries(),
            now=_time(self._world.clock.now()),
        )
        return HTMLResponse(html, 400 if error else 200)

    def _stripe(self, tenant: Tenant) -> dict[str, Any]:
        customers = [[b["id"], b["name"], b["email"], _pairs(b["metadata"])] for b in self._newest(tenant, "customer")]
        events = [
            [_time(b["created"]), b["type"], b["data"]["object"]["id"], b["id"]] for b in self._newest(tenant, "event")
        ]
        endpoints = [
            [b["id"], b["url"], b["status"], ", ".join(b["enabled_events"])]
            for b in self._newest(tenant, "webhook_endpoint")
        ]
        rows = {"customer_rows": _filled(customers), "event_rows": events, "endpoint_rows": endpoints}
        return {"tenant": tenant, **rows, **self._sales(tenant)}

    def _sales(self, tenant: Tenant) -> dict[str, Any]:
        """What an account sells, and who looked at it."""
        products = [[b["id"], b["name"], b["active"], _pairs(b["metadata"])] for b in self._newest(tenant, "product")]
        prices = [
            [b["id"], b["product"], b["unit_amount_decimal"] or "tiers", b["currency"], b["active"]]
            for b in self._newest(tenant, "price")
        ]
        links = [[b["id"], b["active"], b["url"]] for b in self._newest(tenant, "payment_link")]
        sessions = [
            [b["id"], b["status"], b["payment_status"], shown(b["amount_total"], b["currency"]),
             (b["customer_details"] or {}).get("email")]
            for b in self._newest(tenant, "checkout.session")
        ]  # fmt: skip
        invoices = [
            [b["id"], b["number"], b["status"], shown(b["total"], b["currency"]), b["hosted_invoice_url"]]
            for b in self._newest(tenant, "invoice")
        ]
        rows = {"product_rows": products, "price_rows": prices, "link_rows": links}
        return {**rows, "session_rows": _filled(sessions), "invoice_rows": _filled(invoices)}

    def _togai(self, tenant: Tenant) -> dict[str, Any]:
        columns = {
            "customer": ("id", "name", "primaryEmail", "status"),
            "account": ("id", "customerId", "name", "invoiceCurrency", "status"),
            "invoice": ("id", "ownerId", "invoiceClass", "status", "totalAmount", "paidAmount"),
            "payment": ("id", "accountId", "totalAmount", "currency"),
            "setting": ("entityId", "id", "value"),
            "price_plan": ("id", "name", "status"),
            "pricing_schedule": ("pricePlanId", "pricePlanName", "startDate", "endDate"),
            "subscription": ("event", "url"),
        }
        tables = {
            f"{kind}_rows": [[body.get(name) for name in names] for body in self._newest(tenant, kind)]
            for kind, names in columns.items()
        }
        return {"tenant": tenant, **tables}

    def _deliveries(self) -> list[list[Any]]:
        found = self._world.deliveries.listed(limit=SHOWN)
        return [
            [_time(d["created"]), d["account"], d["type"], d["object"], d["state"], len(d["attempts"]), d["url"]]
            for d in found
        ]

    def _newest(self, tenant: Tenant, kind: str) -> list[dict[str, Any]]:
        return [document.body for document in self._world.store.select(tenant.scope, kind, "deleted=0", limit=SHOWN)]


def _time(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(seconds))


def _pairs(metadata: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in metadata.items())


def _filled(rows: list[list[Any]]) -> list[list[Any]]:
    return [["" if cell is None else cell for cell in row] for row in rows]
