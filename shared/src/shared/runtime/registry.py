"""What every worker knows at all times: connections, what the vendors say of their keys, flows, flow links, mappings,
the states of pairs and the index of entities, folded from compacted topics.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from pydantic import ValidationError

from shared import key_states, polls, reads
from shared.apps import APPS
from shared.connections import Connection, FlowLink, connection_decoder, flow_link_decoder
from shared.domains import BUILT_IN, BadFlow, check_flow, linked_kinds
from shared.domains.choices import write_choices
from shared.domains.flow import Flow
from shared.errors import CANCELLED, LINKED, OVERWRITES, Misconfigured, UnreadableRecord
from shared.events.envelope import check_version
from shared.events.topics import Topics
from shared.flows import imports, replays
from shared.flows.asked import Stops, Wanted
from shared.flows.dead_letters import StandingLetters
from shared.flows.links import is_removed
from shared.flows.runs import Run
from shared.identity import Ref
from shared.kafka.replica import Apply
from shared.key_states import KeyState, KeyStates
from shared.linking import index, mappings, pairs
from shared.linking.index import Entity, EntityIndex
from shared.linking.mapping_index import LinkIndex
from shared.linking.pairs import PairStates
from shared.polls import Poll, Polls, epoch
from shared.reads import Reads


class UnknownApp(ValueError):
    """A record of something that this version does not know."""


def flow_key(flow_id: str, version: int) -> str:
    """Key of the record of one version of a flow: those of former versions stay, for runs that began with them."""
    return f"{flow_id}@{version}"


class Registry:
    """In-memory state of the compacted topics. Give `folds` to a Replica.

    - `on_open` get each connection that is open again, has another key, or may do again what was refused to it,
      of each flow link that is on again, and of each import or replay that is resumed or cancelled.
    - `on_entity` get each entity of the index: as it was (None if unknown), and as it is.
    """

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}
        self.key_states = KeyStates()
        self.links: dict[str, FlowLink] = {}
        self.removed_links: dict[str, FlowLink] = {}
        self.flows: dict[str, Flow] = dict(BUILT_IN)
        self._versions: dict[str, Flow] = {}
        self.mappings = LinkIndex()
        self.pair_states = PairStates()
        self.index = EntityIndex(linked_kinds())
        self.polls = Polls()
        self.reads: dict[str, Reads] = {}
        self.letters = StandingLetters()
        self.imports = Stops(imports.decode, imports.ImportRequest)
        self.replays = Stops(replays.decode, replays.ReplayRequest)
        self.on_open: list[Callable[[str], None]] = []
        self.on_entity: list[Callable[[Entity | None, Entity], None]] = []

    def folds(
        self, topics: Topics, *, with_mappings: bool = True, with_index: bool = True, with_reads: bool = False
    ) -> dict[str, Apply]:
        """The folding functions by topic. Ingress does without the mappings, set-up without the index too.

        Ingress alone counts reads.

        They raise UnreadableRecord for what is no record of the topic, StopWorker for another major schema version.
        """
        takes: dict[str, Callable[[int, str, bytes], None]] = {
            topics.connections: self._connection,
            topics.key_states: self._key_state,
            topics.flow_links: self._link,
            topics.flows: self._flow,
        }
        if with_mappings:
            takes |= {topics.mappings: self._mapping, topics.pair_states: self._pair_state}
            takes[topics.dead_letters] = self.letters.apply
            takes |= {topics.imports: self._stop(self.imports), topics.replays: self._stop(self.replays)}
        if with_index:
            takes |= {topics.index: self._entity, topics.polls: self._poll}
        if with_reads:
            takes[topics.reads] = self._reads
        return {topic: self._fold(topic, take) for topic, take in takes.items()}

    def connection(self, connection_id: str) -> Connection:
        """Raises Misconfigured if there is none (any more)."""
        found = self.connections.get(connection_id)
        if found and found.state != "removed":
            return found
        why = (
            f"removed: `tandem connections add {found.app} {connection_id}` connects it again"
            if found
            else "unknown: add it with `tandem connections add`"
        )
        raise Misconfigured(f"connection {connection_id} is {why}", connection=connection_id)

    def not_indexed(self, app_account: str) -> list[Poll]:
        """The polls whose first full pass is still to end before the app account's index can be asked."""
        return self.polls.incomplete(app_account, APPS[app_account.partition(":")[0]].fills_index)

    def not_polled(self, app_account: str, since: float) -> list[Poll]:
        """The polls that fill the app account's index, and of which no pass has begun since a time (epoch seconds) and
        ended.
        """
        return self.polls.not_polled(app_account, APPS[app_account.partition(":")[0]].repeated, since)

    def awaits_poll(self, app_account: str) -> bool:
        """Whether a poll of an app account was requested just now, and has not ended."""
        return self.polls.is_awaited(app_account, APPS[app_account.partition(":")[0]].repeated, time.time())

    def asked_at(self, run: Run) -> float:
        """When a person asked for what a run is of, an import say, or last let it go on (epoch seconds)."""
        asked = self.imports.asked_at(run.cause) or self.replays.asked_at(run.cause)
        return epoch(asked or run.event_at)

    def _fold(self, topic: str, take: Callable[[int, str, bytes], None]) -> Apply:
        def fold(offset: int, key: str, value: bytes | None) -> None:
            if value is None:
                self._drop(key)
                return
            try:
                take(offset, key, value)
            except (msgspec.DecodeError, ValidationError, BadFlow, UnknownApp, RecursionError) as error:
                raise UnreadableRecord(topic, key, offset, error) from error

        return fold

    def _drop(self, key: str) -> None:
        for asked in (self.letters, self.imports, self.replays):
            asked.drop(key)
        for known in (self.connections, self.links, self.removed_links):
            known.pop(key, None)
        gone = self._versions.pop(key, None)
        if gone and self.flows.get(gone.id) is gone:
            del self.flows[gone.id]

    def _connection(self, _offset: int, key: str, value: bytes) -> None:
        connection = connection_decoder.decode(value)
        check_version(connection.schemaversion)
        if connection.app not in APPS:
            raise UnknownApp(f"connection {connection.id} is to {connection.app}")
        self.keep_connection(connection)

    def keep_connection(self, connection: Connection) -> None:
        """The newest state of a connection; in the log already."""
        before = self.connections.get(connection.id)
        self.connections[connection.id] = connection
        if before != connection:
            self._tell_opened(connection.id)

    def _key_state(self, _offset: int, _key: str, value: bytes) -> None:
        self.keep_key_state(key_states.decode(value))

    def keep_key_state(self, state: KeyState) -> None:
        """What a vendor said of a key; in the log already."""
        present = self.connections.get(state.connection)
        was_refused = present is not None and self.key_states.refusal(present, state.operation)
        self.key_states.apply(state)
        if was_refused and present and not self.key_states.refusal(present, state.operation):
            self._tell_opened(state.connection)

    def _tell_opened(self, connection_id: str) -> None:
        if self.is_open(connection_id):
            for tell in self.on_open:
                tell(connection_id)

    def is_open(self, name: str) -> bool:
        """Whether what a parked run waits for is there: a connection that is open, a flow link that is on, or one that
        may overwrite (`<link>/overwrites`), the link of an entity (`linked/<relation>/<ref>`), or an import or replay
        that goes on, or was cancelled (`<id>/cancelled`).
        """
        if name.startswith(LINKED):
            relation, _, ref = name.removeprefix(LINKED).partition("/")
            pair = self.mappings.of(relation).pair(ref)
            return pair is not None and pair.state == "linked"
        if wanted := self.wanted(name.removesuffix(CANCELLED)):
            return wanted == "cancel" if name.endswith(CANCELLED) else wanted != "pause"
        if found := self.connections.get(name):
            return found.state == "open" and self.key_states.refusal(found) is None
        link = self.links.get(name.removesuffix(OVERWRITES))
        if link is None or not name.endswith(OVERWRITES):
            return link is not None and link.enabled
        return self.may_overwrite(link, time.time())

    def wanted(self, asked: str) -> Wanted | None:
        """What a person wants of an import or replay, and of the events that it wrote; None if it is neither."""
        return self.imports.of(asked) or self.replays.of(asked)

    def import_beside(self, run: Run, choices: str) -> str:
        """Another import that the waiting run of an import may serve, too, for it asks for the same; empty for none."""
        entity = Ref.parse(run.aggregate).id
        found = (
            other.id
            for other in self.imports.beside(run.cause)
            if other.flow_link == run.flow_link and write_choices(other.choices) == choices
            if not other.ids or entity in other.ids
        )
        return next(found, "")

    def _stop(self, stops: Stops[Any, Any]) -> Callable[[int, str, bytes], None]:
        def take(_offset: int, _key: str, value: bytes) -> None:
            changed = stops.apply(value)
            names = (changed.id, changed.id + CANCELLED) if changed else ()
            for name in filter(self.is_open, names):
                for tell in self.on_open:
                    tell(name)

        return take

    def may_overwrite(self, link: FlowLink, now: float) -> bool:
        """Whether a person allowed first contacts to overwrite values of many pairs: one confirmation holds for every
        flow link between the same connections.
        """
        return any(other.overwrites_allowed(now) for other in self._beside(link))

    def _beside(self, link: FlowLink) -> list[FlowLink]:
        return [other for other in self.links.values() if other.connections == link.connections]

    def chosen(self, app_account: str, option: str) -> set[str]:
        """What the enabled flow links that work on an app account have set an option to."""
        own = {found.id for found in self.connections.values() if found.app_account == app_account}
        links = [link for link in self.links.values() if link.enabled and own & set(link.connections.values())]
        return {link.options[option] for link in links if option in link.options}

    def _link(self, _offset: int, key: str, value: bytes) -> None:
        link = flow_link_decoder.decode(value)
        check_version(link.schemaversion)
        here, gone = (self.removed_links, self.links) if is_removed(link) else (self.links, self.removed_links)
        before = self.links.get(key)
        gone.pop(key, None)
        here[key] = link
        if before != link:
            self._tell_open(link)

    def _tell_open(self, link: FlowLink) -> None:
        for name in (link.id, *(f"{other.id}{OVERWRITES}" for other in self._beside(link))):
            if self.is_open(name):
                for tell in self.on_open:
                    tell(name)

    def _flow(self, _offset: int, key: str, value: bytes) -> None:
        # A newer minor version may have added fields, which no flow of a person's may have.
        flow = Flow.model_validate_json(value, extra="ignore")
        check_version(flow.schemaversion)
        check_flow(flow)
        self._versions[flow_key(flow.id, flow.version)] = flow
        newest = self.flows.get(flow.id)
        if newest is None or newest.version <= flow.version:
            self.flows[flow.id] = flow

    def flow(self, flow_id: str, version: int) -> Flow | None:
        """A flow as it was when a run of it began. Of a built-in flow there is one version, that of the code."""
        return self._versions.get(flow_key(flow_id, version)) or self.flows.get(flow_id)

    def _mapping(self, offset: int, _key: str, value: bytes) -> None:
        mapping = mappings.decode(value)
        self.mappings.apply(offset, mapping)
        for ref in mapping.refs if mapping.state == "linked" else ():
            for tell in self.on_open:
                tell(f"{LINKED}{mapping.relation}/{ref}")

    def _pair_state(self, offset: int, key: str, value: bytes) -> None:
        state = pairs.decode(value)
        if state.side not in APPS:
            raise UnknownApp(f"pair state {key} is of {state.side}")
        self.pair_states.apply(offset, state)

    def _entity(self, _offset: int, _key: str, value: bytes) -> None:
        entity = index.decode(value)
        before = self.index.get(entity.ref)
        self.index.apply(entity)
        for tell in self.on_entity:
            tell(before, entity)

    def _poll(self, _offset: int, _key: str, value: bytes) -> None:
        self.polls.apply(polls.decode(value))

    def _reads(self, _offset: int, key: str, value: bytes) -> None:
        self.reads[key] = reads.decode(value)
