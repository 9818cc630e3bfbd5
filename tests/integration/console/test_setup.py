"""Set-up of a home that an earlier Tandem made: what is new is added, what a person decided stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from console import manage
from console.setup import _wanted, prepare
from cryptography.fernet import Fernet
from pydantic import SecretStr
from shared.connections import FlowLink, Vault, encode, encryption_keys, flow_link_decoder
from shared.domains import BUILT_IN, aliases_of
from shared.domains.customers.flows import ACCOUNT_TO_CUSTOMER, CUSTOMER_CHANGES, CUSTOMER_TO_ACCOUNT
from shared.errors import Misconfigured
from shared.events.topics import Topics
from shared.flows.links import is_new, removed
from shared.kafka.log import Log
from shared.runtime.admin import ensure_topics
from shared.settings import Settings

from tests.stack.processes import Stack
from tests.stack.topics import records as in_topics

CONNECTIONS = {"stripe": "con_stripe", "togai": "con_togai"}


@pytest.fixture
async def sandbox(tmp_path: Path, kafka_bootstrap: str) -> AsyncIterator[Stack]:
    """The vendors alone; nothing of Tandem runs."""
    stack = Stack.bare(tmp_path, kafka_bootstrap)
    stack._launch("sandbox", "sandbox", "--port", str(stack.ports["sandbox"]), "--state", str(tmp_path / "sandbox"))
    await stack._ready("sandbox", "/healthz")
    yield stack
    await stack.stop()


async def test_a_home_with_the_first_two_flows_gets_the_others(sandbox: Stack) -> None:
    """At the next start, once, switched off: an update starts nothing. What a person switched off stays off."""
    settings = sandbox.settings()
    topics = Topics(settings)
    await ensure_topics(settings)
    first = FlowLink(id=f"link_{ACCOUNT_TO_CUSTOMER.id}", flow=ACCOUNT_TO_CUSTOMER.id, connections=CONNECTIONS)
    second = FlowLink(id=f"link_{CUSTOMER_TO_ACCOUNT.id}", flow=CUSTOMER_TO_ACCOUNT.id, connections=CONNECTIONS)
    off = msgspec.structs.replace(second, enabled=False, changed_at="2026-11-23T10:00:00.000Z")
    async with Log(settings) as log:
        for link in (first, second, off):
            await log.append(topics.flow_links, link.id, encode(link))

    prepared = await prepare(settings)
    written = await in_topics(settings, topics.flow_links)
    again = await prepare(settings)

    links = [flow_link_decoder.decode(record.value) for record in written]
    assert links[:3] == [first, second, off]
    assert sorted(link.flow for link in links[3:]) == sorted(BUILT_IN.keys() - {first.flow, second.flow})
    assert all(is_new(link) for link in links[3:])
    assert len(prepared.new) == len(links[3:])
    for link in links[3:]:
        assert any(f"`tandem flow-links enable {link.id}`" in sentence for sentence in prepared.new)
    assert len(await in_topics(settings, topics.flow_links)) == len(written)
    assert again == prepared
    assert prepared.sources[0].startswith("Stripe: webhooks come in; its list of events is read every 15 min")
    assert prepared.notes == ()


async def links_of(settings: Settings) -> list[FlowLink]:
    """Every record of the topic."""
    found = await in_topics(settings, Topics(settings).flow_links)
    return [flow_link_decoder.decode(record.value) for record in found]


async def test_what_a_person_decided_survives_every_start(sandbox: Stack) -> None:
    """A fresh home has all flows on but those that somebody has to choose, which it names; one that was switched off or
    removed stays so, and nothing is written again.
    """
    settings = sandbox.settings()
    prepared = await prepare(settings)
    first = await links_of(settings)
    at = "2026-11-23T10:00:00.000Z"
    off, gone = msgspec.structs.replace(first[0], enabled=False, changed_at=at), removed(first[1], at)
    async with Log(settings) as log:
        for link in (off, gone):
            await log.append(Topics(settings).flow_links, link.id, encode(link))
    await prepare(settings)

    chosen = {link.id for link in first if BUILT_IN[link.flow].opt_in}
    assert {link.id for link in first if not link.enabled} == chosen
    assert {text.rpartition(" ")[2].strip("`") for text in prepared.new} == chosen
    assert await links_of(settings) == [*first, off, gone]


@pytest.mark.parametrize("gone", ["con_stripe", "con_togai"])
async def test_a_connection_that_a_person_removed_stays_so(sandbox: Stack, gone: str) -> None:
    """Set-up goes on without it and says how to have it again; added again it works as before."""
    settings = sandbox.settings()
    await prepare(settings)
    _, off = await manage.remove_connection(settings, gone)
    without = await prepare(settings)
    async with manage.config_store(settings) as config_store:
        [wanted] = [wanted for wanted in _wanted(settings) if wanted.id == gone]
        states = {c.id: c.state for c in config_store.registry.connections.values()}
    made, links = await manage.add_connection(settings, wanted)
    again = await prepare(settings)

    assert states == {"con_stripe": "open", "con_togai": "open"} | {gone: "removed"}
    assert f"connection {gone} was removed and stays so: `tandem connections add {made.app} {gone}`" in without.notes[0]
    assert (len(without.accounts), len(without.addresses), len(without.sources)) == (1, 1, 1)
    its = {f"link_{flow.id}" for flow in BUILT_IN.values() if made.app in aliases_of(flow).values()}
    assert {link.id for link in links} == set(off) == its
    assert (len(again.accounts), again.notes) == (2, ())


async def test_only_links_that_can_be_switched_on_are_named_again(sandbox: Stack) -> None:
    """Both connections were removed: of the one that comes back, the links between the two have to wait."""
    settings = sandbox.settings(topic_prefix=f"{sandbox.prefix}both.")
    await prepare(settings)
    wanted = {each.id: each for each in _wanted(settings)}
    for name in ("con_stripe", "con_togai"):
        await manage.remove_connection(settings, name)
    named = [await manage.add_connection(settings, wanted[name]) for name in ("con_togai", "con_stripe")]
    first, second = ({link.flow for link in links} for _, links in named)

    assert first == {flow.id for flow in BUILT_IN.values() if set(aliases_of(flow).values()) == {"togai"}}
    assert second == {flow.id for flow in BUILT_IN.values() if "stripe" in aliases_of(flow).values()}


def with_keys(sandbox: Stack, **more: object) -> Settings:
    """As of somebody with keys of their own, to whom the sandbox is the vendors."""
    keys = {"stripe_api_key": "sk_test_sandbox", "togai_api_token": "togai_sandbox", "togai_mode": "test"}
    bases = {f"{app}_api_base": sandbox.url("sandbox", f"/{app}") for app in ("stripe", "togai")}
    return sandbox.settings(**(keys | bases | more))


async def test_a_flow_that_bills_starts_off_with_real_keys(sandbox: Stack) -> None:
    """On a fresh home too, and it says how to switch it on; with the sandbox it is part of what is shown."""
    billing = CUSTOMER_CHANGES.model_copy(update={"id": "bill-customers", "moves_money": True, "title": "Bills"})
    flows = {CUSTOMER_CHANGES.id: CUSTOMER_CHANGES, billing.id: billing}
    real = with_keys(sandbox, topic_prefix=f"{sandbox.prefix}real.")
    prepared, shown = await prepare(real, flows), await prepare(sandbox.settings(), flows)

    assert {link.flow: link.enabled for link in await links_of(real)} == {CUSTOMER_CHANGES.id: True, billing.id: False}
    assert prepared.new == (
        "new and off: Bills (it moves money or sends e-mail); switch on with "
        "`tandem flow-links enable link_bill-customers`",
    )
    assert all(link.enabled for link in await links_of(sandbox.settings()))
    assert shown.new == ()


async def test_what_is_a_choice_starts_off_in_the_sandbox_too(sandbox: Stack) -> None:
    """It would do once more, in another way, what a flow that is on does; and that is what is said of it."""
    changes = {"id": "charge-otherwise", "moves_money": True, "opt_in": True, "title": "Charges"}
    flow = CUSTOMER_CHANGES.model_copy(update=changes)
    settings = sandbox.settings(topic_prefix=f"{sandbox.prefix}choice.")
    prepared = await prepare(settings, {flow.id: flow})

    assert [link.enabled for link in await links_of(settings)] == [False]
    assert [text.partition(";")[0] for text in prepared.new] == [
        "new and off: Charges (it does in another way what a flow that is on does: your choice)"
    ]


async def test_a_live_key_beside_a_test_key_is_refused(sandbox: Stack) -> None:
    """No flow joins the two, and nothing was prepared that would do so at the next start."""
    await sandbox.control("POST", "/accounts", json={"app": "stripe", "key": "sk_live_x", "live": True})
    settings = with_keys(sandbox, stripe_api_key="sk_live_x")

    with pytest.raises(Misconfigured, match="joins the live connection con_stripe with the test connection con_togai"):
        await prepare(settings)
    assert await links_of(settings) == []


async def test_without_a_public_address_it_is_said_that_polling_does_it(sandbox: Stack) -> None:
    """Slower, and not broken: no signing secret is asked for, for no webhook can come."""
    alone = await prepare(with_keys(sandbox))
    nothing = await prepare(with_keys(sandbox, polling=False))
    public = await prepare(with_keys(sandbox, public_url="https://hooks.example.com"))

    assert alone.notes == (
        "TANDEM_PUBLIC_URL is not set: no webhook comes in; everything works by polling, only slower",
    )
    assert alone.sources == (
        "Stripe: TANDEM_PUBLIC_URL is not set, so its list of events is read every 15 s (test)",
        "Togai: changes are found by reading its lists every 60 s",
    )
    assert "nothing comes in" in nothing.notes[0]
    assert [note.partition(":")[0] for note in public.notes] == ["no signing secret"]


async def test_secrets_are_sealed_again_with_the_newest_key(sandbox: Stack) -> None:
    """After a rekey the former key opens nothing that is needed. On a Tandem of its own: it seals all connections."""
    settings = sandbox.settings()
    await prepare(settings)
    former, newest = encryption_keys(settings), Fernet.generate_key().decode()
    both = settings.model_copy(update={"encryption_keys": [SecretStr(key) for key in (newest, *former)]})
    only_new = settings.model_copy(update={"encryption_keys": [SecretStr(newest)]})
    sealed = await manage.rekey(both)
    async with manage.config_store(only_new) as config_store:
        opened = [Vault([newest]).open(connection) for connection in config_store.registry.connections.values()]

    assert sealed == len(opened) == 2
    assert {secrets.api_key for secrets in opened} == {"sk_test_sandbox", "togai_sandbox"}
