"""What is given up on becomes a dead letter, and a letter whose cause is gone is closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from shared import metrics
from shared.events.envelope import Envelope
from shared.events.topics import is_replay
from shared.flows import runs
from shared.flows.dead_letters import MARK_PATIENCE, StandingLetters, acts_on_state, letter_id
from shared.flows.runs import DeadLetter, Run, RunError
from shared.identity import dead_letter_id
from shared.log import get_logger
from shared.runtime.pool import Work

log = get_logger(__name__)


@dataclass(frozen=True)
class Writes:
    """How a worker writes: `letter` returns the record's offset, and both raise StopWorker without Kafka."""

    run: Callable[[Run], Awaitable[None]]
    letter: Callable[[DeadLetter], Awaitable[int]]
    now: Callable[[], str]


class DeadLetters:
    """One per worker. All work on an entity is in one worker and one queue: a letter of it has one writer, beside the
    person who marks it.
    """

    def __init__(self, standing: StandingLetters, writes: Writes, patience: float = MARK_PATIENCE) -> None:
        self._standing = standing
        self._writes = writes
        self._patience = patience

    async def give_up(self, work: Work, letter: DeadLetter, run: Run | None) -> None:
        """Write the run's end and its letter. Of several runs that share one the newest is resumed by a retry; the
        others end as superseded. The reason is that of the last attempt.
        """
        if run is None:
            await self._write(letter)
            return
        await self._await_mark(work, letter.id, run)
        other = self._standing.get(letter.id)
        older = other.run if other and other.state == "open" and other.run and other.run.id != run.id else None
        if other and older and older.started_at > run.started_at:
            self._supersede(run, letter.id, older.event)
            await self._writes.run(run)
            await self._write(
                msgspec.structs.replace(other, problem=letter.problem, dead_lettered_at=letter.dead_lettered_at)
            )
            return
        await self._writes.run(run)
        await self._write(letter)
        if older:
            self._supersede(older, letter.id, run.event)
            await self._writes.run(older)

    async def resolve(self, work: Work, run: Run) -> None:
        """The run ended well: what an earlier one of its flow link and entity was given up for is gone."""
        for letter in self._standing.of(run):
            own = letter.run is not None and letter.run.id == run.id
            if not own and not acts_on_state(letter.event_type):
                continue
            await self._await_mark(work, letter.id, run)
            letter = self._standing.get(letter.id) or letter
            why = f"run {run.id} ended {run.state.replace('_', ' ')}"
            now = self._writes.now()
            await self._write(msgspec.structs.replace(letter, state="resolved", changed_at=now, changed_reason=why))
            if letter.run and not own and letter.state == "open":
                self._supersede(letter.run, letter.id, run.event)
                await self._writes.run(letter.run)

    async def _await_mark(self, work: Work, letter: str, run: Run) -> None:
        """A person sent the letter's run again: the console marks the letter, before anything else is written to it."""
        standing = self._standing.get(letter)
        sent_again = is_replay(work.partition[0]) and work.parked
        if sent_again and standing and standing.state == "open" and standing.run and standing.run.id == run.id:
            await self._standing.marked(letter, self._patience)

    def _supersede(self, run: Run, letter: str, event: str) -> None:
        run.state, run.superseded_by, run.ended_at = "superseded", event, run.ended_at or self._writes.now()
        run.reason = f"event {event} of the same entity replaced it, see dead letter {letter}"

    async def _write(self, letter: DeadLetter) -> None:
        offset = await self._writes.letter(letter)
        self._standing.apply(offset, letter.id, runs.encode(letter))
        if letter.state == "open":
            metrics.DEAD_LETTERS.labels(letter.problem.error).inc()
            log.error(
                "dead_letter", id=letter.id, run=letter.run.id if letter.run else "", reason=letter.problem.reason
            )
        else:
            log.info("dead_letter.resolved", id=letter.id, reason=letter.changed_reason)


def letter_of(
    work: Work, noun: str, envelope: Envelope | None, run: Run | None, problem: RunError, at: str
) -> DeadLetter:
    """A record's open letter, with all that is needed to resume it; `envelope` is None for what is none."""
    topic, partition = work.partition
    return DeadLetter(
        id=letter_id(run) if run else dead_letter_id(topic, partition, work.offset),
        state="open",
        problem=problem,
        value=work.value,
        topic=topic,
        partition=partition,
        offset=work.offset,
        dead_lettered_at=at,
        noun=noun,
        aggregate=work.aggregate,
        event=envelope.id if envelope else "",
        event_type=envelope.type if envelope else "",
        connection=envelope.connection if envelope else "",
        attempts=run.attempts if run else 1,
        step=run.steps[-1].id if run and run.steps else "",
        run=run,
    )
