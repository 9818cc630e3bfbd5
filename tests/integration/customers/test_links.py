"""Links by address and by hand: never a guess, and what a person decides holds."""

from __future__ import annotations

from shared.linking import mappings

from tests.integration.customers.test_changes import ended
from tests.integration.customers.test_first_contact import TO_STRIPE, TO_TOGAI
from tests.stack.in_process import InProcess

SAME = "same@one.test"


async def made_before(tandem: InProcess, *customers: tuple[str, str]) -> list[str]:
    """Stripe customers that stand there unlinked and indexed: what was before the flows were switched on."""
    for flow in (TO_STRIPE, TO_TOGAI):
        await tandem.link(flow, enabled=False)
    made = [tandem.customer(name=name, email=email) for name, email in customers]
    await tandem.drain()
    return made


async def on(tandem: InProcess) -> None:
    for flow in (TO_STRIPE, TO_TOGAI):
        await tandem.link(flow)


def candidates(tandem: InProcess, account: str) -> set[str]:
    """Who is shown to choose from, for the runs of an account that wait."""
    waiting = [run for run in tandem.runs(tandem.ref(account, "togai")) if run.state == "parked"]
    shown = {frozenset(run.problem.candidates) for run in waiting if run.problem and run.problem.error == "Conflict"}
    [found] = shown or [frozenset()]
    return {ref.rpartition("/")[2] for ref in found}


async def test_one_unlinked_customer_with_the_address_is_linked(tandem: InProcess) -> None:
    """In any capitals; both get the other's id, and Togai's values hold."""
    [customer] = await made_before(tandem, ("Old Inc", "Same@One.TEST"))
    await on(tandem)
    tandem.account(primaryEmail=SAME)
    await tandem.drain()
    [found] = tandem.customers()

    assert (found["id"], tandem.linked(customer).rule) == (customer, "email")
    assert found["metadata"] == {"togai_account_id": "acme", "togai_customer_id": "c-acme"}
    assert found["name"] == "Customer acme"
    assert tandem.setting("acme") == customer


async def test_one_unlinked_account_with_the_address_is_linked(tandem: InProcess) -> None:
    """The other direction: a new Stripe customer finds the account."""
    await made_before(tandem)
    tandem.account(primaryEmail=SAME)
    await tandem.drain()
    await on(tandem)
    customer = tandem.customer(name="New Inc", email=SAME)
    await tandem.drain()
    pair = tandem.linked(customer)

    assert (set(pair.refs), pair.rule) == ({tandem.ref("acme", "togai"), tandem.ref(customer)}, "email")
    assert tandem.organization() == ["acme"]
    assert tandem.stripe(customer)["name"] == "Customer acme"


async def test_several_with_the_address_are_a_conflict_that_a_person_decides(tandem: InProcess) -> None:
    """Nothing is made; all candidates are shown, also who comes and goes later; the link lets the same run go on."""
    first, second = await made_before(tandem, ("One", SAME), ("Two", SAME))
    await on(tandem)
    tandem.account(primaryEmail=SAME)
    await tandem.drain()
    [waiting] = tandem.runs(tandem.ref("acme", "togai"), "created")
    shown, made = candidates(tandem, "acme"), len(tandem.customers())
    third = tandem.customer(name="Three", email=SAME)
    await tandem.drain()
    await tandem.recheck()
    with_third = candidates(tandem, "acme")
    tandem.call("stripe", "DELETE", f"/v1/customers/{third}")
    await tandem.drain()
    await tandem.recheck()
    without = candidates(tandem, "acme")
    tandem.by_hand("link", "acme", second)
    await tandem.recheck()
    after = next(run for run in tandem.runs(tandem.ref("acme", "togai"), "created") if run.id == waiting.id)

    assert (shown, made) == ({first, second}, 2)
    assert (with_third, without) == ({first, second, third}, {first, second})
    assert tandem.linked(second).rule == "manual"
    assert after.state in ("in_sync", "succeeded")
    assert candidates(tandem, "acme") == set()
    assert tandem.setting("acme") == second
    linked = {one["id"]: one["metadata"].get("togai_account_id") for one in tandem.customers()}
    assert linked == {first: None, second: "acme"}
    assert ended(tandem)


