"""Claims of workers that died right after they had written them: what was begun comes to its end, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.identity import create_key, link_id
from shared.kafka.log import Log
from shared.linking.claims import now
from shared.linking.mappings import Claim, Mapping, encode

from tests.stack.processes import Stack, until
from tests.stack.tenants import TO_STRIPE, TO_TOGAI, Tenant

ACTIONS = {"stripe": "togai.customer.create", "togai": "stripe.customer.create"}
"""What is claimed for an entity of an app."""


@pytest.fixture(scope="module")
def mortal(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose only worker dies and comes again."""
    stack = asyncio.run(Stack.start(tmp_path_factory.mktemp("mortal"), kafka_bootstrap, workers=1))
    yield stack
    asyncio.run(stack.stop())


class Left:
    """A customer whose metadata names an account, made while no worker lived, and the claims that were left."""

    def __init__(self, tenant: Tenant, customer: str) -> None:
        self.tenant = tenant
        self.customer = customer
        self.refs = {
            "stripe": f"stripe:test:{tenant.stripe_account}/customer/{customer}",
            "togai": f"togai:test:{tenant.togai_org}/account/acme",
        }

    @classmethod
    async def make(cls, stack: Stack, *, named: bool, names: str = "acme") -> Left:
        """`named`: the account's Settings name the customer too. `names`: whom the customer's metadata name."""
        tenant = await Tenant.make(stack)
        await stack.children["worker-1"].kill()
        customer = await tenant.new_customer("Globex", "g@x.test", **{"metadata[togai_account_id]": names})
        setting = {"id": "StripeCustomerId", "name": "StripeCustomerId", "value": customer}
        more = {"dataType": "STRING", "namespace": "USER"}
        await tenant.new_account("acme", settings=[setting | more] if named else [])
        return cls(tenant, customer)

    async def claim(self, app: str, target: str = "", **body: Any) -> None:
        """What the dead worker wrote for the event of one side."""
        source, at = self.refs[app], timestamp(now())
        other = self.refs["stripe" if app == "togai" else "togai"].partition("/")[0]
        key = create_key(self.refs[app].partition("/")[0], ACTIONS[app], source, 1)
        claim = Claim(action=ACTIONS[app], key=key, body=body, attempt=1, opened_at=at, run=f"run_of_{app}")
        held = Mapping(
            id=link_id(source, "customer", other),
            relation="customer",
            state="claimed",
            source=source,
            target=target,
            at=at,
            run=claim.run,
            claim=claim,
        )
        settings = self.tenant.stack.settings()
        async with Log(settings) as kafka:
            await kafka.append(Topics(settings).mappings, held.id, encode(held))

    async def revive(self) -> None:
        """The worker's next life."""
        self.tenant.stack.launch_worker(1)
        await self.tenant.stack.workers_ready()

    async def states(self) -> dict[str, str]:
        """Of the records that both sides' events began."""
        found = {m["source"]: m["state"] for m in await self.tenant.mappings("acme", self.customer)}
        return {app: found[ref] for app, ref in self.refs.items() if ref in found}


@pytest.mark.parametrize(("first", "second"), [("stripe", "togai"), ("togai", "stripe")])
async def test_two_that_name_each_other_become_one_pair(mortal: Stack, first: str, second: str) -> None:
    """Each found the other's claim and took itself for its echo: nobody went on, and all that followed waited."""
    left = await Left.make(mortal, named=True)
    await left.claim(first, left.refs[second])
    await left.claim(second, left.refs[first])
    await left.revive()

    await left.tenant.mapping("acme")
    for entity in ("acme", left.customer):
        await left.tenant.settled(entity)
    [customer] = await left.tenant.stripe_customers()
    [account] = (await left.tenant.togai_state())["accounts"]

    assert await left.states() == {first: "linked", second: "withdrawn"}
    assert customer["metadata"] == {"togai_account_id": "acme", "togai_customer_id": account["customerId"]}
    assert await left.tenant.setting_of("acme") == left.customer


async def test_the_first_claim_holds_though_the_account_is_claimed_too(mortal: Stack) -> None:
    """The later claim knows of no customer yet: it is withdrawn, and none is made."""
    left = await Left.make(mortal, named=False)
    await left.claim("stripe", left.refs["togai"])
    await left.claim("togai", name="Customer c-acme", metadata={"togai_account_id": "acme"})
    await left.revive()

    await left.tenant.mapping("acme")
    for entity in ("acme", left.customer):
        await left.tenant.settled(entity)

    assert await left.states() == {"stripe": "linked", "togai": "withdrawn"}
    assert [c["id"] for c in await left.tenant.stripe_customers()] == [left.customer]


