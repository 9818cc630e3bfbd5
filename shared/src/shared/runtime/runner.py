"""Runs one flow link for one event: step by step, each recorded, retried in place, parked or given up on.

The runner tells what became of the run; acknowledging, parking and giving up is the consume loop's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from shared import metrics
from shared.connections import FlowLink
from shared.domains import ACTIONS, TRIGGERS, conflicts_of, noun_of, owner_of
from shared.domains.choices import kind_of, read_choices, verdict_of
from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Domain
from shared.domains.templates import render
from shared.errors import (
    Conflict,
    FlowLinkOff,
    Malformed,
    Paused,
    Retryable,
    StopWorker,
    SyncError,
)
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope, timestamp
from shared.events.own import HANDED_OVER
from shared.events.topics import Topics
from shared.flows import hand_over, runs
from shared.flows.hand_over import HandOver, handed_over
from shared.flows.runs import Run, RunState, Step, StepState
from shared.identity import Ref
from shared.kafka.log import Log
from shared.linking.claims import Links
from shared.linking.dry_run import WouldWrite, is_dry
from shared.linking.pair_writes import PairWrites
from shared.log import get_logger
from shared.retries import in_place
from shared.runtime.actions import Context, Ended, Implementation, Result, connection_of
from shared.runtime.clients import Clients, acting_for
from shared.runtime.known import Known
from shared.runtime.problems import problem_of
from shared.runtime.registry import Registry
from shared.settings import Settings

log = get_logger(__name__)

END_OF_STEP: Mapping[RunState, StepState] = {"succeeded": "succeeded", "in_sync": "in_sync"}
"""How a step ends that ended its run early; in any other state of the run it was skipped."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run: `ended` in a terminal state, `handed_over` to another service, `later` (park it), or `dead`
    (a dead letter).

    Of a run that is parked, by its error's policy: `waits_for_news` if only a change at the other side helps,
    `gives_up` if it is given up on after a day of parkings; `outage` is the call that failed, if that kept it.
    """

    run: Run
    what: Literal["ended", "handed_over", "later", "dead"]
    waits_for_news: bool = False
    gives_up: bool = True
    outage: str = ""
    bug: bool = False


@dataclass(frozen=True)
class _Attempt:
    """What the steps of one attempt share: `values` are what templates are filled from, `just_read` what one has read
    of a vendor, by ref.
    """

    link: FlowLink
    known: Known
    choices: Mapping[str, str]
    values: dict[str, Any]
    just_read: dict[str, Any] = field(default_factory=dict)


class Runner:
    """One per worker. `implementations` are the actions of the domain, by name."""

    def __init__(
        self,
        domain: Domain,
        settings: Settings,
        topics: Topics,
        registry: Registry,
        links: Links,
        clients: Clients,
        kafka: Log,
        implementations: Mapping[str, Implementation],
        worker: str,
        pairs: PairWrites,
    ) -> None:
        self._domain = domain
        self._settings = settings
        self._topics = topics
        self._registry = registry
        self._links = links
        self._clients = clients
        self._kafka = kafka
        self._implementations = implementations
        self._worker = worker
        self._pairs = pairs

    async def run(self, run: Run, link: FlowLink, flow: Flow, envelope: Envelope, known: Known) -> Outcome:
        """Start or go on with a run. Raises StopWorker; every other error becomes the outcome."""
        run.state, run.worker, run.next_attempt_at = "running", self._worker, ""
        waited = run.problem is not None and run.problem.error != Paused.__name__
        if run.problem and run.problem.error != Conflict.__name__:
            run.problem = None  # a conflict stays one, and on its list, while it is looked at again
        by_hand = bool(run.ended_at)
        run.ended_at = ""  # a retried one had ended
        run.noun = self._domain.noun
        run.attempts += 1
        run.verdict, run.handled = "", not envelope.dryrun
        acting_for.set(link.id)
        is_dry.set(envelope.dryrun)
        calling = self._clients.outages.begin()
        try:
            if not self.has_begun(run.id, run.aggregate):
                if not link.enabled and not envelope.dryrun:
                    raise FlowLinkOff(link.id)
                if not by_hand and (stopped := self._stopped_by_person(run, envelope, waited)):
                    return stopped
            await self._end_if_echo(run, flow, envelope)
            values: dict[str, Any] = {"trigger": _trigger(envelope), "steps": {}}
            attempt = _Attempt(link, known, read_choices(envelope.choices), values)
            acted = False
            for step in flow.steps:
                if owner_of(step.action) is self._domain:
                    acted |= await self._step(step, run, attempt)
                    if envelope.dryrun and not ACTIONS[step.action].reads:
                        return self._previewed(run, "already", "linked already")
                elif done := _done(step, run):
                    values["steps"][step.id], acted = done.output, acted or done.state == "succeeded"
                else:
                    return await self._hand_over(step, run, attempt, envelope)
        except Ended as end:
            run.refs, run.echo_of = _merged(run.refs, end.refs), end.echo_of
            if envelope.dryrun:
                return self._previewed(run, "already" if end.state == "in_sync" else "left_out", end.reason)
            return self._ended(run, end.state, end.reason)
        except WouldWrite as found:
            run.refs = _merged(run.refs, found.refs)
            return self._previewed(run, *judged(run, found))
        except (Retryable, SyncError) as error:
            outage = self._clients.outages.cause(error, calling)
            return self._at_conflict(run, error, envelope) or self._stopped(run, error, outage)
        except (asyncio.CancelledError, StopWorker):
            raise
        except Exception as error:
            return self._bug(run, error)
        finally:
            if envelope.dryrun:
                run.calls = dict(Counter(run.calls) + calling.made)
        return self._ended(run, "succeeded" if acted else "in_sync", "")

    def _stopped_by_person(self, run: Run, envelope: Envelope, waited: bool) -> Outcome | None:
        """The end of a run whose import or replay is cancelled, or its parking while that is paused. None to go on,
        also where it has done something already; what came live is of neither. One of an import that `waited` serves
        others, too.
        """
        if not runs.is_sent_again(run) or _has_acted(run):
            return None
        noun, wanted = "import" if run.origin == "backfill" else "replay", self._registry.wanted(run.cause)
        if wanted not in ("cancel", "pause"):
            return None
        if waited and noun == "import" and (beside := self._registry.import_beside(run, envelope.choices)):
            run.cause = beside if wanted == "cancel" else run.cause  # a paused one counts it, and can end
            return None
        if wanted == "cancel":
            return self._ended(run, "skipped", f"{noun} {run.cause} was cancelled", handled=False)
        return self._stopped(run, Paused(noun, run.cause))

    def has_begun(self, run: str, subject: str) -> bool:
        """Whether a run holds an open claim for its subject: of a link that is off it only looks up what was made."""
        return any(held.run == run for held in self._links.index.open_claims(subject))

    async def _hand_over(self, step: FlowStep, run: Run, attempt: _Attempt, event: Envelope) -> Outcome:
        """The next action is another service's: the run goes there, to the queue of what that action acts on."""
        action, owner = ACTIONS[step.action], owner_of(step.action)
        aggregate, connection = run.aggregate, run.connection
        if action.subject:
            app, noun, entity = action.subject(_input(step, attempt.values))
            connection = connection_of(attempt.link, step, app)
            aggregate = str(Ref(self._registry.connection(connection).app_account, noun, entity))
        run.noun, run.worker, run.problem = owner.noun, "", None
        await self._record(run)
        work = HandOver(run=run, step=step.id, trigger=attempt.values["trigger"], known=attempt.known.name)
        handed = handed_over(work, aggregate, connection, event, datetime.now(UTC))
        again = event.origin in ("replay", "backfill")
        topic = self._topics.replay(owner.noun) if again else self._topics.events(owner.noun)
        await self._kafka.append(topic, aggregate, envelopes.encode(handed))
        return Outcome(run, "handed_over")

    async def _end_if_echo(self, run: Run, flow: Flow, envelope: Envelope) -> None:
        """A create that we caused starts no create back (design law 3). Nor does it end what this side began: two that
        name each other would each take the other for the one that goes on.
        """
        subject = envelope.aggregate
        if not flow.makes or envelope.type == HANDED_OVER:
            return
        claims = self._links.of(flow.makes)
        if await claims.is_winning_claim(subject):
            return
        for mapping in claims.index.holders_of(subject):
            if mapping.source != subject and mapping.run != run.id:
                what = "is making" if mapping.state == "claimed" else "made"
                if envelope.origin == "backfill":  # no echo of ours, but somebody who was there
                    raise Ended("in_sync", f"linked already: run {mapping.run} {what} this pair", mapping.refs)
                why = f"echo: run {mapping.run} {what} this pair ({mapping.id})"
                raise Ended("skipped", why, mapping.refs, echo_of=mapping.run)

    async def _step(self, step: FlowStep, run: Run, attempt: _Attempt) -> bool:
        """Run one step unless an earlier attempt of this run ended it. Returns whether it had an effect."""
        done = _done(step, run)
        if done and not ACTIONS[step.action].reads:
            attempt.values["steps"][step.id] = done.output
            return done.state == "succeeded"
        record = _open_step(run, step)
        await self._record(run)
        try:
            result = await self._attempt(step, record, run, attempt)
        except Ended as end:
            _end_step(record, END_OF_STEP.get(end.state, "skipped"))
            record.notes = [end.reason]
            raise
        except (StopWorker, WouldWrite):
            raise
        except Exception as error:
            _end_step(record, "waiting" if isinstance(error, Retryable) else "failed")
            record.problem = problem_of(error)
            raise
        _end_step(record, "succeeded" if result.effect else "in_sync")
        record.output = attempt.values["steps"][step.id] = result.output.model_dump(mode="json")
        record.notes, record.writes = list(result.notes), []  # the output tells them
        run.refs = _merged(run.refs, result.refs)
        return result.effect

    async def _attempt(self, step: FlowStep, record: Step, run: Run, attempt: _Attempt) -> Result:
        given = _input(step, attempt.values)
        about = Context(
            run,
            attempt.link,
            attempt.known,
            self._settings,
            self._registry,
            self._links,
            self._clients,
            self._pairs,
            self._kafka,
            self._topics,
            self._domain,
            step,
            attempt.choices,
            attempt.just_read,
        )

        async def call() -> Result:
            about.met.clear()
            try:
                async with self._clients.keep_refusals():
                    return await self._implementations[step.action](about, given)
            finally:
                run.verdict = next(iter(about.met), "")

        def again(attempt: int, error: BaseException) -> None:
            record.attempts = attempt + 1
            about.just_read.clear()  # it is old by now
            metrics.RETRIES.labels(step.action, type(error).__name__).inc()
            log.info("step.retried", run=run.id, step=step.id, attempt=attempt, reason=str(error))

        scale = float(self._settings.delay_scale)
        limit = self._settings.in_place_limit * scale
        return await in_place(call, limit=limit, scale=scale, on_retry=again)

    def _previewed(self, run: Run, verdict: str, reason: str) -> Outcome:
        run.verdict = verdict
        return self._ended(run, "previewed", reason)

    def _at_conflict(self, run: Run, error: SyncError, envelope: Envelope) -> Outcome | None:
        """What an import, or its dry run, makes of a conflict; None where the run goes on as any other."""
        if envelope.origin != "backfill":
            return None
        kinds = conflicts_of(run.flow)
        kind = kind_of(kinds, error)
        run.verdict = kind.name if kind else ""
        if envelope.dryrun and (verdict := verdict_of(kinds, error)):
            run.problem = problem_of(error)
            return self._previewed(run, verdict, error.message)
        leave_out = kind and read_choices(envelope.choices).get(kind.name, kind.choices[0]) == "leave_out"
        if not leave_out or self.has_begun(run.id, run.aggregate) or _has_acted(run):
            return None
        return self._ended(run, "skipped", f"left out: {error.message}", handled=False)

    def _ended(self, run: Run, state: runs.RunState, reason: str, *, handled: bool = True) -> Outcome:
        run.state, run.reason, run.ended_at, run.handled = state, reason, _now(), run.handled and handled
        return Outcome(run, "ended")

    def _stopped(self, run: Run, error: SyncError, outage: str = "") -> Outcome:
        run.problem, run.reason = problem_of(error), error.message
        if isinstance(error, Retryable):
            return Outcome(run, "later", error.policy.wakes_on_news, error.policy.gives_up, outage)
        run.state, run.ended_at = "dead", _now()
        return Outcome(run, "dead")

    def _bug(self, run: Run, error: Exception) -> Outcome:
        log.error("run.bug", run=run.id, error=repr(error), exc_info=error)
        run.problem = problem_of(error)
        run.reason = f"a bug in Tandem: {run.problem.error}: {run.problem.reason}"
        run.state, run.ended_at = "dead", _now()
        return Outcome(run, "dead", bug=True)

    async def _record(self, run: Run) -> None:
        run.updated_at = _now()
        await self._kafka.append(self._topics.runs, run.id, runs.encode(run))