async def test_an_address_that_is_linked_already_is_a_conflict_and_separate_makes_its_own(tandem: InProcess) -> None:
    """Two firms of one owner, say: only a person knows."""
    customer = tandem.customer(name="First", email=SAME)
    await tandem.drain()
    other = tandem.customer(name="Second", email=SAME)
    await tandem.drain()
    waiting = tandem.runs(tandem.ref(other), "created")[-1]
    tandem.by_hand("separate", "", other)
    await tandem.drain()
    pair = tandem.linked(other)

    assert waiting.problem
    assert (waiting.problem.error, waiting.problem.candidates) == ("Conflict", [tandem.ref(f"acc_{customer}", "togai")])
    assert (pair.target, pair.rule) == (tandem.ref(f"acc_{other}", "togai"), "created")


async def test_a_wrong_link_is_mended_by_hand(tandem: InProcess) -> None:
    """Relink, unlink: the ids at the vendors follow, the next event goes on, the log keeps the reason."""
    tandem.account()
    await tandem.drain()
    [wrong] = [one["id"] for one in tandem.customers()]
    [right] = await made_before(tandem, ("Right", "right@x.test"))
    tandem.by_hand("relink", "acme", right)
    await tandem.drain()
    relinked, setting = tandem.linked(right), tandem.setting("acme")
    metadata = {one["id"]: one["metadata"].get("togai_account_id") for one in tandem.customers()}
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await tandem.drain()
    names = {one["id"]: one["name"] for one in tandem.customers()}
    tandem.by_hand("unlink", "acme", right, reason="no customer any more")
    await tandem.drain()
    written = [mappings.decode(record.value) for record in tandem.log.on(tandem.topics.mappings)]
    [ended_pair] = [link for link in written if link.state == "withdrawn" and "no customer any more" in link.reason]

    assert set(relinked.refs) == {tandem.ref("acme", "togai"), tandem.ref(right)}
    assert (metadata, setting) == ({wrong: None, right: "acme"}, right)
    assert (names[right], names[wrong]) == ("Acme II", "Customer acme")
    assert tandem.ref("acme", "togai") in ended_pair.refs
    assert tandem.pair(tandem.ref(right)) is None
    assert tandem.setting("acme") == ""
    assert "togai_account_id" not in tandem.stripe(right)["metadata"]


async def test_a_dead_link_gets_a_new_partner(tandem: InProcess) -> None:
    """The Stripe customer was deleted; another one takes its place."""
    tandem.account()
    await tandem.drain()
    [gone] = [one["id"] for one in tandem.customers()]
    tandem.call("stripe", "DELETE", f"/v1/customers/{gone}")
    await tandem.drain()
    dead = tandem.pair(tandem.ref("acme", "togai"))
    [new] = await made_before(tandem, ("New", "new@x.test"))
    tandem.by_hand("relink", "acme", new)
    await tandem.drain()
    pair = tandem.pair(tandem.ref("acme", "togai"))

    assert dead
    assert dead.state == "deleted"
    assert pair
    assert (pair.state, tandem.ref(new) in pair.refs) == ("linked", True)


async def test_settings_that_name_a_linked_customer_can_be_followed_by_a_relink(tandem: InProcess) -> None:
    """The conflict says to whom it is linked, and the customer is among what there is to choose from."""
    tandem.account("first")
    await tandem.drain()
    [customer] = [one["id"] for one in tandem.customers()]
    pair = tandem.linked(customer)
    await tandem.link(TO_STRIPE, enabled=False)
    tandem.account("second")
    tandem.name("second", customer)
    await tandem.link(TO_STRIPE)
    await tandem.drain()
    waits = tandem.runs(tandem.ref("second", "togai"), "created")[-1]
    tandem.by_hand("relink", "second", customer)
    await tandem.drain()

    assert waits.problem
    assert tandem.ref(customer) in waits.problem.candidates
    assert f"linked to account first: `tandem mappings relink {pair.id}`" in waits.reason
    assert set(tandem.linked(customer).refs) == {tandem.ref("second", "togai"), tandem.ref(customer)}
    assert candidates(tandem, "second") == set()


async def test_metadata_that_name_another_account_are_said(tandem: InProcess) -> None:
    """The link stands: what a person wrote there is neither followed nor overwritten, and the run says so."""
    customer = tandem.customer()
    await tandem.drain()
    tandem.change(customer, **{"metadata[togai_account_id]": "other"})
    await tandem.drain()
    run = tandem.runs(tandem.ref(customer), "updated")[-1]

    assert run.reason.startswith(f"its metadata name account other, and it stays linked to acc_{customer}")
    assert tandem.stripe(customer)["metadata"]["togai_account_id"] == "other"
