"""Which price plan an account has, and when (source: Togai OpenAPI spec, associate and list pricing schedules)."""

from __future__ import annotations

from datetime import datetime, timedelta
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
            checked(call, account, one)
        return Answer.json(200, answer(account, timeline(call)))
    return Answer.json(200, _edited(call, edits))


def _edited(call: Call, edits: list[Any]) -> Json:
    account, rows = accounts.present(call).body, timeline(call)
    for one in edits:
        plan = checked(call, account, one)
        start, end = span(one)
        rows = edited(rows, start, end, schedule_of(plan, one, start, end) if plan else None)
    keep(call, rows)
    return answer(account, timeline(call))


def span(edit: ScheduleEdit) -> tuple[str, str]:
    """From when and until when an edit holds."""
    return f"{edit.effectiveFrom}T00:00:00Z", f"{edit.effectiveUntil}T00:00:00Z"


def checked(call: Call, account: Json, edit: ScheduleEdit, *, of_both: bool = False) -> Json | None:
    """The plan of an edit, None for one that takes a plan off; raises 400 for what Togai refuses. `of_both`: a plan of
    version 2 of the API is known too.
    """
    if account["status"] == "ARCHIVED":
        raise TogaiError(400, f"Account {call.id} is archived")
    if edit.effectiveUntil <= edit.effectiveFrom:
        raise TogaiError(400, "effectiveUntil must be after effectiveFrom")
    plan = None
    if edit.mode != "DISASSOCIATE":
        plan = _plan(call, account, edit, of_both)
    deferred = plan is not None and price_plans.latest(plan)["pricePlanDetails"].get("deferredRevenue")
    check_start(call, edit.effectiveFrom.isoformat(), bool(deferred))
    return plan


def _plan(call: Call, account: Json, edit: ScheduleEdit, of_both: bool) -> Json:
    if edit.pricePlanId is None:
        raise TogaiError(400, "pricePlanId is required to associate a price plan")
    found = call.world.store.get(call.scope, price_plans.KIND, edit.pricePlanId)
    if found is None or ("versions" in found.body and not of_both):
        raise not_found("Price plan", edit.pricePlanId)
    if found.body["status"] != "ACTIVE":
        raise TogaiError(400, f"Price plan {found.id} is not active: it is {found.body['status']}")
    active = price_plans.latest(found.body)["pricePlanDetails"]["activeCurrencies"]
    if account["invoiceCurrency"] not in active:
        raise TogaiError(400, f"Price plan {found.id} is not active in {account['invoiceCurrency']}")
    if edit.pricePlanDetailsOverride and edit.retainStartOffsets:
        raise TogaiError(400, "retainStartOffsets needs the interval that the price plan has now")
    return found.body


def check_start(call: Call, start: str, deferred: bool) -> None:
    """Plans change from today or from tomorrow on, in the organization's own time zone; a past cycle is closed."""
    settings = call.world.settings
    today = datetime.fromtimestamp(call.world.clock.now(), ZoneInfo(settings.togai_time_zone)).date()
    first = today + timedelta(days=1 if settings.togai_association_from == "tomorrow" and not deferred else 0)
    if start < first.isoformat():
        raise TogaiError(400, f"effectiveFrom must not be before {first}")


def timeline(call: Call) -> list[Json]:
    """What stands on an account, in the order in which it was made."""
    return [found.body for found in call.world.store.select(call.scope, KIND, "lookup=?", [call.id], "seq")]


def edited(rows: list[Json], start: str, end: str, new: Json | None) -> list[Json]:
    """An account has one plan at a time: what stands there already gives way, before, after or altogether."""
    left: list[Json] = []
    for old in rows:
        if old["endDate"] <= start or old["startDate"] >= end:
            left.append(old)
            continue
        begins = old["startDate"] < start
        if begins:
            left.append({**old, "endDate": start})
        if old["endDate"] > end:
            left.append({**old, "startDate": end, "id": togai_id("sch") if begins else old["id"]})
    return [*left, *([new] if new else [])]


def keep(call: Call, rows: list[Json]) -> None:
    """What stands on an account from now on."""
    store, clock = call.world.store, call.world.clock
    before = {row["id"]: row for row in timeline(call)}
    for id in before.keys() - {row["id"] for row in rows}:
        store.remove(call.scope, KIND, id)
    for row in rows:
        if row["id"] not in before:
            _insert(call, row)
        elif row != before[row["id"]]:
            store.replace(call.scope, KIND, row["id"], row, clock.micros(), lookup=call.id)


def schedule_of(plan: Json, edit: ScheduleEdit, start: str, end: str) -> Json:
    """A schedule by which an account has the newest version of a plan."""
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


def answer(account: Json, rows: list[Json]) -> Json:
    """What stands on the account, the earliest first."""
    names = ("id", "pricePlanId", "pricePlanName", "startDate", "endDate")
    schedules = []
    for row in sorted(rows, key=lambda row: str(row["startDate"])):
        item = {name: row[name] for name in names}
        schedules.append({**item, "pricePlanDetailsOverride": row["override"]} if row["override"] else item)
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
