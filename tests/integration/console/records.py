"""Records as the services write them."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from shared.apps.refused import refused_event as refused_event_of
from shared.connections import Connection, FlowLink
from shared.events.envelope import Envelope
from shared.flows.runs import DeadLetter, Parked, Run, RunError, Step
from shared.identity import dead_letter_id, link_id, run_id
from shared.key_states import KeyState
from shared.linking.mappings import Claim, Mapping
from shared.linking.pairs import Difference, PairState, Side

STRIPE = "stripe:test:acct_1"
TOGAI = "togai:test:org_1"


def unique(prefix: str) -> str:
    """An id that no other test has."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


def at(second: int) -> str:
    """A time within one minute."""
    return f"2026-11-23T10:00:{second:02}.000Z"


def run(event: str, second: int = 0, **fields: Any) -> Run:
    """A run of a Stripe event that succeeded, unless the fields say otherwise."""
    step = Step(
        id="customer",
        action="togai.customer.create",
        state="succeeded",
        started_at=at(second),
        ended_at=at(second),
        notes=["currency EUR from the country DE"],
    )
    given: dict[str, Any] = {
        "id": run_id("link", STRIPE, event, ""),
        "state": "succeeded",
        "event": event,
        "event_type": "customer.created",
        "aggregate": f"{STRIPE}/customer/cus_{event}",
        "connection": "stripe",
        "started_at": at(second),
        "flow": "stripe-customer-to-togai-customer",
        "flow_link": "link",
        "steps": [step],
        "refs": [f"{STRIPE}/customer/cus_{event}", f"{TOGAI}/account/acc_{event}"],
    }
    return Run(**(given | fields))


def mapping(name: str, second: int = 0, **fields: Any) -> Mapping:
    """A pair that began at Stripe."""
    source = f"{STRIPE}/customer/cus_{name}"
    given: dict[str, Any] = {
        "id": link_id(source, "customer", TOGAI),
        "relation": "customer",
        "state": "linked",
        "source": source,
        "target": f"{TOGAI}/account/acc_{name}",
        "also": [f"{TOGAI}/customer/togai_{name}"],
        "rule": "created",
        "at": at(second),
        "run": run_id("link", STRIPE, name, ""),
    }
    return Mapping(**(given | fields))


def claim(name: str, second: int = 0) -> Mapping:
    """The same pair before its other side is made."""
    call = Claim(
        action="togai.customer.create", key="tandem-1", body={"id": name}, attempt=1, opened_at=at(second), run="run_1"
    )
    return msgspec.structs.replace(mapping(name, second), state="claimed", target="", also=[], rule="", claim=call)


def conflict(event: str, *candidates: str, second: int = 0, **fields: Any) -> Run:
    """A run of a Stripe customer that several things in Togai could be."""
    reason = "several in Togai have the address of this customer: choose with `tandem mappings link`"
    problem = RunError(
        error="Conflict", reason=reason, code="conflict", retryable=True, candidates=list(candidates), separable=True
    )
    waiting = {"state": "parked", "problem": problem, "steps": [], "refs": [], "next_attempt_at": at(59)}
    return run(event, second, **(waiting | fields))


def waiting(event: str, error: str = "Waiting", **fields: Any) -> Run:
    """A run of a Stripe customer that lacks what Togai demands, or waits for something else."""
    problem = RunError(error=error, reason="it has no e-mail address", code="no_email", retryable=True)
    given: dict[str, Any] = {"state": "parked", "problem": problem, "steps": [], "next_attempt_at": at(59)}
    return run(event, **(given | fields))


def difference(second: int = 0, *, togai: str = '"Acme"', stripe: str = '"Acme Inc."', **fields: Any) -> Difference:
    """Togai's name holds, Stripe's was changed."""
    given: dict[str, Any] = {
        "owner": "togai",
        "values": {"togai": togai, "stripe": stripe},
        "reason": "Togai owns the name; it was changed in Stripe",
        "since": at(second),
    }
    return Difference(**(given | fields))


def pair_state(of: Mapping, side: Side, **fields: Any) -> PairState:
    """What one side's worker knows of a pair; equal unless differences are given."""
    return PairState(**({"mapping": of.id, "side": side, "pair": list(of.refs), "link": of.run, "at": at(0)} | fields))


def dead_letter(event: str, second: int = 0, **fields: Any) -> DeadLetter:
    """A run that was given up on at its first step."""
    problem = RunError(error="Rejected", reason="Togai refused the currency", code="currency", traceback="Trace: here")
    dead = run(event, second, state="dead", problem=problem)
    given: dict[str, Any] = {
        "id": dead_letter_id("customer.events", 0, 7, dead.id),
        "state": "open",
        "problem": problem,
        "value": b'{"id":"' + event.encode() + b'"}',
        "topic": "customer.events",
        "partition": 0,
        "offset": 7,
        "dead_lettered_at": at(second),
        "noun": "customer",
        "aggregate": dead.aggregate,
        "event": event,
        "event_type": "customer.created",
        "connection": "stripe",
        "attempts": 3,
        "step": "customer",
        "run": dead,
    }
    return DeadLetter(**(given | fields))


def connection(**fields: Any) -> Connection:
    given: dict[str, Any] = {
        "id": "stripe",
        "app": "stripe",
        "app_account": STRIPE,
        "mode": "test",
        "api_base": "http://127.0.0.1:8402/stripe",
        "sealed": "gAAAAABsealed-secret",
    }
    return Connection(**(given | fields))


def key_state(**fields: Any) -> KeyState:
    """What Stripe says of the key of `connection()`: it is refused."""
    given: dict[str, Any] = {"connection": "stripe", "fingerprint": "", "state": "refused"}
    return KeyState(**(given | {"reason": "refused: add a new key", "at": "2026-11-23T10:00:00.000Z"} | fields))


def refused_event(name: str, **fields: Any) -> Envelope:
    """A live event that Stripe sent to the test connection."""
    given = connection(), "wrong_mode"
    made = refused_event_of(*given, event_id=name, time="2026-11-23T10:00:00.000Z", data=b"{}")  # type: ignore[arg-type]
    return msgspec.structs.replace(made, **fields)


def both_connected() -> tuple[Connection, Connection]:
    """An open connection to each app account."""
    return connection(), connection(id="togai", app="togai", app_account=TOGAI)


def by_hand(**fields: Any) -> FlowLink:
    """The flow link that changes links by hand between both app accounts."""
    both = {"stripe": "stripe", "togai": "togai"}
    return FlowLink(**({"id": "link_by_hand", "flow": "links-by-hand", "connections": both} | fields))


def flow_link(**fields: Any) -> FlowLink:
    given: dict[str, Any] = {
        "id": "link",
        "flow": "stripe-customer-to-togai-customer",
        "connections": {"stripe": "stripe"},
    }
    return FlowLink(**(given | fields))


__all__ = [
    "STRIPE", "TOGAI", "Parked", "at", "both_connected", "by_hand", "claim", "conflict", "connection", "dead_letter",
    "difference", "flow_link", "mapping", "pair_state", "run", "unique", "waiting",
]  # fmt: skip
