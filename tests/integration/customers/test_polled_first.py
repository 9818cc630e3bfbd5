"""Whoever asks for an import, a replay or what was missed gets both sides as they are then: before something is made
the lists are polled, whatever the index knew.
"""

from __future__ import annotations

import pytest
from shared.flows.runs import decode_parked
from shared.key_states import KeyState, encode
from shared.runtime.records import PARKED_HEADER

from tests.integration.customers.test_first_contact import TO_TOGAI
from tests.stack.console import Console, succeeded
from tests.stack.imports import imported
from tests.stack.in_process import InProcess


def named_meanwhile(tandem: InProcess) -> tuple[str, str]:
    """A customer, and an account of another address whose Settings name it; no poll has seen either."""
    customer = tandem.customer(email="billing@x.test")
    account = tandem.account(primaryEmail="someone@else.test")
    tandem.name(account, customer)
    return customer, account


async def test_an_import_sees_a_setting_that_no_poll_has_seen(tandem: InProcess) -> None:
    """Its dry run too: nothing new is announced, and nothing is made beside the account."""
    customer, account = named_meanwhile(tandem)
    judged = (await imported(tandem, "customers", customer, dry_run=True))[customer]
    await imported(tandem, "customers", customer)

    assert (judged.state, tandem.ref(account, "togai") in judged.refs) == ("previewed", True)
    assert tandem.linked(customer).rule == "setting"
    assert tandem.organization() == [account]


async def test_what_was_missed_sees_it_too(tandem: InProcess, console: Console) -> None:
    """A customer that came while the flow link was off, and was named meanwhile."""
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer(email="billing@x.test")
    await tandem.drain()
    account = tandem.account(primaryEmail="someone@else.test")
    tandem.name(account, customer)
    await tandem.link(TO_TOGAI)
    await succeeded(console, "POST", f"/api/flow-links/{TO_TOGAI}/catch-up")
    await tandem.work_off()

    assert tandem.linked(customer).rule == "setting"
    assert tandem.organization() == [account]


async def test_an_import_of_accounts_sees_metadata_that_no_poll_has_seen(tandem: InProcess) -> None:
    """The other way round."""
    account = tandem.account(primaryEmail="someone@else.test")
    customer = tandem.customer(email="billing@x.test", **{"metadata[togai_account_id]": account})
    await imported(tandem, "accounts", account)

    assert tandem.linked(customer).rule == "metadata"
    assert [row["id"] for row in tandem.customers()] == [customer]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_of_twins_that_no_poll_has_seen_none_is_made(tandem: InProcess, *, dry_run: bool) -> None:
    """Their webhooks were lost: the import is the first that comes upon them."""
    twins = [tandem.customer(email="twin@x.test") for _ in range(2)]
    found = await imported(tandem, "customers", *twins, dry_run=dry_run)

    assert [found[twin].verdict for twin in twins] == ["same_email"] * 2
    assert tandem.organization() == []


async def test_without_a_poll_nothing_is_made(tandem: InProcess) -> None:
    """Nobody polls, for a while: the run waits, says for what, and goes on."""
    answer, customer = tandem.log.after.pop(tandem.topics.polls), tandem.customer()
    waits = (await imported(tandem, "customers", customer))[customer]
    [held] = tandem.parked[waits.aggregate]
    parked, made = decode_parked(held.headers[PARKED_HEADER]), tandem.organization()
    tandem.log.after[tandem.topics.polls] = answer
    await answer(tandem.log.on(tandem.topics.polls)[-1].value)
    await tandem.recheck()

    assert (waits.state, waits.problem and waits.problem.code, made) == ("parked", "not_polled", [])
    assert parked.outage == f"{tandem.ref('x', 'togai').partition('/')[0]} polls"  # one of such runs tries
    assert "is polled once more" in waits.reason
    assert tandem.pair(tandem.ref(customer)) is not None


@pytest.mark.parametrize("name", ["stripe", "togai"])
async def test_a_closed_connection_keeps_it_as_any_other_run(tandem: InProcess, name: str) -> None:
    """Its pollers wait for that too; the run goes on when it is open again, not some time later."""
    del tandem.log.after[tandem.topics.polls]
    customer, connection = tandem.customer(), tandem.registry.connections[name]
    closed = KeyState(connection=name, fingerprint=connection.fingerprint, state="refused", at="2100-01-01T00:00:00Z")
    await tandem.log.append(tandem.topics.key_states, closed.key, encode(closed))
    waits = (await imported(tandem, "customers", customer))[customer]

    assert (waits.state, waits.problem and waits.problem.error) == ("parked", "ConnectionClosed")
