"""Togai's customers."""

from __future__ import annotations

from typing import Any

from sandbox.answers import Answer
from sandbox.clock import rfc3339
from sandbox.identifiers import random_text, togai_id
from sandbox.store import Document
from sandbox.togai_api import accounts, pages, settings
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import CustomerChange, NestedAccount, NewCustomer, read, sent

KIND = "customer"
_COLUMNS = {"id": "id", "status": "json_extract(body, '$.status')"}
_ALLOWED = (frozenset({"id"}), frozenset({"status"}))
_ADDRESS = ("line1", "line2", "city", "state", "postalCode", "country")


def create(call: Call) -> Answer:
    """POST /customers: with its first account, which is made of the customer's details when none is given."""
    new = read(NewCustomer, call.body)
    taken = call.world.store.get(call.scope, KIND, new.id)
    if taken:
        return accounts.duplicate(call, "Customer", new.id, _created(taken.body, None, new))
    if new.account and call.world.store.get(call.scope, accounts.KIND, new.account.id):
        raise TogaiError(400, f"Account with id {new.account.id} already exists")
    quota = call.world.settings.togai_customer_quota
    if quota is not None and call.world.store.count(call.scope, KIND) >= quota:
        raise TogaiError(403, f"The quota of {quota} customers is used up")
    now = call.world.clock.now()
    body: dict[str, Any] = {
        "id": new.id, "togaiCustomerId": togai_id("customer"), "name": new.name, "primaryEmail": new.primaryEmail,
        "address": sent(new.address), "status": "ACTIVE", "createdAt": rfc3339(now),
    }  # fmt: skip
    call.world.store.insert(call.scope, KIND, body, id=new.id, created=int(now), changed=call.world.clock.micros())
    settings.add_with_entity(call, new.settings, "CUSTOMER", new.id)
    account = accounts.add(call, new.account or _first_account(new), body)
    return Answer.json(201, _created(body, account, new))


def _first_account(new: NewCustomer) -> NestedAccount:
    # Togai does not say which id it gives; a random one keeps clients from relying on a guess.
    return NestedAccount(id=f"acc_{random_text(20)}", name=new.name, primaryEmail=new.primaryEmail, address=new.address)


def _created(body: dict[str, Any], account: dict[str, Any] | None, new: NewCustomer) -> dict[str, Any]:
    """The answer to a create: no status and no times, unlike every other answer."""
    result = {name: body[name] for name in ("id", "togaiCustomerId", "name", "primaryEmail", "address")}
    result["billingAddress"] = _billing_address(body["address"])
    if new.settings:
        result["settings"] = [sent(setting) for setting in new.settings]
    return {**result, "account": account} if account else result


def _billing_address(address: dict[str, str]) -> str:
    return ", ".join(address[name] for name in _ADDRESS if address.get(name))[:1000]


def shown(document: Document) -> dict[str, Any]:
    """The customer as answers show it: with times, without settings."""
    body = document.body
    return {**body, "billingAddress": _billing_address(body["address"]), "updatedAt": rfc3339(document.changed / 1e6)}


def retrieve(call: Call) -> Answer:
    """GET /customers/{id}."""
    return Answer.json(200, shown(present(call)))


def update(call: Call) -> Answer:
    """PATCH /customers/{id}: name, primaryEmail and address only."""
    old = present(call)
    if old.body["status"] == "ARCHIVED":
        raise TogaiError(400, f"Customer {call.id} is archived")
    new = {**old.body, **sent(read(CustomerChange, call.body))}
    call.world.store.replace(call.scope, KIND, call.id, new, call.world.clock.micros())
    return Answer.json(200, shown(present(call)))


def archive(call: Call) -> Answer:
    """DELETE /customers/{id}: archives the customer and those of its accounts that are not, see `accounts.archive`."""
    old = present(call)
    call.world.store.replace(call.scope, KIND, call.id, {**old.body, "status": "ARCHIVED"}, call.world.clock.micros())
    active = "lookup=? AND json_extract(body, '$.status')<>'ARCHIVED'"
    for account in call.world.store.select(call.scope, accounts.KIND, active, [call.id]):
        archived = {**account.body, "status": "ARCHIVED"}
        micros = call.world.clock.micros()
        call.world.store.replace(call.scope, accounts.KIND, account.id, archived, micros, lookup=call.id)
    return Answer.json(200, {"success": True})


def unarchive(call: Call) -> Answer:
    """What no operation of the API does: a person takes the customer alone out of the archive."""
    old = present(call)
    call.world.store.replace(call.scope, KIND, call.id, {**old.body, "status": "ACTIVE"}, call.world.clock.micros())
    return Answer.json(200, {"success": True})


def listed(call: Call) -> Answer:
    """GET /customers, by the documented filters."""
    search = ("id", "name", "primaryEmail")
    return pages.listed(call, KIND, shown, columns=_COLUMNS, allowed=_ALLOWED, search=search)


def present(call: Call) -> Document:
    """The customer that the path names; raises 404."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None:
        raise not_found("Customer", call.id)
    return found
