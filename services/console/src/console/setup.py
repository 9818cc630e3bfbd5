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
from shared.polls import webhooks_come_in
from shared.registry import Registry
from shared.settings import SANDBOX_STRIPE_KEY, SANDBOX_TOGAI_TOKEN, Settings
from shared.streaming.admin import ensure_topics
from shared.streaming.kafka import Log
from shared.streaming.replica import Replica

from console import sources
from console.addresses import check_public_url
from console.connect import STRIPE_EVENTS, TOGAI_EVENT, Wanted, connect, public_address, stripe_app
from console.manage import Books

STRIPE_CONNECTION = "con_stripe"
TOGAI_CONNECTION = "con_togai"
TOGAI_EVENT_TITLE = "Account creation"
"""The event as Togai's own pages name it."""


@dataclass(frozen=True)
class Prepared:
    """What is ready, for people: the addresses that the vendors must call, how else changes come in, what is not as it
    should be, and which flows are new and wait for somebody to switch them on.
    """

    stripe_account: str
    togai_account: str
    stripe_webhook: str
    togai_webhook: str
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    new: tuple[str, ...] = ()


def check_keys(settings: Settings) -> None:
    """Raises Misconfigured if only one side has a key: the sandbox never stands in for one side alone."""
    stripe, togai = settings.stripe_api_key.get_secret_value(), settings.togai_api_token.get_secret_value()
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
        made = [
            await connect(wanted, settings, vault, registry.connections.get(wanted.id)) for wanted in _wanted(settings)
        ]
        stripe, togai = made
        stripe = await _with_endpoint(stripe, settings, vault)
        known = registry.links | registry.removed_links
        links = missing_links(flows.values(), (stripe, togai), known, sandboxed=settings.sandboxed)
        for link in links:
            # Before anything is kept: the record of a refused key would stand in the way of the right one.
            check_modes(link, {c.id: c for c in (stripe, togai)})
        records = Books(kafka, topics, registry, vault)
        for connection in (stripe, togai):
            await _keep_connection(records, connection)
        for link in links:
            await kafka.append(topics.flow_links, link.id, encode(link))
        new = tuple(_new((registry.links | {link.id: link for link in links}).values(), flows))
    token = vault.open(togai).webhook_token
    prepared = Prepared(
        stripe_account=stripe.app_account,
        togai_account=togai.app_account,
        stripe_webhook=_stripe_address(settings),
        togai_webhook=f"{public_address(settings)}/webhooks/togai/{TOGAI_CONNECTION}/{TOGAI_EVENT}/{token}",
        sources=sources.sentences(settings, stripe.mode),
        notes=(*map(str, mismatches), *_missing(settings, stripe, vault)),
        new=new,
    )
    if settings.sandboxed:
        await _subscribe(settings, togai, prepared.togai_webhook)
    return prepared


def _wanted(settings: Settings) -> tuple[Wanted, Wanted]:
    sandboxed = settings.sandboxed
    return (
        Wanted(
            id=STRIPE_CONNECTION,
            app="stripe",
            key=settings.stripe_api_key.get_secret_value() or SANDBOX_STRIPE_KEY,
            api_base=settings.effective_stripe_api_base,
            webhook_secrets=tuple(s.get_secret_value() for s in settings.stripe_webhook_secrets),
            title="Stripe" if not sandboxed else "Stripe (sandbox)",
        ),
        Wanted(
            id=TOGAI_CONNECTION,
            app="togai",
            key=settings.togai_api_token.get_secret_value() or SANDBOX_TOGAI_TOKEN,
            api_base=settings.effective_togai_api_base,
            webhook_token=settings.togai_webhook_token.get_secret_value(),
            organization=settings.togai_organization,
            mode=settings.togai_mode or ("test" if sandboxed else None),
            title="Togai" if not sandboxed else "Togai (sandbox)",
        ),
    )


def _missing(settings: Settings, stripe: Connection, vault: Vault) -> list[str]:
    """What the real systems still need before events come, or before they come quickly."""
    if webhooks_come_in(settings):
        if vault.open(stripe).webhook_secrets:
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


def _stripe_address(settings: Settings) -> str:
    return f"{public_address(settings)}/webhooks/stripe/{STRIPE_CONNECTION}"


async def _keep_connection(records: Books, connection: Connection) -> None:
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
    url = _stripe_address(settings)
    wanted = Wanted(id=connection.id, app="stripe", key=secrets.api_key, api_base=connection.api_base)
    async with stripe_app(wanted, settings) as client:
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
