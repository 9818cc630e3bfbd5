"""What becomes of one record: ended, parked or buried, complete enough to go on, and never lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from shared.errors import ConnectionClosed, Rejected, StopWorker, Unavailable, Waiting
from shared.events import envelope as envelopes
from shared.flows import runs
from shared.flows.runs import Parked
from shared.runtime.actions import Ended

from tests.integration.runtime.bench import LINK, STRIPE, Bench, event

NO = Rejected("Togai: POST /customers answered 400: no", code="400", status=400)


async def test_a_dead_letter_is_enough_to_resume_by() -> None:
    """The record's bytes, its place, the run with its steps, why, and where: put on the replay topic it goes on."""
    bench = Bench()
    bench.answer = lambda: NO
    value = event()
    work = await bench.handle(value)
    (letter,) = bench.letters()
    (record,) = bench.log.on(bench.topics.dead_letters)

    assert (letter.state, letter.value, record.key) == ("open", envelopes.encode(value), letter.id)
    assert (letter.topic, letter.partition, letter.offset) == (*work.partition, work.offset)
    assert (letter.noun, letter.aggregate, letter.event) == ("customer", value.aggregate, "evt_1")
    assert (letter.event_type, letter.connection) == ("stripe.customer.created", "con_s")
    assert (letter.problem.error, letter.problem.code, letter.problem.retryable) == ("Rejected", "400", False)
    assert (letter.attempts, letter.step) == (1, "customer")
    assert letter.run is not None
    assert letter.run.state == "dead"
    assert bench.runs()[-1].id == letter.run.id

    bench.answer = lambda: None
    await bench.handle(letter.value, parked=runs.encode(Parked(run=letter.run, due=0)), topic="customer.replay")
    resumed = bench.runs()[-1]
    assert (resumed.id, resumed.state, resumed.attempts) == (letter.run.id, "succeeded", 2)
    assert [step.state for step in resumed.steps] == ["succeeded", "succeeded", "in_sync"]
    assert resumed.problem is None
    assert bench.called == [("create", True), ("create", False), ("write", False)]


async def test_a_retried_run_that_is_parked_is_open_again() -> None:
    """It has not ended: the time of its death is not its end any more."""
    bench = Bench()
    bench.answer = lambda: NO
    await bench.handle(event())
    (letter,) = bench.letters()
    bench.answer = lambda: Unavailable("away")
    await bench.handle(letter.value, parked=runs.encode(Parked(run=letter.run, due=0)))  # type: ignore[arg-type]

    assert bench.runs()[-1].state == "parked"
    assert bench.runs()[-1].ended_at == ""


async def test_a_run_goes_on_at_the_step_that_failed() -> None:
    """What an earlier attempt ended is not called again."""
    bench = Bench()
    await bench.handle(event())
    done = bench.runs()[-1]
    done.state, done.steps = "parked", done.steps[:1]
    await bench.handle(event(), parked=runs.encode(Parked(run=done, due=0)))

    assert [name for name, _ in bench.called] == ["create", "write", "write"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        envelopes.encode(event(data=b"[]")),
        envelopes.encode(event(data={"data": None})),
        envelopes.encode(event(data={"data": {"object": {"id": ""}}})),
        envelopes.encode(event(data=b"[" * 900 + b"]" * 900)),
        envelopes.encode(event(data=b"[" * 50_000 + b"]" * 50_000)),
        envelopes.encode(event(time="yesterday")),
    ],
)
async def test_what_cannot_be_read_is_buried_whole(value: bytes) -> None:
    """One record that nobody understands holds nobody up, and its bytes are kept."""
    bench = Bench()
    work = await bench.handle(value)
    await bench.handle(event("evt_good"))
    (letter,) = bench.letters()

    assert (letter.value, letter.run) == (value, None)
    assert (letter.topic, letter.partition, letter.offset) == (*work.partition, work.offset)
    assert letter.problem.reason
    assert bench.runs()[-1].state == "succeeded"


