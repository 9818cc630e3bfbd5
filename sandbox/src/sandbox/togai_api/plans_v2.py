"""Togai's price plans, version 2 of that API: a plan without rate cards, its rate cards, drafts and versions.

Source: Togai OpenAPI spec of December 2024. Both APIs share one table of plans; one that was made by version 2 is shown
by version 2 alone.
"""

from __future__ import annotations

from typing import Any

from sandbox.answers import Answer
from sandbox.clock import rfc3339
from sandbox.identifiers import togai_id
from sandbox.store import Document
from sandbox.togai_api import billables, pages, price_plans
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import read, sent
from sandbox.togai_api.plan_v2_cards import card_of, cards_of, details_of
from sandbox.togai_api.plan_v2_models import CardOperations, NewPlanV2, PlanFinalization, PlanV2Change

KIND = price_plans.KIND
Json = dict[str, Any]


def create(call: Call) -> Answer:
    """POST /v2/price_plans: a draft without rate cards."""
    pages.check_query(call)
    return Answer.json(200, price_plans.add(call, made(call, sent(read(NewPlanV2, call.body))), shown))


def made(call: Call, new: Json) -> Json:
    """A plan as it will be: one draft, nothing of it active."""
    fields = {name: value for name, value in new.items() if name not in ("name", "type")}
    plan: Json = {
        "id": togai_id("pp"), "name": new["name"], "type": new["type"], "status": "DRAFT", "pricingSchedule": [],
        "createdAt": rfc3339(call.world.clock.now()), "versions": [],
    }  # fmt: skip
    return plan | {"versions": [_version(call, 1, fields, [])]}


def _version(call: Call, number: int, fields: Json, cards: list[Json]) -> Json:
    now = rfc3339(call.world.clock.now())
    return {
        "version": number, "status": "DRAFT", "referenceId": togai_id("ppv"), "fields": fields, "rateCards": cards,
        "createdAt": now, "updatedAt": now,
    }  # fmt: skip


def shown(plan: Json, version: Json | None = None) -> Json:
    """A version of a plan, the newest unless another is given."""
    one = version or latest(plan)
    return {
        "id": plan["id"], "name": plan["name"], "type": plan["type"], **one["fields"],
        "status": "ARCHIVED" if plan["status"] == "ARCHIVED" else one["status"],
        **{name: one[name] for name in ("referenceId", "version", "createdAt", "updatedAt")},
    }  # fmt: skip


def latest(plan: Json) -> Json:
    """The newest version of a plan, a draft too."""
    return dict(plan["versions"][-1])


def listed(call: Call) -> Answer:
    """GET /v2/price_plans: the newest version of each. It has no filters."""
    return pages.listed(
        call, KIND, lambda document: shown(document.body), columns={}, allowed=(), context=False,
        within=[("json_type(body, '$.versions')=?", "array")],
    )  # fmt: skip


def retrieve(call: Call) -> Answer:
    """GET /v2/price_plans/{id}: the newest version, the newest active one, or a certain one."""
    plan = present(call).body
    pages.check_query(call, "version")
    return Answer.json(200, shown(plan, _wanted(plan, call.query.get("version", "LATEST"))))


def _wanted(plan: Json, name: str) -> Json:
    if name != "ACTIVE" and name != "LATEST" and not name.isdecimal():
        raise TogaiError(400, "version is LATEST, ACTIVE or a number")
    if name == "LATEST":
        return latest(plan)
    fits = [
        one for one in plan["versions"]
        if (one["status"] == "ACTIVE" if name == "ACTIVE" else one["version"] == int(name))
    ]  # fmt: skip
    if not fits:
        raise TogaiError(404, f"Price plan {plan['id']} has no version {name}")
    return dict(fits[-1])


def versions(call: Call) -> Answer:
    """GET /v2/price_plans/{id}/versions, the newest first."""
    plan = present(call).body
    return pages.of_rows(call, [shown(plan, one) for one in reversed(plan["versions"])])


def update(call: Call) -> Answer:
    """PATCH /v2/price_plans/{id}: changes the draft; of an active plan it begins the next version."""
    old, change = present(call), sent(read(PlanV2Change, call.body))
    draft = _draft(call, old)
    return Answer.json(200, shown(_kept(call, old, draft | {"fields": draft["fields"] | change})))


def rate_cards(call: Call) -> Answer:
    """GET /v2/price_plans/{id}/rate_cards, of the newest version, a draft too: it has no parameter for the version."""
    plan = present(call).body
    return pages.of_rows(call, _cards(plan, latest(plan)))


def _cards(plan: Json, version: Json) -> list[Json]:
    """As answers show them: of which plan, and of which version of it."""
    of = {"referenceId": version["referenceId"], "referenceType": "PRICE_PLAN", "pricePlanId": plan["id"]}
    return [{**card, **of} for card in version["rateCards"]]


