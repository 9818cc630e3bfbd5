"""What is done with one record: decode, match, run, record; park what must wait, give up on what cannot go on.

Order of confirmations (design law 1): mapping, run record, parked record or dead letter, acknowledgement.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from shared import metrics
from shared.domains import TRIGGERS
from shared.domains.flow import Flow
from shared.domains.model import Domain
from shared.domains.origin import check_origin
from shared.errors import Malformed, StopWorker, SyncError, Unavailable, WrongOrigin
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope, timestamp
from shared.events.own import HANDED_OVER
from shared.events.topics import Topics, is_delay
from shared.flows import hand_over, runs
from shared.flows.dead_letters import MARK_PATIENCE
from shared.flows.links import is_new
from shared.flows.matching import holds, starting
from shared.flows.recent import Recent
from shared.flows.runs import DeadLetter, Parked, Run
from shared.identity import run_id
from shared.kafka.log import Log, Place
from shared.log import get_logger
from shared.ratelimit.lanes import present_lane
from shared.retries import CHECK_EVERY, LAST_PARKING, delay_for, due_at
from shared.runtime.conflict_watch import ConflictWatch
from shared.runtime.giving_up import DeadLetters, Writes, letter_of
from shared.runtime.known import Known, not_more_than
from shared.runtime.parked_run_dedup import ParkedRunDedup
from shared.runtime.pool import Work
from shared.runtime.problems import problem_of
from shared.runtime.records import PARKED_HEADER
from shared.runtime.registry import Registry
from shared.runtime.runner import Outcome, Runner, new_run
from shared.runtime.waiting_runs import WaitingRuns
from shared.settings import Settings

log = get_logger(__name__)

SNAPSHOT_VALID_FOR = 60.0
"""Seconds for which a live event is taken for the present state; a later one is looked up again (design law 5)."""
WRITE_DEADLINE = 60.0
"""Seconds for a record that must be written: longer without Kafka, and the worker stops instead of losing it."""


class Processor:
    """One per worker. `handle` raises StopWorker only."""

    def __init__(
        self,
        domain: Domain,
        settings: Settings,
        topics: Topics,
        registry: Registry,
        runner: Runner,
        kafka: Log,
        watch: ConflictWatch,
        clock: Callable[[], float] = time.time,
        mark_patience: float = MARK_PATIENCE,
    ) -> None:
        self._domain = domain
        self._settings = settings
        self._topics = topics
        self._registry = registry
        self._runner = runner
        self._kafka = kafka
        self._clock = clock
        # What stood in the log by now a process that died may have started.
        self._assigned_at = clock()
        self._parked_runs = ParkedRunDedup()
        self._watch = watch
        self._waiting = WaitingRuns()
        writes = Writes(self._record, self._write_letter, _now)
        self._dead_letters = DeadLetters(registry.letters, writes, mark_patience)
        # The events that ended since the assignment: a duplicate of one of these is not run again.
        self._finished = Recent[tuple[str, str]]()
        self._bugs: dict[tuple[str, int], int] = defaultdict(int)

    async def handle(self, work: Work) -> None:
        """Bring one record to an end: a recorded run, a parked record, or a dead letter."""
        try:
            envelope = envelopes.decode(work.value)
            present_lane.set(work.lane)
            if work.parked:
                await self._go_on(work, envelope, _parked(work.parked))
            else:
                self._check_origin(envelope)
                await self._start(work, envelope)
        except SyncError as error:
            await self._refuse(work, error)
        except StopWorker:
            raise
        except Exception as error:
            log.error("event.bug", place=_place(work), error=repr(error), exc_info=error)
            self._count_bugs(work, repr(error))
            await self._refuse(work, error)

    async def _refuse(self, work: Work, error: Exception) -> None:
        """An event that starts nothing represents no others either: those that folded into it are worked on."""
        await self._dead_letter(work, None, error)
        for folded in work.folded:
            await self.handle(folded)

    def on_partitions_assigned(self) -> None:
        """Partitions were assigned. What this worker finished or parked before, another may have begun once more: its
        record would be the last one, and say that the run still goes on.
        """
        self._parked_runs.forget()
        self._finished.clear()
        self._watch.forget()
        self._waiting.forget()
        self._assigned_at = self._clock()

    async def _start(self, work: Work, envelope: Envelope) -> None:
        event = (envelope.source, envelope.id)
        # Whoever hands over once more has recorded the run as running: its end must be the last word.
        if event in self._finished and not work.folded and envelope.type != HANDED_OVER:
            metrics.DUPLICATES.inc()
            if work.came_at < self._assigned_at:
                await self._end_started(work, envelope)
            return
        matched = await self._matching(work, envelope)
        live = envelope.origin in ("live", "poll") and self._age(envelope) < SNAPSHOT_VALID_FOR
        known = work.known if live else Known.CHANGED
        if known is Known.PRESENT and work.came_at < self._assigned_at:
            known = Known.PRESENT_AGAIN  # whoever had the partition may have begun it, and died
        if envelope.type == HANDED_OVER:
            known = not_more_than(known, hand_over.read(envelope).known)
        outcomes = [await self._run(work, envelope, run, known) for run in matched if not run.ended]
        if not matched:
            await self._skip(work, envelope)
        for folded in work.folded:
            await self._supersede(folded, envelope)
        if all(outcome.what in ("ended", "handed_over") for outcome in outcomes):
            self._finished.add(event)

    async def _end_started(self, work: Work, envelope: Envelope) -> None:
        """An event that stands twice in the log was handled where it stands first. Where a worker that died had begun
        it at the second place, for it represented the first one too, its run there would go on for ever.
        """
        for run in [run for run in await self._matching(work, envelope) if not run.ended]:
            run.state, run.ended_at = "skipped", _now()
            run.reason = "the same event stands in the log before, and was handled there"
            await self._record(run)

    async def _go_on(self, work: Work, envelope: Envelope, parked: Parked) -> None:
        """A parked or retried run: it looks at the present state, unless it waits for news and none came."""
        if is_delay(work.partition[0]) and not self._parked_runs.take(parked.run):
            metrics.DUPLICATES.inc()
            return
        cancelled = work.cancelled and self._registry.is_open(work.cancelled)
        if work.known is Known.UNCHANGED and self._clock() - parked.checked_at < self._check_every and not cancelled:
            await self._park(work, parked.run, checked_at=parked.checked_at)
            return
        try:
            self._check_origin(envelope)
        except WrongOrigin as error:
            await self._end_refused(work, parked.run, error)
            return
        await self._run(work, envelope, parked.run, Known.CHANGED)

    def _check_origin(self, envelope: Envelope) -> None:
        check_origin(envelope, self._registry.connections.get(envelope.connection))

    async def _end_refused(self, work: Work, run: Run, error: WrongOrigin) -> None:
        run.state, run.ended_at = "dead", _now()
        run.problem, run.reason = problem_of(error), error.message
        await self._dead_letter(work, run, None)
        self._parked_runs.ended(run)

    def _age(self, envelope: Envelope) -> float:
        return self._clock() - datetime.fromisoformat(envelope.time).timestamp()

    @property
    def _check_every(self) -> float:
        return CHECK_EVERY * float(self._settings.delay_scale)

    async def _run(self, work: Work, envelope: Envelope, run: Run, known: Known) -> Outcome:
        link, flow = self._registry.links.get(run.flow_link), self._registry.flow(run.flow, run.flow_version)
        began = self._clock()
        if link is None or flow is None:
            run.state, run.reason, run.ended_at = "skipped", "its flow link was removed", _now()
            outcome = Outcome(run, "ended")
        else:
            outcome = await self._timed(run, flow, link.id, envelope, known)
            if outcome.waits_for_news and known in (Known.PRESENT, Known.PRESENT_AGAIN):
                # What it waits for may have come before this event did, and then nothing would wake it any more.
                outcome = await self._timed(run, flow, link.id, envelope, Known.CHANGED)
        metrics.RUNS.labels(run.flow, run.state if outcome.what == "ended" else outcome.what).inc()
        self._count_bugs(work, outcome.run.reason if outcome.bug else "")
        # Whoever looks before it is due, for an outage may have ended, is given up on no sooner, and due as before.
        early = work.due if work.outage and work.due > began else 0.0
        if outcome.what == "later" and outcome.gives_up and run.failures >= LAST_PARKING and not early:
            # Whoever tries it again gives it a whole day again.
            run.state, run.ended_at, run.failures = "dead", _now(), 0
            outcome = Outcome(run, "dead")
        if outcome.what == "later" and (other := self._waits_already(outcome, envelope)):
            run.state, run.superseded_by, run.ended_at, run.handled = "skipped", other, _now(), False
            run.reason = f"run {other} waits for the same already: {run.reason}"
            outcome = Outcome(run, "ended")
        if outcome.what == "later":
            if not (early and outcome.gives_up):
                run.failures = run.failures + 1 if outcome.gives_up else 0
            checked_at = began if outcome.waits_for_news else 0.0
            await self._park(work, run, checked_at=checked_at, outage=outcome.outage, due=early)
            return outcome
        if outcome.what == "dead":
            await self._dead_letter(work, run, None)
        elif outcome.what == "ended":
            await self._record(run)
            if run.state in ("succeeded", "in_sync"):
                await self._dead_letters.resolve(work, run)
        self._parked_runs.ended(run)
        self._watch.ended(run)
        self._waiting.ended(run, envelope.choices)
        if work.parked and run.state == "succeeded":
            # It may be what another run of the entity waits for, which began beside it.
            self._watch.announce({run.aggregate})
        return outcome

    def on_held(self, work: Work) -> None:
        """A parked run is held: what waits for news of an entity is known from then on, also after a restart."""
        if work.checked_at and work.parked:
            self._waiting.waits(_parked(work.parked).run, runs.peek(work.value).choices)

    def _waits_already(self, outcome: Outcome, envelope: Envelope) -> str:
        """The run that waits in place of an import's, or a poll's, for the same entity already; empty if none does."""
        run = outcome.run
        if not outcome.waits_for_news or run.origin not in ("backfill", "poll"):
            return ""
        return self._waiting.beside(run, envelope.choices)

    async def _timed(self, run: Run, flow: Flow, link: str, envelope: Envelope, known: Known) -> Outcome:
        with metrics.RUN_SECONDS.labels(flow.id).time():
            return await self._runner.run(run, self._registry.links[link], flow, envelope, known)

    async def _matching(self, work: Work, envelope: Envelope) -> list[Run]:
        """The runs that the event starts. For a flow link that is off it is recorded as missed, unless that run has
        begun a claim. Raises Malformed if the body is not what its trigger says.
        """
        if envelope.type == HANDED_OVER:
            return [hand_over.read(envelope).run]
        trigger = TRIGGERS.get(envelope.type)
        if trigger is None:
            return []
        given = trigger.extract(envelope.body()).model_dump(mode="json")
        registry, place = self._registry, _place(work)
        found = starting(
            envelope.type, envelope.appaccount, registry.links.values(), registry.flows, registry.connections
        )
        matched = []
        for link, flow in found:
            if envelope.flowlink not in ("", link.id):
                continue
            if not all(holds(condition, given) for condition in flow.conditions):
                continue
            if flow.opt_in and is_new(link) and not envelope.dryrun:
                continue  # nobody has chosen it: it misses nothing
            name = run_id(link.id, envelope.appaccount, envelope.id, place)
            run = new_run(name, link, flow, envelope, place)
            if not link.enabled and not envelope.dryrun and not self._runner.has_begun(name, envelope.aggregate):
                run.state, run.reason, run.ended_at = "missed", f"flow link {link.id} is off", _now()
                await self._record(run)
            matched.append(run)
        return matched

    async def _park(self, work: Work, run: Run, *, checked_at: float, outage: str = "", due: float = 0.0) -> None:
        """The run waits on a delay topic. Its record comes first: after a crash in between the event is run again."""
        # A failure after days of waiting is tried again as soon as any other.
        delay = delay_for(run.failures - 1 if run.failures else run.parked)
        due = due or due_at(delay, float(self._settings.delay_scale), self._clock())
        run.state, run.parked = "parked", run.parked + 1
        run.next_attempt_at = timestamp(datetime.fromtimestamp(due, UTC))
        await self._record(run)
        parked = Parked(run=run, due=due, checked_at=checked_at, lane=work.lane.initial_lane, outage=outage)
        await self._write(self._topics.delay(self._domain.noun, delay), work.aggregate, work.value, runs.encode(parked))
        self._parked_runs.parked(run)
        self._watch.waits(run, checked_at)
        (self._waiting.waits if checked_at else self._waiting.ended)(run, runs.peek(work.value).choices)

    async def _skip(self, work: Work, envelope: Envelope) -> None:
        metrics.SKIPPED.inc()
        await self._record(self._bare(work, envelope, "skipped", "no enabled flow link starts on this event"))

    async def _supersede(self, folded: Work, last: Envelope) -> None:
        """An event that the last one of its kind represented: its runs end as superseded."""
        try:
            envelope = envelopes.decode(folded.value)
            matched = await self._matching(folded, envelope)
        except Malformed as error:
            await self._dead_letter(folded, None, error)
            return
        for run in [run for run in matched if not run.ended]:
            run.state, run.superseded_by, run.ended_at = "superseded", last.id, _now()
            run.reason = f"event {last.id} of the same subject replaced it"
            await self._record(run)
        if not matched:
            await self._skip(folded, envelope)

    def _bare(self, work: Work, envelope: Envelope, state: runs.RunState, reason: str) -> Run:
        return Run(
            id=run_id("", envelope.appaccount, envelope.id, _place(work)),
            state=state,
            reason=reason,
            event=envelope.id,
            event_type=envelope.type,
            aggregate=envelope.aggregate,
            connection=envelope.connection,
            started_at=_now(),
            ended_at=_now(),
            refs=[envelope.aggregate],
            origin=envelope.origin,
            place=_place(work),
            cause=envelope.cause,  # a replay is done when each event that it sent has ended
        )

    async def _dead_letter(self, work: Work, run: Run | None, error: Exception | None) -> None:
        """Give up on a record, keeping all that is needed to resume it. If that cannot be written the worker stops."""
        problem = run.problem if run and run.problem else problem_of(error or Malformed("no reason was given"))
        letter = letter_of(work, self._domain.noun, _readable(work.value), run, problem, _now())
        await self._dead_letters.give_up(work, letter, run)

    async def _write_letter(self, letter: DeadLetter) -> int:
        return (await self._write(self._topics.dead_letters, letter.id, runs.encode(letter))).offset

    def _count_bugs(self, work: Work, bug: str) -> None:
        """Many bugs in a row are a bad deploy, not bad events: stop before all are given up. Empty: it was none."""
        partition = work.partition
        self._bugs[partition] = self._bugs[partition] + 1 if bug else 0
        if self._bugs[partition] > self._settings.bugs_in_a_row:
            raise StopWorker(
                f"{self._bugs[partition]} bugs in a row on {partition[0]}/{partition[1]}, last: {bug}; "
                "no more are given up: deploy a fixed version, then retry the dead letters"
            )

    async def _record(self, run: Run) -> None:
        run.updated_at = _now()
        runs.finish(run, run.updated_at)
        await self._write(self._topics.runs, run.id, runs.encode(run))

    async def _write(self, topic: str, key: str, value: bytes, parked: bytes | None = None) -> Place:
        headers = [(PARKED_HEADER, parked)] if parked else []
        try:
            return await self._kafka.append(topic, key, value, headers=headers, deadline=WRITE_DEADLINE)
        except Unavailable as error:
            raise StopWorker(f"{topic} could not be written, so nothing is acknowledged: {error}") from error


def _parked(value: bytes) -> Parked:
    try:
        return runs.decode_parked(value)
    except msgspec.DecodeError as error:
        raise Malformed(f"the header `parked` does not fit: {error}") from error


def _readable(value: bytes) -> Envelope | None:
    try:
        return envelopes.decode(value)
    except Malformed:
        return None


def _place(work: Work) -> str:
    return str(Place(*work.partition, work.offset))


def _now() -> str:
    return timestamp(datetime.now(UTC))
