"""The page as it is served: complete without scripts, safe with what vendors write."""

from __future__ import annotations

import re

import httpx
from console.api.state import State
from shared.flows.runs import RunError
from shared.kafka.log import Log

from tests.integration.console import records
from tests.integration.console.test_api import put


async def test_the_page_lists_what_is_linked_and_what_ran(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Both ids of a pair, a run with its steps and notes, a dead letter with its buttons."""
    await put(console, log, records.mapping("m"), records.run("e"), records.dead_letter("d"))

    page = "".join([(await api.get(path)).text for path in ("/customers", "/mappings", "/runs", "/dead-letters")])

    for shown in ("cus_m", "acc_m", "togai_m", "currency EUR from the country DE", "Togai refused the currency"):
        assert shown in page, shown
    assert f'action="/dead-letters/{records.dead_letter("d").id}/retry"' in page
    assert 'src="http' not in page
    outside = {part.partition('"')[0] for part in page.split('href="http')[1:]}
    assert "s://dashboard.stripe.com/acct_1/test/customers/cus_m" in outside
    assert {link.partition("/test/")[0] for link in outside} == {"s://dashboard.stripe.com/acct_1"}


async def test_an_empty_page_says_what_to_do(api: httpx.AsyncClient) -> None:
    """Nothing is linked yet, and an id that nobody knows, each with the next step."""
    for path in ("/", "/customers", "/mappings"):
        assert "Make a customer in Stripe or an account in Togai" in (await api.get(path)).text, path
    assert "its event has not arrived" in (await api.get("/", params={"id": "nobody"})).text
    assert (await api.get("/status")).status_code == 200
    assert "/api/mappings" in (await api.get("/docs")).text


async def test_the_first_page_shows_the_state_of_all(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Problems with what to do, counts that lead to their lists, and what is not done yet; no list of its own."""
    await put(console, log, records.mapping("m"), records.run("e"), records.dead_letter("d"))

    page = (await api.get("/")).text

    assert "1 dead letter is open: see <code>tandem dead-letters list --state open</code>" in page
    assert '<a href="/mappings?state=linked">Linked</a></dt><dd class="">1</dd>' in page
    assert '<a href="/dead-letters">Open dead letters</a></dt><dd class="bad">1</dd>' in page
    assert "customer-sync" in page
    assert "acc_m" not in page
    assert "Last event: customer.created" in page


async def test_each_list_has_a_page_of_its_own(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """It pages, and is narrowed to a state; the head of each page leads to all others."""
    await put(console, log, *(records.run(f"e{n:02}", n) for n in range(55)), records.run("last", 59, state="dead"))
    head = (await api.get("/")).text

    for path in ("customers", "runs", "conflicts", "dead-letters", "differences", "mappings", "connections", "imports"):
        assert f'href="/{path}"' in head, path
        assert f'<a href="/{path}" aria-current="page">' in (await api.get(f"/{path}")).text, path
    assert (await api.get("/flow-links")).status_code == 200
    first = (await api.get("/runs")).text
    [older] = re.findall(r'<a href="(/runs[^"]*)">Older runs', first)
    rest = (await api.get(older.replace("&amp;", "&"))).text
    dead = (await api.get("/runs", params={"state": "dead"})).text
    shown = [[f"cus_e{n:02}" in page for page in (first, rest, dead)].index(True) for n in (54, 0)]

    assert shown == [0, 1]
    assert ("cus_last" in dead, "cus_e54" in dead) == (True, False)
    assert (await api.get("/nowhere")).status_code == 404


async def test_an_echo_is_folded_under_the_run_that_wrote(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """News that was Tandem's own write; what a person changed long after, or to another entity, stands by itself."""
    account = f"{records.TOGAI}/account/acc_e"
    wrote = records.run("e", 1)
    echo = records.run("echo", 9, state="in_sync", aggregate=account, refs=[account], event_type="account.created")
    late = records.run(
        "late", state="in_sync", aggregate=account, refs=[account], started_at="2026-11-23T12:00:00.000Z"
    )
    other = records.run("other", 9, state="in_sync")
    made = records.run("made", 9, state="skipped", echo_of=wrote.id)
    await put(console, log, wrote, echo, late, other, made)

    page = (await api.get("/runs")).text
    alone = (await api.get("/", params={"id": echo.id})).text
    asked = (await api.get("/runs", params={"state": "in_sync"})).text

    shown = (await api.get(f"/api/runs/{echo.id}")).json()
    items = (await api.get("/api/runs", params={"echoes": "false"})).json()["items"]

    assert (shown["echo_of"], [item["id"] for item in items]) == (wrote.id, [late.id, other.id, wrote.id])
    rows = re.findall(r'<tbody data-key="([^"]+)">', page)
    assert rows == [late.id, other.id, wrote.id]
    assert f'id="{wrote.id}-echoes"><summary>2 echoes' in page
    assert f'id="{wrote.id}-echoes" open><summary>1 echo' in alone
    assert f'<tbody data-key="{echo.id}">' in asked


async def test_what_a_vendor_wrote_is_text_and_no_markup(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """A customer's name can hold anything; the policy of the page forbids foreign scripts besides."""
    problem = RunError(error="Rejected", reason="<script>alert(1)</script>")
    await put(console, log, records.run("e", problem=problem))

    page = await api.get("/", params={"id": '"><script>alert(2)</script>'})
    whole = await api.get("/runs")

    assert "<script>alert" not in page.text + whole.text
    assert "&lt;script&gt;alert(1)" in whole.text
    assert "script-src 'self'" in whole.headers["content-security-policy"]


async def test_the_buttons_work_as_plain_forms(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Without a script: post, then back to the page; a discard without a reason is explained."""
    first, second = records.dead_letter("one"), records.dead_letter("two")
    await put(console, log, first, second)

    retried = await api.post(f"/dead-letters/{first.id}/retry", data={"id": "cus_one"})
    unexplained = await api.post(f"/dead-letters/{second.id}/discard", data={"reason": " "})
    discarded = await api.post(f"/dead-letters/{second.id}/discard", data={"reason": "not needed"})

    assert (retried.status_code, retried.headers["location"]) == (303, "/?id=cus_one&done=retried")
    assert (unexplained.status_code, "needs a reason" in unexplained.text) == (400, True)
    assert (discarded.status_code, discarded.headers["location"]) == (303, "/dead-letters?done=discarded")
    assert "Discarded for good." in (await api.get(discarded.headers["location"])).text
    assert (await api.get(f"/api/dead-letters/{second.id}")).json()["state"] == "discarded"
