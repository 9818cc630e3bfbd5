"""Connections and flow links are changed by the command, and a running Tandem follows at once."""

from __future__ import annotations

import asyncio
from functools import partial

from console import manage
from console.http import own_machine
from cryptography.fernet import Fernet

from tests.stack import forked
from tests.stack.processes import until
from tests.stack.tenants import TO_STRIPE, Tenant


async def command(tenant: Tenant, *words: str, **env: str) -> tuple[int, str]:
    """Run `tandem` as a person does, against the tenant's Tandem."""
    done = await asyncio.to_thread(forked.run, "console.cli", *words, env=tenant.stack.environment() | env)
    return done.returncode, done.stdout + done.stderr


async def test_a_second_key_is_added_linked_and_removed(tenant: Tenant) -> None:
    """Its flow links go off with it; nothing is deleted at the vendor."""
    name, key = f"con_extra{tenant.name}", f"sk_test_extra{tenant.name}"
    made = await tenant.stack.control("POST", "/accounts", json={"app": "stripe", "key": key})

    code, output = await command(tenant, "connections", "add", "stripe", name, TANDEM_CONNECTION_KEY=key)
    assert code == 0, output
    assert made["id"] in output
    assert f"give it one with `tandem connections add stripe {name} --webhook-secret -`" in output
    assert "the next start makes one" not in output
    assert key not in output
    togai = f"con_t{tenant.name}"
    code, output = await command(
        tenant, "flow-links", "add", TO_STRIPE, "--connection", f"stripe={name}", "--connection", f"togai={togai}"
    )
    assert code == 0, output
    link = output.split()[0]
    await tenant.stack.knows_links(link)

    code, output = await command(tenant, "connections", "remove", name)
    assert code == 0, output
    assert link in output

    async def off() -> bool:
        links = (await tenant.stack.api("/flow-links"))["items"]
        return any(item["id"] == link and not item["enabled"] for item in links)

    await until(off, "the link is off")
    async with manage.config_store(tenant.stack.settings()) as config_store:
        assert config_store.registry.connections[name].sealed == ""

    code, output = await command(tenant, "connections", "add", "stripe", name, TANDEM_CONNECTION_KEY=key)
    assert f"Its flow link {link} is off; switch it on with `tandem flow-links enable {link}`." in output


async def test_a_second_link_of_a_flow_between_the_same_accounts_is_refused(tenant: Tenant) -> None:
    """By another key to the same account too: every event would run twice."""
    name = f"con_again{tenant.name}"
    key = (await tenant.stack.control("POST", "/keys", json={"account": tenant.stripe_account}))["key"]
    await command(tenant, "connections", "add", "stripe", name, TANDEM_CONNECTION_KEY=key)
    code, output = await command(
        tenant,
        "flow-links",
        "add",
        TO_STRIPE,
        "--connection",
        f"stripe={name}",
        "--connection",
        f"togai=con_t{tenant.name}",
    )

    assert code == 1
    assert "runs togai-account-to-stripe-customer between the same accounts and is there and on" in output


async def test_a_live_and_a_test_connection_are_never_linked(tenant: Tenant) -> None:
    """Design law 9, said in one line and without a traceback."""
    key = f"sk_live_{tenant.name}"
    await tenant.stack.control("POST", "/accounts", json={"app": "stripe", "key": key, "live": True})
    name = f"con_live{tenant.name}"
    code, output = await command(tenant, "connections", "add", "stripe", name, TANDEM_CONNECTION_KEY=key)
    assert code == 0, output

    togai = f"con_t{tenant.name}"
    code, output = await command(
        tenant, "flow-links", "add", TO_STRIPE, "--connection", f"stripe={name}", "--connection", f"togai={togai}"
    )

    assert code == 1
    assert "joins the live connection" in output
    assert "Traceback" not in output


async def test_togais_address_is_changed_without_a_gap(tenant: Tenant) -> None:
    """Both addresses are taken until the person finishes; then the new one alone."""
    name, former = f"con_t{tenant.name}", tenant.togai_hook(f"con_t{tenant.name}")
    code, output = await command(tenant, "connections", "renew-webhook", name)
    assert code == 0, output
    [newest] = [word for word in output.split() if "/webhooks/togai/" in word]

    async def answers(*expected: int) -> bool:
        async with own_machine() as http:
            found = [(await http.post(url, content=b'{"nothing": 1}')).status_code for url in (newest, former)]
        return found == list(expected)

    await until(partial(answers, 200, 200), "both addresses are taken")
    code, output = await command(tenant, "connections", "renew-webhook", name, "--finish")
    assert (code, "newest address alone" in output) == (0, True)
    await until(partial(answers, 200, 403), "the former address is refused")


async def test_stripes_address_holds_no_token(tenant: Tenant) -> None:
    """The command says where its secret is rolled."""
    code, output = await command(tenant, "connections", "renew-webhook", f"con_s{tenant.name}")

    assert (code, "roll the signing secret there" in output) == (1, True)


async def test_an_empty_signing_secret_is_not_kept(tenant: Tenant) -> None:
    """It would accept whatever anybody signs."""
    name, key = f"con_blank{tenant.name}", tenant.stripe_key

    code, output = await command(
        tenant, "connections", "add", "stripe", name, "--webhook-secret", "", TANDEM_CONNECTION_KEY=key
    )

    assert (code, f"signing secret of {name} is empty" in output) == (1, True)


async def test_a_wrong_key_is_not_kept(tenant: Tenant) -> None:
    """The vendor is asked before anything is written."""
    name = f"con_bad{tenant.name}"

    code, output = await command(tenant, "connections", "add", "stripe", name, TANDEM_CONNECTION_KEY="sk_test_nobody")

    assert code == 1
    assert "Invalid API Key" in output
    assert name not in str(await tenant.stack.api("/connections"))


async def test_a_key_of_another_account_does_not_replace_a_connections_key(tenant: Tenant) -> None:
    """Mappings belong to the account."""
    key = f"sk_test_other{tenant.name}"
    await tenant.stack.control("POST", "/accounts", json={"app": "stripe", "key": key})

    code, output = await command(
        tenant, "connections", "add", "stripe", f"con_s{tenant.name}", TANDEM_CONNECTION_KEY=key
    )

    assert code == 1
    assert "take another id for another account" in output


async def test_lost_encryption_keys_are_mended_by_connecting_again(tenant: Tenant) -> None:
    """The secrets are new; the address with its new token is printed, for Togai needs it."""
    name = f"con_t{tenant.name}"
    code, output = await command(
        tenant, "connections", "add", "togai", name,
        "--api-base", tenant.stack.url("sandbox", "/togai"), "--mode", "test",
        TANDEM_CONNECTION_KEY=tenant.togai_token, TANDEM_ENCRYPTION_KEYS=Fernet.generate_key().decode(),
    )  # fmt: skip

    assert code == 0, output
    assert f"/webhooks/togai/{name}/account.created/" in output
    assert tenant.togai_token not in output


async def test_the_list_shows_links(tenant: Tenant) -> None:
    """Which flows are on, for which connections."""
    code, output = await command(tenant, "flow-links", "list", "--json")

    assert code == 0, output
    assert f"con_s{tenant.name}" in output
