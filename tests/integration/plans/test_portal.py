"""The public page of an offer: what is bought, a session or the link, what became of the payment; and whose it is."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import httpx
import msgspec
import pytest
from console.domains.plans.tokens import DAY
from console.portal.limits import SESSIONS

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_console import command
from tests.integration.plans.test_console import console as console
from tests.integration.plans.test_links import offer
from tests.stack.console import Console
from tests.stack.in_process import InProcess

HTTP_TOO_LATE, HTTP_NOWHERE, TOO_OFTEN = 410, 404, 429


class Portal:
    """A visitor who has the address of one offer."""

    def __init__(self, plans: Plans, console: Console) -> None:
        self._plans, self._console = plans, console
        self.here = ""

    async def ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        return await asyncio.to_thread(self._console.ask, method, path, **what)

    async def address(self, plan: str, account: str = ACCOUNT) -> str:
        """As the vendor's own portal gets it."""
        made = await self.ask("POST", f"/api/plans/{plan}/portal", json={"account": account})
        assert made.is_success, made.text
        self.here = made.json()["url"].partition("8401")[2]
        return self.here

    async def page(self, more: str = "") -> httpx.Response:
        return await self.ask("GET", f"{self.here}{more}")

    async def secret(self) -> str:
        """What the page's script does to open the checkout."""
        asked = await self.ask("POST", f"{self.here}/session")
        assert asked.is_success, asked.text
        await self._plans.tandem.work_off()
        # Which run it is follows from where the event stands in Kafka; the log in memory has other places.
        run = self._plans.tandem.runs(event_type="session_requested")[-1].id
        found = await self.ask("GET", f"{self.here}/state", params={"run": run})
        return str(found.json().get("client_secret") or "")

    async def state(self) -> str:
        return str((await self.ask("GET", f"{self.here}/state")).json()["state"])


@pytest.fixture
def portal(plans: Plans, console: Console) -> Portal:
    return Portal(plans, console)


async def test_a_customer_pays_in_the_page(plans: Plans, tandem: InProcess, portal: Portal) -> None:
    """Name, amount, our script and Stripe's; a session of the account's own customer; then that it is paid."""
    plan = plans.plan("Gold", rate="1049.5")
    await offer(plans, plan)
    await portal.address(plan)
    shown, secret = await portal.page(), await portal.secret()
    again = await portal.secret()
    [session] = plans.sessions()
    back = await portal.page("/done")
    plans.resolve(session["id"], "paid")
    await tandem.drain()
    paid, late = await portal.page(), await portal.ask("POST", f"{portal.here}/session")

    assert all(text in shown.text for text in ("Gold", "1,049.50 USD", "/js/v3/", plans.links()[0]["url"]))
    assert (secret, again) == (session["client_secret"], session["client_secret"])
    assert session["return_url"].endswith("/done")
    assert "being confirmed" in back.text
    assert ("Thank you" in paid.text, await portal.state(), late.status_code) == (True, "paid", 409)
    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]


async def test_a_payment_that_takes_days(plans: Plans, tandem: InProcess, portal: Portal) -> None:
    """Being confirmed, with nothing to pay a second time; open again once it has failed; then paid."""
    plan = plans.plan()
    await offer(plans, plan)
    await portal.address(plan)
    await portal.secret()
    plans.resolve(plans.sessions()[0]["id"], "unpaid")
    await tandem.drain()
    waiting, states = await portal.page(), [await portal.state()]
    plans.resolve(plans.sessions()[0]["id"], "async_failed")
    await tandem.drain()
    states.append(await portal.state())
    await portal.secret()
    plans.resolve(plans.sessions()[0]["id"], "paid")
    await tandem.drain()
    states.append(await portal.state())

    assert ("Your bank was asked" in waiting.text, "/js/v3/" in waiting.text) == (True, False)
    assert states == ["confirming", "open", "paid"]


async def test_without_a_stripe_customer_the_link_is_the_way(plans: Plans, tandem: InProcess, portal: Portal) -> None:
    """No script of Stripe's is loaded, and no host of Stripe's named."""
    for link in tandem.registry.links.values():
        if link.flow == "togai-account-to-stripe-customer":
            await tandem.log.append(
                tandem.topics.flow_links, link.id, msgspec.json.encode(msgspec.structs.replace(link, enabled=False))
            )
    tandem.account("late")
    await tandem.drain()
    assert tandem.pair(tandem.ref("late", "togai")) is None
    plan = plans.plan()
    run = await offer(plans, plan, "late")
    assert run.state == "succeeded"
    await portal.address(plan, "late")
    shown, asked = await portal.page(), await portal.ask("POST", f"{portal.here}/session")
    refused = await plans.ask_session(plan, "late")

    assert (plans.links()[0]["url"] in shown.text, "/js/v3/" in shown.text, asked.status_code) == (True, False, 409)
    assert ("frame-src 'none'" in shown.headers["content-security-policy"], refused.state) == (True, "skipped")
    assert "no Stripe customer" in refused.reason


