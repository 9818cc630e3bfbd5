"""Dead letters of one entity: one for each flow link, with the last reason, closed when its cause is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from shared.connections import FlowLink
from shared.errors import Rejected, Unavailable, Waiting
from shared.flows import runs
from shared.flows.dead_letters import letter_id
from shared.flows.retries import LAST_PARKING
from shared.flows.runs import DeadLetter, Parked, Run

from tests.integration.runtime.bench import LINK, STRIPE, Bench, event

NO = Rejected("Togai: POST /customers answered 400: no", code="400", status=400)
OTHER = Rejected("Togai: POST /customers answered 422: not that", code="422", status=422)


async def died(bench: Bench, *events: str, reason: Exception = NO, **changes: Any) -> DeadLetter:
    """Events that are refused, one after the other. Returns the letter of the last."""
    bench.answer = lambda: reason
    for name in events:
        await bench.handle(event(name, **changes))
    return bench.letters()[-1]


def mark(bench: Bench, letter: DeadLetter, state: Any) -> None:
    """What the console writes, as every worker reads it: to the log, and from there."""
    changed = runs.encode(msgspec.structs.replace(letter, state=state, changed_reason="by hand"))
    bench.registry.letters.apply(len(bench.log.written), letter.id, changed)
    bench.log.written.append(bench.log.on(bench.topics.dead_letters)[-1]._replace(value=changed))


async def retry(bench: Bench, letter: DeadLetter, *, marked: bool = True) -> None:
    """A person sends the letter's run again; the console marks it right after."""
    assert letter.run
    header = runs.encode(Parked(run=letter.run, due=0))
    again = asyncio.create_task(bench.handle(letter.value, parked=header, topic=bench.topics.replay("customer")))
    for _ in range(20):
        await asyncio.sleep(0)
    if marked:
        mark(bench, letter, "retried")
    await again


async def test_webhook_and_poll_make_one_letter() -> None:
    """It resumes the newest run; the other one ends as superseded, for that stands for it."""
    bench = Bench()
    await died(bench, "evt_webhook")
    await died(bench, "evt_poll", origin="poll")
    (letter,) = bench.standing().values()

    assert (letter.state, letter.event, letter.run and letter.run.event) == ("open", "evt_poll", "evt_poll")
    assert bench.run_states() == {"evt_webhook": "superseded", "evt_poll": "dead"}
    first = next(run for run in bench.runs()[::-1] if run.event == "evt_webhook")
    assert (first.superseded_by, letter.id in first.reason) == ("evt_poll", True)


async def test_the_reason_is_that_of_the_last_attempt() -> None:
    """Of whichever run: what a person has to mend is what stands in the way now."""
    bench = Bench(mark_patience=5.0)
    await died(bench, "evt_1")
    letter = await died(bench, "evt_2", reason=OTHER)
    assert (len(bench.standing()), letter.problem.code) == (1, "422")

    bench.answer = lambda: KeyError("name")
    await retry(bench, letter)
    (letter,) = bench.standing().values()

    assert (letter.state, letter.problem.error, letter.attempts) == ("open", "KeyError", 2)


async def test_an_older_run_that_dies_later_leaves_the_newest_to_resume() -> None:
    """It was parked for a day; an event of this morning was refused meanwhile."""
    bench = Bench(in_place_limit=0.001)
    bench.answer = lambda: Unavailable("away")
    await bench.handle(event("evt_old"))
    _, parked = bench.parked()[-1]
    bench.now = parked.due + 1
    await asyncio.sleep(0.005)
    await died(bench, "evt_new")
    parked.run.failures = LAST_PARKING
    bench.answer = lambda: Unavailable("still away")
    await bench.handle(event("evt_old"), parked=runs.encode(parked), topic="customer.delay.1h")
    (letter,) = bench.standing().values()

    assert (letter.state, letter.run and letter.run.event) == ("open", "evt_new")
    assert "still away" in letter.problem.reason
    assert bench.run_states() == {"evt_old": "superseded", "evt_new": "dead"}


@pytest.mark.parametrize("again", [False, True], ids=["this worker", "another worker"])
async def test_a_letter_closes_when_a_later_run_ends_well(again: bool) -> None:
    """Of the same flow link and entity: its cause is gone, and it says by which run. Also for who only read of it."""
    bench = Bench()
    await died(bench, "evt_1")
    if again:
        former, bench = bench, Bench()
        bench.log.written = former.log.written
        fold = bench.registry.folds(bench.topics)[bench.topics.dead_letters]
        for offset, record in enumerate(bench.log.written):
            if record.topic == bench.topics.dead_letters:
                fold(offset, record.key, record.value)
    bench.answer = lambda: None
    await bench.handle(event("evt_2"))
    (letter,) = bench.standing().values()
    last = next(run for run in bench.runs()[::-1] if run.event == "evt_2")

    assert (letter.state, letter.problem.code) == ("resolved", "400")
    assert letter.changed_reason == f"run {last.id} ended succeeded"
    assert letter.changed_at
    assert bench.run_states() == {"evt_1": "superseded", "evt_2": "succeeded"}