async def test_a_customer_that_a_person_named_so_is_no_echo(mortal: Stack) -> None:
    """The account gets the customer that was begun for it; the other one is shown, for a person to decide."""
    left = await Left.make(mortal, named=False)
    ids = {"togai_account_id": "acme", "togai_customer_id": "c-acme"}
    await left.claim("togai", name="Customer c-acme", metadata=ids)
    await left.claim("stripe", left.refs["togai"])
    await left.revive()

    await left.tenant.mapping("acme")
    await left.tenant.run(left.customer, "parked")
    conflicts: list[dict[str, Any]] = []

    async def shown() -> bool:
        # Now and then its run is looking again this moment, for news of the account came.
        conflicts[:] = await left.tenant.conflicts(left.customer)
        return bool(conflicts)

    await until(shown, "the conflict")
    [conflict] = conflicts

    assert "linked to another customer" in conflict["reason"]
    assert await left.states() == {"togai": "linked", "stripe": "withdrawn"}


async def test_an_open_claim_waits_while_its_flow_is_off(mortal: Stack) -> None:
    """Its run waits for Stripe with a claim: nothing is made until the flow is on again, and what came is counted."""
    tenant = await Tenant.make(mortal)
    fault = await tenant.fault("stripe", "error_before", {"operation": "customers.create"}, stored=False)
    await tenant.new_account("acme")
    await tenant.run("acme", "parked")
    await tenant.switch(TO_STRIPE, enabled=False)
    await tenant.stack.control("DELETE", f"/faults/{fault}")
    await tenant.new_account("beta")
    await tenant.run("beta", "missed")
    await tenant.parked_because("acme", "is off")
    made_while_off = await tenant.stripe_customers()
    [shown] = [link for link in await tenant.flow_links() if link["id"] == tenant.link_id(TO_STRIPE)]
    await tenant.switch(TO_STRIPE, enabled=True)
    linked = await tenant.mapping("acme")
    await tenant.settled("acme")

    assert made_while_off == []
    assert (shown["enabled"], shown["missed"]) == (False, 1)
    assert [c["id"] for c in await tenant.stripe_customers()] == [linked["stripe_id"]]
    assert await tenant.setting_of("acme") == linked["stripe_id"]


async def test_what_a_dead_worker_began_is_looked_up_while_its_flow_is_off(mortal: Stack) -> None:
    """Its event comes again, and the customer that was made is found; nothing is written until the flow is on."""
    tenant = await Tenant.make(mortal)
    fault = await tenant.fault("stripe", "hang_after", {"operation": "customers.create"}, times=1, seconds=8)
    await tenant.new_account("acme")
    await tenant.struck(fault)
    await tenant.switch(TO_STRIPE, enabled=False)
    await mortal.children["worker-1"].kill()
    mortal.launch_worker(1)
    await mortal.workers_ready()
    linked = await tenant.mapping("acme")
    await tenant.parked_because("acme", "is off")
    written_while_off = await tenant.setting_of("acme")
    await tenant.switch(TO_STRIPE, enabled=True)
    await tenant.settled("acme")

    assert written_while_off is None
    assert [c["id"] for c in await tenant.stripe_customers()] == [linked["stripe_id"]]
    assert await tenant.setting_of("acme") == linked["stripe_id"]


async def test_a_customer_that_was_made_before_a_person_named_another_is_shown(mortal: Stack) -> None:
    """It is linked, for nobody would look for it any more; the account's Settings say otherwise: a person decides."""
    tenant, named, linked = await made_and_another_named(mortal)
    shown = {conflict["reason"] for conflict in await tenant.conflicts("acme")}
    output = f"the Settings of account acme name {named}, it is linked to {linked['stripe_id']}"
    assert shown == {f"{output}: correct the setting or the link"}

    body = {"id": linked["id"], "reason": "It is.", "flow_link": tenant.link_id("links-by-hand")}
    await tenant.ask("POST", "/mappings/relink", **body, sides={"stripe": named})
    await tenant.mapping(named)
    await tenant.settled("acme")

    assert (await tenant.mapping("acme"))["stripe_id"] == named
    names = {c["id"]: c["metadata"].get("togai_account_id") for c in await tenant.stripe_customers()}
    assert names == {named: "acme", linked["stripe_id"]: None}


