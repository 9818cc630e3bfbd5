"""The checker's pure parts, on facts made by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.reliability.checker.again import once_more, refolded, second_pass
from tests.reliability.checker.calls import limits
from tests.reliability.checker.facts import RunFacts
from tests.reliability.checker.log import Event
from tests.reliability.checker.order import Stale
from tests.reliability.checker.runs import ended
from tests.reliability.checker.verdict import AT_REST, INVARIANTS
from tests.reliability.customers.facts import CustomerFacts
from tests.reliability.customers.order import backwards, stale_writes
from tests.reliability.customers.pairs import fields, lost
from tests.reliability.customers.units import VATN, Parent, Unit, World

OURS, THEIRS = "sk_tandem", "sk_people"
PRODUCT = ("shared", "ingress", "customer_sync", "console", "sandbox", "faust")


def facts(**changes: Any) -> CustomerFacts:
    """One account in Togai with its customer in Stripe, both named A."""
    unit = Unit("t1.0", "togai", parent="t1")
    world = World({"t1": Parent("t1", {"name": "A"})}, {"t1.0": unit})
    run = RunFacts("acct", "org", OURS, "togai_tandem")
    account = {"id": "acct-t1.0", "customerId": "cust-t1", "status": "ACTIVE"}
    found = CustomerFacts(run, world=world, accounts={"acct-t1.0": account}, settings={"acct-t1.0": "cus_1"})
    found.versions["org/account/acct-t1.0"] = [{"seq": 1, "at": 0.0, "caller": THEIRS, "body": account}]
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def named(*steps: tuple[str, str]) -> CustomerFacts:
    """The same, after names were set in turn: by `owner` in Togai, by `tandem` or a `person` in Stripe."""
    found = facts()
    callers = {"owner": THEIRS, "person": THEIRS, "tandem": OURS}
    for n, (who, name) in enumerate(steps, 1):
        place = "org/customer/cust-t1" if who == "owner" else "acct/customer/cus_1"
        body: dict[str, Any] = {"name": name, "status": "ACTIVE", "metadata": {}}
        version = {"seq": n + 1, "at": 100.0 * n, "caller": callers[who], "body": body}
        found.versions.setdefault(place, []).append(version)
    return found


def call(began: float, status: int = 200, *, operation: str = "customers.retrieve", **more: Any) -> dict[str, Any]:
    """A call of Tandem's."""
    plain = {"began": began, "at": began, "status": status, "caller": OURS, "operation": operation, "fault": None}
    return plain | {"retry_after": None, "method": "GET", "path": "/"} | more


@pytest.mark.parametrize(
    "steps",
    [
        [("owner", "A"), ("tandem", "A"), ("owner", "B"), ("tandem", "B")],
        [("owner", "A"), ("owner", "B"), ("tandem", "A"), ("tandem", "B")],
        [("owner", "A"), ("owner", "B"), ("owner", "C"), ("tandem", "A"), ("tandem", "C")],
        [("owner", "A"), ("tandem", "A"), ("person", "X"), ("owner", "B"), ("tandem", "B")],
    ],
)
def test_writes_in_the_order_of_their_states(steps: list[tuple[str, str]]) -> None:
    """Late is not backwards, a state may be left out, and what a person sets is no write of Tandem's."""
    assert list(backwards(named(*steps))) == []


def unfilled(*shown: str, archived: bool = True) -> CustomerFacts:
    """An account without a VAT number that is linked to a customer with one; `shown` are the differences shown."""
    found = facts()
    unit = found.world.units["t1.0"]
    unit.must, unit.partner, unit.archived = "partner", "s1", archived
    found.world.units["s1"] = Unit("s1", "stripe", values={VATN: "V1"}, must="partner", partner="t1.0")
    found.customers = {"s1": "cus_1"}
    found.parents = {"cust-t1": {"name": "A", "status": "ACTIVE"}}
    found.accounts["acct-t1.0"]["status"] = "ARCHIVED" if archived else "ACTIVE"
    metadata = {"VATN": "V1", "togai_account_id": "acct-t1.0"} | ({"togai_status": "archived"} if archived else {})
    found.stripe = {"cus_1": {"id": "cus_1", "name": "A", "metadata": metadata}}
    state = {"pair": ["stripe/cus_1", "togai/acct-t1.0"], "differences": dict.fromkeys(shown)}
    found.states = {"pair": state}
    return found


