"""Togai's price plans, version 1 of that API (source: Togai OpenAPI spec; deprecated, and complete)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.answers import Answer
from sandbox.clock import rfc3339
from sandbox.identifiers import togai_id
from sandbox.store import Document
from sandbox.togai_api import billables, pages, webhooks
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import read, sent
from sandbox.togai_api.plan_models import Activation, NewPlan, PlanChange

KIND = "price_plan"
BEGINNING, FOR_EVER = "1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z"
Json = dict[str, Any]
_COLUMNS = {"type": "json_extract(body, '$.type')", "status": "json_extract(body, '$.status')"}
_ALLOWED = (frozenset({"type"}), frozenset({"status"}), frozenset({"type", "status"}))
# What a list leaves out since 2024-04-21: whoever wants the rate cards reads the plan itself.
_CARDS = (
    "usageRateCards", "fixedFeeRateCards", "licenseRateCards", "billingEntitlementRateCards",
    "entitlementOverageRateCards", "creditGrantRateCards", "minimumCommitment",
)  # fmt: skip


def create(call: Call) -> Answer:
    """POST /price_plans: a draft, with an id of Togai's own; names need not be unique."""
    unknown = set(call.query) - {"dry_run"}
    if unknown:
        raise TogaiError(400, f"Unknown query parameters: {', '.join(sorted(unknown))}")
    new = sent(read(NewPlan, call.body))
    plan = made(call, new)
    billables.check(call, new["pricePlanDetails"])
    return Answer.json(200, plan if call.query.get("dry_run") == "true" else add(call, plan, shown))


def made(call: Call, new: Json) -> Json:
    """A plan as it will be: its first version, for all time, not yet active in any currency."""
    check_details(new["pricePlanDetails"])
    now = rfc3339(call.world.clock.now())
    plan: Json = {
        "id": togai_id("pp"), "name": new["name"], "type": new.get("type", "BILLING"), "status": "DRAFT",
        "pricingSchedule": [version_of(new, 1, BEGINNING, [])], "createdAt": now,
    }  # fmt: skip
    return {**plan, "description": new["description"]} if "description" in new else plan


def add(call: Call, plan: Json, show: Callable[[Json], Json]) -> Json:
    """Keeps a new plan and sends "Price plan creation", as `show` shows it."""
    quota = call.world.settings.togai_price_plan_quota
    if quota is not None and call.world.store.count(call.scope, KIND) >= quota:
        raise TogaiError(403, f"The quota of {quota} price plans is used up")
    clock = call.world.clock
    call.world.store.insert(
        call.scope, KIND, plan, id=plan["id"], created=int(clock.now()), changed=clock.micros(), lookup=plan["name"]
    )
    webhooks.send(call, webhooks.PLAN_CREATION, show(plan))
    return show(plan)


def version_of(new: Json, number: int, start: str, active: list[str]) -> Json:
    """A version of a plan from a day on, active in some currencies."""
    details = {**new["pricePlanDetails"], "activeCurrencies": active}
    rules = [
        {"id": togai_id("pr"), "version": 1, "order": index + 1, **rule}
        for index, rule in enumerate(new.get("pricingRules", []))
    ]
    version: Json = {
        "id": togai_id("sch"), "startDate": start, "endDate": FOR_EVER, "version": number, "isOverriden": False,
        "pricePlanDetails": details,
    }  # fmt: skip
    return {**version, "pricingRules": rules} if rules else version


def check_details(details: Json) -> None:
    """Refuses two rate cards for one billable thing, and a card without a rate for one of the plan's currencies."""
    wanted = set(details.get("supportedCurrencies", []))
    for name, (key, _) in billables.CARDS.items():
        cards = details.get(name, [])
        ids = [card[key] for card in cards]
        if len(set(ids)) != len(ids):
            raise TogaiError(400, f"pricePlanDetails.{name}: at most one rate card for each {key}")
        for card in cards:
            rates = card.get("rateValues") or card.get("rateDetails", {}).get("currencySlabRateDetails", [])
            missing = wanted - {rate["currency"] for rate in rates}
            if missing:
                raise TogaiError(400, f"pricePlanDetails.{name}: no rate for {', '.join(sorted(missing))}")
            _check_slabs(name, card)
    cycle = details.get("pricingCycleConfig", {})
    if cycle.get("anniversaryCycle") and "startOffset" in cycle:
        raise TogaiError(400, "pricePlanDetails.pricingCycleConfig: an anniversary cycle has no startOffset")


def _check_slabs(name: str, card: Json) -> None:
    slabs = card.get("ratePlan", {}).get("slabs", [])
    orders = [slab["order"] for slab in slabs]
    if orders != list(range(1, len(slabs) + 1)) or (slabs and slabs[0]["startAfter"] != 0):
        raise TogaiError(400, f"pricePlanDetails.{name}: slabs are in order from 1, and the first starts after 0")
    for value in card["rateValues"] if slabs else []:
        if [rate["order"] for rate in value["slabRates"]] != orders:
            raise TogaiError(400, f"pricePlanDetails.{name}: every slab has one rate in each currency")


def shown(plan: Json) -> Json:
    """The plan as its own answer shows it: without the times that only the list has."""
    return {name: value for name, value in plan.items() if name != "createdAt"}