async def test_a_retry_that_succeeds_closes_its_letter() -> None:
    """After the console's mark, which would write over it."""
    bench = Bench(mark_patience=5.0)
    letter = await died(bench, "evt_1")
    bench.answer = lambda: None
    await retry(bench, letter)

    assert [found.state for found in bench.letters()] == ["open", "retried", "resolved"]
    assert bench.run_states() == {"evt_1": "succeeded"}


async def test_a_retry_that_fails_at_once_is_open_again() -> None:
    """After the console's mark too: a letter that says `retried` above a dead run is seen by nobody."""
    bench = Bench(mark_patience=5.0)
    letter = await died(bench, "evt_1")
    bench.answer = lambda: OTHER
    await retry(bench, letter)

    assert [found.state for found in bench.letters()] == ["open", "retried", "open"]
    assert bench.letters()[-1].problem.code == "422"


async def test_a_mark_that_never_comes_holds_nothing_up() -> None:
    """The console died between sending the run and marking the letter."""
    bench = Bench(mark_patience=0.01)
    letter = await died(bench, "evt_1")
    await retry(bench, letter, marked=False)

    assert [found.state for found in bench.letters()] == ["open", "open"]


async def test_what_a_person_discarded_stays_discarded() -> None:
    """A later success says nothing of it; a later failure is a new one, and open."""
    bench = Bench()
    letter = await died(bench, "evt_1")
    mark(bench, letter, "discarded")
    bench.answer = lambda: None
    await bench.handle(event("evt_2"))
    assert [found.state for found in bench.letters()] == ["open", "discarded"]

    await died(bench, "evt_3")
    assert bench.letters()[-1].state == "open"


@pytest.mark.parametrize("ends", [Waiting("it has no address"), Unavailable("away")])
async def test_a_run_that_did_not_end_well_closes_nothing(ends: Exception) -> None:
    """It is parked: whether the cause is gone is not known."""
    bench = Bench(in_place_limit=0.001)
    await died(bench, "evt_1")
    bench.answer = lambda: ends
    await bench.handle(event("evt_2"))

    assert [found.state for found in bench.letters()] == ["open"]


async def test_other_entities_and_other_flow_links_have_letters_of_their_own() -> None:
    """One of them that ends well says nothing of the others."""
    bench = Bench()
    second = FlowLink(id="link_2", flow=LINK.flow, connections=LINK.connections)
    await died(bench, "evt_1")
    await died(bench, "evt_2", aggregate=f"{STRIPE}/customer/cus_2", subject="cus_2")
    bench.registry.links[second.id] = second
    answers = iter([None, NO])
    bench.answer = lambda: next(answers)
    await bench.handle(event("evt_3", aggregate=f"{STRIPE}/customer/cus_2", subject="cus_2"))
    states = {(f.run and f.run.flow_link, f.aggregate[-5:]): f.state for f in bench.standing().values()}

    assert states == {
        (LINK.id, "cus_1"): "open",
        (LINK.id, "cus_2"): "resolved",
        (second.id, "cus_2"): "open",
    }


async def test_an_event_that_never_became_a_run_has_a_letter_of_its_own() -> None:
    """No later run does what it asked for."""
    bench = Bench()
    await bench.handle(event("evt_bad", data={"data": None}))
    await bench.handle(event("evt_worse", data={"data": None}))
    await bench.handle(event("evt_good"))

    assert [found.state for found in bench.standing().values()] == ["open", "open"]


def run(event_type: str, name: str) -> Run:
    """A run of the account's."""
    return Run(
        id=name, state="dead", event="e", event_type=event_type, aggregate="a", connection="", started_at="",
        flow_link="link",
    )  # fmt: skip


def test_requests_of_people_each_have_their_letter() -> None:
    """They do not act on a state: the second one does not do what the first one asked for."""
    asked = [letter_id(run("togai.account.link_requested", name)) for name in ("run_1", "run_2")]
    changed = [letter_id(run("togai.account.updated", name)) for name in ("run_1", "run_2")]

    assert (len({*asked}), len({*changed})) == (2, 1)
