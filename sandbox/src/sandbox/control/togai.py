"""The control API's part of what people do in Togai's own pages."""

from __future__ import annotations

from decimal import Decimal

from starlette.requests import Request
from starlette.routing import Route

from sandbox.clock import rfc3339
from sandbox.control import bodies
from sandbox.control.requests import Run, answering, read, tenant_of
from sandbox.store import Json
from sandbox.tenants import Tenant
from sandbox.togai_api import accounts, billables, billing, invoices, plans_v2, price_plans
from sandbox.togai_api.calls import Call
from sandbox.world import World


def call_of(world: World, tenant: Tenant, id: str = "") -> Call:
    """A call that no request of the API makes."""
    return Call(world, tenant, id, {}, b"")


def add_plan(call: Call, plan: bodies.NewPricePlan) -> Json:
    """A price plan, active in all its currencies unless it is to be a draft."""
    new = plan.details_with_name()
    if plan.id and call.world.store.get(call.scope, price_plans.KIND, plan.id):
        raise ValueError(f"price plan {plan.id} exists already")
    billables.keep_named(call, new["pricePlanDetails"])
    if plan.api == "v2":
        return plans_v2.by_hand(call, new, plan.id, plan.active)
    body = price_plans.made(call, new)
    body["id"] = plan.id or body["id"]
    if plan.active:
        body = price_plans.activated(body, body["pricingSchedule"][0]["pricePlanDetails"]["supportedCurrencies"])
    return price_plans.add(call, body, price_plans.shown)


class TogaiPages:
    """Answers what people do in Togai's pages."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """The routes below `/control`."""
        table: list[tuple[str, str, Run]] = [
            ("POST", "/togai/price_plans", self.add_price_plan),
            ("PATCH", "/togai/price_plans/{id}", self.change_price_plan),
            ("POST", "/togai/billables", self.add_billables),
            ("POST", "/togai/invoices", self.add_invoice), ("PATCH", "/togai/invoices/{id}", self.change_invoice),
            ("POST", "/togai/billing_cycle", self.bill),
        ]  # fmt: skip
        return [Route(path, answering(run), methods=[method]) for method, path, run in table]

    async def add_price_plan(self, request: Request) -> Json:
        """Makes a price plan with one fixed fee, or with the rate cards that are given."""
        body = await read(request, bodies.NewPricePlan)
        with self._world.store.transaction():
            return add_plan(call_of(self._world, tenant_of(self._world, body.account, "togai")), body)

    async def change_price_plan(self, request: Request) -> Json:
        """Makes the next version of a price plan, which costs something else from now on."""
        body = await read(request, bodies.PricePlanVersion)
        call = call_of(self._world, tenant_of(self._world, body.account, "togai"), request.path_params["id"])
        with self._world.store.transaction():
            found = call.world.store.get(call.scope, price_plans.KIND, call.id)
            if found is None or "versions" not in found.body:
                return price_plans.new_version(call, body.full_details())
            billables.keep_named(call, body.full_details())
            return plans_v2.next_by_hand(call, body.full_details(), body.active)

    async def add_billables(self, request: Request) -> Json:
        """Makes add-ons, usage meters and features under ids of the caller's own."""
        body = await read(request, bodies.Billables)
        call = call_of(self._world, tenant_of(self._world, body.account, "togai"))
        kinds = (
            (billables.ADDON, body.addons),
            (billables.METER, body.usage_meters),
            (billables.FEATURE, body.features),
        )
        with self._world.store.transaction():
            made = [billables.add_by_hand(call, kind, id) for kind, ids in kinds for id in ids]
        return {"made": [one["id"] for one in made]}

    async def add_invoice(self, request: Request) -> Json:
        """Makes an invoice as Togai generates it."""
        body = await read(request, bodies.NewTogaiInvoice)
        call = call_of(self._world, tenant_of(self._world, body.account, "togai"), body.togai_account)
        account = accounts.present(call).body
        with self._world.store.transaction():
            invoice = invoices.made(
                call, account, body.parts(account["invoiceCurrency"]), status=body.status, type=body.type,
                invoice_class=body.invoice_class, paid=None if body.paid is None else Decimal(body.paid),
                total=None if body.total is None else Decimal(body.total),
                due=rfc3339(body.due_date.timestamp()) if body.due_date else None, plan=body.price_plan,
                dated=body.invoice_date,
                group=body.group,
            )  # fmt: skip
            if body.number:
                invoice["sequenceId"] = body.number
            if body.finalizing:
                invoice["finalizingStatus"] = "FINALIZING"
            return invoices.add(call, invoice)

    async def bill(self, request: Request) -> Json:
        """Ends a billing cycle of an account: its usage is rated, its invoice is generated and becomes due."""
        body = await read(request, bodies.BillingCycle)
        call = call_of(self._world, tenant_of(self._world, body.account, "togai"), body.togai_account)
        account = accounts.present(call).body
        with self._world.store.transaction():
            return billing.bill(call, account, {meter: Decimal(amount) for meter, amount in body.usage.items()})

    async def change_invoice(self, request: Request) -> Json:
        """Changes an invoice's status or what is paid of it, whatever it was."""
        body = await read(request, bodies.TogaiInvoiceChange)
        call = call_of(self._world, tenant_of(self._world, body.account, "togai"), request.path_params["id"])
        old = invoices.present(call)
        new = {**old.body, "finalizingStatus": "FINALIZED"}
        if body.paid is not None:
            paid, total = Decimal(body.paid), Decimal(old.body["totalAmount"])
            new |= {"paidAmount": paid, "status": "PAID" if paid >= total else "PARTIALLY_PAID"}
        if body.status is not None:
            new["status"] = body.status
            if body.status == "PAID" and body.paid is None:
                new["paidAmount"] = new["totalAmount"]
        with self._world.store.transaction():
            return invoices.keep(call, old, new)
