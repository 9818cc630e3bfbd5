"""What can go wrong, said as what the consume loop must do about it.

    SyncError
    ├── Retryable(retry_after=None)   the same event again
    │   ├── Unavailable               timeouts, connection errors, 5xx
    │   ├── RateLimited               429
    │   ├── NotReady                  something that we depend on has not arrived yet
    │   │   └── NotPolled             an app account was not polled since a person asked for what the run is of
    │   ├── ConnectionClosed          its key was refused (401): parked until it is open again
    │   ├── Blocked                   a right lacks (403), or secrets do not open: parked until the connection changes
    │   │   └── QuotaUsed             as many stand there as the vendor allows (403): parked until it allows more
    │   ├── Held(blocker)             a person allows it first
    │   │   ├── FlowLinkOff           the flow link is switched off
    │   │   ├── Paused                the import or replay that it is of is paused
    │   │   ├── OverwritesHeld        first contacts would replace values of many pairs
    │   │   └── NotLinked             another entity has no other side yet
    │   ├── Later                     parked at once, and looked at again after a minute
    │   ├── Unsettled                 the pair was written too often: it looks again when that is past
    │   └── Waiting                   only a change at the other side helps: parked at once, not retried in place
    │       ├── WaitingUntold         no event of its own entity tells of that change: it looks within the hour
    │       └── Conflict(candidates)  several things could be one; a person decides, then the run goes on by itself
    └── Permanent                     dead letter now
        ├── Malformed                 the body does not fit its schema
        ├── WrongOrigin               the event was not written by whom its type says
        ├── AmountMismatch            two sides are not equal to the cent
        ├── ChangedMore               a write at a vendor changed more than was asked for
        ├── Rejected(code)            the target said no (4xx); the vendor's code is kept
        └── Misconfigured             unknown connection, wrong setting
            └── KeyRefused            401: closes the connection; its runs are parked

Any other exception is a bug: a dead letter with its traceback. `StopWorker` is none of these: it ends the process.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from shared.scrub import scrub

LONGEST_MESSAGE = 4000
"""Characters of an error's message."""


class SyncError(Exception):
    """Base of everything that is expected to go wrong. Data stands in attributes, the message is for people."""

    def __init__(self, message: str, *, code: str = "") -> None:
        # It stands in runs, dead letters, tables and logs, and may hold a text of a vendor.
        message = scrub(message)
        self.message = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
        super().__init__(self.message)
        self.code = code


class RetryPolicy(NamedTuple):
    """How a run goes on after an error: it is tried `in_place` for up to a minute before it is parked, it is given up
    on after a day of parkings (`gives_up`), and any event of its entity lets it look again (`wakes_on_news`).
    """

    in_place: bool
    gives_up: bool
    wakes_on_news: bool


FAILURE = RetryPolicy(in_place=True, gives_up=True, wakes_on_news=False)
LATER = RetryPolicy(in_place=False, gives_up=True, wakes_on_news=False)
PATIENT = RetryPolicy(in_place=False, gives_up=False, wakes_on_news=False)
NEWS = RetryPolicy(in_place=False, gives_up=False, wakes_on_news=True)


