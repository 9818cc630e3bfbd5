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
from shared.flows.runs import DeadLetter, Parked, Run
from shared.retries import LAST_PARKING

from tests.integration.runtime.harness import LINK, STRIPE, Harness, event

NO = Rejected("Togai: POST /customers answered 400: no", code="400", status=400)
OTHER = Rejected("Togai: POST /customers answered 422: not that", code="422", status=422)


async def died(harness: Harness, *events: str, reason: Exception = NO, **changes: Any) -> DeadLetter:
    """Events that are refused, one after the other. Returns the letter of the last."""
    harness.answer = lambda: reason
    for name in events:
        await harness.handle(event(name, **changes))
    return harness.letters()[-1]


def mark(harness: Harness, letter: DeadLetter, state: Any) -> None:
    """What the console writes, as every worker reads it: to the log, and from there."""
    changed = runs.encode(msgspec.structs.replace(letter, state=state, changed_reason="by hand"))
    harness.registry.letters.apply(len(harness.log.written), letter.id, changed)
    harness.log.written.append(harness.log.on(harness.topics.dead_letters)[-1]._replace(value=changed))


async def retry(harness: Harness, letter: DeadLetter, *, marked: bool = True) -> None:
    """A person sends the letter's run again; the console marks it right after."""
    assert letter.run
    header = runs.encode(Parked(run=letter.run, due=0))
    again = asyncio.create_task(harness.handle(letter.value, parked=header, topic=harness.topics.replay("customer")))
    for _ in range(20):
        await asyncio.sleep(0)
    if marked:
        mark(harness, letter, "retried")
    await again


async def test_webhook_and_poll_make_one_letter() -> None:
    """It resumes the newest run; the other one ends as superseded, for that one replaces it."""
    harness = Harness()
    await died(harness, "evt_webhook")
    await died(harness, "evt_poll", origin="poll")
    (letter,) = harness.standing().values()

    assert (letter.state, letter.event, letter.run and letter.run.event) == ("open", "evt_poll", "evt_poll")
    assert harness.run_states() == {"evt_webhook": "superseded", "evt_poll": "dead"}
    first = next(run for run in harness.runs()[::-1] if run.event == "evt_webhook")
    assert (first.superseded_by, letter.id in first.reason) == ("evt_poll", True)


async def test_the_reason_is_that_of_the_last_attempt() -> None:
    """Of whichever run: what a person has to mend is what stands in the way now."""
    harness = Harness(mark_patience=5.0)
    await died(harness, "evt_1")
    letter = await died(harness, "evt_2", reason=OTHER)
    assert (len(harness.standing()), letter.problem.code) == (1, "422")

    harness.answer = lambda: KeyError("name")
    await retry(harness, letter)
    (letter,) = harness.standing().values()

    assert (letter.state, letter.problem.error, letter.attempts) == ("open", "KeyError", 2)


async def test_an_older_run_that_dies_later_leaves_the_newest_to_resume() -> None:
    """It was parked for a day; an event of this morning was refused meanwhile."""
    harness = Harness(in_place_limit=0.001)
    harness.answer = lambda: Unavailable("away")
    await harness.handle(event("evt_old"))
    _, parked = harness.parked()[-1]
    harness.now = parked.due + 1
    await asyncio.sleep(0.005)
    await died(harness, "evt_new")
    parked.run.failures = LAST_PARKING
    harness.answer = lambda: Unavailable("still away")
    await harness.handle(event("evt_old"), parked=runs.encode(parked), topic="customer.delay.1h")
    (letter,) = harness.standing().values()

    assert (letter.state, letter.run and letter.run.event) == ("open", "evt_new")
    assert "still away" in letter.problem.reason
    assert harness.run_states() == {"evt_old": "superseded", "evt_new": "dead"}


