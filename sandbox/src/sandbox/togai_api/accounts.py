"""Togai's accounts: what is billed, one or more to a customer."""

from __future__ import annotations

from typing import Any

from sandbox.answers import Answer
from sandbox.identifiers import togai_id
from sandbox.store import Document
from sandbox.togai_api import aliases, pages, settings, webhooks
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import AccountChange, AliasesAdded, AliasesRemoved, NestedAccount, NewAccount, read, sent

KIND = "account"
_COLUMNS = {
    "account_id": "id",
    "customer_id": "lookup",
    "status": "json_extract(body, '$.status')",
    "invoice_currency": "json_extract(body, '$.invoiceCurrency')",
}
_ALLOWED = (
    frozenset({"account_id"}), frozenset({"customer_id"}), frozenset({"status"}), frozenset({"invoice_currency"}),
    frozenset({"customer_id", "status"}),
)  # fmt: skip
_KEPT_APART = {"aliases", "accountAliases", "settings", "customerId"}


def create(call: Call) -> Answer:
    """POST /accounts."""
    body = read(NewAccount, call.body)
    customer = call.world.store.get(call.scope, "customer", body.customerId)
    if customer is None:
        raise not_found("Customer", body.customerId)
    if customer.body["status"] == "ARCHIVED":
        raise TogaiError(400, f"Customer {body.customerId} is archived")
    taken = call.world.store.get(call.scope, KIND, body.id)
    if taken:
        return duplicate(call, "Account", body.id, shown(call, taken.body))
    return Answer.json(201, add(call, body, customer.body))


def duplicate(call: Call, noun: str, id: str, present: dict[str, Any]) -> Answer:
    """The answer to a taken id, which the vendor does not document; the control API chooses it."""
    status = call.world.settings.togai_duplicate
    if status == 200:
        return Answer.json(200, present)
    raise TogaiError(status, f"{noun} with id {id} already exists")


def add(call: Call, new: NestedAccount, customer: dict[str, Any]) -> dict[str, Any]:
    """Creates an account of a customer and sends "Account creation"; raises before anything is written."""
    quota = call.world.settings.togai_account_quota
    if quota is not None and call.world.store.count(call.scope, KIND) >= quota:
        raise TogaiError(403, f"The quota of {quota} accounts is used up")
    fields = {name: value for name, value in sent(new).items() if name not in _KEPT_APART}
    body = {
        "togaiAccountId": togai_id("account"), "customerId": customer["id"],
        "togaiCustomerId": customer["togaiCustomerId"], "invoiceCurrency": call.tenant.body["baseCurrency"],
        "status": "ACTIVE", **fields, "tags": [tag.lower() for tag in fields.get("tags", [])],
    }  # fmt: skip
    clock = call.world.clock
    call.world.store.insert(
        call.scope, KIND, body, id=new.id, created=int(clock.now()), changed=clock.micros(), lookup=customer["id"]
    )
    aliases.attach(call, new.id, new.aliases, new.accountAliases)
    settings.add_with_entity(call, new.settings, "ACCOUNT", new.id)
    result = shown(call, body)
    webhooks.send(call, webhooks.ACCOUNT_CREATION, result)
    return result


def shown(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """The account as answers show it: with aliases, without settings and without times."""
    found = [{"alias": alias["value"]} for alias in aliases.of_account(call, body["id"])]
    return {**body, "aliases": found} if found else body


def retrieve(call: Call) -> Answer:
    """GET /accounts/{id}."""
    unknown = set(call.query) - {"effectiveOn", "includeGroupDetails"}
    if unknown:
        raise TogaiError(400, f"Unknown query parameters: {', '.join(sorted(unknown))}")
    found = shown(call, present(call).body)
    if call.query.get("includeGroupDetails") == "true":
        found = found | _group_details(call)
    return Answer.json(200, found)


def _group_details(call: Call) -> dict[str, Any]:
    """The invoice group that the account is of, as answers show it where that is asked for."""
    names = ("id", "name", "email", "dailyInvoiceConsolidation", "invoiceCurrency", "billingAddress", "netTermDays")
    for group in call.world.store.select(call.scope, "invoice_group"):
        if call.id in group.body["accounts"]:
            return {"invoiceGroupDetails": {name: group.body[name] for name in names if name in group.body}}
    return {}


def update(call: Call) -> Answer:
    """PATCH /accounts/{id}; `metadata` replaces the whole map."""
    old = present(call)
    if old.body["status"] == "ARCHIVED":
        raise TogaiError(400, f"Account {call.id} is archived")
    new = {**old.body, **sent(read(AccountChange, call.body))}
    new["tags"] = [tag.lower() for tag in new["tags"]]
    call.world.store.replace(call.scope, KIND, call.id, new, call.world.clock.micros(), lookup=old.lookup)
    return Answer.json(200, shown(call, new))


def archive(call: Call) -> Answer:
    """DELETE /accounts/{id}: the spec has it, the docs say "cannot be deleted, only archived"; so it archives."""
    old = present(call)
    new = {**old.body, "status": "ARCHIVED"}
    call.world.store.replace(call.scope, KIND, call.id, new, call.world.clock.micros(), lookup=old.lookup)
    return Answer.json(200, {"success": True})


def unarchive(call: Call) -> Answer:
    """What no operation of the API does: a person takes the account out of the archive; its customer must be active."""
    old = present(call)
    customer = call.world.store.get(call.scope, "customer", old.body["customerId"])
    if customer and customer.body["status"] == "ARCHIVED":
        raise TogaiError(400, f"Customer {customer.id} is archived")
    new = {**old.body, "status": "ACTIVE"}
    call.world.store.replace(call.scope, KIND, call.id, new, call.world.clock.micros(), lookup=old.lookup)
    return Answer.json(200, {"success": True})


def listed(call: Call) -> Answer:
    """GET /accounts, by the documented filters."""
    search = ("id", "name", "primaryEmail")
    return pages.listed(
        call, KIND, lambda document: shown(call, document.body), columns=_COLUMNS, allowed=_ALLOWED, search=search
    )


def add_aliases(call: Call) -> Answer:
    """POST /accounts/{id}/add_aliases."""
    body, found = read(AliasesAdded, call.body), present(call)
    if not body.aliases and not body.accountAliases:
        raise TogaiError(400, "aliases or accountAliases is required")
    aliases.attach(call, call.id, body.aliases, body.accountAliases)
    return _touched(call, found)


def remove_aliases(call: Call) -> Answer:
    """POST /accounts/{id}/remove_aliases."""
    body, found = read(AliasesRemoved, call.body), present(call)
    values = {alias["id"]: alias["value"] for alias in aliases.of_account(call, call.id)}
    wanted = list(body.aliases or []) + [values.get(removal.id, removal.id) for removal in body.accountAliases or []]
    if not wanted:
        raise TogaiError(400, "aliases or accountAliases is required")
    for value in wanted:
        aliases.detach(call, call.id, value)
    return _touched(call, found)


def _touched(call: Call, found: Document) -> Answer:
    call.world.store.replace(call.scope, KIND, call.id, found.body, call.world.clock.micros(), lookup=found.lookup)
    return Answer.json(200, shown(call, found.body))


def account_aliases(call: Call) -> Answer:
    """GET /accounts/{id}/account_aliases."""
    present(call)
    return Answer.json(200, {"data": aliases.of_account(call, call.id)})


def present(call: Call) -> Document:
    """The account that the path names; raises 404."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None:
        raise not_found("Account", call.id)
    return found
