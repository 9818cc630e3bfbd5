"""What stands before the first event: topics, the encryption key, connections from the environment, flow links.

Safe to run at every start: what is there and right stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec
from shared.apps import APPS
from shared.apps.connecting import Wanted
from shared.connections import Connection, FlowLink, Vault, check_modes, encode, encryption_keys, portal_keys
from shared.domains import BUILT_IN
from shared.domains.flow import Flow
from shared.errors import Misconfigured
from shared.events.topics import Topics
from shared.flows.links import is_new, missing_links
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.polls import webhooks_come_in
from shared.runtime.admin import ensure_topics
from shared.runtime.registry import Registry
from shared.settings import Settings

from console import sources
from console.addresses import check_public
from console.connect import client_of, connect, events_of, hooks_of, webhook_address
from console.manage import ConfigStore


@dataclass(frozen=True)
class Prepared:
    """What is ready, for people: the app accounts, the addresses that the vendors must call, how else changes come in,
    what is not as it should be, and which flows are new and wait for somebody to switch them on.
    """

    accounts: tuple[str, ...]
    addresses: tuple[str, ...]
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    new: tuple[str, ...] = ()


def check_keys(settings: Settings) -> None:
    """Raises Misconfigured if only one side has a key: the sandbox never stands in for one side alone."""
    connectors = [app.connector for app in APPS.values() if app.connector.key_variable]
    there = [each.key_variable for each in connectors if each.own_key(settings)]
    missing = [each.key_variable for each in connectors if not each.own_key(settings)]
    if not there and not settings.sandboxed:
        raise Misconfigured(
            f"TANDEM_SANDBOX is false and no key is set: set {' and '.join(missing)} (see .env.example), or "
            "take TANDEM_SANDBOX out for the sandbox"
        )
    if there and missing:
        raise Misconfigured(
            f"{there[0]} is set and {missing[0]} is not: set both for the real systems (see .env.example), or neither "
            "for the sandbox, which never stands in for one side alone"
        )


async def prepare(settings: Settings, flows: Mapping[str, Flow] = BUILT_IN) -> Prepared:
    """Make everything ready, `flows` linked. Raises Misconfigured or Unavailable with what to do."""
    check_keys(settings)
    check_public(settings)
    mismatches = await ensure_topics(settings)
    vault = Vault(encryption_keys(settings, create=True))
    portal_keys(settings, create=True)
    topics, registry = Topics(settings), Registry()
    folds = registry.folds(topics, with_mappings=False, with_index=False)
    async with Log(settings) as kafka, Replica(settings, folds) as replica:
        await replica.wait_ready()
        records = ConfigStore(kafka, topics, registry, vault)
        connections = await _connected(records, settings)
        known = registry.links | registry.removed_links
        links = missing_links(flows.values(), connections.values(), known, sandboxed=settings.sandboxed)
        for link in links:
            # Before anything is kept: the record of a refused key would stand in the way of the right one.
            check_modes(link, {c.id: c for c in connections.values()})
        for connection in connections.values():
            await _keep_connection(records, connection)
        for link in links:
            await kafka.append(topics.flow_links, link.id, encode(link))
        new = tuple(_new((registry.links | {link.id: link for link in links}).values(), flows))
        removed = tuple(c for c in registry.connections.values() if c.state == "removed")
    addresses = {app: webhook_address(settings, connection, vault) for app, connection in connections.items()}
    if settings.sandboxed:
        for app, connection in connections.items():
            await APPS[app].connector.subscribe(connection, settings, hooks_of(settings, connection, vault))
    return Prepared(
        accounts=tuple(f"{APPS[c.app].title} {c.app_account}" for c in connections.values()),
        addresses=tuple(f"{APPS[app].title} calls {address}" for app, address in addresses.items()),
        sources=sources.sentences(settings, {app: c.mode for app, c in connections.items()}),
        notes=(*map(str, mismatches), *map(_stays_removed, removed), *_missing(settings, connections, vault)),
        new=new,
    )


async def _connected(records: ConfigStore, settings: Settings) -> dict[str, Connection]:
    """The connections of the environment by app, after asking the vendors. One that a person removed stays so."""
    found: dict[str, Connection] = {}
    for wanted in _wanted(settings):
        present = records.registry.connections.get(wanted.id)
        if present is None or present.state != "removed":
            made = await connect(wanted, settings, records.vault, present)
            found[wanted.app] = await _registered(made, settings, records.vault) if settings.sandboxed else made
    return found


def _stays_removed(connection: Connection) -> str:
    return (
        f"connection {connection.id} was removed and stays so: `tandem connections add {connection.app} "
        f"{connection.id}` connects it again"
    )


def _wanted(settings: Settings) -> Iterator[Wanted]:
    for app in APPS.values():
        if wanted := app.connector.from_settings(settings):
            yield replace(wanted, title=f"{app.title} (sandbox)" if settings.sandboxed else app.title)


def _missing(settings: Settings, connections: Mapping[str, Connection], vault: Vault) -> list[str]:
    """What the real systems still need before events come, or before they come quickly."""
    if webhooks_come_in(settings):
        lacks = (APPS[app].connector.missing(vault.open(connection)) for app, connection in connections.items())
        return [text for text in lacks if text]
    if settings.polling:
        return ["TANDEM_PUBLIC_URL is not set: no webhook comes in; everything works by polling, only slower"]
    return ["TANDEM_PUBLIC_URL is not set and TANDEM_POLLING is off: nothing comes in; set one of the two"]


def _new(links: Iterable[FlowLink], flows: Mapping[str, Flow]) -> list[str]:
    """Each flow that nobody has decided about yet, and the command that switches it on."""
    found = []
    for link in sorted(filter(is_new, links), key=lambda link: link.id):
        if flow := flows.get(link.flow):
            found.append(
                f"new and off: {flow.title}{_why_off(flow)}; switch on with `tandem flow-links enable {link.id}`"
            )
    return found


def _why_off(flow: Flow) -> str:
    if flow.opt_in:
        return " (it does in another way what a flow that is on does: your choice)"
    return " (it moves money or sends e-mail)" if flow.starts_off else ""


async def _keep_connection(records: ConfigStore, connection: Connection) -> None:
    """Append the record if it differs from the one that stands; sealed secrets differ each time they are sealed."""
    present, vault = records.registry.connections.get(connection.id), records.vault
    await records.keep_good(connection)
    if present and vault.open(present) == vault.open(connection):
        same = msgspec.structs.replace(connection, sealed=present.sealed, changed_at=present.changed_at)
        if same == present:
            return
    if present and present.app_account != connection.app_account:
        raise Misconfigured(
            f"{connection.id} was connected to {present.app_account}, the key is of {connection.app_account}: mappings "
            "belong to the account. Use another TANDEM_HOME (or TANDEM_TOPIC_PREFIX) for another account"
        )
    await records.keep_connection(connection)


async def _registered(connection: Connection, settings: Settings, vault: Vault) -> Connection:
    """The sandbox sends webhooks. At the real vendor a person says where to (README)."""
    secrets, connector = vault.open(connection), APPS[connection.app].connector
    url = webhook_address(settings, connection, vault)
    wanted = Wanted(id=connection.id, app=connection.app, key=secrets.api_key, api_base=connection.api_base)
    async with client_of(wanted, settings) as client:
        registered = await connector.register(client, secrets, url, events_of(connection.app))
    return vault.seal(connection, registered)
