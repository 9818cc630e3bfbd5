"""Stripe's invoice items, pending or on a draft, and the lines that the API puts on a draft in one call."""

from __future__ import annotations

from typing import Any

from sandbox.store import Document
from sandbox.stripe_api import currencies, customers, documents, invoice_lines, invoices, lists
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError, missing_object
from sandbox.stripe_api.invoice_lines import ITEM, LINE, MOST
from sandbox.stripe_api.rules import check_metadata, merged_metadata

NOUN = "invoiceitem"
Body = dict[str, Any]


def check_lines(call: Call) -> None:
    """Refuses what no line can be, before anything is executed."""
    check_metadata(call.params.get("invoice_metadata"))
    for index, line in enumerate(call.params["lines"]):
        invoice_lines.check_item(line, ("lines", str(index)), new=False)


def add_lines(call: Call) -> Body:
    """POST /v1/invoices/{id}/add_lines: all of them or none."""
    draft = invoices.editable(call, call.id)
    _check_room(call, call.id, len(call.params["lines"]))
    for index, given in enumerate(call.params["lines"]):
        place = ("lines", str(index))
        invoice_lines.check_item(given, place)
        if "invoice_item" in given:
            _put_on(call, draft, given["invoice_item"], place)
        else:
            _add(call, draft.body, given, place)
    return invoices.recount(call, draft, _more(call, draft))


def _more(call: Call, draft: Document) -> Body:
    if "invoice_metadata" not in call.params:
        return {}
    return {"metadata": merged_metadata(draft.body["metadata"], call.params["invoice_metadata"])}


def _check_room(call: Call, invoice: str, more: int) -> None:
    if len(invoice_lines.of(call, invoice)) + more > MOST:
        raise StripeError(400, f"An invoice can have at most {MOST} invoice items.", param="lines")


def _add(call: Call, draft: Body, given: Body, place: tuple[str, ...]) -> Body:
    item = invoice_lines.new_item(call, given, draft["currency"], draft["customer"], draft["id"], place)
    invoice_lines.new_line(call, item, draft["id"], given)
    return item


def _put_on(call: Call, draft: Document, id: str, place: tuple[str, ...]) -> None:
    """A pending item of the same customer goes on the draft."""
    item = documents.named(call, ITEM, NOUN, id, f"{place[0]}[{place[1]}][invoice_item]")
    if item.body["invoice"] or item.body["customer"] != draft.body["customer"]:
        message = f"The invoice item {id} is not a pending item of this customer."
        raise StripeError(400, message, param=f"{place[0]}[{place[1]}][invoice_item]")
    taken = documents.change(call, item, {**item.body, "invoice": draft.id}, event="invoiceitem.updated")
    invoice_lines.new_line(call, taken, draft.id, {})


def _line(call: Call, invoice: str, id: str, place: str) -> Document:
    line = documents.named(call, LINE, "line item", id, place)
    if line.lookup != invoice:
        raise missing_object("line item", id, param=place, status=400)
    return line


def update_lines(call: Call) -> Body:
    """POST /v1/invoices/{id}/update_lines."""
    draft = invoices.editable(call, call.id)
    for index, given in enumerate(call.params["lines"]):
        _change_line(call, draft.body, _line(call, call.id, given["id"], f"lines[{index}][id]"), given, str(index))
    return invoices.recount(call, draft, _more(call, draft))


def _change_line(call: Call, draft: Body, line: Document, given: Body, index: str) -> None:
    id = line.body["parent"]["invoice_item_details"]["invoice_item"]
    item = documents.named(call, ITEM, NOUN, id, "invoice_item")
    new = _changed(call, item.body, given, draft["currency"], ("lines", index))
    documents.change(call, item, new, event="invoiceitem.updated")
    shared = ("amount", "description", "discountable", "metadata", "period", "pricing", "quantity", "quantity_decimal")
    taxes = {"taxes": invoice_lines.taxes(given["tax_amounts"] or [])} if "tax_amounts" in given else {}
    body = {**line.body, **{name: new[name] for name in shared}, "subtotal": new["amount"], **taxes}
    documents.change(call, line, body)


