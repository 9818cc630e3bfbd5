"""Links changed by hand: what the API appends for the flow that does it, and what it refuses with what to do."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from console.api.state import State
from shared.domains import TRIGGERS
from shared.domains.customers.stripe import LinkChange
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope
from shared.flows.runs import Run
from shared.identity import run_id
from shared.kafka.log import Log

from tests.integration.console import records
from tests.integration.console.records import STRIPE, TOGAI
from tests.integration.console.test_api import put
from tests.stack.topics import place_of
from tests.stack.topics import records as in_topics

WHY = {"reason": "two records of one company"}
ACME = f"{TOGAI}/account/acme"


@pytest.fixture
async def linked(console: State, log: Log) -> State:
    """A console that knows the flow link for links by hand, and one pair."""
    await put(console, log, *records.both_connected(), records.by_hand(), records.mapping("n"))
    return console


def named_elsewhere() -> Run:
    """A conflict that only a correction, or another partner, ends."""
    run = records.conflict("evt_named", ACME, aggregate=f"{STRIPE}/customer/cus_named")
    assert run.problem
    run.problem.separable = False
    return run


async def asked(console: State) -> list[tuple[str, Envelope, LinkChange]]:
    """Every request in the log: its key, the event, and what its trigger makes of it."""
    found = []
    for record in await in_topics(console.settings, console.topics.events("customer")):
        event = envelopes.decode(record.value)
        change = TRIGGERS[event.type].extract(event.body())
        assert isinstance(change, LinkChange)
        found.append((record.key.decode(), event, change))
    return found


async def test_a_link_is_asked_for_by_an_event(linked: State, api: httpx.AsyncClient) -> None:
    """Keyed by the account, under the id of the run that will do it."""
    body = {"sides": {"togai": " acme ", "stripe": "cus_free"}} | WHY
    answer = await api.post("/api/mappings/link", json=body)

    assert answer.status_code == 202, answer.text
    ((key, event, change),) = await asked(linked)
    [record] = await in_topics(linked.settings, linked.topics.events("customer"))
    assert (key, event.aggregate, event.subject) == (ACME, ACME, "acme")
    assert (event.type, event.appaccount, event.connection) == ("togai.account.link_requested", TOGAI, "togai")
    assert change == LinkChange(
        change="link",
        togai_account_id="acme",
        stripe_customer_id="cus_free",
        reason=WHY["reason"],
        flow_link="link_by_hand",
    )
    assert event.id.startswith("req_")
    assert answer.json() == {"run": run_id("link_by_hand", TOGAI, event.id, place_of(record)), "event": event.id}


@pytest.mark.parametrize("name", ["map", "cus_n", "acc_n", "togai_n", f"{STRIPE}/customer/cus_n"])
async def test_a_pair_is_unlinked_by_any_of_its_ids(linked: State, api: httpx.AsyncClient, name: str) -> None:
    """The mapping's, either side's, the Togai customer's, or a full ref: the event names both sides."""
    wanted = records.mapping("n").id if name == "map" else name

    answer = await api.post("/api/mappings/unlink", json={"id": wanted} | WHY)

    assert answer.status_code == 202, answer.text
    ((key, _, change),) = await asked(linked)
    assert key == records.mapping("n").target
    assert (change.change, change.togai_account_id, change.stripe_customer_id) == ("unlink", "acc_n", "cus_n")


@pytest.mark.parametrize(
    ("new", "account", "customer"),
    [
        ({"togai": "acme"}, "acme", "cus_n"),
        ({"stripe": "cus_free"}, "acc_n", "cus_free"),
        ({"stripe": f"{STRIPE}/customer/cus_free"}, "acc_n", "cus_free"),
    ],
)
async def test_one_side_of_a_pair_gets_another_partner(
    linked: State, api: httpx.AsyncClient, new: dict[str, str], account: str, customer: str
) -> None:
    """The event says the pair as it shall be."""
    answer = await api.post("/api/mappings/relink", json={"id": "cus_n", "sides": new} | WHY)

    assert answer.status_code == 202, answer.text
    ((key, _, change),) = await asked(linked)
    assert (change.change, change.togai_account_id, change.stripe_customer_id) == ("relink", account, customer)
    assert key == f"{TOGAI}/account/{account}"