@pytest.mark.parametrize("again", [False, True], ids=["this worker", "another worker"])
async def test_a_letter_closes_when_a_later_run_ends_well(again: bool) -> None:
    """Of the same flow link and entity: its cause is gone, and it says by which run. Also for who only read of it."""
    harness = Harness()
    await died(harness, "evt_1")
    if again:
        former, harness = harness, Harness()
        harness.log.written = former.log.written
        fold = harness.registry.folds(harness.topics)[harness.topics.dead_letters]
        for offset, record in enumerate(harness.log.written):
            if record.topic == harness.topics.dead_letters:
                fold(offset, record.key, record.value)
    harness.answer = lambda: None
    await harness.handle(event("evt_2"))
    (letter,) = harness.standing().values()
    last = next(run for run in harness.runs()[::-1] if run.event == "evt_2")

    assert (letter.state, letter.problem.code) == ("resolved", "400")
    assert letter.changed_reason == f"run {last.id} ended succeeded"
    assert letter.changed_at
    assert harness.run_states() == {"evt_1": "superseded", "evt_2": "succeeded"}


async def test_a_retry_that_succeeds_closes_its_letter() -> None:
    """After the console's mark, which would write over it."""
    harness = Harness(mark_patience=5.0)
    letter = await died(harness, "evt_1")
    harness.answer = lambda: None
    await retry(harness, letter)

    assert [found.state for found in harness.letters()] == ["open", "retried", "resolved"]
    assert harness.run_states() == {"evt_1": "succeeded"}


async def test_a_retry_that_fails_at_once_is_open_again() -> None:
    """After the console's mark too: a letter that says `retried` above a dead run is seen by nobody."""
    harness = Harness(mark_patience=5.0)
    letter = await died(harness, "evt_1")
    harness.answer = lambda: OTHER
    await retry(harness, letter)

    assert [found.state for found in harness.letters()] == ["open", "retried", "open"]
    assert harness.letters()[-1].problem.code == "422"


async def test_a_mark_that_never_comes_holds_nothing_up() -> None:
    """The console died between sending the run and marking the letter."""
    harness = Harness(mark_patience=0.01)
    letter = await died(harness, "evt_1")
    await retry(harness, letter, marked=False)

    assert [found.state for found in harness.letters()] == ["open", "open"]


async def test_what_a_person_discarded_stays_discarded() -> None:
    """A later success says nothing of it; a later failure is a new one, and open."""
    harness = Harness()
    letter = await died(harness, "evt_1")
    mark(harness, letter, "discarded")
    harness.answer = lambda: None
    await harness.handle(event("evt_2"))
    assert [found.state for found in harness.letters()] == ["open", "discarded"]

    await died(harness, "evt_3")
    assert harness.letters()[-1].state == "open"


@pytest.mark.parametrize("ends", [Waiting("it has no address"), Unavailable("away")])
async def test_a_run_that_did_not_end_well_closes_nothing(ends: Exception) -> None:
    """It is parked: whether the cause is gone is not known."""
    harness = Harness(in_place_limit=0.001)
    await died(harness, "evt_1")
    harness.answer = lambda: ends
    await harness.handle(event("evt_2"))

    assert [found.state for found in harness.letters()] == ["open"]


async def test_other_entities_and_other_flow_links_have_letters_of_their_own() -> None:
    """One of them that ends well says nothing of the others."""
    harness = Harness()
    second = FlowLink(id="link_2", flow=LINK.flow, connections=LINK.connections)
    await died(harness, "evt_1")
    await died(harness, "evt_2", aggregate=f"{STRIPE}/customer/cus_2", subject="cus_2")
    harness.registry.links[second.id] = second
    answers = iter([None, NO])
    harness.answer = lambda: next(answers)
    await harness.handle(event("evt_3", aggregate=f"{STRIPE}/customer/cus_2", subject="cus_2"))
    states = {(f.run and f.run.flow_link, f.aggregate[-5:]): f.state for f in harness.standing().values()}

    assert states == {
        (LINK.id, "cus_1"): "open",
        (LINK.id, "cus_2"): "resolved",
        (second.id, "cus_2"): "open",
    }


async def test_an_event_that_never_became_a_run_has_a_letter_of_its_own() -> None:
    """No later run does what it asked for."""
    harness = Harness()
    await harness.handle(event("evt_bad", data={"data": None}))
    await harness.handle(event("evt_worse", data={"data": None}))
    await harness.handle(event("evt_good"))

    assert [found.state for found in harness.standing().values()] == ["open", "open"]


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
