"""What an app is: everything about one vendor that the rest asks for by the app's name."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from shared.apps.connecting import Connector
from shared.apps.hooks import After, Before, nothing_after, nothing_before
from shared.apps.listing import ListedPage, Window
from shared.apps.polling import PollContext, Poller, PollSpec
from shared.apps.receiving import RawWebhook
from shared.apps.refused import RefusedReason
from shared.connections import Connection, Secrets
from shared.events.envelope import Envelope
from shared.identity import AppAccount
from shared.linking.index import Entity
from shared.polls import PollKind
from shared.ratelimit.quotas import Quota
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.ratelimit.gate import CallGate


READS = (".list", ".retrieve", ".get")
"""How the names of operations end that change nothing."""


def only_reads(operation: str) -> bool:
    """Whether an operation changes nothing at its vendor, by its name."""
    return operation.endswith(READS)


@dataclass(frozen=True)
class Access:
    """What a client needs to call one app account: whose key, the key, the address, and the gate before each call.

    `before` is called with each operation after it waited for its turn, and may raise; `after` when it succeeded.
    """

    connection: str
    app_account: str
    key: str
    api_base: str
    gate: CallGate
    before: Before = nothing_before
    after: After = nothing_after


class App(ABC):
    """A system that we talk to. Its package alone imports its vendor's libraries, and does so when it must."""

    name: ClassVar[str]
    title: ClassVar[str]
    connector: ClassVar[Connector] = Connector()
    """How a key becomes a connection."""

    secret_forms: ClassVar[Sequence[re.Pattern[str]]]
    """How its keys look, what signs its webhooks, and a token in its addresses: they are taken out of logs and records.
    What the first group of each matches is shown. A key after `Bearer` or `Basic` needs none.
    """

    polls: ClassVar[Sequence[PollSpec]] = ()
    """The lists that are polled."""

    remedies: ClassVar[Mapping[RefusedReason, str]] = {}
    """What a person does at the vendor about events that it sent to a connection they are not for."""

    keys_kept_for: ClassVar[timedelta | None] = None
    """How long the vendor surely knows an idempotency key: later its absence is proved before a create is sent again.
    None where it takes no keys: a create there chooses its id, or is an `UnkeyedCreation` (`runtime/creating.py`).
    """

    append_patience: ClassVar[float] = 1.0
    """By how much the deadline of an append is stretched for a webhook that the vendor may send only once."""

    def url(self, account: AppAccount, noun: str, entity: str) -> str:
        """Where a person sees an entity in the vendor's own pages; empty if nowhere that is known."""
        return ""

    def recognizes(self, noun: str, entity: str) -> bool:
        """Whether an id can only be one of this noun here: for what a person swapped by mistake."""
        return False

    def right_of(self, operation: str) -> str:
        """The right of a key that an operation needs, in the words of the vendor's own pages; empty if nobody knows."""
        return ""

    @abstractmethod
    async def receive(self, raw: RawWebhook, connection: Connection, secrets: Secrets) -> Envelope:
        """A webhook as an envelope. Raises Refused, NotOurs; reads no body that can be refused without it."""

    @abstractmethod
    def session(self, call_timeout: float) -> AbstractAsyncContextManager[Any]:
        """The HTTP connections of all clients of an event loop. `call_timeout` in seconds."""

    @abstractmethod
    def client(self, access: Access, session: Any) -> Any:
        """A client for one key. Its methods raise errors of `shared.errors` only, and name their operations by `READS`:
        any other is taken for a write, which a preview and a flow link that is off do not send.
        """

    @abstractmethod
    async def identify(self, client: Any) -> str:
        """The account behind a client's key, empty if the vendor does not tell: a harmless call. Raises KeyRefused."""

    @abstractmethod
    def quota(self, settings: Settings, mode: str) -> Quota:
        """What the vendor allows an account in a mode."""

    def reads_allowed(self, mode: str, payments: int) -> int | None:
        """How often an account may be read in 30 days in which it took so many payments; None where nobody counts."""
        return None

    def most(self, settings: Settings, noun: str) -> int:
        """How many entities of a kind the vendor lets an account have; 0 where there is no limit that is known."""
        return 0

    def poll_interval(self, spec: PollSpec, settings: Settings, mode: str) -> float:
        """Seconds between two polls of a list of an app account in a mode. An app with `polls` has it."""
        raise NotImplementedError

    def pollers_of(self, context: PollContext) -> Iterable[Poller]:
        """The loops at one app account: together they keep every poll of `polls`."""
        return ()

    async def list_page(self, client: Any, noun: str, window: Window, after: str) -> ListedPage:
        """A page of all entities of a kind that were made within a window, for imports; `after` is what the page before
        said of the next. An app of which something is imported has it.

        Raises the client's errors: Rejected also for an `after` that the vendor does not take any more.
        """
        raise NotImplementedError

    def entity_of(self, app_account: str, event_type: str, body: bytes) -> Entity | None:
        """What an event in the log shows of an entity of the index; None if nothing. Only asked where `by_event`."""
        return None

    def supersedes(self, new: Entity, known: Entity | None, *, ties: bool) -> bool:
        """Whether what an event shows replaces what the index has; `ties`: also if both are of the same moment."""
        return new != known

    def poll(self, kind: PollKind) -> PollSpec | None:
        """One of the polls; None for one that this version does not know."""
        return next((spec for spec in self.polls if spec.kind == kind), None)

    @property
    def fills_index(self) -> tuple[PollKind, ...]:
        """Kinds of polls that must have read their list once before the index tells that something is not there."""
        return tuple(spec.kind for spec in self.polls if spec.fills_index)

    @property
    def repeated(self) -> tuple[PollKind, ...]:
        """Those of them that are read again and again."""
        return tuple(spec.kind for spec in self.polls if spec.fills_index and not spec.ends)

    @property
    def lists_events(self) -> bool:
        """Whether a poll lists events under the ids that webhooks bring."""
        return any(spec.by_event for spec in self.polls)
