"""The pages where a person pays: a payment link, a checkout session. They stand in for Stripe's hosted pages."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox import mail
from sandbox.control.payments import call_of, minor
from sandbox.stripe_api import (
    checkout,
    documents,
    invoice_lines,
    invoice_payments,
    invoices,
    line_items,
    outbox,
    payment_intents,
    payment_links,
    payments,
    sessions,
)
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.checkout import OUTCOMES, Visitor
from sandbox.stripe_api.currencies import decimals, shown
from sandbox.world import World

Fields = dict[str, str]
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_VALUES = ("error", "message", "rows", "choices", "asks", "email", "quantity", "amount", "away", "target", "script")
_KINDS = {"plink": payment_links.KIND, "cs": sessions.KIND, "in": invoices.KIND}
_SUMS = (("Total", "total"), ("Paid", "amount_paid"), ("Open", "amount_remaining"))
_PAYS = [
    ("succeeded", "Pay"), ("failed", "Pay with a card that is declined"),
    ("processing", "Pay by bank debit, which takes days"),
]  # fmt: skip
_ENDS = [("succeeded", "The bank debit arrives"), ("failed", "The bank debit comes back")]
_WAITING = [("async_succeeded", "The bank debit arrives"), ("async_failed", "The bank debit comes back")]
_BANK = [("succeeded", "It is me: confirm"), ("failed", "It is not me: refuse")]


class PayPages:
    """Shows what is to be paid, and plays what the visitor does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jinja = Environment(loader=PackageLoader("sandbox"), autoescape=True, undefined=StrictUndefined)

    def routes(self) -> list[Route]:
        """The pages' own addresses; a payment link and a session name theirs in `url`."""
        return [
            Route("/pay/{account}/{mode}/{id}", self.show, methods=["GET"]),
            Route("/pay/{account}/{mode}/{id}", self.act, methods=["POST"]),
            Route("/embedded/{secret}", self.show_embedded, methods=["GET"]),
            Route("/embedded/{secret}", self.act_embedded, methods=["POST"]),
            Route("/authenticate/{secret}", self.show_bank, methods=["GET"]),
            Route("/authenticate/{secret}", self.act_bank, methods=["POST"]),
            Route("/outbox", self.show_outbox, methods=["GET"]),
            Route("/js/v3/", self.script, methods=["GET"]),
        ]

    async def script(self, request: Request) -> Response:
        """Stands in for Stripe.js, as far as an embedded checkout, or a payment intent, needs it."""
        text = self._jinja.get_template("stripe.js").render(address=self._world.address(request))
        return PlainTextResponse(text, media_type="text/javascript")

    async def show(self, request: Request) -> Response:
        """A visit: of a payment link, which opens a session, or of a session."""
        call = self._call(request)
        if call is None:
            return self._nothing()
        if call.id.startswith("plink_"):
            return self._visit(call, request)
        if call.id.startswith("in_"):
            return self._invoice(call)
        return self._session(call, call.id)

    async def act(self, request: Request) -> Response:
        """What the visitor chose."""
        call, fields = self._call(request), await _fields(request)
        if call is None:
            return self._nothing()
        return self._pay_invoice(call, fields) if call.id.startswith("in_") else self._resolve(call, call.id, fields)

    async def show_embedded(self, request: Request) -> Response:
        """The page inside another one, by the session's client secret."""
        call = self._embedded(request)
        return self._nothing() if call is None else self._session(call, call.id)

    async def act_embedded(self, request: Request) -> Response:
        """What the visitor chose inside another page."""
        call = self._embedded(request)
        return self._nothing() if call is None else self._resolve(call, call.id, await _fields(request))

    def _call(self, request: Request) -> Call | None:
        place = request.path_params
        tenant = self._world.tenants.find(f"{place['account']}/{place['mode']}")
        if tenant is None or tenant.app != "stripe":
            return None
        call = call_of(self._world, tenant, self._world.address(request), place["id"])
        kind = _KINDS.get(call.id.partition("_")[0], "")
        return call if self._world.store.get(call.scope, kind, call.id) else None

    async def show_bank(self, request: Request) -> Response:
        """The bank's page, where its customer confirms that they pay."""
        call = self._embedded(request, payments.INTENT)
        return self._nothing() if call is None else self._bank(call)

    async def act_bank(self, request: Request) -> Response:
        """What they say to their bank."""
        call, fields = self._embedded(request, payments.INTENT), await _fields(request)
        outcome = next((known for known, _ in _BANK if known == fields.get("outcome")), None)
        if call is None or outcome is None:
            return self._nothing()
        next_action = self._intent(call)["next_action"]
        if not next_action:
            return self._bank(call)
        with self._world.store.transaction():
            payment_intents.end_as(call, call.id, "succeeded" if outcome == "succeeded" else "failed")
        back = (next_action.get("redirect_to_url") or {}).get("return_url")
        return RedirectResponse(back, 303) if back else self._bank(call)

    def _intent(self, call: Call) -> dict[str, Any]:
        return documents.shown_by_id(call, payments.INTENT, call.id) or {}

    def _bank(self, call: Call) -> Response:
        intent = self._intent(call)
        waits = intent["status"] == "requires_action"
        return self._page(
            f"Confirm {shown(intent['amount'], intent['currency'])}", 200, choices=_BANK if waits else [],
            message=None if waits else "Your bank has your answer.",
            script=None if waits else 'parent.postMessage("authenticated", "*")',
        )  # fmt: skip

    def _embedded(self, request: Request, kind: str = sessions.KIND) -> Call | None:
        secret = request.path_params["secret"]
        id = secret.partition("_secret_")[0]
        for tenant in self._world.tenants.all():
            found = self._world.store.get(tenant.scope, kind, id) if tenant.app == "stripe" else None
            if found and found.body["client_secret"] == secret:
                return call_of(self._world, tenant, self._world.address(request), id)
        return None

    def _visit(self, call: Call, request: Request) -> Response:
        link = documents.shown_by_id(call, payment_links.KIND, call.id) or {}
        if not link["active"]:
            message = link["inactive_message"] or "This link is no longer active."
            return self._page("Payment link", 404, message=message)
        reference = request.query_params.get("client_reference_id", "")
        email = request.query_params.get("prefilled_email") or None
        with self._world.store.transaction():
            session = checkout.visited(call, call.id, reference if _REFERENCE.fullmatch(reference) else None, email)
        return RedirectResponse(session["url"], 303)

    def _session(self, call: Call, id: str, error: str | None = None) -> Response:
        with self._world.store.transaction():
            session = sessions.current(call, id).body
        items = line_items.of(call, session)
        rows = [[i["description"], i["quantity"], shown(i["amount_total"], session["currency"])] for i in items]
        total = shown(session["amount_total"], session["currency"])
        embedded = session["ui_mode"] == "embedded_page"
        return self._page(
            f"Pay {total}" if session["status"] == "open" else "Checkout", 409 if error else 200, error=error,
            message=self._status(call, session), rows=[*rows, ["Total", "", total]],
            choices=_choices(session, total), asks=session["status"] == "open", email=session["customer_email"] or "",
            quantity=items[0]["quantity"] if items[0]["adjustable_quantity"] and session["status"] == "open" else None,
            away=session["cancel_url"] if session["status"] == "open" else None,
            target="_top" if embedded and session.get("redirect_on_completion") != "never" else None,
            script='parent.postMessage("complete", "*")' if embedded and session["status"] == "complete" else None,
        )  # fmt: skip

    def _status(self, call: Call, session: dict[str, Any]) -> str | None:
        if session["status"] == "expired":
            return "This session has expired."
        if session["status"] == "open":
            return None
        link = documents.shown_by_id(call, payment_links.KIND, session["payment_link"] or "") or {}
        own = link.get("after_completion", {}).get("hosted_confirmation", {}).get("custom_message")
        thanks = own or "Thanks for your payment."
        return f"{thanks} Payment: {session['payment_status']}."

    def _resolve(self, call: Call, id: str, fields: Fields) -> Response:
        outcome = next((known for known in OUTCOMES if known == fields.get("outcome")), None)
        quantity = fields.get("quantity", "")
        visitor = Visitor(
            fields.get("email") or None, fields.get("name") or None, int(quantity) if quantity.isdecimal() else None
        )
        if outcome is None:
            return self._session(call, id, "Choose what to do.")
        try:
            with self._world.store.transaction():
                session = checkout.resolve(call, id, outcome, visitor)
        except checkout.Impossible as error:
            return self._session(call, id, f"That cannot be done: {error}.")
        if outcome == "declined":
            return self._session(call, id, "The card was declined. Try another one.")
        if outcome in ("paid", "unpaid", "no_payment_required"):
            back = self._way_back(call, session)
            if back:
                return RedirectResponse(back.replace("{CHECKOUT_SESSION_ID}", id), 303)
        return self._session(call, id)

    def _way_back(self, call: Call, session: dict[str, Any]) -> str | None:
        """Where the visitor goes after paying; None for a page that says thanks itself."""
        link = documents.shown_by_id(call, payment_links.KIND, session["payment_link"] or "")
        if link and link["after_completion"]["type"] == "hosted_confirmation":
            return None
        back: str | None = session.get("return_url") or session["success_url"]
        return back

    def _invoice(self, call: Call, error: str | None = None) -> Response:
        """Stands in for Stripe's page of an invoice; a draft has none."""
        invoice = documents.shown_by_id(call, invoices.KIND, call.id) or {}
        if invoice.get("status", "draft") == "draft":
            return self._nothing()
        code, lines = invoice["currency"], [line.body for line in invoice_lines.of(call, call.id)]
        rows = [[line["description"] or "", line["quantity"], shown(line["amount"], code)] for line in lines]
        sums = [["", name, shown(invoice[field], code)] for name, field in _SUMS]
        waits = bool(documents.hidden(call, call.id).get("processing"))
        payable = invoice["status"] in invoice_payments.PAYABLE
        return self._page(
            f"Invoice {invoice['number']}", 409 if error else 200, error=error,
            message=f"This invoice is {invoice['status']}.", rows=[*rows, *sums],
            choices=(_ENDS if waits else _PAYS) if payable else [],
            amount=None if waits else f"{Decimal(invoice['amount_remaining']).scaleb(-decimals(code)):f}",
        )  # fmt: skip

    def _pay_invoice(self, call: Call, fields: Fields) -> Response:
        outcome = next((known for known in invoice_payments.OUTCOMES if known == fields.get("outcome")), None)
        if outcome is None:
            return self._invoice(call, "Choose what to do.")
        try:
            with self._world.store.transaction():
                text = fields.get("amount") or None
                amount = minor(call, call.id, text)
                invoice = documents.shown_by_id(call, invoices.KIND, call.id) or {}
                if outcome == "succeeded" and amount is not None and amount > invoice["amount_remaining"]:
                    outcome = "overpaid"
                invoice_payments.pay_as(call, call.id, outcome, amount)
        except (ValueError, ArithmeticError) as error:
            return self._invoice(call, f"That cannot be done: {error}.")
        return self._invoice(call, "The card was declined." if outcome == "failed" else None)

    async def show_outbox(self, request: Request) -> Response:
        """The mails that Stripe would have sent, and those that Tandem did send."""
        mails = [
            [found.body["to"], found.body["subject"], found.body["url"]]
            for tenant in self._world.tenants.all() if tenant.app == "stripe"
            for found in self._world.store.select(tenant.scope, outbox.KIND)
        ]  # fmt: skip
        html = self._jinja.get_template("outbox.html").render(
            mails=mails,
            own=[(one["to"], one["subject"], mail.addresses(one["text"])) for one in mail.mails(self._world)],
        )
        return HTMLResponse(html)

    def _nothing(self) -> Response:
        return self._page("Nothing here", 404, message="There is no such page.")

    def _page(self, title: str, status: int, **values: Any) -> Response:
        names = (
            "error",
            "message",
            "rows",
            "choices",
            "asks",
            "email",
            "quantity",
            "amount",
            "away",
            "target",
            "script",
        )
        html = self._jinja.get_template("pay.html").render(title=title, **{**dict.fromkeys(names), **values})
        return HTMLResponse(html, status)


def _choices(session: dict[str, Any], total: str) -> list[tuple[str, str]]:
    if session["status"] == "complete" and session["payment_status"] == "unpaid":
        return _WAITING
    if session["status"] != "open":
        return []
    if session["amount_total"] == 0:
        return [("paid", "Order")]
    return [
        ("paid", f"Pay {total}"), ("declined", "Pay with a card that is declined"),
        ("unpaid", "Pay by bank debit, which takes days"), ("no_payment_required", "Take the whole price off"),
    ]  # fmt: skip


async def _fields(request: Request) -> Fields:
    form = await request.form()
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}