def _changed(call: Call, old: Body, given: Body, code: str, place: tuple[str, ...]) -> Body:
    new = dict(old)
    if {"amount", "unit_amount_decimal", "price_data", "pricing", "quantity", "quantity_decimal"} & set(given):
        way = {} if {"amount", "unit_amount_decimal", "price_data", "pricing"} & set(given) else {
            "unit_amount_decimal": old["pricing"]["unit_amount_decimal"]
        }  # fmt: skip
        counted = {} if {"quantity", "quantity_decimal"} & set(given) else {"quantity_decimal": old["quantity_decimal"]}
        new |= invoice_lines.priced(call, {**counted, **way, **given}, code, place)
        new["net_amount"] = new["amount"]
    if "description" in given:
        new["description"] = given["description"] or None
    for name in ("discountable", "period"):
        if name in given:
            new[name] = given[name]
    if "metadata" in given:
        new["metadata"] = merged_metadata(old["metadata"], given["metadata"])
    return new


def remove_lines(call: Call) -> Body:
    """POST /v1/invoices/{id}/remove_lines: their items are deleted, or wait for another invoice."""
    draft = invoices.editable(call, call.id)
    for index, given in enumerate(call.params["lines"]):
        line = _line(call, call.id, given["id"], f"lines[{index}][id]")
        documents.remove(call, line)
        id = line.body["parent"]["invoice_item_details"]["invoice_item"]
        item = documents.named(call, ITEM, NOUN, id, "invoice_item")
        if given["behavior"] == "delete":
            documents.remove(call, item, event="invoiceitem.deleted")
        else:
            documents.change(call, item, {**item.body, "invoice": None}, event="invoiceitem.updated")
    return invoices.recount(call, draft, _more(call, draft))


def check(call: Call) -> None:
    """Refuses what no item can be, before anything is executed."""
    invoice_lines.check_item(call.params, new=False)
    if "currency" in call.params:
        currencies.currency(call.params["currency"])


def create(call: Call) -> Body:
    """POST /v1/invoiceitems: on a draft, or pending for the customer's next invoice."""
    params = call.params
    invoice_lines.check_item(params)
    if params.get("subscription"):
        raise missing_object("subscription", params["subscription"], param="subscription", status=400)
    draft = invoices.editable(call, params["invoice"]) if params.get("invoice") else None
    customer = params.get("customer") or (draft.body["customer"] if draft else "")
    found = documents.named(call, customers.KIND, customers.KIND, customer, "customer")
    code = (params.get("currency") or (draft.body["currency"] if draft else found.body["currency"]) or "usd").lower()
    if draft is None:
        invoices.fix_currency(call, found, code)
        return invoice_lines.new_item(call, params, code, customer, None, ())
    if draft.body["customer"] != customer or draft.body["currency"] != code:
        message = "The invoice is of another customer or in another currency."
        raise StripeError(400, message, param="invoice")
    _check_room(call, draft.id, 1)
    item = _add(call, draft.body, params, ())
    invoices.recount(call, draft)
    return item


def update(call: Call) -> Body:
    """POST /v1/invoiceitems/{id}, while it is pending or on a draft."""
    old = documents.present(call, ITEM, NOUN)
    draft = invoices.editable(call, old.body["invoice"]) if old.body["invoice"] else None
    if draft is None:
        new = _changed(call, old.body, call.params, old.body["currency"], ())
        return documents.change(call, old, new, event="invoiceitem.updated")
    line = _line_of(call, draft.id, call.id)
    _change_line(call, draft.body, line, call.params, "0")
    invoices.recount(call, draft)
    return documents.present(call, ITEM, NOUN).body


def _line_of(call: Call, invoice: str, item: str) -> Document:
    return next(
        line for line in invoice_lines.of(call, invoice)
        if line.body["parent"]["invoice_item_details"]["invoice_item"] == item
    )  # fmt: skip


def retrieve(call: Call) -> Body:
    """GET /v1/invoiceitems/{id}."""
    return documents.present(call, ITEM, NOUN).body


def delete(call: Call) -> Body:
    """DELETE /v1/invoiceitems/{id}, while it is pending or on a draft."""
    old = documents.present(call, ITEM, NOUN)
    draft = invoices.editable(call, old.body["invoice"]) if old.body["invoice"] else None
    if draft:
        documents.remove(call, _line_of(call, draft.id, call.id))
        invoices.recount(call, draft)
    return documents.remove(call, old, event="invoiceitem.deleted")


def listed(call: Call) -> Body:
    """GET /v1/invoiceitems, by customer, invoice, and whether they are pending."""
    where, values = lists.created_range(call.params.get("created"))
    for name in ("customer", "invoice"):
        if call.params.get(name):
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name])
    if "pending" in call.params:
        where.append(f"json_extract(body, '$.invoice') IS {'' if call.params['pending'] else 'NOT '}NULL")
    return documents.page(call, ITEM, NOUN, "/v1/invoiceitems", where, values)
