"""Who belongs to whom: several accounts of one customer, several keys to one account, ids that people wrote by hand."""

from __future__ import annotations

from tests.integration.customers.test_changes import ended
from tests.integration.customers.test_first_contact import TO_STRIPE, TO_TOGAI
from tests.stack.in_process import InProcess

SETTING = {"id": "StripeCustomerId", "namespace": "USER", "name": "x", "dataType": "STRING"}


async def test_two_accounts_with_one_email_under_one_customer(tandem: InProcess) -> None:
    """Each gets a Stripe customer of its own: an e-mail address is no identity."""
    tandem.account("east", {"id": "acme"}, primaryEmail="same@acme.test")
    body = {"id": "west", "name": "West", "customerId": "acme", "primaryEmail": "same@acme.test", "address": {}}
    tandem.call("togai", "POST", "/accounts", json=body)
    await tandem.drain()
    found = {one["metadata"]["togai_account_id"]: one for one in tandem.customers()}

    assert len(tandem.customers()) == 2
    for account in ("east", "west"):
        pair = tandem.linked(found[account]["id"])
        assert set(pair.refs) == {tandem.ref(account, "togai"), tandem.ref(found[account]["id"])}
        assert found[account]["metadata"]["togai_customer_id"] == "acme"
    assert ended(tandem)


async def test_accounts_of_one_customer_share_an_address_and_each_gets_its_own(tandem: InProcess) -> None:
    """Siblings are no conflict, also where the address is the customer's and the second one comes later."""
    tandem.account("one", {"id": "c-one"})
    await tandem.drain()
    tandem.call("togai", "POST", "/accounts", json={"id": "two", "name": "Account two", "customerId": "c-one"})
    await tandem.drain()
    pairs = [tandem.pair(tandem.ref(account, "togai")) for account in ("one", "two")]

    assert len({pair.target for pair in pairs if pair}) == len(tandem.customers()) == 2
    assert {one["email"] for one in tandem.customers()} == {"one@example.test"}


async def test_an_account_that_togai_made_by_itself_is_linked_too(tandem: InProcess) -> None:
    """A customer without an account gets a first one from Togai, under Togai's own id."""
    body = {"id": "solo", "name": "Solo Inc", "primaryEmail": "s@solo.test", "address": {}}
    tandem.call("togai", "POST", "/customers", json=body)
    await tandem.drain()
    [account] = tandem.organization()
    [customer] = tandem.customers()

    assert set(tandem.linked(customer["id"]).refs) == {tandem.ref(account, "togai"), tandem.ref(customer["id"])}


async def test_an_account_that_names_a_stripe_customer_is_linked_not_doubled(tandem: InProcess) -> None:
    """Somebody, or Togai's own integration, had linked them before."""
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer(name="Old Inc", email="old@old.test")
    await tandem.drain()
    tandem.account("old", settings=[SETTING | {"value": customer}])
    await tandem.drain()
    [found] = tandem.customers()
    run = tandem.runs(tandem.ref("old", "togai"), "created")[-1]

    assert (found["id"], tandem.linked(customer).rule) == (customer, "setting")
    assert found["metadata"] == {"togai_customer_id": "c-old", "togai_account_id": "old"}
    assert found["name"] == "Customer old"
    assert run.state == "succeeded"
    assert any("linked" in note for step in run.steps for note in step.notes)


async def test_a_customer_whose_metadata_names_an_account_is_linked_not_doubled(tandem: InProcess) -> None:
    """The account's Settings learn of it."""
    await tandem.link(TO_STRIPE, enabled=False)
    tandem.account("old")
    await tandem.drain()
    await tandem.link(TO_STRIPE)
    customer = tandem.customer(name="Old Inc", email="old@old.test", **{"metadata[togai_account_id]": "old"})
    await tandem.drain()

    assert tandem.linked(customer).rule == "metadata"
    assert set(tandem.linked(customer).refs) == {tandem.ref("old", "togai"), tandem.ref(customer)}
    assert tandem.setting("old") == customer
    assert tandem.organization() == ["old"]
    assert [one["metadata"] for one in tandem.customers()] == [
        {"togai_customer_id": "c-old", "togai_account_id": "old"}
    ]


async def test_a_second_customer_that_names_a_linked_account_is_a_conflict(tandem: InProcess) -> None:
    """A Stripe customer copied with its metadata: a person decides, nothing is linked twice."""
    tandem.account()
    await tandem.drain()
    [first] = tandem.customers()
    copy = tandem.customer(name="Copy", **{"metadata[togai_account_id]": "acme"})
    await tandem.drain()
    run = tandem.runs(tandem.ref(copy), "created")[-1]
    pair = tandem.pair(tandem.ref("acme", "togai"))

    assert run.problem
    assert (run.state, run.problem.error) == ("parked", "Conflict")
    assert first["id"] in " ".join(run.problem.candidates)
    assert tandem.pair(tandem.ref(copy)) is None
    assert pair == tandem.linked(first["id"])


async def test_a_setting_that_names_an_unknown_customer_is_a_conflict_and_can_be_retried(tandem: InProcess) -> None:
    """After a person mends the setting, of which Togai tells nobody, the same run goes on when it looks again."""
    tandem.account(settings=[SETTING | {"value": "cus_gone"}])
    await tandem.drain()
    waiting = tandem.runs(tandem.ref("acme", "togai"), "created")[-1]
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer(name="Real", email="r@r.test")
    await tandem.drain()
    path = "/settings/setting.USER.StripeCustomerId.ACCOUNT.acme"
    tandem.call("togai", "PATCH", path, json={"value": customer})
    await tandem.recheck()
    after = tandem.runs(tandem.ref("acme", "togai"), "created")[-1]

    assert (waiting.state, "Stripe does not know" in waiting.reason) == ("parked", True)
    assert set(tandem.linked(customer).refs) == {tandem.ref("acme", "togai"), tandem.ref(customer)}
    assert (after.id, after.state) == (waiting.id, "succeeded")


async def test_a_customer_without_an_address_waits_and_goes_on_by_itself(tandem: InProcess) -> None:
    """When an address arrives the waiting run looks at the present state; no address is ever invented."""
    customer = tandem.customer(name="Silent", email="")
    await tandem.drain()
    [waiting] = tandem.runs(tandem.ref(customer), "created")
    made_before = tandem.organization()
    tandem.change(customer, email="now@silent.test", name="3M")
    await tandem.drain()
    [run] = tandem.runs(tandem.ref(customer), "created")
    found = tandem.togai(f"acc_{customer}")["customer"]

    assert (waiting.state, waiting.problem and waiting.problem.code, made_before) == ("parked", "no_email", [])
    assert (run.id, run.state) == (waiting.id, "succeeded")
    assert (found["primaryEmail"], found["name"]) == ("now@silent.test", f"3M ({customer})")


async def test_a_customer_deleted_before_it_is_linked_is_not_made(tandem: InProcess) -> None:
    """The event is old by the time it is worked on: the run looks at the present state."""
    customer = tandem.customer(name="Gone", email="")
    await tandem.drain()
    [waiting] = tandem.runs(tandem.ref(customer), "created")
    tandem.call("stripe", "DELETE", f"/v1/customers/{customer}")
    await tandem.drain()
    [run] = tandem.runs(tandem.ref(customer), "created")

    assert (waiting.state, run.state) == ("parked", "skipped")
    assert "deleted" in run.reason
    assert tandem.organization() == []
