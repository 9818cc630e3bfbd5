"""Togai's aliases: names by which usage events find an account."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sandbox.answers import Answer
from sandbox.clock import rfc3339
from sandbox.store import Document
from sandbox.togai_api import pages
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import AccountAlias, FreeAliases, read

KIND = "alias"
MOST_PER_ACCOUNT = 10
# Togai's own end of time for an alias without an end.
FOR_EVER = "9999-12-31T23:59:59.999Z"


def of_account(call: Call, account: str) -> list[dict[str, Any]]:
    """An account's aliases, the oldest first."""
    found = call.world.store.select(call.scope, KIND, "lookup=?", [account], "seq")
    return [document.body for document in found]


def attach(call: Call, account: str, plain: list[str] | None, dated: list[AccountAlias] | None) -> None:
    """Gives aliases to an account; raises 400 for one that another account has and for more than ten."""
    wanted = [AccountAlias(value=value) for value in plain or []] + list(dated or [])
    if len({alias.value for alias in wanted}) != len(wanted):
        raise TogaiError(400, "aliases must be unique")
    if len(of_account(call, account)) + len(wanted) > MOST_PER_ACCOUNT:
        raise TogaiError(400, f"An account can have at most {MOST_PER_ACCOUNT} aliases")
    for alias in wanted:
        found = call.world.store.get(call.scope, KIND, alias.value)
        if found and found.lookup:
            raise TogaiError(400, f"Alias {alias.value} is in use")
        _write(call, alias, account, found)


def _write(call: Call, alias: AccountAlias, account: str | None, found: Document | None) -> None:
    now = call.world.clock.now()
    body = {
        "id": str(uuid.uuid4()), "value": alias.value, "effectiveFrom": _moment(alias.effectiveFrom, rfc3339(now)),
        "effectiveUntil": _moment(alias.effectiveUntil, FOR_EVER),
        "createdAt": found.body["createdAt"] if found else rfc3339(now),
    }  # fmt: skip
    if found:
        call.world.store.replace(call.scope, KIND, alias.value, body, call.world.clock.micros(), lookup=account)
        return
    quota = call.world.settings.togai_alias_quota
    if quota is not None and call.world.store.count(call.scope, KIND) >= quota:
        raise TogaiError(403, f"The quota of {quota} aliases is used up")
    micros = call.world.clock.micros()
    call.world.store.insert(call.scope, KIND, body, id=alias.value, created=int(now), changed=micros, lookup=account)


def _moment(value: datetime | None, default: str) -> str:
    return rfc3339(value.timestamp()) if value else default


def detach(call: Call, account: str, value: str) -> None:
    """Takes an alias from an account; raises 400 when the account does not have it."""
    found = call.world.store.get(call.scope, KIND, value)
    if found is None or found.lookup != account:
        raise TogaiError(400, f"Alias {value} is not associated with account {account}")
    call.world.store.remove(call.scope, KIND, value)


def create(call: Call) -> Answer:
    """POST /aliases: registers aliases that belong to no account yet."""
    body = read(FreeAliases, call.body)
    values = [alias.value for alias in body.aliases]
    taken = [value for value in values if call.world.store.get(call.scope, KIND, value)]
    if taken or len(set(values)) != len(values):
        raise TogaiError(400, f"Aliases must be unique: {', '.join(taken)[:200]}")
    for value in values:
        _write(call, AccountAlias.model_construct(value=value), None, None)
    made = [call.world.store.get(call.scope, KIND, value) for value in values]
    return Answer.json(201, {"data": [_shown(document) for document in made if document]})


def retrieve(call: Call) -> Answer:
    """GET /aliases/{alias}; the answer does not say whose it is."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None:
        raise not_found("Alias", call.id)
    return Answer.json(200, _shown(found))


def listed(call: Call) -> Answer:
    """GET /aliases."""
    return pages.listed(call, KIND, _shown, columns={}, allowed=(), context=False)


def delete(call: Call) -> Answer:
    """DELETE /aliases/{alias}; refused while an account has it."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None:
        raise not_found("Alias", call.id)
    if found.lookup:
        raise TogaiError(400, f"Alias {call.id} is in use")
    call.world.store.remove(call.scope, KIND, call.id)
    return Answer.json(200, {"success": True})


def _shown(document: Document) -> dict[str, Any]:
    return {"value": document.body["value"], "createdAt": document.body["createdAt"]}