async def test_a_dead_link_can_be_mended(linked: State, api: httpx.AsyncClient, log: Log) -> None:
    """The Stripe customer is gone: the account gets another one, or is let go."""
    gone = records.mapping("gone", state="deleted", reason="cus_gone was deleted in Stripe")
    await put(linked, log, gone)

    again = await api.post("/api/mappings/relink", json={"id": "acc_gone", "sides": {"stripe": "cus_2"}} | WHY)
    free = await api.post("/api/mappings/unlink", json={"id": gone.id} | WHY)

    assert (again.status_code, free.status_code) == (202, 202)


async def test_an_entity_in_conflict_is_said_to_match_none(linked: State, api: httpx.AsyncClient, log: Log) -> None:
    """By its own id or full ref; only its own side is named."""
    of_togai = records.conflict("evt_2", f"{STRIPE}/customer/cus_x", aggregate=ACME)
    await put(linked, log, records.conflict("evt_1", ACME), of_togai)

    for entity in ("cus_evt_1", ACME):
        answer = await api.post("/api/mappings/separate", json={"id": entity} | WHY)
        assert answer.status_code == 202, answer.text

    found = {key: (change.togai_account_id, change.stripe_customer_id) for key, _, change in await asked(linked)}
    assert found == {f"{STRIPE}/customer/cus_evt_1": ("", "cus_evt_1"), ACME: ("acme", "")}


