"""Togai's settings: named values at an entity (source: Togai OpenAPI spec, settings)."""

from __future__ import annotations

from typing import Any

from sandbox.answers import Answer
from sandbox.store import Document
from sandbox.tenants import Tenant
from sandbox.togai_api import pages
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import EntitySetting, NewSetting, SettingChange, read, sent
from sandbox.world import World

KIND = "setting"
# The documentation lists these ten entities; only ACCOUNT and ORGANIZATION occur literally in the spec.
ENTITY_TYPES = frozenset({
    "ORGANIZATION", "CUSTOMER", "ACCOUNT", "INVOICE_GROUP", "EVENT_SCHEMA", "USAGE_METER", "ADD_ON", "FEATURE",
    "PRICE_PLAN", "INVOICE",
})  # fmt: skip
_COLUMNS = {
    "entity_type": "json_extract(body, '$.entityType')",
    "entity_id": "lookup",
    "setting_id": "json_extract(body, '$.id')",
    "namespace": "json_extract(body, '$.namespace')",
}
_NAMES = sorted(_COLUMNS)
_ANY = frozenset(
    frozenset(name for bit, name in enumerate(_NAMES) if mask >> bit & 1) for mask in range(1, 1 << len(_NAMES))
)


def full_id(setting: dict[str, Any]) -> str:
    """The id in a path: `setting.{namespace}.{id}.{entityType}.{entityId}`."""
    return ".".join(("setting", setting["namespace"], setting["id"], setting["entityType"], setting["entityId"]))


def add_system_setting(world: World, tenant: Tenant) -> None:
    """Gives a new organization the setting by which a client can learn the organization's id."""
    body = {
        "id": "baseCurrency", "value": tenant.body["baseCurrency"], "entityType": "ORGANIZATION", "entityId": tenant.id,
        "namespace": "togai", "name": "Base currency", "dataType": "STRING",
    }  # fmt: skip
    _insert(world, tenant.scope, body)


def add_with_entity(call: Call, settings: list[EntitySetting] | None, entity_type: str, entity_id: str) -> None:
    """Creates the settings that came inside a new customer or account."""
    for setting in settings or []:
        body = {**sent(setting), "entityType": entity_type, "entityId": entity_id}
        _check(body)
        if call.world.store.get(call.scope, KIND, full_id(body)):
            raise TogaiError(400, f"Setting {full_id(body)} exists already")
        _insert(call.world, call.scope, body)


def create(call: Call) -> Answer:
    """POST /settings: 201 for a new one; an existing one is written over, with 204."""
    body = sent(read(NewSetting, call.body))
    _check(body)
    if call.world.store.get(call.scope, KIND, full_id(body)):
        _replace(call, body)
        return Answer(204, b"")
    _insert(call.world, call.scope, body)
    return _written(call, body)


def update(call: Call) -> Answer:
    """PATCH /settings/{full id}."""
    old = _present(call).body
    if old["namespace"].lower() == "togai":
        raise TogaiError(400, "Settings of the namespace togai cannot be changed")
    new = {**old, **sent(read(SettingChange, call.body))}
    _check(new)
    _replace(call, new)
    return _written(call, new)


def retrieve(call: Call) -> Answer:
    """GET /settings/{full id}."""
    return Answer.json(200, _present(call).body)


def listed(call: Call) -> Answer:
    """GET /settings, by entity, id and namespace in any combination."""
    return pages.listed(call, KIND, lambda document: document.body, columns=_COLUMNS, allowed=_ANY)


def _present(call: Call) -> Document:
    # An entity's id may hold dots, so the path is compared whole and never split.
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None:
        raise not_found("Setting", call.id)
    return found


def _written(call: Call, body: dict[str, Any]) -> Answer:
    return Answer.json(201, body) if call.world.settings.togai_setting_write == 201 else Answer(204, b"")


def _check(body: dict[str, Any]) -> None:
    if body["entityType"] not in ENTITY_TYPES:
        raise TogaiError(400, f"Unknown entityType {body['entityType']}")
    if body["namespace"].lower() == "togai":
        raise TogaiError(400, "The namespace togai is reserved")
    for name in ("namespace", "id"):
        if "." in body[name]:
            raise TogaiError(400, f"{name} must not contain a dot")
    if body["dataType"] == "NUMERIC" and not _numeric(body["value"]):
        raise TogaiError(400, "value is not numeric")


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _replace(call: Call, body: dict[str, Any]) -> None:
    micros = call.world.clock.micros()
    call.world.store.replace(call.scope, KIND, full_id(body), body, micros, lookup=body["entityId"])


def _insert(world: World, scope: str, body: dict[str, Any]) -> None:
    id, micros = full_id(body), world.clock.micros()
    world.store.insert(
        scope, KIND, body, id=id, created=int(world.clock.now()), changed=micros, lookup=body["entityId"]
    )
