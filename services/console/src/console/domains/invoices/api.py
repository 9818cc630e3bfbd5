"""Invoices: both sides of each with what was paid, and what a person decides about one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict, Field
from shared.connections import Connection, FlowLink
from shared.domains import TRIGGERS
from shared.domains.invoices import INVOICE
from shared.domains.invoices.by_hand import INVOICES_BY_HAND, InvoiceDecision
from shared.domains.invoices.progress import Known, known_of
from shared.domains.invoices.states import STATES
from shared.domains.invoices.togai import PREFIX
from shared.events.envelope import timestamp
from shared.identity import Ref, is_id
from shared.linking.mappings import Mapping
from shared.model import Model
from shared.settings import Settings
from sqlmodel import Session

from console.api import asked, models, shapes
from console.api.errors import BadRequest, ErrorBody, NotNow, only_one
from console.api.paging import next_cursor
from console.api.records import PlaceDep
from console.api.relations import full_ref
from console.api.requests import append, event_about
from console.api.state import SessionDep, State, StateDep, stamp
from console.domains.invoices import queries as invoices
from console.domains.invoices.shown import page_of
from console.projection import queries
from console.projection.entity_runs import pair_of
from shared import money

router = APIRouter(
    prefix="/api",
    tags=["invoices"],
    responses={code: {"model": ErrorBody} for code in (400, 404, 409, 503)},
)
Change = Literal["hold", "release", "resync"]
Amount = Annotated[str | None, Field(description="in whole units; null while it is not known", examples=["49.50"])]


class InvoiceItem(Model):
    """One invoice at both sides."""

    id: str = Field(description="at Togai", examples=["inv.hkgkgyh.ghg"])
    ref: str = Field(examples=["togai:test:org_1/invoice/inv.hkgkgyh.ghg"])
    stripe_id: str | None = Field(examples=["in_1NG8Du2eZvKYlo2CUI79vXWy"])
    state: str = Field(description=", ".join(STATES), examples=["open"])
    reason: str = Field(description="why it waits, is held or failed")
    account: str = Field(description="the account at Togai, or the invoice group, that owes it", examples=["acme"])
    number: str
    currency: str = Field(examples=["USD"])
    total: Amount
    tax: Amount
    paid: Amount
    refunded: Amount
    disputed: Amount
    credited: Amount
    overpaid: Amount
    url: str = Field(description="where it is paid")
    refund_asked: str = Field(description="what Togai asks to give back and nobody did in Stripe; empty for nothing")
    refund_url: str = Field(description="where a person refunds it in Stripe's dashboard, while that is asked for")
    recorded: str = Field(description="what Togai's Settings say of it, as `payment failed`")
    due_at: str | None = Field(description="until when it is to be paid", examples=["2026-12-23T10:00:00.000Z"])
    overdue: bool = Field(description="whether Stripe asks for it still, and that day has passed")
    updated_at: str = Field(examples=["2026-11-23T10:00:00.000Z"])


class InvoicePart(Model):
    """A payment, refund, dispute or credit note at Stripe."""

    kind: str = Field(examples=["refund"])
    id: str
    status: str
    amount: Amount


class InvoiceHold(Model):
    """A person's decision that nothing more is made of it in Stripe."""

    since: str
    reason: str
    run: str = Field(description="the run that carried it out")


class InvoiceDetail(InvoiceItem):
    """One invoice with everything that is known of it."""

    portal: str = Field(
        description="the page where the customer of an open payment intent confirms or pays it, for 30 days; for "
        "nobody else's eyes"
    )
    togai_status: str = Field(description="as Tandem last saw or wrote it", examples=["PAID"])
    stripe_status: str = Field(description="as Tandem last saw or wrote it", examples=["paid"])
    payments: list[InvoicePart]
    refunds: list[InvoicePart]
    disputes: list[InvoicePart]
    credit_notes: list[InvoicePart]
    held: InvoiceHold | None
    mapping: str | None = Field(description="its link; null until there is one")
    sides: list[models.Side]
    runs: list[models.RunItem] = Field(description="newest first")


class InvoicePage(Model):
    """A page of invoices."""

    items: list[InvoiceItem]
    next_cursor: str | None


