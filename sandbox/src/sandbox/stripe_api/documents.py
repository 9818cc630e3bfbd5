"""What every resource does with its objects: keep them, tell their events, find them by id."""

from __future__ import annotations

from typing import Any

from sandbox.store import Document
from sandbox.stripe_api import lists
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import missing_object
from sandbox.stripe_api.events import emit
from sandbox.stripe_api.rules import differences

Body = dict[str, Any]


def add(call: Call, body: Body, *, lookup: str | None = None, event: str | None = None) -> Body:
    """Stores a new object under its own type and tells its event, if it has one."""
    micros = call.world.clock.micros()
    created = body.get("created", int(call.world.clock.now()))
    call.world.store.insert(
        call.scope, body["object"], body, id=body["id"], created=created, changed=micros, lookup=lookup
    )
    if event:
        emit(call, event, body)
    return body


def change(call: Call, old: Document, new: Body, *, event: str | None = None, lookup: str | None = None) -> Body:
    """Stores the new state of an object; what changes nothing makes no event. `lookup` stays unless it is given."""
    if new == old.body:
        return new
    kept = old.lookup if lookup is None else lookup or None
    call.world.store.replace(call.scope, new["object"], old.id, new, call.world.clock.micros(), lookup=kept)
    if event:
        # Of Stripe's events only those of updates say what was there before.
        emit(call, event, new, differences(old.body, new) if event.endswith(".updated") else None)
    return new


def remove(call: Call, old: Document, *, event: str | None = None) -> Body:
    """Marks an object as deleted, with the stub that Stripe answers."""
    micros, kind = call.world.clock.micros(), old.body["object"]
    call.world.store.replace(call.scope, kind, old.id, old.body, micros, lookup=old.lookup, deleted=True)
    if event:
        emit(call, event, old.body)
    return stub(old)


def stub(old: Document) -> Body:
    """What is left of a deleted object."""
    return {"id": old.id, "object": old.body["object"], "deleted": True}


def present(call: Call, kind: str, noun: str) -> Document:
    """The object in the path; raises 404 for one that is not there."""
    found = call.world.store.get(call.scope, kind, call.id)
    if found is None or found.deleted:
        raise missing_object(noun, call.id)
    return found


def named(call: Call, kind: str, noun: str, id: str, param: str) -> Document:
    """The object that a parameter names; raises 400 for one that is not there."""
    found = call.world.store.get(call.scope, kind, id)
    if found is None or found.deleted:
        raise missing_object(noun, id, param=param, status=400)
    return found


def shown_by_id(call: Call, kind: str, id: str) -> Body | None:
    """An object of which only the id is known, for `expand`."""
    found = call.world.store.get(call.scope, kind, id)
    if found is None:
        return None
    return stub(found) if found.deleted else found.body


def page(call: Call, kind: str, noun: str, url: str, where: list[str], values: list[object]) -> Body:
    """A page of a list."""
    documents, more = lists.page(call, kind, noun, where, values)
    return lists.envelope(url, [document.body for document in documents], more)


def hidden(call: Call, id: str) -> Body:
    """What only `expand` shows of an object, and what the sandbox has to remember of it."""
    return call.world.store.fact(f"hidden:{call.scope}:{id}") or {}


def hide(call: Call, id: str, **parts: Any) -> None:
    """Keeps what only `expand` shows; parts that are not named stay."""
    call.world.store.set_fact(f"hidden:{call.scope}:{id}", {**hidden(call, id), **parts})
