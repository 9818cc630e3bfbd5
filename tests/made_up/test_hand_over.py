"""A run whose next action is another service's goes on there, and comes back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope, timestamp
from shared.events.own import HANDED_OVER
from shared.identity import RUNS_SOURCE, Ref, source_of
from shared.runs import Parked, encode
from shared.streaming.records import PARKED_HEADER

from tests.stack.in_process import InProcess


def placed(tandem: InProcess, order: str, origin: Any = "live") -> Envelope:
    """An order of the account acme, as ingress would write it."""
    connection = tandem.registry.connections["stripe"]
    return Envelope(
        id=f"evt_{order}",
        source=source_of(connection.app_account),
        type="stripe.order.placed",
        subject=order,
        time=timestamp(datetime.now(UTC)),
        appaccount=connection.app_account,
        connection=connection.id,
        aggregate=str(Ref(connection.app_account, "order", order)),
        data=msgspec.Raw(msgspec.json.encode({"id": order, "account": "acme"})),
        origin=origin,
    )


def handed_over(tandem: InProcess) -> list[tuple[str, Envelope]]:
    """Topic and event of each hand-over."""
    found = [(r.topic, envelopes.decode(r.value)) for r in tandem.log.written if HANDED_OVER.encode() in r.value[:400]]
    return [(topic, event) for topic, event in found if event.type == HANDED_OVER]


async def test_a_run_goes_through_two_services_and_back(tandem: InProcess) -> None:
    """One run, each step in its own service; a hand-over is keyed by what the next action acts on."""
    tandem.account(primaryEmail="one@x.test")
    await tandem.settle()
    event = placed(tandem, "ord_1")
    tandem.deliver(event)
    await tandem.settle()
    [run] = tandem.runs(event.aggregate)
    (there, out), (back, home) = handed_over(tandem)

    assert (run.state, [step.id for step in run.steps]) == ("succeeded", ["check", "account", "note"])
    assert [step.notes for step in run.steps] == [["checked in order"], [], ["noted in order"]]
    assert (there, out.aggregate, out.source) == (
        tandem.topics.events("customer"), tandem.ref("acme", "togai"), RUNS_SOURCE,
    )  # fmt: skip
    assert (back, home.aggregate) == (tandem.topics.events("order"), event.aggregate)
    links = tandem.registry.mappings.of("billed")
    assert [pair.reason for pair in links.holders_of(event.aggregate)] == ["one@x.test"]
    assert tandem.links.holders_of(event.aggregate) == []


async def test_what_is_replayed_stays_behind_live_events_when_it_is_handed_over(tandem: InProcess) -> None:
    """Its lane goes with it."""
    tandem.account()
    await tandem.settle()
    tandem.deliver(placed(tandem, "ord_1", "replay"))
    await tandem.settle()

    assert [topic for topic, _ in handed_over(tandem)] == [
        tandem.topics.replay("customer"), tandem.topics.replay("order"),
    ]  # fmt: skip


@pytest.mark.parametrize("again", [0, 1])
async def test_a_hand_over_that_comes_twice_has_one_effect(tandem: InProcess, again: int) -> None:
    """Whoever died after the append hands over once more."""
    tandem.account()
    await tandem.settle()
    event = placed(tandem, "ord_1")
    tandem.deliver(event)
    await tandem.settle()
    topic, told = handed_over(tandem)[again]
    await tandem.restart()
    await tandem.log.append(topic, told.aggregate, envelopes.encode(told))
    await tandem.settle()
    [run] = tandem.runs(event.aggregate)

    assert run.state in ("succeeded", "in_sync")
    assert len(tandem.registry.mappings.of("billed").holders_of(event.aggregate)) == 1


async def test_a_run_that_fails_in_the_other_service_is_retried_there(tandem: InProcess) -> None:
    """Its letter says which service and step; the retry finishes the run in both services."""
    event = placed(tandem, "ord_1")
    tandem.deliver(event)
    await tandem.settle()
    [letter] = tandem.letters()
    tandem.account()
    await tandem.settle()
    assert letter.run
    header = [(PARKED_HEADER, encode(Parked(run=letter.run, due=0)))]
    await tandem.log.append(tandem.topics.replay(letter.noun), letter.aggregate, letter.value, headers=header)
    await tandem.settle()

    assert (letter.noun, letter.step, letter.aggregate) == ("customer", "account", tandem.ref("acme", "togai"))
    assert [run.state for run in tandem.runs(event.aggregate)] == ["succeeded"]
    assert tandem.registry.mappings.of("billed").pair(event.aggregate)
