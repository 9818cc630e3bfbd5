"""Bodies and ids of any depth and length: each becomes a dead letter or a conflict, none stops the worker."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from shared.apps.togai.client import TogaiApp
from shared.apps.togai.models import NewSetting
from shared.apps.togai.webhooks import togai_event
from shared.domains import subject_of
from shared.errors import Malformed
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope
from shared.runtime.records import PARKED_HEADER

from tests.stack.in_process import InProcess

NAME = "StripeCustomerId"
LONG = "x" * 70_000
"""More than a URL of httpx2 may hold."""


def nested(levels: int) -> Any:
    """Lists in lists."""
    found: Any = "end"
    for _ in range(levels):
        found = [found]
    return found


def polled(tandem: InProcess, number: int, body: dict[str, Any]) -> Envelope:
    """An event as a poller writes it, whose body nobody looked at."""
    connection = tandem.registry.connections["togai"]
    now = datetime.now(UTC)
    made = togai_event(
        "account.updated", b'{"accountId": "acme"}', connection, event_id=f"e{number}", now=now, subject_of=subject_of
    )
    return msgspec.structs.replace(made, origin="poll", data=msgspec.Raw(json.dumps(body).encode()))


async def test_deep_bodies_do_not_stop_the_worker(tandem: InProcess) -> None:
    """More of them than bugs in a row may be: each is a dead letter that says why, and the next event is worked on."""
    for number in range(tandem.settings.bugs_in_a_row + 3):
        row = {"id": "acme", "customerId": "c-acme", "metadata": nested(300)}
        tandem.deliver(polled(tandem, number, {"account": row}))
    tandem.account()
    await tandem.drain()

    letters = tandem.letters()
    assert len(letters) == tandem.settings.bugs_in_a_row + 3
    assert {(letter.problem.error, letter.problem.traceback) for letter in letters} == {("Malformed", "")}
    assert "deeper than 100 levels" in letters[0].problem.reason
    assert len(tandem.customers()) == 1


async def test_a_deep_header_of_a_parked_run_is_a_dead_letter(tandem: InProcess) -> None:
    """Whoever writes to the delay topics: the record is given up on, and no bug is counted."""
    envelope = envelopes.encode(polled(tandem, 1, {"accountId": "acme"}))
    parked = b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    topic = tandem.topics.replay("customer")
    await tandem.log.append(topic, tandem.ref("acme", "togai"), envelope, headers=[(PARKED_HEADER, parked)])
    await tandem.drain()

    assert [letter.problem.error for letter in tandem.letters()] == ["Malformed"]


async def test_long_ids_do_not_stop_the_worker(tandem: InProcess) -> None:
    """An id that no URL holds names nothing, whoever sent it."""
    body = {"id": "evt_1", "object": "event", "type": "customer.created", "created": 1, "livemode": False}
    for number in range(tandem.settings.bugs_in_a_row + 3):
        customer = {"id": LONG, "object": "customer", "email": "a@acme.test"}
        tandem.deliver(tandem.event_of(body | {"id": f"evt_{number}", "data": {"object": customer}}))
    await tandem.drain()

    assert {letter.problem.error for letter in tandem.letters()} == {"Malformed"}
    assert all(len(letter.problem.reason) < 5000 for letter in tandem.letters())


async def test_a_setting_that_is_no_id_is_a_conflict(tandem: InProcess) -> None:
    """A person pasted something else into the account's Settings: the run waits for the correction."""
    tandem.account(settings=[NewSetting(id=NAME, value=LONG, name=NAME).model_dump(by_alias=True)])
    await tandem.drain()
    [run] = [run for run in tandem.runs() if run.state == "parked"]

    assert run.problem
    assert (run.problem.error, tandem.letters(), tandem.customers()) == ("Conflict", [], [])
    assert "correct or clear the setting" in run.problem.reason
    assert len(run.problem.reason) < 1000


async def test_a_metadata_value_that_is_no_id_is_a_conflict(tandem: InProcess) -> None:
    """The same at the other side, as far as Stripe lets it be written."""
    tandem.customer(**{"metadata[togai_account_id]": "y" * 500})
    await tandem.drain()
    [run] = [run for run in tandem.runs() if run.state == "parked"]

    assert run.problem
    assert (run.problem.error, tandem.letters()) == ("Conflict", [])
    assert "correct or remove togai_account_id" in run.problem.reason


@pytest.mark.parametrize("number", range(3))
async def test_no_call_is_made_under_a_long_id_or_token(tandem: InProcess, number: int) -> None:
    """Whoever passes one in is refused, before anything is sent."""
    stripe, togai = await tandem.clients.of("stripe"), await tandem.clients.of("togai")
    calls = (stripe.retrieve_customer(LONG), togai.account(LONG), _page(togai, LONG))
    with pytest.raises(Malformed):
        await calls[number]
    for call in calls:
        call.close()


async def _page(togai: TogaiApp, token: str) -> None:
    await togai.page("accounts", "ACTIVE", token)
