"""The page as it is served: complete without scripts, safe with what vendors write."""

from __future__ import annotations

import httpx
from console.api.state import State
from shared.flows.runs import RunError
from shared.kafka.log import Log

from tests.integration.console import records
from tests.integration.console.test_api import put


async def test_the_page_lists_what_is_linked_and_what_ran(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Both ids of a pair, a run with its steps and notes, a dead letter with its buttons."""
    await put(console, log, records.mapping("m"), records.run("e"), records.dead_letter("d"))

    page = (await api.get("/")).text

    for shown in ("cus_m", "acc_m", "togai_m", "currency EUR from the country DE", "Togai refused the currency"):
        assert shown in page, shown
    assert f'action="/dead-letters/{records.dead_letter("d").id}/retry"' in page
    assert 'src="http' not in page
    assert 'href="http' not in page


async def test_an_empty_page_says_what_to_do(api: httpx.AsyncClient) -> None:
    """Nothing is linked yet, and an id that nobody knows, each with the next step."""
    assert "Make a customer in Stripe or an account in Togai" in (await api.get("/")).text
    assert "its event has not arrived" in (await api.get("/", params={"id": "nobody"})).text
    assert (await api.get("/status")).status_code == 200
    assert "/api/mappings" in (await api.get("/docs")).text


async def test_what_a_vendor_wrote_is_text_and_no_markup(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """A customer's name can hold anything; the policy of the page forbids foreign scripts besides."""
    problem = RunError(error="Rejected", reason="<script>alert(1)</script>")
    await put(console, log, records.run("e", problem=problem))

    page = await api.get("/", params={"id": '"><script>alert(2)</script>'})
    whole = await api.get("/")

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
    assert discarded.status_code == 303
    assert (await api.get(f"/api/dead-letters/{second.id}")).json()["state"] == "discarded"