def latest(plan: Json) -> Json:
    """The newest version of a plan."""
    return dict(max(plan["pricingSchedule"], key=lambda version: int(version["version"])))


def retrieve(call: Call) -> Answer:
    """GET /price_plans/{id}, of one version or of all."""
    plan = shown(present(call).body)
    wanted = call.query.get("version")
    if set(call.query) - {"version"} or (wanted is not None and not wanted.isdecimal()):
        raise TogaiError(400, "The query parameter version is a number, and there is no other one")
    if wanted is not None:
        versions = [version for version in plan["pricingSchedule"] if version["version"] == int(wanted)]
        if not versions:
            raise TogaiError(404, f"Price plan {call.id} has no version {wanted}")
        plan["pricingSchedule"] = versions
    return Answer.json(200, plan)


def update(call: Call) -> Answer:
    """PATCH /price_plans/{id}: of a draft alone (source: Togai OpenAPI spec, update a price plan)."""
    old, change = present(call), sent(read(PlanChange, call.body))
    if old.body["status"] != "DRAFT":
        raise TogaiError(400, f"Price plan {call.id} is not a draft: only drafts can be updated")
    version = latest(old.body)
    details = {**version["pricePlanDetails"], **change.get("pricePlanDetails", {})}
    check_details(details)
    billables.check(call, details)
    version["pricePlanDetails"] = details
    new = {**old.body, "pricingSchedule": [version]}
    if "description" in change:
        new["description"] = change["description"]
    return Answer.json(200, shown(kept(call, old, new)))


def activate(call: Call) -> Answer:
    """POST /price_plans/{id}/activate: the plan can be put on accounts of these currencies."""
    old, wanted = present(call), read(Activation, call.body).currencies
    if old.body["status"] == "ARCHIVED":
        raise TogaiError(400, f"Price plan {call.id} is archived")
    return Answer.json(200, shown(kept(call, old, activated(old.body, wanted))))


def activated(plan: Json, currencies: list[str]) -> Json:
    """A plan that is active in these currencies too; raises 400 for one that it does not support."""
    supported = latest(plan)["pricePlanDetails"]["supportedCurrencies"]
    unknown = sorted(set(currencies) - set(supported))
    if unknown:
        raise TogaiError(400, f"The price plan does not support {', '.join(unknown)}")
    versions = []
    for version in plan["pricingSchedule"]:
        details = version["pricePlanDetails"]
        active = [code for code in supported if code in {*details["activeCurrencies"], *currencies}]
        versions.append({**version, "pricePlanDetails": {**details, "activeCurrencies": active}})
    return {**plan, "status": "ACTIVE", "pricingSchedule": versions}


def archive(call: Call) -> Answer:
    """DELETE /price_plans/{id}: archives it; what is on accounts already stays there."""
    present(call)
    archive_by_hand(call)
    return Answer.json(200, {"success": True})


def archive_by_hand(call: Call) -> None:
    """What a person does in Togai's pages, with a plan of either version of the API; raises 404."""
    old = call.world.store.get(call.scope, KIND, call.id)
    if old is None:
        raise not_found("Price plan", call.id)
    new = {**old.body, "status": "ARCHIVED"}
    if "versions" in new:
        *before, last = new["versions"]
        new["versions"] = [*before, last | {"updatedAt": rfc3339(call.world.clock.now())}]
    kept(call, old, new)


def new_version(call: Call, details: Json) -> Json:
    """What a person does in Togai's pages: the plan costs something else from now on. No webhook tells of it."""
    old = present(call)
    check_details(details)
    billables.keep_named(call, details)
    last = latest(old.body)
    start = rfc3339(call.world.clock.now())
    version = version_of(
        {"pricePlanDetails": details}, last["version"] + 1, start, last["pricePlanDetails"]["activeCurrencies"]
    )
    before = [
        {**known, "endDate": start} if known["version"] == last["version"] else known
        for known in old.body["pricingSchedule"]
    ]
    return shown(kept(call, old, {**old.body, "pricingSchedule": [*before, version]}))


def kept(call: Call, old: Document, new: Json) -> Json:
    """Keeps what a plan is from now on."""
    call.world.store.replace(call.scope, KIND, old.id, new, call.world.clock.micros(), lookup=old.lookup)
    return new


def listed(call: Call) -> Answer:
    """GET /price_plans, by type and status."""
    of_first = [("json_type(body, '$.versions') IS NOT ?", "array")]
    return pages.listed(call, KIND, _in_list, columns=_COLUMNS, allowed=_ALLOWED, within=of_first)


def _in_list(document: Document) -> Json:
    """A plan in a list: its newest version without rate cards."""
    plan, version = document.body, latest(document.body)
    details = version["pricePlanDetails"]
    item: Json = {
        "id": plan["id"], "name": plan["name"], "version": version["version"], "status": plan["status"],
        "usageMeters": [card["usageMeterId"] for card in details.get("usageRateCards", [])],
        "pricePlanDetails": {name: value for name, value in details.items() if name not in _CARDS},
        "createdAt": plan["createdAt"], "updatedAt": rfc3339(document.changed / 1e6), "type": plan["type"],
    }  # fmt: skip
    return {**item, "description": plan["description"]} if "description" in plan else item


def present(call: Call) -> Document:
    """The plan that the path names; raises 404, for one of version 2 too."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None or "versions" in found.body:
        raise not_found("Price plan", call.id)
    return found
