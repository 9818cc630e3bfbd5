"""What a vendor refuses: that field is held back, a create waits for a correction, and nothing is sent for ever."""

from __future__ import annotations

import msgspec
from shared.flows.runs import decode_run
from shared.linking import mappings

from tests.integration.customers.conftest import Make
from tests.stack.in_process import InProcess


async def pair(tandem: InProcess) -> str:
    tandem.account()
    await tandem.drain()
    [customer] = tandem.customers()
    return str(customer["id"])


async def test_a_refused_field_does_not_hold_back_the_others(tandem: InProcess) -> None:
    """Stripe takes no address without a dot in its domain: the new street arrives, and no call is repeated."""
    customer = await pair(tandem)
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"primaryEmail": "x1@invalid"})
    tandem.call("togai", "PATCH", "/accounts/acme", json={"address": {"line1": "New 1"}})
    await tandem.drain()
    found, writes = tandem.stripe(customer), tandem.writes()
    tandem.call("togai", "PATCH", "/accounts/acme", json={"address": {"line1": "New 2"}})
    await tandem.drain()
    state = tandem.registry.pair_states.known(tandem.linked(customer))

    assert (found["email"], found["address"]["line1"]) == ("acme@example.test", "New 1")
    assert "Invalid email address: x1@invalid" in state.differences["email"].reason
    assert tandem.stripe(customer)["address"]["line1"] == "New 2"
    assert tandem.writes() == writes + 1 + 1, "one by hand, one of ours: the refused value was not sent again"
    assert tandem.letters() == []


async def test_a_refusal_ends_when_its_value_is_corrected(tandem: InProcess) -> None:
    """The difference goes with it."""
    customer = await pair(tandem)
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"primaryEmail": "x1@invalid"})
    await tandem.drain()
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"primaryEmail": "x1@valid.test"})
    await tandem.drain()

    assert tandem.stripe(customer)["email"] == "x1@valid.test"
    assert tandem.registry.pair_states.known(tandem.linked(customer)).differences == {}


async def test_togai_names_no_field_so_they_are_sent_one_by_one(tandem: InProcess) -> None:
    """What it takes arrives, what it refuses is shown with its text."""
    customer = tandem.customer()
    await tandem.drain()
    match = {"account": tandem.accounts["togai"]["id"], "operation": "customers.update"}
    with tandem.control.fault(app="togai", kind="error_before", match=match, status=422, times=2):
        tandem.change(customer, email="new@x.test", phone="+49 30 3", name="New Name")
        await tandem.drain()
    account = tandem.togai(f"acc_{customer}")
    [(field, shown)] = tandem.registry.pair_states.known(tandem.linked(customer)).differences.items()

    assert (account["address"]["phoneNumber"], account["customer"]["primaryEmail"]) == ("+49 30 3", "new@x.test")
    assert (field, account["customer"]["name"]) == ("name", "Globex")
    assert "Togai refused the value" in shown.reason
    assert tandem.letters() == []


async def test_a_key_that_does_not_fit_follows_when_another_one_is_removed(tandem: InProcess) -> None:
    """It is shown as refused until then, and nothing else has to change."""
    customer = await pair(tandem)
    tandem.change(customer, **{f"metadata[k{n}]": "x" for n in range(48)})
    await tandem.drain()
    tandem.call("togai", "PATCH", "/accounts/acme", json={"metadata": {"VATN": "DE1"}})
    await tandem.drain()
    shown = tandem.registry.pair_states.known(tandem.linked(customer)).differences["metadata.VATN"]
    tandem.change(customer, **{"metadata[k1]": ""})
    await tandem.drain()

    assert shown.refused
    assert "has as many: remove one, and VATN follows" in shown.reason
    assert tandem.stripe(customer)["metadata"]["VATN"] == "DE1"
    assert tandem.registry.pair_states.known(tandem.linked(customer)).differences == {}


async def test_a_country_that_togai_does_not_take_is_shown(tandem: InProcess) -> None:
    """The rest of the address arrives."""
    customer = tandem.customer(**{"address[line1]": "Ring 1", "address[country]": "Narnia"})
    await tandem.drain()
    tandem.change(customer, **{"address[line1]": "Ring 2"})
    await tandem.drain()
    shown = tandem.registry.pair_states.known(tandem.linked(customer)).differences["address"]

    assert tandem.togai(f"acc_{customer}")["address"] == {"line1": "Ring 2"}
    assert shown.reason == "'Narnia' is no country that Togai takes: it is left as it is there"


async def test_a_customer_with_fifty_keys_waits_and_ends_by_itself(tandem: InProcess) -> None:
    """The message names the limit and what Tandem adds; a retry makes no second customer."""
    keys = {f"metadata[k{n:02}]": "v" for n in range(50)}
    customer = tandem.customer(**keys)
    await tandem.drain()
    [run] = tandem.runs(tandem.ref(customer), "created")
    await tandem.recheck()
    waiting = tandem.runs(tandem.ref(customer), "created")
    tandem.change(customer, **{"metadata[k00]": "", "metadata[k01]": ""})
    await tandem.drain()

    assert run.state == "parked"
    assert "50 other metadata keys" in run.reason
    assert "togai_customer_id and togai_account_id" in run.reason
    assert len(waiting) == 1
    assert tandem.stripe(customer)["metadata"]["togai_account_id"] == f"acc_{customer}"
    assert len(tandem.control.call("GET", "/state", account=tandem.accounts["togai"]["id"])["accounts"]) == 1
    assert tandem.letters() == []