class DecisionBody(Model):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: asked.Reason
    flow_link: str = Field("", max_length=300, description="the one that does it; needed only if several could")


def item_fields(known: Known, held: Mapping | None, now: float, pair: Mapping | None = None) -> dict[str, Any]:
    """What a list shows of an invoice at a time (epoch seconds): pure."""
    given = known.amounts | ({} if known.overpaid is None else {"overpaid": known.overpaid})
    amounts = {name: _amount(given.get(name), known.currency) for name in AMOUNTS}
    return {
        "id": Ref.parse(known.ref).id,
        "ref": known.ref,
        "stripe_id": (Ref.parse(pair.target).id if pair else known.stripe_id) or None,
        "state": "held" if held else known.state or "waiting",
        "reason": held.reason if held else known.reason,
        "account": known.account,
        "number": known.number,
        "currency": known.currency,
        "url": known.url,
        "refund_asked": known.refund_asked,
        "refund_url": _dashboard(known.stripe_ref) if known.refund_asked else "",
        "recorded": known.recorded,
        "due_at": None if known.due is None else timestamp(datetime.fromtimestamp(known.due, UTC)),
        "overdue": known.is_overdue(now),
        "updated_at": max(known.at, held.at if held else ""),
        **amounts,
    }


AMOUNTS = ("total", "tax", "paid", "refunded", "disputed", "credited", "overpaid")


def _dashboard(ref: str) -> str:
    found = shapes.side(ref)
    return found.url if found else ""


def _amount(minor: int | None, currency: str) -> str | None:
    return None if minor is None or not currency else f"{money.major(minor, currency):f}"


def items(session: Session, search: queries.Search) -> InvoicePage:
    """A page of the list."""
    held = invoices.holds(session)
    found, after = invoices.page(session, search)
    now = time.time()
    shown = [InvoiceItem.model_validate(item_fields(known, held.get(known.ref), now)) for known in found]
    return InvoicePage(items=shown, next_cursor=next_cursor(after))


def search_of_query(
    search: PlaceDep,
    state: Annotated[str, Query(description=f"only this state: {', '.join(STATES)}", examples=["open"])] = "",
    account: Annotated[str, Query(max_length=300, description="only those of this account", examples=["acme"])] = "",
) -> queries.Search:
    """What the list takes."""
    if state and state not in STATES:
        raise BadRequest(f"invoices have no state {state[:50]!r}", f"there are: {', '.join(STATES)}")
    return replace(search, equal={"state": state, "account": account})


@router.get("/invoices", dependencies=[Depends(stamp)], summary="List invoices")
def list_invoices(session: SessionDep, search: Annotated[queries.Search, Depends(search_of_query)]) -> InvoicePage:
    """What Togai bills and Stripe collects, the last changed first."""
    return items(session, search)


@router.get("/invoices/{invoice:path}", dependencies=[Depends(stamp)], summary="One invoice")
def show_invoice(state: StateDep, session: SessionDep, invoice: str) -> InvoiceDetail:
    """Both sides, what was paid, refunded and disputed, and what ran. By any id of either side."""
    ref = _ref_of(session, invoice)
    held, pair = invoices.holds(session).get(ref), pair_of(session, INVOICE, ref)
    known = known_of(ref, invoices.runs_of(session, ref))
    ran, _ = queries.runs_page(session, queries.Search(id=ref))
    parts = _parts(known)
    return InvoiceDetail.model_validate(
        item_fields(known, held, time.time(), pair)
        | {name: parts[kind] for name, kind in KINDS.items()}
        | {
            "portal": page_of(session, state.settings, ref),
            "togai_status": known.togai_status,
            "stripe_status": known.stripe_status,
            "held": InvoiceHold(since=held.at, reason=held.reason, run=held.run) if held else None,
            "mapping": pair.id if pair else None,
            "sides": shapes.sides(pair) if pair else [side for side in [shapes.side(ref)] if side],
            "runs": [shapes.run_item(run) for run in ran],
        }
    )


def page_address(session: Session, settings: Settings, invoice: str) -> str:
    """The customer's page of an invoice, by any id of either side. Raises Unknown, NotNow."""
    if address := page_of(session, settings, _ref_of(session, invoice)):
        return address
    raise NotNow(
        f"{invoice[:100]} has no page on which its customer could pay",
        "only an invoice that a payment intent collects has one, while it is open",
        code="no_page",
    )


