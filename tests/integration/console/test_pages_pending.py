"""The parts of the page that ask a person: conflicts with their form, differences, and what is read."""

from __future__ import annotations

import httpx
import pytest
from console.api.state import State
from shared.kafka.log import Log

from tests.integration.console import records
from tests.integration.console.records import STRIPE, TOGAI
from tests.integration.console.test_api import put
from tests.integration.console.test_links import asked

ACME, BETA = f"{TOGAI}/account/acme", f"{TOGAI}/account/beta"


@pytest.fixture
async def waiting(console: State, log: Log) -> State:
    """A console with one conflict: a free candidate, a linked one, and a customer with the same address beside it."""
    run = records.conflict("evt_1", ACME, BETA, f"{STRIPE}/customer/cus_2")
    held = records.mapping("held", target=BETA)
    await put(console, log, *records.both_connected(), records.by_hand(), run, held)
    return console


async def test_a_conflict_offers_its_candidates_in_a_form(waiting: State, api: httpx.AsyncClient) -> None:
    """Those of the other side can be chosen, with who holds them now; those beside it are only shown."""
    page = (await api.get("/conflicts")).text

    assert f'action="/conflicts/{records.conflict("evt_1").id}"' in page
    for choice in (ACME, BETA, "separate"):
        assert f'name="choice" value="{choice}"' in page, choice
    assert f'value="{STRIPE}/customer/cus_2"' not in page
    assert "Beside it: Stripe customer" in page
    assert "linked to cus_held now" in page
    assert "<code>tandem mappings link</code>" in page


@pytest.mark.parametrize(
    ("choice", "change", "account", "customer"),
    [
        (ACME, "link", "acme", "cus_evt_1"),
        (BETA, "relink", "beta", "cus_evt_1"),
        ("separate", "separate", "", "cus_evt_1"),
    ],
)
async def test_the_form_decides(
    waiting: State, api: httpx.AsyncClient, choice: str, change: str, account: str, customer: str
) -> None:
    """Without a script: post, then back to the page, and the request is in the log."""
    form = {"choice": choice, "reason": "seen on the contract", "id": "cus_evt_1"}
    answer = await api.post(f"/conflicts/{records.conflict('evt_1').id}", data=form)

    assert (answer.status_code, answer.headers["location"]) == (303, "/?id=cus_evt_1&done=decided")
    ((_, _, wanted),) = await asked(waiting)
    assert (wanted.change, wanted.togai_account_id, wanted.stripe_customer_id) == (change, account, customer)
    assert wanted.reason == "seen on the contract"
    assert "Your decision is in the log" in (await api.get(answer.headers["location"])).text


async def test_the_form_of_an_account_names_it_as_the_account(waiting: State, api: httpx.AsyncClient, log: Log) -> None:
    """The other way round: a Togai account chooses a customer."""
    run = records.conflict("evt_2", f"{STRIPE}/customer/cus_free", aggregate=ACME)
    await put(waiting, log, run)

    form = {"choice": f"{STRIPE}/customer/cus_free", "reason": "same tax number"}
    assert (await api.post(f"/conflicts/{run.id}", data=form)).status_code == 303

    ((_, _, wanted),) = await asked(waiting)
    assert (wanted.change, wanted.togai_account_id, wanted.stripe_customer_id) == ("link", "acme", "cus_free")


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"reason": "x"}, 400, "nothing was chosen"),
        ({"choice": f"{STRIPE}/customer/cus_2", "reason": "x"}, 400, "nothing was chosen"),
        ({"choice": f"{TOGAI}/account/not_offered", "reason": "x"}, 400, "nothing was chosen"),
        ({"choice": ACME, "reason": " "}, 400, "needs a reason"),
    ],
)
async def test_a_form_that_decides_nothing_is_explained(
    waiting: State, api: httpx.AsyncClient, form: dict[str, str], status: int, says: str
) -> None:
    """In a page, with what to do; nothing is appended."""
    answer = await api.post(f"/conflicts/{records.conflict('evt_1').id}", data=form)

    assert (answer.status_code, says in answer.text) == (status, True)
    assert await asked(waiting) == []


async def test_a_conflict_that_was_decided_meanwhile_is_none(waiting: State, api: httpx.AsyncClient, log: Log) -> None:
    """Somebody else was quicker: the page says so, and where to look."""
    await put(waiting, log, records.run("evt_1"))

    answer = await api.post(f"/conflicts/{records.conflict('evt_1').id}", data={"choice": ACME, "reason": "x"})

    assert (answer.status_code, "waits for no decision any more" in answer.text) == (409, True)
    assert "asks here and never guesses" in (await api.get("/conflicts")).text


async def test_differences_show_both_values_side_by_side(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """The owner's stands out; what a vendor wrote is text and no markup."""
    pair = records.mapping("n")
    name = records.difference(stripe='"<b>Acme</b>"')
    address = records.difference(owner="stripe", togai='{"city":"Paris"}', stripe="null")
    state = records.pair_state(pair, "togai", differences={"name": name, "address": address})
    await put(console, log, pair, state)

    page = (await api.get("/differences")).text

    assert "<b>Acme</b>" in page
    assert "&lt;b&gt;Acme&lt;/b&gt;" in page
    assert "{&#34;city&#34;: &#34;Paris&#34;}" in page
    assert "Stripe customer" in page
    assert "stands here with both values" in (await api.get("/", params={"id": "nobody"})).text


async def test_a_pair_without_its_stripe_customer_says_so(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """And one that a person kept separate is no link."""
    gone = records.mapping("gone", state="deleted", reason="cus_gone was deleted in Stripe")
    apart = records.mapping("apart", state="separate", target="", also=[], reason="another company")
    await put(console, log, gone, apart, records.mapping("n", match="ada@example.test"))

    page = (await api.get("/customers")).text
    shown = {i["id"]: i["shown_as"] for i in (await api.get("/api/mappings")).json()["items"]}

    assert "Stripe customer deleted" in page
    assert "separate by hand" in page
    assert "ada@example.test" not in page
    assert shown == {
        gone.id: "Stripe customer deleted",
        apart.id: "separate by hand",
        records.mapping("n").id: "linked",
    }
    assert 'Linked</a></dt><dd class="">1</dd>' in (await api.get("/")).text
