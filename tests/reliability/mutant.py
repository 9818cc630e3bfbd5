"""`python -m tests.reliability.mutant MUTATION MODULE` runs a part of the product with one thing broken in it.

Each mutation is patched in from outside before the part starts, so nothing of it is in the product. What it breaks is
what one invariant of the checker is there to find.
"""

from __future__ import annotations

import os
import runpy
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Patch = Callable[[], None]


def _patch(owner: Any, name: str, value: Any) -> None:
    assert hasattr(owner, name), f"the product has no {name} any more: this mutation breaks nothing"
    setattr(owner, name, value)


def drop_events() -> None:
    """The creation of every other entity is acknowledged and forgotten."""
    from shared.runtime.processor import Processor

    whole = Processor.handle

    async def handle(self: Processor, work: Any) -> None:
        if not work.kind.endswith(".created") or sum(work.aggregate.encode()) % 2:
            await whole(self, work)

    _patch(Processor, "handle", handle)


def forget_keys() -> None:
    """Every create has a key of its own."""
    from shared.apps.stripe.client import StripeApp

    whole = StripeApp.create_customer

    async def create(self: StripeApp, params: Mapping[str, Any], key: str) -> Any:
        return await whole(self, params, f"{key}-{uuid.uuid4().hex}")

    _patch(StripeApp, "create_customer", create)


def forget_phones() -> None:
    """A changed phone number is not sent to Stripe."""
    from customer_sync.actions import field_writes

    whole: Callable[[Mapping[str, Any]], dict[str, Any]] = getattr(field_writes, "stripe_params")  # noqa: B009

    def params(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in whole(values).items() if name != "phone"}

    _patch(field_writes, "stripe_params", params)


def forget_ends() -> None:
    """A run that found nothing to do is not recorded as ended."""
    from shared.runtime.processor import Processor

    whole = Processor._record

    async def record(self: Processor, run: Any) -> None:
        if run.state not in ("skipped", "in_sync"):
            await whole(self, run)

    _patch(Processor, "_record", record)


def send_late() -> None:
    """After the first write to a Stripe customer what stood there before it lands once more."""
    from shared.apps.stripe.client import StripeApp

    whole = StripeApp.update_customer
    written: set[str] = set()

    async def update(self: StripeApp, customer_id: str, params: Mapping[str, Any]) -> Any:
        names = set(params) - {"metadata"}
        if not names or customer_id in written:
            return await whole(self, customer_id, params)
        written.add(customer_id)
        stood = (await self.retrieve_customer(customer_id)).model_dump()
        answer = await whole(self, customer_id, params)
        await whole(self, customer_id, {name: _param(stood[name]) for name in names})
        return answer

    _patch(StripeApp, "update_customer", update)


def _param(value: Any) -> Any:
    """A value as Stripe takes it: an empty string unsets."""
    return {part: text or "" for part, text in value.items()} if isinstance(value, dict) else value or ""


def answer_echoes() -> None:
    """The customer that Tandem made in Stripe is taken for one that a person made."""
    from customer_sync.actions import email_matching, togai
    from shared.linking.mapping_index import RelationIndex
    from shared.runtime.runner import Runner

    whole = RelationIndex._holding

    def holding(self: RelationIndex, ref: str) -> Any:
        found = whole(self, ref)
        return [(at, m) for at, m in found if m.source.startswith("stripe:") or not ref.startswith("stripe:")]

    async def never(*_: object) -> None:
        pass

    _patch(RelationIndex, "_holding", holding)
    _patch(Runner, "_end_if_echo", never)
    _patch(togai, "TOGAI_ACCOUNT_ID", "nobody")
    _patch(email_matching, "_on", lambda _context: False)


def heed_no_refusal() -> None:
    """A 429 holds nobody back."""
    from shared.ratelimit import CallGate

    _patch(CallGate, "refused", lambda *_: None)


def use_refused_keys() -> None:
    """A 401 closes no connection."""
    from shared.errors import Unavailable
    from shared.runtime.clients import Clients

    async def close(_self: Clients, error: Any) -> Any:
        return Unavailable(error.message)

    _patch(Clients, "close", close)


def write_again() -> None:
    """What stands in Stripe already is written again."""
    from customer_sync.fields import CustomerFields
    from shared.linking import fields

    whole = CustomerFields.is_equal

    def is_equal(self: CustomerFields, name: str, wanted: Any) -> bool:
        return self.owner(name) != "togai" and whole(self, name, wanted)

    _patch(CustomerFields, "is_equal", is_equal)
    _patch(fields, "digest", lambda _value: uuid.uuid4().hex[:12])


def forget_rows() -> None:
    """The console's first process leaves out some of its rows; the next one does not."""
    from console.projection.database import Database

    first = Path(os.environ["TANDEM_HOME"]) / "first-console"
    if first.exists():
        return
    first.touch()
    whole = Database._write

    def write(self: Database, session: Any, kind: Any, folded: Any) -> None:
        whole(self, session, kind, [f for f in folded if f.key[-1] not in "0123"])

    _patch(Database, "_write", write)


MUTATIONS: Mapping[str, tuple[str, Patch]] = {
    patch.__name__: (module, patch)
    for module, patch in (
        ("customer_sync", drop_events),
        ("customer_sync", forget_keys),
        ("customer_sync", forget_phones),
        ("customer_sync", forget_ends),
        ("customer_sync", send_late),
        ("customer_sync", answer_echoes),
        ("customer_sync ingress", heed_no_refusal),
        ("customer_sync ingress", use_refused_keys),
        ("customer_sync", write_again),
        ("console", forget_rows),
    )
}
"""Every mutation by name, and the parts that it breaks."""

if __name__ == "__main__":
    mutation, part = sys.argv[1:3]
    parts, patch = MUTATIONS[mutation]
    if part in parts.split():
        patch()
    sys.argv = [part]
    runpy.run_module(part, run_name="__main__", alter_sys=True)
