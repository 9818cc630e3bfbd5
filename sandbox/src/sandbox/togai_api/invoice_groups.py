"""Togai's invoice groups: accounts whose invoices are merged into one, which the group owes (source: Togai OpenAPI)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from sandbox.answers import Answer
from sandbox.clock import rfc3339
from sandbox.identifiers import togai_id
from sandbox.store import Document
from sandbox.togai_api import accounts, pages
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import Address, Body, Email, Text, read, sent

KIND = "invoice_group"
Json = dict[str, Any]
Members = Annotated[list[Text], Field(min_length=1, max_length=100)]


class NewGroup(Body):
    """A group of accounts that get one invoice."""

    name: Text
    email: Email
    dailyInvoiceConsolidation: bool
    accountIds: Members
    address: Address
    netTermDays: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None


class Accounts(Body):
    """Accounts that join a group, or leave it."""

    accountIds: Members


def create(call: Call) -> Answer:
    """POST /invoice_groups: of accounts of one currency."""
    new = read(NewGroup, call.body)
    body = sent(new)
    names = ("name", "email", "dailyInvoiceConsolidation", "netTermDays")
    group: Json = {name: body[name] for name in names if name in body}
    found = made(call, new.accountIds, {**group, "billingAddress": body["address"]})
    return Answer.json(200, shown(found))


def made(call: Call, members: list[str], group: Json, id: str | None = None) -> Json:
    """A group that is kept; raises 404 for an account that there is not, 400 for another currency."""
    now = rfc3339(call.world.clock.now())
    body: Json = {
        "id": id or togai_id("inv_group"), **group, "invoiceCurrency": _currency(call, members), "gracePeriod": 0,
        "accounts": list(dict.fromkeys(members)), "createdAt": now, "updatedAt": now,
    }  # fmt: skip
    clock = call.world.clock
    call.world.store.insert(call.scope, KIND, body, id=body["id"], created=int(clock.now()), changed=clock.micros())
    return body


def _currency(call: Call, members: list[str]) -> str:
    found = set()
    for id in members:
        account = call.world.store.get(call.scope, accounts.KIND, id)
        if account is None:
            raise not_found("Account", id)
        found.add(account.body["invoiceCurrency"])
    if len(found) != 1:
        raise TogaiError(400, f"Accounts of an invoice group have one currency, these have {', '.join(sorted(found))}")
    return str(found.pop())


def shown(body: Json) -> Json:
    """The group with how many accounts it has, not which."""
    members = len(body["accounts"])
    return {name: value for name, value in body.items() if name != "accounts"} | {"accountsCount": members}


def retrieve(call: Call) -> Answer:
    """GET /invoice_groups/{id}: with its accounts."""
    body = present(call).body
    return Answer.json(200, {**shown(body), "accounts": body["accounts"]})


def listed(call: Call) -> Answer:
    """GET /invoice_groups."""
    return pages.listed(call, KIND, _in_list, columns={}, allowed=(), context=False)


def _in_list(document: Document) -> Json:
    return shown(document.body)


def add_accounts(call: Call) -> Answer:
    """POST /invoice_groups/{id}/add_accounts."""
    wanted = read(Accounts, call.body).accountIds
    return _changed(call, lambda members: list(dict.fromkeys([*members, *wanted])))


def remove_accounts(call: Call) -> Answer:
    """POST /invoice_groups/{id}/remove_accounts."""
    wanted = read(Accounts, call.body).accountIds
    return _changed(call, lambda members: [member for member in members if member not in wanted])


def _changed(call: Call, change: Any) -> Answer:
    old = present(call)
    members = change(old.body["accounts"])
    if members:
        _currency(call, members)
    new = {**old.body, "accounts": members, "updatedAt": rfc3339(call.world.clock.now())}
    call.world.store.replace(call.scope, KIND, call.id, new, call.world.clock.micros())
    return Answer.json(200, shown(new))


def present(call: Call) -> Document:
    """The group that the path names; raises 404."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None:
        raise not_found("Invoice group", call.id)
    return found


def known(call: Call, id: str, account: Json) -> Json:
    """A group by its id; one that nobody made is made of the account, as a person would."""
    found = call.world.store.get(call.scope, KIND, id)
    if found:
        return found.body
    address, email = account.get("address", {}), account.get("primaryEmail", "group@example.com")
    group = {"name": id, "email": email, "dailyInvoiceConsolidation": False, "billingAddress": address}
    return made(call, [account["id"]], group, id)