class Retryable(SyncError):
    """The same call can succeed later. `retry_after` is in seconds, as the vendor asked."""

    policy: ClassVar[RetryPolicy] = FAILURE

    def __init__(self, message: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Unavailable(Retryable):
    """Time-outs, broken connections, 5xx: nothing is known about what happened at the other side.

    `replayed` tells that the vendor answered with the stored result of an earlier call under the same idempotency key.
    """

    def __init__(
        self, message: str, *, code: str = "", retry_after: float | None = None, replayed: bool = False
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.replayed = replayed


class RateLimited(Retryable):
    """429. `reason` is the vendor's own word for which limit it was, empty if it gave none, and `lock_timeout` where
    another call holds the object.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        retry_after: float | None = None,
        reason: str = "",
        replayed: bool = False,
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.reason = reason
        self.replayed = replayed


class NotReady(Retryable):
    """Something that we depend on has not arrived yet, or another worker is about to do it."""


class NotPolled(NotReady):
    """An app account was not polled since a person asked for what the run is of. `outage` names that: where it lasts,
    one of the runs that it keeps tries.
    """

    def __init__(self, message: str, app_account: str) -> None:
        super().__init__(message, code="not_polled")
        self.outage = f"{app_account} polls"


class ConnectionClosed(Retryable):
    """The key of `connection` was refused (401): nothing is sent, the run is parked until it is open again."""

    policy = PATIENT

    def __init__(self, connection: str, why: str) -> None:
        super().__init__(f"connection {connection} is closed: {why}", code="connection_closed")
        self.connection = connection


class Blocked(Retryable):
    """Only a change of `connection` lets the run go on, and the others are not held up by it: its key lacks a right or
    the vendor's quota is used up (403), or its secrets do not open.

    Of a 403 `operation` is what was refused and `fingerprint` with which key; both are empty for what the vendor was
    not asked about.
    """

    policy = PATIENT

    def __init__(
        self, connection: str, why: str, *, code: str = "blocked", operation: str = "", fingerprint: str = ""
    ) -> None:
        super().__init__(why, code=code)
        self.connection = connection
        self.operation = operation
        self.fingerprint = fingerprint


class QuotaUsed(Blocked):
    """As many objects stand there as the vendor lets stand: somebody asks it for more, and the run goes on then."""


OVERWRITES = "/overwrites"
"""What is put to a flow link's id to name its permission to overwrite at many first contacts."""


class Held(Retryable):
    """A person allows it first: parked at once and never given up on. It goes on when `blocker` is open, as the
    registry's `is_open` says.
    """

    policy = PATIENT

    def __init__(self, message: str, *, code: str, blocker: str) -> None:
        super().__init__(message, code=code)
        self.blocker = blocker


class FlowLinkOff(Held):
    """The flow link was switched off: it writes nothing, and its runs wait until it is on again."""

    def __init__(self, link: str) -> None:
        super().__init__(f"flow link {link} is off: the run goes on when it is on again", code="link_off", blocker=link)


class Paused(Held):
    """A person paused the import or replay, `noun`, that the event is of: it waits until that is resumed."""

    def __init__(self, noun: str, name: str) -> None:
        what = f"{noun} {name} is paused: this goes on after `tandem {noun}s resume {name}`"
        super().__init__(what, code="paused", blocker=name)


class OverwritesHeld(Held):
    """First contacts replaced filled values of `count` pairs within `window` seconds: a person confirms that first."""

    def __init__(self, link: str, count: int, window: float) -> None:
        super().__init__(
            f"first contact replaced filled values of {count} pairs within {window:g} s: look at what was written "
            f"(`tandem runs list`), then let it go on with `tandem flow-links confirm {link}`",
            code="confirm_overwrites",
            blocker=link + OVERWRITES,
        )


CANCELLED = "/cancelled"
"""What is put to the id of an import or replay to name that it is cancelled, which ends what waits of it."""
LINKED = "linked/"
"""Begins the name of a link that a run waits for: the relation and the entity's full ref follow."""


class NotLinked(Held):
    """An entity has no link of a relation yet: the run goes on as soon as it has one."""

    def __init__(self, message: str, relation: str, ref: str, *, code: str) -> None:
        super().__init__(message, code=code, blocker=f"{LINKED}{relation}/{ref}")


class Waiting(Retryable):
    """Only a change at the other side lets the run go on (an e-mail address is missing, say)."""

    policy = NEWS


class WaitingUntold(Waiting):
    """The change is one of another entity, or of a choice here, and no event of its own entity tells of it: it looks
    again after a minute, ten minutes, and then each hour.
    """

    policy = PATIENT


class Conflict(Waiting):
    """Linking would join what is already joined otherwise; `candidates` are the refs that a person chooses from, and
    `separable` tells that it is over, too, when the entity is declared to match none of them.
    """

    def __init__(
        self, message: str, *, code: str = "conflict", candidates: tuple[str, ...] = (), separable: bool = False
    ) -> None:
        super().__init__(message, code=code)
        self.candidates = candidates
        self.separable = separable


class Later(Retryable):
    """News of another entity may be on its way: parked at once, and looked at again after a minute."""

    policy = LATER


class Unsettled(Retryable):
    """A pair was written so often in so short a time that two sides may be fighting over it: parked at once."""

    policy = LATER


class Permanent(SyncError):
    """The same call will fail again: dead letter."""


class Malformed(Permanent):
    """A body does not fit its schema."""


class WrongOrigin(Permanent):
    """An event was not written by whom its type says, or names a connection of another account: never acted on."""


class Rejected(Permanent):
    """The vendor refused the call for what it says; `code` is the vendor's own, `status` the HTTP status, `param` the
    parameter that it names, if it does.
    """

    def __init__(
        self, message: str, *, code: str = "", status: int = 0, replayed: bool = False, param: str = ""
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.replayed = replayed
        self.param = param


class NotFound(Rejected):
    """The vendor does not know the object (404, `resource_missing`)."""


class KeyReused(Rejected):
    """The vendor knows the idempotency key with another body: the attempt is spent, absence must be proved."""


class AmountMismatch(Permanent):
    """Two sides that must be equal to the cent are not: nothing was done with it."""


class ChangedMore(Permanent):
    """A write at a vendor changed more than was asked for: it stands, and a person has to look at the rest."""


class Misconfigured(Permanent):
    """A setting is wrong, or a connection is unknown or unusable; `connection` is the one that must be mended."""

    def __init__(self, message: str, *, code: str = "", connection: str = "") -> None:
        super().__init__(message, code=code)
        self.connection = connection


class KeyRefused(Misconfigured):
    """401: the vendor does not know the key, or not any more. `fingerprint` tells which one."""

    def __init__(self, message: str, *, code: str = "", connection: str = "", fingerprint: str = "") -> None:
        super().__init__(message, code=code, connection=connection)
        self.fingerprint = fingerprint


class StopWorker(Exception):
    """The process must end without acknowledging what it holds: going on could lose an event."""


class UnreadableRecord(StopWorker):
    """A record on which decisions rest cannot be read. Whoever went on without it could do harm: make a double, say."""

    def __init__(self, topic: str, key: str, offset: int, error: Exception) -> None:
        why = " ".join(str(error).split())[:300]
        super().__init__(
            f"{topic}, offset {offset}: record {key} cannot be read ({why}). If a newer Tandem wrote it, update this "
            "service to that version; if not, append a record under the same key that can be read, or one without a "
            "value to remove it, then start again. Nothing has been skipped"
        )
        self.topic = topic
        self.key = key
        self.offset = offset