KINDS = {"payments": "payment", "refunds": "refund", "disputes": "dispute", "credit_notes": "credit_note"}


def _parts(known: Known) -> MappingOf[str, list[InvoicePart]]:
    found: dict[str, list[InvoicePart]] = {kind: [] for kind in KINDS.values()}
    for transaction, amount in known.payments.items():
        part = InvoicePart(kind="payment", id=transaction, status="paid", amount=_amount(amount, known.currency))
        found["payment"].append(part)
    for fact in known.facts:
        if fact["kind"] in found:
            shown = _amount(fact["amount"], known.currency)
            found[fact["kind"]].append(InvoicePart.model_validate(fact | {"amount": shown}))
    return found


def _ref_of(session: Session, text: str) -> str:
    """The full ref of Togai's invoice to which an id leads. Raises Unknown, NotNow."""
    found = invoices.refs_of(session, text) | ({text} & invoices.holds(session).keys())
    return only_one(found, text, "invoice", "tandem invoices list")


async def decide(state: State, invoice: str, change: Change, body: DecisionBody) -> asked.LinkAsked:
    """Append a person's decision to the log. Raises BadRequest, NotNow, Unknown, Unavailable."""

    def read() -> tuple[FlowLink, Connection, str]:
        with Session(state.database.engine) as session:
            return _who_does_it(session, invoice, body.flow_link)

    link, connection, entity = await asyncio.to_thread(read)
    wanted = InvoiceDecision(invoice_id=entity, change=change, reason=body.reason, flow_link=link.id)
    ref = str(Ref(connection.app_account, "invoice", entity))
    return await append(state, event_about(ref, INVOICES_BY_HAND.trigger, wanted, connection.id), link.id)


def _who_does_it(session: Session, invoice: str, named: str) -> tuple[FlowLink, Connection, str]:
    """The flow link that carries the decision out, its connection to Togai, and the invoice's id there. One that
    nothing ran for yet is taken by Togai's own id. Raises Unknown, NotNow.
    """
    ref = full_ref(invoice) if invoice.startswith("togai:") else None
    if ref is None and not (is_id(invoice) and invoice.startswith(PREFIX)):
        ref = Ref.parse(_ref_of(session, invoice))
    known = {c.id: c for c in queries.connections(session)}
    app = TRIGGERS[INVOICES_BY_HAND.trigger].app
    links = [one for one in queries.flow_links(session) if one.flow == INVOICES_BY_HAND.id and named in ("", one.id)]
    able = [
        (one, known[one.connections[app]])
        for one in links
        if one.enabled and one.connections[app] in known
        and (ref is None or known[one.connections[app]].app_account == ref.account)
    ]  # fmt: skip
    if len(able) == 1:
        return *able[0], ref.id if ref else invoice
    if able:
        names = ", ".join(one.id for one, _ in able)
        raise NotNow(f"several flow links could: {names}", "name one of them with --flow-link", code="several_links")
    raise NotNow(
        f"no flow link of the flow {INVOICES_BY_HAND.id} is on{f' for {ref.account}' if ref else ''}",
        "switch it on: `tandem flow-links list` shows its id, `tandem flow-links enable` does it",
        code="no_flow_link",
    )


@router.post("/invoices/{invoice:path}/hold", status_code=202, summary="Hold an invoice")
async def hold(state: StateDep, invoice: str, body: DecisionBody) -> asked.LinkAsked:
    """Nothing more is made of it in Stripe until a person releases it; what was paid is still counted."""
    return await decide(state, invoice, "hold", body)


@router.post("/invoices/{invoice:path}/release", status_code=202, summary="Release a held invoice")
async def release(state: StateDep, invoice: str, body: DecisionBody) -> asked.LinkAsked:
    """What waits for it goes on at once."""
    return await decide(state, invoice, "release", body)


@router.post("/invoices/{invoice:path}/resync", status_code=202, summary="Look at an invoice again")
async def resync(state: StateDep, invoice: str, body: DecisionBody) -> asked.LinkAsked:
    """Both sides as they are now: also one that is older than its flow link is sent."""
    return await decide(state, invoice, "resync", body)
