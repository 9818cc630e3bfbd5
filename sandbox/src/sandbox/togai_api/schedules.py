"""Which price plan an account has, and when (source: Togai OpenAPI spec, associate and list pricing schedules)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.answers import Answer
from sandbox.identifiers import togai_id
from sandbox.store import Document
from sandbox.togai_api import accounts, pages, price_plans
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import read, sent
from sandbox.togai_api.plan_models import ScheduleEdit, ScheduleEdits, ScheduleEditWithActions

KIND = "pricing_schedule"
_OPTIONS = ("include_price_plan_info", "compact", "start_date", "end_date")
Json = dict[str, Any]


def associate(call: Call) -> Answer:
    """POST /accounts/{id}/price_plans: one edit. It has no idempotency: the same edit twice makes two schedules."""
    return Answer.json(200, _edited(call, [read(ScheduleEditWithActions, call.body)]))


def edit(call: Call) -> Answer:
    """POST /accounts/{id}/edit_schedules: up to ten edits, all or none; with `dry_run` none is kept."""
    edits, dry = read(ScheduleEdits, call.body).edits, call.query.get("dry_run") == "true"
    if dry:
        account = accounts.present(call).body
        for one in edits:
            _checked(call, account, one)
        return Answer.json(200, _answer(call, account))
    return Answer.json(200, _edited(call, edits))


def _edited(call: Call, edits: list[Any]) -> Json:
    account = accounts.present(call).body
    for one in edits:
        plan = _checked(call, account, one)
        start, end = f"{one.effectiveFrom}T00:00:00Z", f"{one.effectiveUntil}T00:00:00Z"
        _make_room(call, start, end)
        if plan is not None:
            _insert(call, _schedule(plan, one, start, end))
    return _answer(call, account)


def _checked(call: Call, account: Json, edit: ScheduleEdit) -> Json | None:
    """The plan of an edit, None for one that takes a plan off; raises 400 for what Togai refuses."""
    if account["status"] == "ARCHIVED":
        raise TogaiError(400, f"Account {call.id} is archived")
    if edit.effectiveUntil <= edit.effectiveFrom:
        raise TogaiError(400, "effectiveUntil must be after effectiveFrom")
    plan = None
    if edit.mode != "DISASSOCIATE":
        plan = _plan(call, account, edit)
    _check_start(call, edit.effectiveFrom, plan)
    return plan


def _plan(call: Call, account: Json, edit: ScheduleEdit) -> Json:
    if edit.pricePlanId is None:
        raise TogaiError(400, "pricePlanId is required to associate a price plan")
    found = call.world.store.get(call.scope, price_plans.KIND, edit.pricePlanId)
    if found is None:
        raise not_found("Price plan", edit.pricePlanId)
    if found.body["status"] != "ACTIVE":
        raise TogaiError(400, f"Price plan {found.id} is not active: it is {found.body['status']}")
    active = price_plans.latest(found.body)["pricePlanDetails"]["activeCurrencies"]
    if account["invoiceCurrency"] not in active:
        raise TogaiError(400, f"Price plan {found.id} is not active in {account['invoiceCurrency']}")
    if edit.pricePlanDetailsOverride and edit.retainStartOffsets:
        raise TogaiError(400, "retainStartOffsets needs the interval that the price plan has now")
    return found.body


def _check_start(call: Call, start: date, plan: Json | None) -> None:
    """Plans change from today or from tomorrow on, in the organization's own time zone; a past cycle is closed."""
    settings = call.world.settings
    today = datetime.fromtimestamp(call.world.clock.now(), ZoneInfo(settings.togai_time_zone)).date()
    deferred = plan is not None and price_plans.latest(plan)["pricePlanDetails"].get("deferredRevenue")
    first = today + timedelta(days=1 if settings.togai_association_from == "tomorrow" and not deferred else 0)
    if start < first:
        raise TogaiError(400, f"effectiveFrom must not be before {first}")


def _make_room(call: Call, start: str, end: str) -> None:
    """An account has one plan at a time: what stands there already gives way, before, after or altogether."""
    for found in call.world.store.select(call.scope, KIND, "lookup=?", [call.id], "seq"):
        old = found.body
        if old["endDate"] <= start or old["startDate"] >= end:
            continue
        parts = []
        if old["startDate"] < start:
            parts.append({**old, "endDate": start})
        if old["endDate"] > end:
            parts.append({**old, "startDate": end})
        if not parts:
            call.world.store.remove(call.scope, KIND, found.id)
            continue
        call.world.store.replace(call.scope, KIND, found.id, parts[0], call.world.clock.micros(), lookup=call.id)
        for part in parts[1:]:
            _insert(call, {**part, "id": togai_id("sch")})


def _schedule(plan: Json, edit: ScheduleEdit, start: str, end: str) -> Json:
    version = price_plans.latest(plan)
    override = sent(edit.pricePlanDetailsOverride) if edit.pricePlanDetailsOverride else {}
    return {
        "id": togai_id("sch"), "pricePlanId": plan["id"], "pricePlanName": plan["name"], "startDate": start,
        "endDate": end, "version": version["version"], "isOverriden": bool(override),
        "pricePlanDetails": {**version["pricePlanDetails"], **override}, "override": override,
        "info": {name: plan[name] for name in ("name", "description") if name in plan},
    }  # fmt: skip


def _insert(call: Call, body: Json) -> None:
    clock = call.world.clock
    call.world.store.insert(
        call.scope, KIND, body, id=body["id"], created=int(clock.now()), changed=clock.micros(), lookup=call.id
    )


def _answer(call: Call, account: Json) -> Json:
    """What stands on the account now, the earliest first."""
    found = call.world.store.select(call.scope, KIND, "lookup=?", [call.id], "json_extract(body, '$.startDate'), seq")
    names = ("id", "pricePlanId", "pricePlanName", "startDate", "endDate")
    schedules = []
    for document in found:
        item = {name: document.body[name] for name in names}
        override = document.body["override"]
        schedules.append({**item, "pricePlanDetailsOverride": override} if override else item)
    return {"accountId": account["id"], "accountName": account["name"], "pricingSchedules": schedules}


def listed(call: Call) -> Answer:
    """GET /accounts/{id}/pricing_schedules, those that touch a span of time."""
    accounts.present(call)
    where: list[tuple[str, object]] = [("lookup=?", call.id)]
    for name, condition in (("start_date", "endDate')>?"), ("end_date", "startDate')<?")):
        if call.query.get(name):
            where.append((f"json_extract(body, '$.{condition}", _moment(call.query[name])))
    return pages.listed(call, KIND, lambda document: _shown(call, document), columns={}, allowed=(), context=False,
                        options=_OPTIONS, within=where)  # fmt: skip


def _moment(text: str) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise TogaiError(400, f"{text} is no date") from error


def _shown(call: Call, document: Document) -> Json:
    body = {name: value for name, value in document.body.items() if name not in ("override", "info")}
    if call.query.get("compact") == "true":
        body.pop("pricePlanDetails")
    if call.query.get("include_price_plan_info") == "true":
        body["pricePlanInfo"] = document.body["info"]
    return body