@pytest.mark.parametrize(
    ("what", "body", "status", "code", "says"),
    [
        ("link", {"sides": {"togai": "acme", "stripe": "cus_n"}}, 409, "already_linked", "relink"),
        ("link", {"sides": {"togai": "acc_n", "stripe": "cus_n"}}, 409, "already_linked", "relink"),
        ("link", {"sides": {"togai": "cus_1", "stripe": "acme"}}, 400, "bad_request", "which id belongs"),
        (
            "link",
            {"sides": {"togai": f"{STRIPE}/customer/cus_9", "stripe": "cus_9"}},
            400,
            "bad_request",
            "Togai account",
        ),
        (
            "link",
            {"sides": {"togai": "togai:test:org_9/account/a", "stripe": "cus_9"}},
            409,
            "no_flow_link",
            "flow-links add",
        ),
        ("link", {"sides": {"togai": "acme", "stripe": " "}}, 422, "invalid", "correct it"),
        ("link", {"sides": {"togai": "acme"}}, 400, "bad_request", "one entity at each"),
        ("link", {"sides": {"togai": "acme", "stripe": "cus_9"}, "relation": "none"}, 404, "not_found", "customer"),
        ("relink", {"id": "cus_n", "sides": {"ledger": "1"}}, 400, "bad_request", "between togai and stripe"),
        ("unlink", {"id": "cus_nobody"}, 404, "not_found", "tandem mappings list --id"),
        ("unlink", {"id": "cus_s"}, 409, "not_linked", "tandem mappings link"),
        ("unlink", {"id": "cus_c"}, 409, "not_linked", "tandem runs show"),
        ("unlink", {"id": "togai_two"}, 409, "ambiguous", "the one that you mean"),
        ("unlink", {"id": "cus_n", "flow_link": "link_nope"}, 404, "not_found", "flow-links list"),
        ("relink", {"id": "cus_n"}, 422, "invalid", "correct it"),
        ("relink", {"id": "cus_n", "sides": {"togai": "acc_n"}}, 409, "already_linked", "another partner"),
        ("relink", {"id": "cus_n", "sides": {"togai": "acc_two_1"}}, 409, "already_linked", "unlink"),
        ("relink", {"id": "cus_nobody", "sides": {"togai": "acme"}}, 404, "not_found", "tandem mappings list --id"),
        ("separate", {"id": "cus_n"}, 409, "no_conflict", "tandem conflicts list"),
        ("separate", {"id": "acme"}, 409, "no_conflict", "tandem conflicts list"),
        ("separate", {"id": "cus_named"}, 409, "not_separable", "tandem conflicts show"),
        ("separate", {"id": "cus_twice"}, 409, "ambiguous", "the one that you mean"),
        ("separate", {"id": "cus_evt_l"}, 409, "already_linked", "unlink"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_what_to_do(
    linked: State, api: httpx.AsyncClient, log: Log, what: str, body: dict[str, str], status: int, code: str, says: str
) -> None:
    """Unknown, ambiguous, linked or not linked: nothing is appended."""
    await put(
        linked,
        log,
        records.claim("c"),
        records.mapping("s", state="separate", target="", also=[]),
        records.mapping("two_1", also=[f"{TOGAI}/customer/togai_two"]),
        records.mapping("two_2", also=[f"{TOGAI}/customer/togai_two"]),
        records.mapping("evt_l"),
        records.conflict("evt_l", ACME),
        named_elsewhere(),
        records.conflict("evt_t1", ACME, aggregate=f"{STRIPE}/customer/cus_twice"),
        records.conflict("evt_t2", ACME, aggregate="stripe:test:acct_2/customer/cus_twice"),
    )

    answer = await api.post(f"/api/mappings/{what}", json=body | WHY)
    error = answer.json()["error"]

    assert (answer.status_code, error["code"]) == (status, code), error
    assert says in error["what_to_do"], error
    assert await asked(linked) == []


@pytest.mark.parametrize("reason", [None, "", "   ", "x" * 501])
async def test_a_decision_needs_a_reason(linked: State, api: httpx.AsyncClient, reason: str | None) -> None:
    """It is written to the log, for whoever asks later."""
    body = {"id": "cus_n"} | ({} if reason is None else {"reason": reason})

    assert (await api.post("/api/mappings/unlink", json=body)).status_code == 422
    assert await asked(linked) == []


async def test_one_of_several_flow_links_must_be_named(linked: State, api: httpx.AsyncClient, log: Log) -> None:
    """A bare id tells no app account; a named flow link does, and so does a full ref."""
    more = (
        records.connection(id="togai_2", app="togai", app_account="togai:test:org_2"),
        records.by_hand(id="link_2", connections={"stripe": "stripe", "togai": "togai_2"}),
        records.by_hand(id="link_off", enabled=False),
        records.by_hand(id="link_gone", connections={"stripe": "stripe", "togai": "con_removed"}),
    )
    await put(linked, log, *more)
    ids: dict[str, Any] = {"sides": {"togai": "acme", "stripe": "cus_free"}}

    unclear = await api.post("/api/mappings/link", json=ids | WHY)
    named = await api.post("/api/mappings/link", json=ids | WHY | {"flow_link": "link_2"})
    by_ref = await api.post("/api/mappings/link", json={"sides": {"togai": ACME, "stripe": "cus_free"}} | WHY)
    off = await api.post("/api/mappings/link", json=ids | WHY | {"flow_link": "link_off"})

    assert (unclear.status_code, unclear.json()["error"]["code"]) == (409, "ambiguous")
    assert "link_2, link_by_hand" in unclear.json()["error"]["message"]
    assert (named.status_code, by_ref.status_code) == (202, 202)
    assert {key for key, _, _ in await asked(linked)} == {"togai:test:org_2/account/acme", ACME}
    assert (off.status_code, off.json()["error"]["code"]) == (409, "no_flow_link")


async def test_without_the_flow_link_it_is_said_how_to_get_it(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """A home whose flow for it was switched off, or never linked."""
    await put(console, log, *records.both_connected(), records.by_hand(enabled=False), records.mapping("n"))

    answer = await api.post("/api/mappings/unlink", json={"id": "cus_n"} | WHY)

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_flow_link")
    assert "`tandem flow-links enable`" in answer.json()["error"]["what_to_do"]


async def test_a_conflict_names_the_flow_link_between_its_own_accounts(
    linked: State, api: httpx.AsyncClient, log: Log
) -> None:
    """With a second Stripe account the candidates' bare ids do not tell which one is to do it."""
    of_second = {"stripe": "stripe_2", "togai": "togai"}
    more = (
        records.connection(id="stripe_2", app_account="stripe:test:acct_2"),
        records.by_hand(id="hand_2", connections=of_second),
        records.flow_link(id="second", connections=of_second),
        records.conflict("evt_2", ACME, aggregate="stripe:test:acct_2/customer/cus_2", flow_link="second"),
    )
    await put(linked, log, *more)
    [conflict] = (await api.get("/api/conflicts")).json()["items"]

    assert conflict["flow_link"] == "hand_2"
