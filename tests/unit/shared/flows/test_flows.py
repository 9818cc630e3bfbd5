"""Templates, conditions, matching, and the check of a flow against the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from shared.connections import Connection, FlowLink, check_modes
from shared.domains import BUILT_IN, TRIGGERS, check_flow
from shared.domains.flow import Condition, Flow
from shared.domains.templates import paths, render
from shared.errors import Malformed, Misconfigured
from shared.flows.matching import holds, starting

CONTEXT = {"trigger": {"customer": {"email": "a@b.c", "tags": ["x", "y"]}}, "steps": {"one": {"id": 7}}}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ trigger.customer.email }}", "a@b.c"),
        ("{{ steps.one.id }}", 7),
        ("{{ trigger.customer.tags[1] }}", "y"),
        ("{{ trigger.nothing.there }}", None),
        ("no. {{ steps.one.id }} of {{ trigger.nothing }}", "no. 7 of "),
        ({"a": ["{{ steps.one.id }}", 1]}, {"a": [7, 1]}),
        (5, 5),
        ("plain", "plain"),
    ],
)
def test_templates_render(template: Any, expected: Any) -> None:
    """A whole template keeps the value's type; inside a text it becomes text."""
    assert render(template, CONTEXT) == expected


def test_a_broken_path_says_so() -> None:
    """Not a crash in the middle of a run."""
    with pytest.raises(Malformed, match="no field path"):
        render("{{ trigger..x }}", CONTEXT)


def test_paths_are_found_at_any_depth() -> None:
    """The check of a flow sees every reference."""
    assert list(paths({"a": ["{{ x.y }}"], "b": "{{ z }} and {{ w }}"})) == ["x.y", "z", "w"]


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("equals", "DE", True),
        ("equals", "FR", False),
        ("not_equals", "FR", True),
        ("in", ["DE", "FR"], True),
        ("not_in", ["DE"], False),
        ("contains", "D", True),
        ("exists", None, True),
        ("absent", None, False),
        ("greater", "AA", True),
        ("less", 5, False),
    ],
)
def test_conditions(operator: Any, value: Any, expected: bool) -> None:
    """Each operator; what cannot be compared does not hold."""
    condition = Condition(path="customer.country", operator=operator, value=value)

    assert holds(condition, {"customer": {"country": "DE"}}) is expected


def connection(name: str, app: Any, account: str, mode: Any = "test") -> Connection:
    return Connection(id=name, app=app, app_account=account, mode=mode, api_base="", sealed="")


CONNECTIONS = {
    "s1": connection("s1", "stripe", "stripe:test:a"),
    "s2": connection("s2", "stripe", "stripe:test:a"),
    "s3": connection("s3", "stripe", "stripe:test:other"),
    "t1": connection("t1", "togai", "togai:test:o"),
    "live": connection("live", "togai", "togai:live:o", "live"),
}
FLOW = "stripe-customer-to-togai-customer"


@pytest.mark.parametrize(
    ("link", "starts"),
    [
        (FlowLink(id="l", flow=FLOW, connections={"stripe": "s1", "togai": "t1"}), True),
        (FlowLink(id="l", flow=FLOW, connections={"stripe": "s2", "togai": "t1"}), True),
        (FlowLink(id="l", flow=FLOW, connections={"stripe": "s3", "togai": "t1"}), False),
        (FlowLink(id="l", flow=FLOW, connections={"stripe": "s1", "togai": "t1"}, enabled=False), True),
        (FlowLink(id="l", flow="unknown", connections={"stripe": "s1"}), False),
        (FlowLink(id="l", flow="togai-account-to-stripe-customer", connections={"stripe": "s1", "togai": "t1"}), False),
    ],
)
def test_links_start_by_app_account_not_by_connection(link: FlowLink, starts: bool) -> None:
    """An event is the account's, whichever of its connections brought it. A link that is off is found too."""
    found = starting("stripe.customer.created", "stripe:test:a", [link], BUILT_IN, CONNECTIONS)

    assert bool(found) is starts


def test_live_and_test_never_meet_in_a_link() -> None:
    """Design law 9."""
    link = FlowLink(id="l", flow=FLOW, connections={"stripe": "s1", "togai": "live"})

    with pytest.raises(Misconfigured, match="joins the live connection live with the test connection s1"):
        check_modes(link, CONNECTIONS)


def test_a_link_to_an_unknown_connection_is_refused() -> None:
    """It would never start, silently."""
    with pytest.raises(Misconfigured, match="unknown connections: nope"):
        check_modes(FlowLink(id="l", flow=FLOW, connections={"stripe": "nope"}), CONNECTIONS)


def step(**changes: Any) -> dict[str, Any]:
    return {"id": "a", "action": "togai.account.read", "input": {"account_id": "{{ trigger.account_id }}"}} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trigger": "togai.nothing"}, "unknown trigger"),
        ({"steps": [step(action="nothing")]}, "unknown action"),
        ({"steps": [step(), step()]}, "two steps are called a"),
        ({"steps": [step(input={"account_id": "x", "more": 1})]}, "has no input more"),
        ({"steps": [step(input={})]}, "needs the input account_id"),
        ({"steps": [step(input={"account_id": "{{ steps.b.id }}"})]}, "does not run before it"),
        ({"steps": [step(input={"account_id": "{{ secrets.key }}"})]}, "must begin with trigger. or steps."),
        ({"steps": []}, "at least 1 item"),
    ],
)
def test_a_flow_that_cannot_work_is_refused_when_it_is_made(changes: dict[str, Any], message: str) -> None:
    """Not when its first event comes."""
    good = {"id": "f", "title": "F", "direction": "inbound", "trigger": "togai.account.created", "steps": [step()]}
    check_flow(Flow.model_validate(good))

    with pytest.raises(ValueError, match=message):
        check_flow(Flow.model_validate(good | changes))


def test_events_of_state_and_events_of_their_own_start_no_flow_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the newest event of an entity counts, one that tells a fact of its own would be lost."""
    created = TRIGGERS["togai.account.created"]
    monkeypatch.setitem(TRIGGERS, "togai.account.noted", replace(created, name="togai.account.noted", by_state=False))
    flow = {"id": "f", "title": "F", "direction": "inbound", "trigger": created.name, "steps": [step()]}

    with pytest.raises(ValueError, match="starts a flow of its own"):
        check_flow(Flow.model_validate(flow | {"more_triggers": ["togai.account.noted"]}))
