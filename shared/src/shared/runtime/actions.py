"""What an action's implementation gets and gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from shared.connections import FlowLink
from shared.domains.flow import FlowStep
from shared.domains.model import Domain
from shared.domains.writes import FieldWrite
from shared.errors import FlowLinkOff, Misconfigured, NotFound, RateLimited, Rejected
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope
from shared.events.topics import Topics
from shared.flows.runs import Run, RunState, Step
from shared.identity import Ref, create_key
from shared.kafka.log import Log
from shared.linking.claims import Claims, Links
from shared.linking.dry_run import end_if_dry
from shared.linking.pair_writes import PairWrites
from shared.linking.pairs import Write
from shared.runtime.clients import Clients
from shared.runtime.known import Known
from shared.runtime.registry import Registry
from shared.settings import Settings


@dataclass(frozen=True)
class Result:
    """What an action did. `effect` is false if the other side was as it should be; `notes` say in words what was
    chosen, cut or found; `refs` are the entities that the run is found by.
    """

    output: BaseModel
    effect: bool
    notes: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()


class Ended(Exception):
    """An action found that nothing is left to do: the run ends here in `state`, for `reason`. `echo_of` is the run that
    wrote what its event tells.
    """

    def __init__(self, state: RunState, reason: str, refs: tuple[str, ...] = (), echo_of: str = "") -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason
        self.refs = refs
        self.echo_of = echo_of


@dataclass(frozen=True)
class Context:
    """One step of one run. `known` says whether the event may be taken as the present state: not after a wait, a
    replay, or where newer events of the same subject were folded into this one. `choices` are those of an import about
    its conflicts, and `met` the kinds that an action met and can mend. `just_read` is what an earlier step of the same
    attempt has read, by ref: as fresh as what an event shows.
    """

    run: Run
    link: FlowLink
    known: Known
    settings: Settings
    registry: Registry
    links: Links
    clients: Clients
    pairs: PairWrites
    log: Log
    topics: Topics
    domain: Domain
    step: FlowStep
    choices: Mapping[str, str] = field(default_factory=dict)
    just_read: dict[str, Any] = field(default_factory=dict)
    met: list[str] = field(default_factory=list)

    @property
    def writes(self) -> list[FieldWrite]:
        """What the step has written to a pair, in this try and in those before."""
        return [FieldWrite.model_validate(write) for write in self._record.writes]

    @property
    def _record(self) -> Step:
        return next(record for record in self.run.steps if record.id == self.step.id)

    def take_over(self, announced: Iterable[Write]) -> None:
        """Of the writes that were announced to a pair those of this run: the worker that did so may have died since."""
        for write in announced:
            if write.run == self.run.id:
                self._record.writes += [one for one in write.replaces if one not in self._record.writes]

    @contextmanager
    def writing(self, write: FieldWrite) -> Iterator[None]:
        """Around a call that replaces values: what stood there is in the run also where nobody sees the call's end, and
        where a later call of the step fails. What the vendor refuses was not written.
        """
        sent, writes = write.model_dump(mode="json"), self._record.writes
        if is_new := sent not in writes:
            writes.append(sent)
        try:
            yield
        except (Rejected, RateLimited, FlowLinkOff):
            if is_new:
                writes.remove(sent)
            raise

    @property
    def shows_present(self) -> bool:
        """Whether the event may be taken as the present state."""
        return self.known in (Known.PRESENT, Known.PRESENT_AGAIN)

    @property
    def is_first(self) -> bool:
        """Whether the event shows the present, and no worker can have begun it before."""
        return self.known is Known.PRESENT

    @property
    def began(self) -> datetime:
        """When the run was started."""
        return datetime.fromisoformat(self.run.started_at)

    def is_young(self, seconds: float) -> bool:
        """Whether the run was started less than so many seconds ago, stretched as all delays are."""
        age = (datetime.now(UTC) - self.began).total_seconds()
        return age < seconds * float(self.settings.delay_scale)

    @property
    def step_name(self) -> str:
        """Which step of which run."""
        return f"{self.run.id}/{self.step.id}"

    def step_key(self, app: str) -> str:
        """The idempotency key of what the step makes at an app."""
        return create_key(self.account(app), self.step.action, self.step_name, 1)

    @property
    def claims(self) -> Claims:
        """Claims and links of the domain's first relation."""
        return self.links.of(self.domain.relations[0].name)

    def claims_of(self, relation: str) -> Claims:
        """Those of another relation."""
        return self.links.of(relation)

    def account(self, app: str) -> str:
        """The app account of the link's connection to an app. Raises Misconfigured."""
        return self.registry.connection(self.connection(app)).app_account

    def ref(self, app: str, noun: str, entity: str) -> str:
        """An entity's canonical id at the link's app account."""
        return str(Ref(self.account(app), noun, entity))

    def is_own(self, refs: Iterable[str]) -> bool:
        """Whether all entities belong to the app accounts of the link's connections."""
        return {ref.partition("/")[0] for ref in refs} <= {self.account(app) for app in self.link.connections}

    def id_of(self, ref: str) -> str:
        """The vendor's id of an entity, for a call by the link's connection. Raises Ended for an entity of another app
        account: the same id may be somebody else there.
        """
        found = Ref.parse(ref)
        if found.account != self.account(found.app):
            raise Ended("skipped", f"{ref} is not at {self.account(found.app)}, which {self.link.id} works on", (ref,))
        return found.id

    async def client(self, app: str) -> Any:
        """The app's client for the step's connection. Raises Misconfigured or ConnectionClosed."""
        name = self.connection(app)
        if self.registry.connection(name).app != app:
            raise Misconfigured(f"connection {name} is none to {app}: link {self.link.flow} again", connection=name)
        return await self.clients.of(name)

    def option(self, name: str) -> str:
        """What the flow link has chosen; empty where its flow has no such option. Raises Misconfigured for a value that
        its flow does not have (any more).
        """
        flow = self.registry.flows[self.link.flow]
        if fault := flow.fault_of(self.link.options):
            raise Misconfigured(
                f"flow link {self.link.id}: {fault}. Set it with `tandem flow-links set {self.link.id}`"
            )
        return flow.chosen(self.link.options).get(name, "")

    async def send_event(self, topic: str, event: Envelope) -> None:
        """A further event, under its aggregate. A dry run ends here: whoever handles it would write."""
        end_if_dry("changed", f"an event {event.type} of {event.aggregate} would follow", event.aggregate)
        await self.log.append(topic, event.aggregate, envelopes.encode(event))

    @contextmanager
    def ends_if_unknown(self, ref: str) -> Iterator[None]:
        """Raises Ended for what an import named and its app does not know: no event of it will come."""
        try:
            yield
        except NotFound as error:
            if self.run.origin != "backfill":
                raise
            raise Ended("skipped", error.message, (ref,)) from error

    def leaves_out(self, kind: str) -> bool:
        """Whether the run is to end at a conflict of a kind that its action can mend itself."""
        self.met.append(kind)
        return self.choices.get(kind) == "leave_out"

    def connection(self, app: str) -> str:
        """Id of the connection that the step uses for an app. Raises Misconfigured."""
        return connection_of(self.link, self.step, app)


def connection_of(link: FlowLink, step: FlowStep, app: str) -> str:
    """Id of the connection that a step of a flow link uses for an app. Raises Misconfigured."""
    alias = step.connections.get(app, app)
    if alias not in link.connections:
        raise Misconfigured(f"flow link {link.id} has no connection {alias}: link the flow again")
    return link.connections[alias]


Implementation = Callable[[Context, Any], Awaitable[Result]]
"""An action: takes the context and its input model. Raises errors of shared.errors, or Ended."""
