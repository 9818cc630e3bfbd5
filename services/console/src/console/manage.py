"""Changing what is connected: connections added, removed, sealed again; flows linked. Speaks to Kafka itself.

Records are appended after the vendor and the present records have been asked, so that a wrong key never gets in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from shared.apps import APPS
from shared.apps.connecting import Wanted
from shared.connections import Connection, FlowLink, Vault, check_modes, encode, encryption_keys
from shared.domains import aliases_of
from shared.domains.flow import Flow
from shared.errors import Misconfigured
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.flows.links import competition, gone_connections, twin_of
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.key_states import good_again
from shared.runtime.registry import Registry
from shared.settings import Settings

from console.connect import connect
from console.connection_options import with_options
from console.local.probe import require_kafka
from shared import key_states

KAFKA_PATIENCE = 5.0
"""Seconds for Kafka to answer a command."""


@dataclass(frozen=True)
class ConfigStore:
    """The present records, and where new ones are written."""

    log: Log
    topics: Topics
    registry: Registry
    vault: Vault

    async def keep_connection(self, connection: Connection) -> None:
        """Append a connection's record."""
        await self.log.append(self.topics.connections, connection.id, encode(connection))

    async def keep_good(self, connection: Connection) -> None:
        """The vendor has just taken the key: what was refused to it is tried again at once."""
        for state in self.registry.key_states.refusals(connection):
            await self.log.append(self.topics.key_states, state.key, key_states.encode(good_again(state, _now())))

    async def keep_link(self, link: FlowLink) -> None:
        """Append a flow link's record."""
        await self.log.append(self.topics.flow_links, link.id, encode(link))

    def connection(self, connection_id: str) -> Connection:
        """Raises Misconfigured if there is none."""
        return self.registry.connection(connection_id)


@asynccontextmanager
async def config_store(settings: Settings) -> AsyncIterator[ConfigStore]:
    """Open the records as they are now. Raises Misconfigured without an encryption key, LocalError without Kafka."""
    await require_kafka(settings, KAFKA_PATIENCE)
    topics, registry = Topics(settings), Registry()
    folds = registry.folds(topics, with_mappings=False, with_index=False)
    async with Log(settings) as log, Replica(settings, folds) as replica:
        await replica.wait_ready()
        yield ConfigStore(log, topics, registry, Vault(encryption_keys(settings)))


async def add_connection(settings: Settings, wanted: Wanted) -> tuple[Connection, list[FlowLink]]:
    """Connect a key, or give a connection a new key of the same app account. Returns its flow links that are off and
    could be switched on, too.

    Raises Misconfigured for a wrong key, or one of another account than the connection's.
    """
    async with config_store(settings) as found:
        present = found.registry.connections.get(wanted.id)
        made = await connect(wanted, settings, found.vault, _readable(present, found.vault))
        if present and present.app_account != made.app_account:
            raise Misconfigured(
                f"{wanted.id} is (or was) connected to {present.app_account}, this key is of {made.app_account}: "
                "mappings belong to the account, so take another id for another account"
            )
        await found.keep_connection(made)
        await found.keep_good(made)
        links, known = found.registry.links.values(), found.registry.connections | {made.id: made}
        off = [link for link in links if wanted.id in link.connections.values() and not link.enabled]
        return made, [link for link in off if not gone_connections(link, known)]


def _readable(present: Connection | None, vault: Vault) -> Connection | None:
    """The record so far, None if its secrets cannot be opened any more: then all of them are asked for again."""
    try:
        if present:
            vault.open(present)
    except Misconfigured:
        return None
    return present


async def renew_webhook_token(settings: Settings, connection_id: str, *, finish: bool = False) -> Connection:
    """Make a new token for the address that the vendor calls. The former ones hold until `finish`, which makes none.

    Raises Misconfigured for an address without a token, and for a token that the environment sets.
    """
    async with config_store(settings) as found:
        connection = found.connection(connection_id)
        connector = APPS[connection.app].connector
        secrets = connector.renewed(found.vault.open(connection), connection_id, settings, finish=finish)
        renewed = found.vault.seal(msgspec.structs.replace(connection, changed_at=_now()), secrets)
        await found.keep_connection(renewed)
        return renewed


async def set_options(settings: Settings, connection_id: str, given: Sequence[str]) -> Connection:
    """Set `name=value` of a connection; an empty value takes a former one away. Raises Misconfigured."""
    async with config_store(settings) as found:
        changed = with_options(found.connection(connection_id), given, _now())
        await found.keep_connection(changed)
        return changed


async def remove_connection(settings: Settings, connection_id: str) -> tuple[Connection, list[str]]:
    """Switch off the connection and every flow link that uses it, and forget its secrets.

    Returns its record, which stays, and the links' ids. Raises Misconfigured.
    """
    async with config_store(settings) as found:
        connection = found.connection(connection_id)
        used = [link for link in found.registry.links.values() if connection_id in link.connections.values()]
        for link in used:
            await found.keep_link(msgspec.structs.replace(link, enabled=False, changed_at=_now()))
        gone = msgspec.structs.replace(connection, state="removed", sealed="", changed_at=_now())
        await found.keep_connection(gone)
        return gone, [link.id for link in used]


async def rekey(settings: Settings) -> int:
    """Seal every connection's secrets again with the newest key; the former keys can go then. Returns how many.

    Raises Misconfigured if a connection was sealed with a key that is not there any more; nothing is changed then.
    """
    async with config_store(settings) as found:
        used = [connection for connection in found.registry.connections.values() if connection.state != "removed"]
        again = [found.vault.reseal(connection) for connection in used]
        for connection in again:
            await found.keep_connection(connection)
        return len(again)


async def add_link(settings: Settings, flow_id: str, connections: dict[str, str]) -> tuple[FlowLink, str]:
    """Bind a flow to a connection for each of its apps, and switch it on. Returns the link, and what is to be said of
    others that have the same events.

    Raises Misconfigured for an unknown flow or connection, a missing or wrong app, or a live beside a test connection.
    """
    async with config_store(settings) as found:
        flow = found.registry.flows.get(flow_id)
        if flow is None:
            raise Misconfigured(f"no flow {flow_id}; there are: {', '.join(sorted(found.registry.flows))}")
        _check_apps(flow, connections, found.connection)
        link = FlowLink(
            id=f"link_{flow_id}_{'_'.join(connections[app] for app in sorted(connections))}",
            flow=flow_id,
            connections=connections,
            changed_at=_now(),
        )
        check_modes(link, found.registry.connections)
        if twin := twin_of(link, found.registry.links.values(), found.registry.connections):
            on = (
                "is there and on" if twin.enabled else f"is off: switch it on with `tandem flow-links enable {twin.id}`"
            )
            raise Misconfigured(
                f"flow link {twin.id} runs {flow_id} between the same accounts and {on}. A second one would run every "
                f"event twice: remove the first one (`tandem flow-links remove {twin.id}`) if you want this one instead"
            )
        await found.keep_link(link)
        return link, competition(link, found.registry.links.values(), found.registry.connections)


def _check_apps(flow: Flow, connections: dict[str, str], find: Callable[[str], Connection]) -> None:
    wanted = aliases_of(flow)
    if missing := wanted.keys() - connections.keys():
        raise Misconfigured(f"flow {flow.id} needs a connection to {', '.join(sorted(missing))}")
    for alias, connection_id in connections.items():
        app = wanted.get(alias, alias)
        if find(connection_id).app != app:
            raise Misconfigured(f"{connection_id} is no connection to {app}: see `tandem connections list`")


def _now() -> str:
    return timestamp(datetime.now(UTC))