async def test_a_token_opens_one_offer_until_its_time_is_over(
    plans: Plans, tandem: InProcess, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed one is none; a run of another offer gives nothing away."""
    first, second = plans.plan("First"), plans.plan("Second")
    await offer(plans, first)
    await offer(plans, second)
    theirs = await plans.ask_session(second)
    await portal.address(first)
    shown = await portal.page()
    state = await portal.ask("GET", f"{portal.here}/state", params={"run": theirs.id})
    forged = await portal.ask("GET", portal.here[:-6] + "AAAAAA")
    garbage = [await portal.ask("GET", f"/portal/{text}") for text in ("x", "%C3%A9", "a" * 5000)]
    clock = time.time() + 8 * DAY
    monkeypatch.setattr("console.domains.plans.tokens.time.time", lambda: clock)
    late = [await portal.page(), await portal.page("/state"), await portal.ask("POST", f"{portal.here}/session")]

    assert ("First" in shown.text, "Second" in shown.text, state.json()) == (True, False, {"state": "open"})
    assert {answer.status_code for answer in (forged, *garbage)} == {HTTP_NOWHERE}
    assert {answer.status_code for answer in late} == {HTTP_TOO_LATE}
    assert "has expired" in late[0].text


async def test_the_page_names_no_other_host(plans: Plans, tandem: InProcess, portal: Portal) -> None:
    """Our own and, beside it, the one where the checkout is; no script in the page itself."""
    plan = plans.plan("<b>Bold</b>")
    await offer(plans, plan)
    await portal.address(plan)
    shown = await portal.page()
    policy = dict(part.strip().split(" ", 1) for part in shown.headers["content-security-policy"].split(";"))
    origin = tandem.control.url

    assert policy["script-src"].split() == ["'self'", origin]
    assert (policy["frame-src"], policy["connect-src"].split()) == (origin, ["'self'", origin])
    assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
    assert all("src=" in found for found in re.findall(r"<script([^>]*)>", shown.text))
    assert ("&lt;b&gt;Bold" in shown.text, "<b>Bold" in shown.text) == (True, False)


async def test_the_address_by_command_and_in_the_offer(
    plans: Plans, tandem: InProcess, portal: Portal, capsys: pytest.CaptureFixture[str]
) -> None:
    """And none for what was never offered."""
    plan = plans.plan("Gold")
    await offer(plans, plan)
    await command("portal", plan, ACCOUNT)
    printed = capsys.readouterr().out.split()[0]
    [listed] = (await portal.ask("GET", f"/api/plans/{plan}")).json()["offered"]
    pages = [await portal.ask("GET", url.partition("8401")[2]) for url in (printed, listed["portal"])]
    unknown = await portal.ask("POST", f"/api/plans/{plan}/portal", json={"account": "nobody"})

    assert [("Gold" in page.text, page.status_code) for page in pages] == [(True, 200)] * 2
    assert (unknown.status_code, "tandem plans offer" in unknown.text) == (409, True)


async def test_sessions_are_asked_for_so_often_and_no_more(plans: Plans, tandem: InProcess, portal: Portal) -> None:
    """Each is an event, a run and calls to Stripe: one visitor uses up nothing of what others need."""
    first, second = plans.plan("First"), plans.plan("Second")
    for plan in (first, second):
        await offer(plans, plan)
    await portal.address(first)
    answers = [await portal.ask("POST", f"{portal.here}/session") for _ in range(SESSIONS + 1)]
    await portal.address(second)
    other = await portal.ask("POST", f"{portal.here}/session")

    assert [answer.status_code for answer in answers] == [202] * SESSIONS + [TOO_OFTEN]
    assert "Stripe's page" in answers[-1].json()["error"]["what_to_do"]
    assert other.status_code == 202


async def test_many_requests_hide_nothing_of_the_offer(
    plans: Plans, tandem: InProcess, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the address can load the page as often as he likes."""
    monkeypatch.setattr("console.domains.plans.queries.MOST_OFFER_RUNS", 3)
    plan = plans.plan("Gold")
    await offer(plans, plan)
    await portal.address(plan)
    secrets = {await portal.secret() for _ in range(4)}

    assert (len(secrets), "" in secrets, "Gold" in (await portal.page()).text) == (1, False, True)