def test_an_archived_account_is_filled_later() -> None:
    """What its customer has stays there, and is shown as different; an active one is filled at once."""
    assert list(fields(unfilled(VATN))) == []
    assert [b.what for b in fields(unfilled())][0] == "metadata.VATN at its owner is '', people set 'V1'"
    assert [b.what for b in fields(unfilled(VATN, archived=False))] == [
        "metadata.VATN at its owner is '', people set 'V1'"
    ]


def test_a_write_that_goes_back() -> None:
    """An older state after a newer one, mended by the next comparison or not."""
    begin = [("owner", "A"), ("tandem", "A"), ("owner", "B"), ("tandem", "B"), ("tandem", "A")]
    left, mended = named(*begin), named(*begin, ("tandem", "B"))
    unit = left.world.units["t1.0"]

    assert list(stale_writes(left, unit)) == [Stale("name", 500.0, "A", mended=False)]
    assert list(stale_writes(mended, unit)) == [Stale("name", 500.0, "A", mended=True)]
    assert [b.what for b in backwards(left)] == ["name went back to 'A' and stayed so"]
    assert [b.what for b in backwards(mended)] == ["name went back to 'A' for a while"]


@pytest.mark.parametrize("state", ["parked", "running"])
@pytest.mark.parametrize(("error", "entity", "good"), [
    ("Waiting", "cus_1", True), ("Conflict", "cus_1", True), ("Unavailable", "cus_1", False),
    ("Waiting", "cus_2", False),
])  # fmt: skip
def test_who_waits_for_a_person_may_be_running(state: str, error: str, entity: str, good: bool) -> None:
    """A run that waits looks once more where its partition got another worker; of others each has to end."""
    found = facts()
    run = {"event": "evt_1", "event_type": "stripe.customer.created", "aggregate": f"acct/customer/{entity}"}
    found.runs = {"run_1": run | {"state": state, "problem": {"error": error}}}

    assert (not list(ended(found, {"cus_1"}))) == good


def test_a_pause_excuses_what_was_mended() -> None:
    """It may fall between the worker's own check and its send; a hanging call does the same."""
    steps = [("owner", "A"), ("tandem", "A"), ("owner", "B"), ("tandem", "B"), ("tandem", "A")]
    paused, hung = named(*steps, ("tandem", "B")), named(*steps, ("tandem", "B"))
    paused.run.pauses.append((490.0, 499.0, "pause worker-1"))
    hung.calls = [call(496.0, at=500.0, fault="hang_before")]
    left = named(*steps)
    left.run.pauses.append((490.0, 499.0, "pause worker-1"))

    assert list(backwards(paused)) == []
    assert list(backwards(hung)) == []
    assert len(list(backwards(left))) == 1


def test_calls_after_a_refusal_that_named_a_time() -> None:
    """What was under way is borne, what came later is not, what came after the time is right."""
    refused = call(10.0, 429, retry_after=3.0)

    assert list(limits(facts(calls=[refused, call(10.3), call(13.0)]))) == []
    assert [b.invariant for b in limits(facts(calls=[refused, call(11.5)]))] == ["limits"]


@pytest.mark.parametrize(
    ("fault", "excused"),
    [("kill broker", True), ("pause ingress", True), ("kill worker-2", True), ("pause console", False)],
)
def test_nobody_is_notified_while_the_log_is_away(fault: str, excused: bool) -> None:
    """Who stood still, or whose broker or allocator did, could not know of a refusal; the console has no part in it."""
    hurt = facts(calls=[call(10.0, 429, retry_after=3.0), call(11.5)])
    hurt.run.pauses.append((9.0, 12.0, fault))

    assert (list(limits(hurt)) == []) is excused


