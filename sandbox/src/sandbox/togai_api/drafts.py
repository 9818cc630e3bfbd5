"""Schedules of an account, version 2 of that API: edits make a draft, and the draft becomes active.

Source: Togai OpenAPI spec of December 2024, bulk edit, finalize, discard and list schedules. It does not say what a
draft is; here it is all that the account will have, as it stood when the draft was begun, with the edits in it.
"""

from __future__ import annotations

from typing import Any

from sandbox.answers import Answer
from sandbox.identifiers import togai_id
from sandbox.store import Document
from sandbox.togai_api import accounts, pages, schedules
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import read
from sandbox.togai_api.plan_models import PlanDetailsOverride, ScheduleEdit
from sandbox.togai_api.plan_v2_cards import cards_of
from sandbox.togai_api.plan_v2_models import ScheduleFinalization, ScheduleV2Edit, ScheduleV2Edits

KIND = "schedule_draft"
MODES = ("ACTIVE", "DRAFT")
Json = dict[str, Any]


def edit(call: Call) -> Answer:
    """POST /v2/accounts/{id}/edit_schedules: all edits or none; with `discard` they begin a new draft."""
    account = accounts.present(call).body
    pages.check_query(call, "discard")
    if call.query.get("discard", "false") not in ("true", "false"):
        raise TogaiError(400, "discard is true or false")
    edits = read(ScheduleV2Edits, call.body).edits
    old = None if call.query.get("discard") == "true" else _draft(call)
    rows = old.body["rows"] if old else schedules.timeline(call)
    done = list(old.body["edits"]) if old else []
    for one in map(_as_first, edits):
        plan = schedules.checked(call, account, one, of_both=True)
        start, end = schedules.span(one)
        new = schedules.schedule_of(plan, one, start, end) if plan else None
        rows = schedules.edited(rows, start, end, new)
        done.append([start, end, new])
    _keep(call, {"rows": rows, "edits": done})
    return Answer.json(200, schedules.answer(account, rows))


def _as_first(edit: ScheduleV2Edit) -> ScheduleEdit:
    """The same edit in the words of version 1."""
    config = edit.associationConfig
    if config and config.scheduleId:
        raise TogaiError(400, "edits: associationConfig.scheduleId: the sandbox copies no schedules")
    cycle = config.pricingCycleConfigOverride if config else None
    return ScheduleEdit(
        effectiveFrom=edit.effectiveFrom,
        effectiveUntil=edit.effectiveUntil,
        mode=edit.mode,
        pricePlanId=config.pricePlanId if config else None,
        pricePlanDetailsOverride=PlanDetailsOverride(pricingCycleConfig=cycle) if cycle else None,
        retainStartOffsets=config.retainStartOffsets if config else None,
    )


def finalize(call: Call) -> Answer:
    """POST /v2/accounts/{id}/finalize_schedules: the draft takes the place of what stands there, whatever was changed
    since it was begun; with `mergeSchedules` its edits alone are done.
    """
    accounts.present(call)
    wanted, draft = read(ScheduleFinalization, call.body), _draft(call)
    if draft is None:
        raise TogaiError(400, f"Account {call.id} has no draft of its schedules")
    active = {row["id"] for row in schedules.timeline(call)}
    rows = draft.body["rows"]
    if wanted.mergeSchedules:
        rows = schedules.timeline(call)
        for start, end, new in draft.body["edits"]:
            rows = schedules.edited(rows, start, end, new)
    for row in rows:
        if row["id"] not in active:
            schedules.check_start(call, row["startDate"][:10], row["pricePlanDetails"].get("deferredRevenue"))
    schedules.keep(call, [row if row["id"] in active else row | {"id": togai_id("sch")} for row in rows])
    call.world.store.remove(call.scope, KIND, draft.id)
    return _page(call, schedules.timeline(call))


def discard(call: Call) -> Answer:
    """DELETE /v2/accounts/{id}/discard_schedules."""
    accounts.present(call)
    draft = _draft(call)
    if draft is None:
        raise TogaiError(400, f"Account {call.id} has no draft of its schedules")
    call.world.store.remove(call.scope, KIND, draft.id)
    return Answer.json(200, {"success": True})


def listed(call: Call) -> Answer:
    """GET /v2/accounts/{id}/schedules: what stands there, or the draft; without one its list is empty."""
    accounts.present(call)
    return _page(call, _rows(call), "mode")


def _rows(call: Call) -> list[Json]:
    mode = call.query.get("mode")
    if mode not in MODES:
        raise TogaiError(400, f"mode is required: {' or '.join(MODES)}")
    active = schedules.timeline(call)
    if mode == "ACTIVE":
        return active
    draft = _draft(call)
    rows: list[Json] = draft.body["rows"] if draft else []
    return [row for row in rows if row not in active or call.world.settings.togai_draft_list == "whole"]


def _page(call: Call, rows: list[Json], *options: str) -> Answer:
    in_order = sorted(rows, key=lambda row: str(row["startDate"]))
    return pages.of_rows(call, [_shown(call.id, row) for row in in_order], *options)


def _shown(account: str, row: Json) -> Json:
    details = row["pricePlanDetails"]
    cycle = {"supportedCurrencies": details["supportedCurrencies"]}
    cycle |= {"pricingCycleConfig": details["pricingCycleConfig"]} if "pricingCycleConfig" in details else {}
    return {
        "id": row["id"], "accountId": account, "pricePlanId": row["pricePlanId"], "version": row["version"],
        "deferredRevenue": bool(details.get("deferredRevenue")), "pricePlanInfo": row["info"],
        "accountScheduleInfo": cycle, "isOverridden": row["isOverriden"], "startDate": row["startDate"],
        "endDate": row["endDate"], "allowOngoingCycleUpdates": False,
    }  # fmt: skip


def rate_cards(call: Call) -> Answer:
    """GET /v2/schedules/{id}/rate_cards, of a schedule that stands there or of one of a draft."""
    account, row = _present(call)
    if call.query.get("mode") not in MODES:
        raise TogaiError(400, f"mode is required: {' or '.join(MODES)}")
    _, cards = cards_of(row["pricePlanDetails"])
    more = {
        "referenceId": row["id"], "referenceType": "SCHEDULE", "pricePlanId": row["pricePlanId"], "accountId": account,
    }  # fmt: skip
    return pages.of_rows(call, [card | more for card in cards], "mode")


def errors(call: Call) -> Answer:
    """GET /v2/schedules/{id}/errors: none, for what would be one is refused by the edit."""
    _present(call)
    return pages.of_rows(call, [])


def _present(call: Call) -> tuple[str, Json]:
    """The account and the schedule that the path names; raises 404."""
    found = call.world.store.get(call.scope, schedules.KIND, call.id)
    if found is not None:
        return str(found.lookup), found.body
    for draft in call.world.store.select(call.scope, KIND):
        for row in draft.body["rows"]:
            if row["id"] == call.id:
                return draft.id, row
    raise not_found("Schedule", call.id)


def _draft(call: Call) -> Document | None:
    return call.world.store.get(call.scope, KIND, call.id)


def _keep(call: Call, body: Json) -> None:
    store, clock = call.world.store, call.world.clock
    if _draft(call):
        store.replace(call.scope, KIND, call.id, body, clock.micros(), lookup=call.id)
    else:
        store.insert(
            call.scope, KIND, body, id=call.id, created=int(clock.now()), changed=clock.micros(), lookup=call.id
        )
