"""Runs, parked runs and dead letters: the records of what Tandem did, each the whole present state of its thing."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from shared.events.envelope import SCHEMA_VERSION, check_version
from shared.ratelimit.lanes import Lane

RunState = Literal[
    "running", "succeeded", "in_sync", "skipped", "superseded", "missed", "parked", "dead", "discarded", "previewed"
]
StepState = Literal["running", "succeeded", "in_sync", "skipped", "failed", "waiting"]

TERMINAL_STATES: frozenset[str] = frozenset(
    {"succeeded", "in_sync", "skipped", "superseded", "missed", "dead", "discarded", "previewed"}
)


class RunError(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Why something did not go on. `error` is the class of shared.errors, or the exception's own for a bug.

    `connection`, or `blocker`, is what must be open first. `candidates` are what a conflict is decided among, or by
    declaring the entity separate where that is one of its ends (`separable`).
    """

    error: str
    reason: str
    code: str = ""
    retryable: bool = False
    traceback: str = ""
    candidates: list[str] = []
    separable: bool = False
    connection: str = ""
    blocker: str = ""


class Step(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One action of a run. `note` says in words what was chosen, cut or found. `writes` are the field writes that were
    sent and no output tells yet: of a step that ended otherwise, or is to be tried again.
    """

    id: str
    action: str
    state: StepState
    started_at: str
    ended_at: str = ""
    attempts: int = 1
    output: dict[str, Any] = {}
    notes: list[str] = []
    problem: RunError | None = None
    writes: list[dict[str, Any]] = []


class Run(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One flow link handling one event. A record on the runs topic, keyed by `id`.

    `event_at`: RFC 3339 time of the event.
    `verdict`: of an import's run the kind of conflict that it met, of a dry run what it would do. `calls`: of a dry run
    how many calls it made, by connection.
    `handled`: False of a run that leaves its entity to others: a dry run, one of a cancelled import or replay, one
    that an import left out, or in whose place another run waits.
    """

    id: str
    state: RunState
    event: str
    event_type: str
    aggregate: str
    connection: str
    started_at: str
    event_at: str = ""
    flow_link: str = ""
    flow: str = ""
    flow_version: int = 0
    updated_at: str = ""
    ended_at: str = ""
    steps: list[Step] = []
    reason: str = ""
    problem: RunError | None = None
    attempts: int = 0
    parked: int = 0
    failures: int = 0
    next_attempt_at: str = ""
    superseded_by: str = ""
    echo_of: str = ""
    refs: list[str] = []
    worker: str = ""
    origin: str = "live"
    place: str = ""
    noun: str = ""
    cause: str = ""
    verdict: str = ""
    calls: dict[str, int] = {}
    handled: bool = True
    schemaversion: str = SCHEMA_VERSION

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL_STATES


def is_sent_again(run: Run) -> bool:
    """Whether its event was sent by a person's import or replay, or to catch up, which its `cause` then names."""
    return run.origin in ("replay", "backfill")


def finish(run: Run, at: str) -> None:
    """Make a run that has ended say so in all its parts: no step goes on, and nothing but a death, or a dry
    run that met one, has a problem.

    `at` is RFC 3339. A run that has not ended stays as it is.
    """
    if not run.ended:
        return
    if run.state not in ("dead", "discarded", "previewed"):
        run.problem = None
    for step in run.steps:
        if step.state in ("running", "waiting"):
            step.state = "failed" if run.state in ("dead", "discarded") else "skipped"
            step.ended_at = step.ended_at or at


class Parked(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The header `parked` of a record on a delay or replay topic. `due` and `checked_at` are epoch seconds.

    `checked_at` is when a run that only a change at the other side lets go on looked last. It looks again when an event
    of its aggregate comes, else once a day; it is 0 for any other run, which is tried again when it is due. `lane` is
    the one in which the event came, empty in records of an older Tandem. `outage` is the call that has to succeed
    first, a connection and an operation; one of the runs that it keeps tries it from time to time.
    """

    run: Run
    due: float
    checked_at: float = msgspec.field(default=0.0, name="looked_at")
    lane: Lane | Literal[""] = ""
    outage: str = ""


class DeadLetter(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An event or run given up on, with all that is needed to resume it. A record keyed by `id`.

    `run` is the newest of those that share the letter, `problem` that of the last attempt.
    """

    id: str
    state: Literal["open", "retried", "discarded", "resolved"]
    problem: RunError
    value: bytes
    topic: str
    partition: int
    offset: int
    dead_lettered_at: str
    noun: str
    aggregate: str = ""
    event: str = ""
    event_type: str = ""
    connection: str = ""
    attempts: int = 0
    step: str = ""
    run: Run | None = None
    changed_at: str = ""
    changed_reason: str = ""
    schemaversion: str = SCHEMA_VERSION


_run_decoder = msgspec.json.Decoder(Run)
_parked_decoder = msgspec.json.Decoder(Parked)
_dead_letter_decoder = msgspec.json.Decoder(DeadLetter)
encode = msgspec.json.Encoder().encode


def decode_run(value: bytes) -> Run:
    """Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    run = _run_decoder.decode(value)
    check_version(run.schemaversion)
    return run


def decode_parked(value: bytes) -> Parked:
    """Raises msgspec.DecodeError."""
    try:
        return _parked_decoder.decode(value)
    except RecursionError as error:
        raise msgspec.DecodeError("nested too deeply") from error


def decode_dead_letter(value: bytes) -> DeadLetter:
    """Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    letter = _dead_letter_decoder.decode(value)
    check_version(letter.schemaversion)
    return letter


class Peeked(msgspec.Struct, frozen=True):
    """What of an envelope decides how its record is queued."""

    type: str
    origin: str = "live"
    flowlink: str = ""
    dryrun: bool = False
    choices: str = ""


_peek_decoder = msgspec.json.Decoder(Peeked)


def peek(value: bytes) -> Peeked:
    """An envelope without the rest of it. Raises msgspec.DecodeError (a ValueError)."""
    try:
        return _peek_decoder.decode(value)
    except RecursionError as error:
        raise msgspec.DecodeError("nested too deeply") from error