def change_cards(call: Call) -> Answer:
    """POST /v2/price_plans/{id}/rate_cards: all operations or none, on the draft or on the one that it begins."""
    old, wanted = present(call), read(CardOperations, call.body)
    draft = _draft(call, old)
    cards = {card["name"]: card for card in draft["rateCards"]}
    for operation in wanted.operations:
        name = operation.rateCardName
        if operation.actionType == "CREATE" and name in cards:
            raise TogaiError(400, f"operations: a rate card {name} exists already")
        if operation.actionType != "CREATE" and name not in cards:
            raise TogaiError(400, f"operations: there is no rate card {name}")
        if operation.actionType == "DELETE":
            del cards[name]
            continue
        if operation.rateCard is None:
            raise TogaiError(400, f"operations: rateCard is required to {operation.actionType}")
        cards[name] = card_of(name, sent(operation.rateCard))
    billables.check(call, details_of(draft["fields"], cards.values()))
    new = _kept(call, old, draft | {"rateCards": list(cards.values())})
    return Answer.json(200, {"rateCards": _cards(new, latest(new))})


def errors(call: Call) -> Answer:
    """GET /v2/price_plans/{id}/errors: why the draft cannot be finalized, card by card."""
    plan = present(call).body
    return pages.of_rows(call, _errors(latest(plan)))


def _errors(version: Json) -> list[Json]:
    found = []
    for card in version["rateCards"]:
        try:
            price_plans.check_details(details_of(version["fields"], [card]))
        except TogaiError as error:
            found.append(
                {
                    "referenceId": version["referenceId"],
                    "entityId": card["name"],
                    "entityType": "RATE_CARD",
                    "errorMessage": error.message,
                }  # fmt: skip
            )
    return found


def finalize(call: Call) -> Answer:
    """POST /v2/price_plans/{id}/finalize: the draft becomes the active version. No account is moved to it."""
    old = present(call)
    read(PlanFinalization, call.body)
    _kept_active(call, old)
    return Answer.json(200, {"success": True})


def _kept_active(call: Call, old: Document) -> Json:
    draft = latest(old.body)
    if draft["status"] != "DRAFT" or old.body["status"] == "ARCHIVED":
        raise TogaiError(400, f"Price plan {old.id} has no draft")
    if found := _errors(draft):
        raise TogaiError(400, f"The price plan has errors: {found[0]['errorMessage']}")
    details = details_of(draft["fields"], draft["rateCards"])
    price_plans.check_details(details)
    start = rfc3339(call.world.clock.now()) if old.body["pricingSchedule"] else price_plans.BEGINNING
    active = price_plans.version_of(
        {"pricePlanDetails": details}, draft["version"], start, details["supportedCurrencies"]
    )
    before = [
        one | {"endDate": start} if one["endDate"] == price_plans.FOR_EVER else one
        for one in old.body["pricingSchedule"]
    ]
    plan = old.body | {"status": "ACTIVE", "pricingSchedule": [*before, active]}
    return _kept(call, Document(**{**vars(old), "body": plan}), draft | {"status": "ACTIVE"})


def discard(call: Call) -> Answer:
    """DELETE /v2/price_plans/{id}/discard: the draft is gone; a plan that was nothing else is gone with it."""
    old = present(call)
    if latest(old.body)["status"] != "DRAFT":
        raise TogaiError(400, f"Price plan {call.id} has no draft")
    left = old.body["versions"][:-1]
    if left:
        price_plans.kept(call, old, old.body | {"versions": left})
    else:
        call.world.store.remove(call.scope, KIND, old.id)
    return Answer.json(200, {"success": True})


def by_hand(call: Call, new: Json, id: str | None, active: bool) -> Json:
    """A plan that a person makes in Togai's pages, from the body of version 1: `name`, `pricePlanDetails`."""
    fields, cards = cards_of(new["pricePlanDetails"])
    more = {"description": new["description"]} if "description" in new else {}
    plan = made(call, {"name": new["name"], "type": "BILLING", **fields, **more})
    plan["id"] = id or plan["id"]
    plan["versions"][0]["rateCards"] = cards
    price_plans.add(call, plan, shown)
    at = Call(call.world, call.tenant, plan["id"], {}, b"")
    return shown(_kept_active(at, present(at)) if active else plan)


def next_by_hand(call: Call, details: Json, active: bool) -> Json:
    """The next version of a plan, as a person makes it: a draft unless it is to be active."""
    old = present(call)
    fields, cards = cards_of(details)
    draft = _draft(call, old)
    new = _kept(call, old, draft | {"fields": draft["fields"] | fields, "rateCards": cards})
    return shown(_kept_active(call, present(call)) if active else new)


def _draft(call: Call, old: Document) -> Json:
    """The draft of a plan, or the one that begins with this change; raises 400 for an archived plan."""
    if old.body["status"] == "ARCHIVED":
        raise TogaiError(400, f"Price plan {old.id} is archived")
    newest = latest(old.body)
    if newest["status"] == "DRAFT":
        return newest
    return _version(call, newest["version"] + 1, newest["fields"], newest["rateCards"])


def _kept(call: Call, old: Document, version: Json) -> Json:
    """Keeps a version of a plan, in the place of the one with its number."""
    changed = version | {"updatedAt": rfc3339(call.world.clock.now())}
    others = [one for one in old.body["versions"] if one["version"] != version["version"]]
    return price_plans.kept(call, old, old.body | {"versions": [*others, changed]})


def present(call: Call) -> Document:
    """The plan that the path names; raises 404, for one of version 1 too."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None or "versions" not in found.body:
        raise not_found("Price plan", call.id)
    return found