async def test_a_header_that_cannot_be_read_is_buried() -> None:
    """With the event, which can be sent again without it."""
    bench = Bench()
    await bench.handle(event(), parked=b"{nonsense")
    (letter,) = bench.letters()

    assert letter.problem.error == "Malformed"
    assert letter.value == envelopes.encode(event(time=envelopes.decode(letter.value).time))


async def test_a_bug_is_buried_with_its_traceback() -> None:
    """So that whoever mends it knows where."""
    bench = Bench()
    bench.answer = lambda: ZeroDivisionError("division by zero")
    await bench.handle(event())
    (letter,) = bench.letters()

    assert (letter.problem.error, letter.problem.retryable) == ("ZeroDivisionError", False)
    assert "bench.py" in letter.problem.traceback


@pytest.mark.parametrize(
    ("answer", "run", "step"),
    [
        (Ended("succeeded", "the link is marked"), "succeeded", "succeeded"),
        (Ended("in_sync", "linked meanwhile"), "in_sync", "in_sync"),
        (Ended("skipped", "it was deleted"), "skipped", "skipped"),
        (NO, "dead", "failed"),
        (ZeroDivisionError("division by zero"), "dead", "failed"),
        (Waiting("the account has no e-mail address"), "parked", "waiting"),
        (ConnectionClosed("con_s", "401"), "parked", "waiting"),
    ],
)
async def test_no_step_goes_on_when_its_run_does_not(answer: Exception, run: str, step: str) -> None:
    """However the run stopped: who looks at it must not think that somebody is still at work."""
    bench = Bench()
    bench.answer = lambda: answer
    await bench.handle(event())
    last = bench.runs()[-1]

    assert (last.state, [found.state for found in last.steps]) == (run, [step])
    assert last.steps[0].ended_at
    if isinstance(answer, Ended):
        assert last.steps[0].notes == [answer.reason]
    else:
        assert last.steps[0].problem is not None


async def test_an_input_that_does_not_fit_fails_its_step() -> None:
    """It was not called, and does not go on either."""
    bench = Bench()
    flow = bench.registry.flows[LINK.flow]
    broken = flow.steps[0].model_copy(update={"input": {"customer": "{{ trigger.nothing }}"}})
    bench.registry.flows[LINK.flow] = flow.model_copy(update={"steps": (broken, *flow.steps[1:])})
    await bench.handle(event())
    last = bench.runs()[-1]

    assert (last.state, last.steps[0].state, bench.called) == ("dead", "failed", [])


async def test_a_parked_run_whose_link_is_gone_says_nothing_of_its_former_reason() -> None:
    """It waits for nothing any more, and none of its steps does."""
    bench = Bench()
    bench.answer = lambda: Waiting("no e-mail address: add one, the run goes on by itself")
    await bench.handle(event())
    _, parked = bench.parked()[-1]
    del bench.registry.links[LINK.id]
    await bench.handle(event(), parked=runs.encode(parked), topic="customer.delay.1m", heard=True)
    last = bench.runs()[-1]

    assert (last.state, last.problem, [step.state for step in last.steps]) == ("skipped", None, ["skipped"])


@pytest.mark.parametrize("refusing", ["dead_letters", "runs"])
async def test_a_burial_that_fails_stops_the_worker(refusing: str) -> None:
    """Going on would acknowledge what is nowhere else."""
    bench = Bench()
    bench.answer = lambda: NO
    topic = getattr(bench.topics, refusing)
    seen: list[Any] = []

    def refuse() -> Rejected:
        bench.log.refusing.add(topic)
        seen.append(topic)
        return NO

    bench.answer = refuse
    with pytest.raises(StopWorker, match=topic):
        await bench.handle(event())

    assert bench.letters() == []
    assert seen == [topic]


async def test_a_parking_that_fails_stops_the_worker() -> None:
    """The event is read again by whoever comes next."""
    bench = Bench(in_place_limit=0.001)
    bench.answer = lambda: Unavailable("away")
    bench.log.refusing.add(bench.topics.delay("customer", "1m"))

    with pytest.raises(StopWorker, match="delay"):
        await bench.handle(event())