async def test_a_link_that_was_taken_back_is_not_written_again(mortal: Stack) -> None:
    """A run had still to write its id to the account's Settings when a person ended the pair."""
    tenant, _, linked = await made_and_another_named(mortal)

    body = {"id": linked["id"], "reason": "Neither.", "flow_link": tenant.link_id("links-by-hand")}
    await tenant.ask("POST", "/mappings/unlink", **body)
    await tenant.mapping("acme", "withdrawn")
    await tenant.settled("acme")

    assert await tenant.setting_of("acme") == ""
    assert "acme" not in {c["metadata"].get("togai_account_id") for c in await tenant.stripe_customers()}


async def made_and_another_named(stack: Stack) -> tuple[Tenant, str, dict[str, Any]]:
    """A worker died when a customer was made for an account, and a person wrote another one to the account's Settings.
    Returns that one and the pair, when the run of the account waits for a decision.
    """
    tenant = await Tenant.make(stack)
    await tenant.switch(TO_TOGAI, enabled=False)
    named = await tenant.new_customer()
    await tenant.run(named, "missed")
    fault = await tenant.fault("stripe", "hang_after", {"operation": "customers.create"}, times=1, seconds=8)
    await tenant.new_account("acme")
    await tenant.struck(fault)
    await stack.children["worker-1"].kill()
    setting = {"id": "StripeCustomerId", "name": "StripeCustomerId", "value": named, "dataType": "STRING"}
    of = {"namespace": "USER", "entityType": "ACCOUNT", "entityId": "acme"}
    await tenant.togai("POST", "/settings", json=setting | of)
    stack.launch_worker(1)
    await stack.workers_ready()
    linked = await tenant.mapping("acme")
    await tenant.run("acme", "parked")
    return tenant, named, linked


async def test_an_account_that_was_made_before_a_person_named_another_is_shown(mortal: Stack) -> None:
    """The same from the other side: what the person wrote to the customer's metadata stays."""
    tenant = await Tenant.make(mortal)
    await tenant.switch(TO_STRIPE, enabled=False)
    await tenant.new_account("acme")
    await tenant.run("acme", "missed")
    fault = await tenant.fault("togai", "hang_after", {"operation": "customers.create"}, times=1, seconds=8)
    customer = await tenant.new_customer()
    await tenant.struck(fault)
    await mortal.children["worker-1"].kill()
    await tenant.stripe("POST", f"/v1/customers/{customer}", data={"metadata[togai_account_id]": "acme"})
    mortal.launch_worker(1)
    await mortal.workers_ready()
    linked = await tenant.mapping(customer)

    async def checked_twice() -> bool:
        run = await tenant.run(customer, "parked", event_type="customer.created")
        return f"names account acme, it is linked to acc_{customer}" in run["reason"] and run["parked"] > 1

    await until(checked_twice, "a conflict that stays")
    assert linked["togai_account_id"] == f"acc_{customer}"
    [found] = await tenant.stripe_customers()
    assert found["metadata"] == {"togai_account_id": "acme"}


@pytest.mark.parametrize("app", ["stripe", "togai"])
async def test_a_link_that_became_a_conflict_is_free_for_a_person(mortal: Stack, app: str) -> None:
    """The metadata name another account, which a person corrects: the claim of the dead worker is in nobody's way."""
    left = await Left.make(mortal, named=True, names="nowhere")
    await left.claim(app, left.refs["togai" if app == "stripe" else "stripe"])
    await left.revive()
    await left.tenant.run("acme" if app == "togai" else left.customer, "parked")
    found = await left.states()
    ids = {"sides": {"togai": "acme", "stripe": left.customer}}
    by_hand = left.tenant.link_id("links-by-hand")
    await left.tenant.ask("POST", "/mappings/link", **ids, reason="They are one.", flow_link=by_hand)
    await left.tenant.run("acme", "succeeded", event_type="link_requested")

    assert found == {app: "withdrawn"}
    assert (await left.tenant.mapping("acme"))["rule"] == "manual"
    [customer] = await left.tenant.stripe_customers()
    assert customer["metadata"]["togai_account_id"] == "acme"