def _input(step: FlowStep, context: dict[str, Any]) -> BaseModel:
    """The input of a step's action. Raises Malformed."""
    try:
        return ACTIONS[step.action].input.model_validate(render(step.input, context))
    except ValidationError as error:
        raise Malformed(f"step {step.id}: the input of {step.action} does not fit: {error}") from error


def _done(step: FlowStep, run: Run) -> Step | None:
    """The record of a step that an earlier attempt of the run, or another service, ended."""
    return next((s for s in run.steps if s.id == step.id and s.state in ("succeeded", "in_sync")), None)


def _has_acted(run: Run) -> bool:
    return any(step.state == "succeeded" and not ACTIONS[step.action].reads for step in run.steps)


def judged(run: Run, found: WouldWrite) -> tuple[str, str]:
    """The verdict of a dry run that came to a write, and why: a conflict that its action mends stays one to look at."""
    return run.verdict or found.what, found.how


def _trigger(envelope: Envelope) -> dict[str, Any]:
    if envelope.type == HANDED_OVER:
        return hand_over.read(envelope).trigger
    return TRIGGERS[envelope.type].extract(envelope.body()).model_dump(mode="json")


def _open_step(run: Run, step: FlowStep) -> Step:
    written = [write for former in run.steps if former.id == step.id for write in former.writes]
    run.steps = [s for s in run.steps if s.id != step.id]
    record = Step(id=step.id, action=step.action, state="running", started_at=_now(), writes=written)
    run.steps.append(record)
    return record


def _end_step(record: Step, state: StepState) -> None:
    record.state, record.ended_at = state, _now()


def _merged(refs: list[str], more: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys([*refs, *more]))


def _now() -> str:
    return timestamp(datetime.now(UTC))


def new_run(run_id: str, link: FlowLink, flow: Flow, envelope: Envelope, place: str) -> Run:
    """The run of a flow link for an event, not started yet."""
    return Run(
        id=run_id,
        state="running",
        event=envelope.id,
        event_type=envelope.type,
        aggregate=envelope.aggregate,
        connection=envelope.connection,
        started_at=_now(),
        event_at=envelope.time,
        flow_link=link.id,
        flow=flow.id,
        flow_version=flow.version,
        refs=[envelope.aggregate],
        origin=envelope.origin,
        place=place,
        noun=noun_of(envelope.type),
        cause=envelope.cause,
    )