def test_a_refused_key_is_probed_and_not_used() -> None:
    """Single calls after a while are probes; one success opens the connection again."""
    probes = [call(10.0, 401), call(10.5, 401), *(call(13.0 + 3 * n, 401) for n in range(5)), call(30.0)]
    used = [call(10.0, 401), *(call(12.0 + n / 10, 401) for n in range(9))]

    assert list(limits(facts(calls=[*probes, *(call(31.0 + n / 100) for n in range(20))]))) == []
    assert len(list(limits(facts(calls=used)))) == 1


@pytest.mark.parametrize(
    ("status", "reported", "missing"),
    [
        ("ACTIVE", ["created"], False),
        ("ACTIVE", ["updated"], True),
        ("ARCHIVED", ["updated"], False),
        ("ARCHIVED", [], True),
    ],
)
def test_every_account_is_reported(status: str, reported: list[str], missing: bool) -> None:
    """By its creation; what was in the archive when it was first seen by a change, for nothing is made then."""
    found = facts(
        events=[
            Event("customer", "a", {"id": "e", "subject": "acct-t1.0", "type": f"togai.account.{k}"}, b"")
            for k in reported
        ]
    )
    found.accounts["acct-t1.0"]["status"] = status

    assert ("its creation in Togai is not in the log" in [b.what for b in lost(found)]) is missing


def test_a_second_pass_may_read_and_not_write() -> None:
    """People's own calls are none of Tandem's."""
    calls = [call(1.0), call(1.0, method="POST", caller=THEIRS), call(1.0, method="POST", path="/v1/customers")]

    assert [(b.invariant, b.entity) for b in second_pass(calls, (OURS, "x"))] == [("second pass", "/v1/customers")]


def test_the_last_event_of_each_kind_is_handled_once_more() -> None:
    """As a replay, byte for byte the same otherwise; what nobody works on is not."""

    def event(name: str, kind: str, noun: str = "customer") -> Event:
        value = {"id": name, "type": kind, "origin": "live"}
        return Event(noun, "cus_1", value, json.dumps(value | {"data": {"x": 1}}).encode())

    found = once_more(
        [event("1", "created"), event("2", "updated"), event("3", "updated"), event("4", "other", noun="")]
    )

    assert [json.loads(event.raw)["id"] for event in found] == ["1", "3"]
    assert {json.loads(event.raw)["origin"] for event in found} == {"replay"}
    assert {(event.noun, event.key) for event in found} == {("customer", "cus_1")}


def test_rows_that_do_not_come_again() -> None:
    """One that is gone and one that is new are reported by table."""
    before: dict[str, list[tuple[Any, ...]]] = {"runs": [("a", 1), ("b", 2)], "names": [("n",)]}
    after: dict[str, list[tuple[Any, ...]]] = {"runs": [("a", 1), ("b", 3)], "names": [("n",)]}

    assert [(b.invariant, b.entity) for b in refolded(before, after)] == [("sql", "runs")]
    assert list(refolded(before, before)) == []


def test_the_invariants_are_named_once() -> None:
    """What is held at rest, and the two that are tried after it."""
    assert {*AT_REST, "second pass", "sql"} == set(INVARIANTS)


def test_the_checker_knows_nothing_of_the_product() -> None:
    """It shares no code with what it checks, also not through somebody else: no mistake is made twice the same way."""
    names = [f"checker.{name}" for name in ("again", "calls", "facts", "log", "order", "runs", "verdict")]
    names += ["customers.model", "customers.laws"]
    modules = ", ".join(f"tests.reliability.{name}" for name in names)
    program = f"import {modules}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())

    assert {name for name in loaded if name.partition(".")[0] in PRODUCT or name.startswith("tests.stack")} == set()
