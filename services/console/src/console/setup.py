"""What stands before the first event: topics, the encryption key, connections from the environment, flow links.

Safe to run at every start: what is there and right stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx
import msgspec
from shared.connections import Connection, FlowLink, Vault, check_modes, encode, encryption_keys
from shared.domains import BUILT_IN
from shared.domains.flow import Flow
from shared.errors import Misconfigured, Unavailable
from shared.events.topics import Topics
from shared.flows.links import is_new, missing_links
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.polls import webhooks_come_in
from shared.runtime.admin import ensure_topics
from shared.runtime.registry import Registry
from shared.settings import Settings

from console import sources
from console.addresses import check_public_url
from console.connect import (
    STRIPE_CONNECTION,
    STRIPE_EVENTS,
    TOGAI_CONNECTION,
    Wanted,
    client_of,
    connect,
    known_key,
    known_secrets,
    webhook_address,
)
from console.manage import ConfigStore

TOGAI_EVENT_TITLE = "Account creation"
"""The event as Togai's own pages name it."""


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
    stripe, togai = settings.stripe_api_key.get_secret_value(), settings.togai_api_token.get_secret_value()
    if not stripe and not togai and not settings.sandboxed:
        raise Misconfigured(
            "TANDEM_SANDBOX is false and no key is set: set STRIPE_API_KEY and TOGAI_API_TOKEN (see .env.example), or "
            "take TANDEM_SANDBOX out for the sandbox"
        )
    if bool(stripe) != bool(togai):
        there, missing = ("STRIPE_API_KEY", "TOGAI_API_TOKEN") if stripe else ("TOGAI_API_TOKEN", "STRIPE_API_KEY")
        raise Misconfigured(
            f"{there} is set and {missing} is not: set both for the real systems (see .env.example), or neither for "
            "the sandbox, which never stands in for one side alone"
        )


async def prepare(settings: Settings, flows: Mapping[str, Flow] = BUILT_IN) -> Prepared:
    """Make everything ready, `flows` linked. Raises Misconfigured or Unavailable with what to do."""
    check_keys(settings)
    check_public_url(settings.public_url)
    mismatches = await ensure_topics(settings)
    vault = Vault(encryption_keys(settings, create=True))
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
    if settings.sandboxed and (togai := connections.get("togai")):
        await _subscribe(settings, togai, addresses["togai"])
    return Prepared(
        accounts=tuple(f"{c.app.title()} {c.app_account}" for c in connections.values()),
        addresses=tuple(f"{app.title()} calls {address}" for app, address in addresses.items()),
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
            found[wanted.app] = await connect(wanted, settings, records.vault, present)
    if stripe := found.get("stripe"):
        found["stripe"] = await _with_endpoint(stripe, settings, records.vault)
    return found


def _stays_removed(connection: Connection) -> str:
    return (
        f"connection {connection.id} was removed and stays so: `tandem connections add {connection.app} "
        f"{connection.id}` connects it again"
    )


def _wanted(settings: Settings) -> tuple[Wanted, Wanted]:
    sandboxed = settings.sandboxed
    tokens = tuple(token.get_secret_value() for token in settings.togai_webhook_tokens)
    return (
        Wanted(
            id=STRIPE_CONNECTION,
            app="stripe",
            key=known_key(settings, STRIPE_CONNECTION),
            api_base=settings.effective_stripe_api_base,
            webhook_secrets=known_secrets(settings, STRIPE_CONNECTION),
            title="Stripe" if not sandboxed else "Stripe (sandbox)",
        ),
        Wanted(
            id=TOGAI_CONNECTION,
            app="togai",
            key=known_key(settings, TOGAI_CONNECTION),
            api_base=settings.effective_togai_api_base,
            webhook_token=tokens[0] if tokens else "",
            former_webhook_tokens=tokens[1:],
            organization=settings.togai_organization,
            mode=settings.togai_mode or ("test" if sandboxed else None),
            title="Togai" if not sandboxed else "Togai (sandbox)",
        ),
    )


def _missing(settings: Settings, connections: Mapping[str, Connection], vault: Vault) -> list[str]:
    """What the real systems still need before events come, or before they come quickly."""
    if webhooks_come_in(settings):
        stripe = connections.get("stripe")
        if stripe is None or vault.open(stripe).webhook_secrets:
            return []
        return ["no signing secret: Stripe's webhooks are refused until STRIPE_WEBHOOK_SECRETS is set (see README)"]
    if settings.polling:
        return ["TANDEM_PUBLIC_URL is not set: no webhook comes in; everything works by polling, only slower"]
    return ["TANDEM_PUBLIC_URL is not set and TANDEM_POLLING is off: nothing comes in; set one of the two"]


def _new(links: Iterable[FlowLink], flows: Mapping[str, Flow]) -> list[str]:
    """Each flow that nobody has decided about yet, and the command that switches it on."""
    found = []
    for link in sorted(filter(is_new, links), key=lambda link: link.id):
        if flow := flows.get(link.flow):
            why = " (it moves money or sends e-mail)" if flow.starts_off else ""
            found.append(f"new and off: {flow.title}{why}; switch on with `tandem flow-links enable {link.id}`")
    return found


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


async def _with_endpoint(connection: Connection, settings: Settings, vault: Vault) -> Connection:
    """Make or adopt the webhook endpoint in the sandbox. At the real Stripe a person makes it (README)."""
    secrets = vault.open(connection)
    if not settings.sandboxed:
        return connection
    url = webhook_address(settings, connection, vault)
    wanted = Wanted(id=connection.id, app="stripe", key=secrets.api_key, api_base=connection.api_base)
    async with client_of(wanted, settings) as client:
        same = [endpoint for endpoint in await client.webhook_endpoints() if endpoint["url"] == url]
        if same and secrets.webhook_secrets:
            return connection
        for endpoint in same:
            await client.delete_webhook_endpoint(endpoint["id"])  # its secret was told once and nobody kept it
        made = await client.create_webhook_endpoint(url, STRIPE_EVENTS)
    secrets.webhook_secrets = [made["secret"]]
    return vault.seal(connection, secrets)


async def _subscribe(settings: Settings, togai: Connection, url: str) -> None:
    """Tell the sandbox's Togai where to send: at the real one a person does so in its pages (README)."""
    account = togai.app_account.split(":")[2]
    async with httpx.AsyncClient(base_url=settings.sandbox_url, timeout=settings.call_timeout) as http:
        try:
            present = (await http.get("/control/subscriptions", params={"account": account})).json()["subscriptions"]
            if any(s["url"] == url for s in present):
                return
            body = {"account": account, "event": TOGAI_EVENT_TITLE, "url": url}
            (await http.post("/control/subscriptions", json=body)).raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(f"the sandbox at {settings.sandbox_url} does not answer: {error!r}") from error