async def test_many_bugs_in_a_row_stop_the_worker() -> None:
    """A bad deploy must not bury a topic: the one too many is not buried."""
    bench = Bench()
    bench.answer = lambda: KeyError("name")
    for number in range(3):
        await bench.handle(event(f"evt_{number}"))
    with pytest.raises(StopWorker, match="4 bugs in a row"):
        await bench.handle(event("evt_3"))

    assert [letter.event for letter in bench.letters()] == ["evt_0", "evt_1", "evt_2"]


@pytest.mark.parametrize("between", [None, NO])
async def test_bugs_that_are_not_in_a_row_stop_nothing(between: BaseException | None) -> None:
    """Some bad events among good or refused ones are bad events."""
    bench = Bench()
    answers: Iterator[BaseException | None] = iter([KeyError("x"), KeyError("x"), KeyError("x"), between] * 3)
    bench.answer = lambda: next(answers)
    for number in range(12):
        await bench.handle(event(f"evt_{number}"))

    assert len([e for e in bench.letters() if e.state == "open" and e.problem.error == "KeyError"]) == 9


async def test_refused_events_are_no_bugs() -> None:
    """However many: one broken connection stops no worker."""
    bench = Bench()
    bench.answer = lambda: NO
    for number in range(10):
        await bench.handle(event(f"evt_{number}"))

    assert len(bench.letters()) == 10


async def test_an_event_that_starts_nothing_is_recorded_as_skipped() -> None:
    """So that a person who looks for it finds why nothing happened."""
    bench = Bench()
    await bench.handle(event(type="stripe.customer.tax_id.created"))
    (run,) = bench.runs()

    assert (run.state, run.flow_link, run.event) == ("skipped", "", "evt_1")
    assert run.reason


async def test_an_event_that_was_finished_is_not_run_again() -> None:
    """Stripe sends at least once; one that was parked or died is no finished one."""
    bench = Bench()
    await bench.handle(event())
    await bench.handle(event())
    assert [name for name, _ in bench.called] == ["create", "write"]

    bench.answer = lambda: NO
    await bench.handle(event("evt_2"), offset=7)
    await bench.handle(event("evt_2"), offset=7)
    assert len(bench.letters()) == 2
    assert len({letter.id for letter in bench.letters()}) == 1


async def test_an_event_that_comes_again_later_leaves_the_first_run_as_it_was() -> None:
    """After a restart nobody remembers that it was handled: what it did then stays on record, beside the second run."""
    bench = Bench()
    await bench.handle(event())
    first = bench.runs()[-1]
    bench.processor.begin_anew()
    await bench.handle(event())

    assert first.state == "succeeded"
    assert bench.runs()[-1].id != first.id


async def test_after_an_assignment_nothing_is_taken_for_finished() -> None:
    """Another worker may have begun it once more and died: then its record says that the run goes on, for ever."""
    bench = Bench()
    await bench.handle(event())
    bench.processor.begin_anew()
    before = len(bench.runs())
    await bench.handle(event())

    assert [run.state for run in bench.runs()[before:]][-1] in runs.TERMINAL_STATES


@pytest.mark.parametrize("version", ["2.0", "0.9"])
async def test_another_major_version_stops_the_worker(version: str) -> None:
    """A newer Tandem wrote it: burying it would lose what this one cannot read."""
    bench = Bench()
    with pytest.raises(StopWorker, match="schema version"):
        await bench.handle(event(schemaversion=version))

    assert bench.log.written == []
    await bench.handle(event("evt_2", schemaversion="1.7"))
    assert bench.runs()[-1].state == "succeeded"


async def test_an_event_of_another_account_starts_nothing() -> None:
    """A link is for its own app account."""
    bench = Bench()
    other = "stripe:test:acct_2"
    changes = {"source": f"urn:tandem:{other}", "aggregate": f"{other}/customer/cus_1", "connection": "con_other"}
    await bench.handle(event(appaccount=other, **changes))

    assert bench.called == []
    assert STRIPE not in bench.runs()[-1].aggregate