async def test_a_refused_creation_waits_for_the_correction(tandem: InProcess) -> None:
    """Which comes as a change of the account: its run goes on, and there is one customer."""
    tandem.account(primaryEmail="x1@invalid")
    await tandem.drain()
    [waiting] = tandem.runs(tandem.ref("acme", "togai"), "created")
    tandem.call("togai", "PATCH", "/accounts/acme", json={"primaryEmail": "x1@valid.test"})
    await tandem.drain()

    assert waiting.state == "parked"
    assert "Invalid email address: x1@invalid" in waiting.reason
    assert [customer["email"] for customer in tandem.customers()] == ["x1@valid.test"]
    assert tandem.letters() == []


async def test_what_a_webhook_and_a_poll_bring_waits_once(tandem: InProcess) -> None:
    """A new account is reported by both: one run waits for its correction, and ends by it."""
    account = tandem.account(primaryEmail="x1@invalid")
    tandem.reported(account)
    await tandem.work_off()
    await tandem.drain()
    runs = tandem.runs(tandem.ref(account, "togai"), "created")
    tandem.call("togai", "PATCH", f"/accounts/{account}", json={"primaryEmail": "x1@valid.test"})
    await tandem.drain()
    [customer] = tandem.customers()

    assert sorted(run.state for run in runs) == ["parked", "skipped"]
    assert customer["email"] == "x1@valid.test"
    assert {run.state for run in tandem.runs(tandem.ref(account, "togai"), "created")} == {"skipped", "succeeded"}


async def test_without_a_rule_for_the_currency_a_person_chooses(make: Make) -> None:
    """Togai never lets it change, so none is guessed; the choice stands in the customer's metadata."""
    tandem = await make(currency_by_country={"DE": "EUR"}, stripe_api_key="sk_test_x", togai_api_token="x")
    ruled = tandem.customer(**{"address[country]": "Germany"})
    customer = tandem.customer(**{"address[country]": "FR"})
    await tandem.drain()
    [waiting] = tandem.runs(tandem.ref(customer), "created")
    tandem.change(customer, **{"metadata[togai_invoice_currency]": "chf"})
    await tandem.drain()

    assert waiting.state == "parked"
    assert "togai_invoice_currency=EUR" in waiting.reason
    assert tandem.togai(f"acc_{ruled}")["invoiceCurrency"] == "EUR"
    assert tandem.togai(f"acc_{customer}")["invoiceCurrency"] == "CHF"


async def test_a_conflict_stays_one_while_it_is_checked_again(tandem: InProcess) -> None:
    """Every record of its run until it is over says so: it does not leave the list of conflicts for a moment."""
    await tandem.link("stripe-customer-to-togai-customer", enabled=False)
    for _ in range(2):
        tandem.customer(email="one@x.test")
    await tandem.drain()
    tandem.account(primaryEmail="one@x.test")
    await tandem.drain()
    await tandem.recheck()
    written = [decode_run(record.value) for record in tandem.log.on(tandem.topics.runs)]
    of_it = [run for run in written if run.aggregate == tandem.ref("acme", "togai") and "created" in run.event_type]
    first_conflict = next(n for n, run in enumerate(of_it) if run.problem)

    assert {run.state for run in of_it[first_conflict:]} == {"parked", "running"}
    assert {run.problem and run.problem.error for run in of_it[first_conflict:]} == {"Conflict"}


async def test_a_claim_of_any_age_is_sent_again_under_the_id_that_it_chose(tandem: InProcess) -> None:
    """Togai was away for a day: the derived account is no key that expires, so no proof of absence costs an attempt."""
    match = {"account": tandem.accounts["togai"]["id"], "method": "POST"}
    with tandem.control.fault(app="togai", kind="error_before", match=match):
        customer = tandem.customer()
        await tandem.drain()
    held = tandem.links.open_claim(tandem.ref(customer))
    assert held
    assert held.claim
    for place, record in enumerate(tandem.log.written):
        if record.topic == tandem.topics.mappings:
            old = msgspec.structs.replace(held.claim, opened_at="2026-01-01T00:00:00.000Z")
            value = mappings.encode(msgspec.structs.replace(held, claim=old))
            tandem.log.written[place] = record._replace(value=value)
    await tandem.restart()
    await tandem.recheck()
    [run] = tandem.runs(tandem.ref(customer), "created")

    assert (run.state, tandem.linked(customer).rule) == ("succeeded", "created")
    assert tandem.togai(f"acc_{customer}")["id"] == f"acc_{customer}"
