"""Signing in to an account's offers by a link that is mailed to the account's address, over a real mail server."""

from __future__ import annotations

import asyncio
import email
import re
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from email.message import EmailMessage
from email.policy import default

import httpx
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from console.portal.limits import ALL_ASKED, ASKED, WINDOW
from shared.domains.plans.sign_in import FLOW, GOOD_FOR

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_console import console as console
from tests.integration.plans.test_links import offer
from tests.stack.console import Console
from tests.stack.in_process import InProcess

EMAIL = f"{ACCOUNT}@example.test"
EXPIRED, NOWHERE, TOO_OFTEN = 410, 404, 429


class Postbox:
    """A mail server, and what it was given. `answers` are given instead of taking mails, one each."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []
        self.answers: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        mail = email.message_from_bytes(envelope.original_content or b"", _class=EmailMessage, policy=default)
        self.mails += [(to, mail.get_content()) for to in envelope.rcpt_tos]
        return "250 OK"

    def links(self) -> list[str]:
        """The paths of the links in all mails."""
        return [
            path for _, text in self.mails for path in re.findall(r"http://127.0.0.1:\d+(/portal/sign-in/\S+)", text)
        ]


@pytest.fixture
async def postbox(tandem: InProcess) -> AsyncIterator[Postbox]:
    """Where the worker's mails go."""
    box, loop = Postbox(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop), "127.0.0.1", 0)
    tandem.settings.sandbox_mail_port = server.sockets[0].getsockname()[1]
    yield box
    server.close()
    await server.wait_closed()


class Visitor:
    """Somebody with a browser and maybe a postbox."""

    def __init__(self, tandem: InProcess, console: Console) -> None:
        self._tandem, self._console = tandem, console

    async def get(self, path: str) -> httpx.Response:
        return await asyncio.to_thread(self._console.ask, "GET", path)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        return await asyncio.to_thread(self._console.ask, "POST", path, data=fields, follow_redirects=False)

    async def ask(self, address: str = EMAIL) -> httpx.Response:
        """Type an address, and let it be worked off."""
        answer = await self.post("/portal/sign-in", email=address)
        await self._tandem.work_off()
        return answer

    async def wait(self) -> None:
        """Until nothing that was asked for is looked at again."""
        async with asyncio.timeout(10):
            while any(not run.ended for run in self._tandem.runs(event_type="sign_in.requested")):
                await asyncio.sleep(0.1)
                await self._tandem.go_on_unchanged()
                await self._tandem.work_off()


@pytest.fixture
def visitor(tandem: InProcess, console: Console, postbox: Postbox) -> Visitor:
    return Visitor(tandem, console)


async def test_a_mailed_link_shows_the_accounts_offers(plans: Plans, visitor: Visitor, postbox: Postbox) -> None:
    """Open ones first, each with its own page. The address is known in any case, and stands in no event."""
    await offer(plans, plans.plan("Gold"))
    asked = await visitor.ask(EMAIL.upper())
    [link] = postbox.links()
    shown, entered = await visitor.get(link), await visitor.post(link)
    page = await visitor.get(entered.headers["location"])
    [one] = re.findall(r'href="http://127.0.0.1:\d+(/portal/[^"]+)"', page.text)
    [run] = plans.tandem.runs(event_type="sign_in.requested")

    assert "a mail with a link is on its way" in asked.text
    assert [to for to, _ in postbox.mails] == [EMAIL.upper()]
    assert ("Show my offers" in shown.text, entered.status_code) == (True, 303)
    assert ("Gold" in page.text, "49.00 USD" in page.text) == (True, True)
    assert "Gold" in (await visitor.get(one)).text
    assert (run.state, EMAIL.upper() in str(plans.tandem.log.written)) == ("succeeded", False)


async def test_a_link_is_used_once(plans: Plans, visitor: Visitor, postbox: Postbox) -> None:
    """Also by two at a time. To look at it uses nothing up: programs open what stands in a mail."""
    await visitor.ask()
    [link] = postbox.links()
    looks = [await visitor.get(link) for _ in range(3)]
    first, second = await visitor.post(link), await visitor.post(link)

    assert {look.status_code for look in looks} == {200}
    assert (first.status_code, second.status_code) == (303, EXPIRED)


async def test_a_link_expires(
    plans: Plans, visitor: Visitor, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 15 minutes; and an account's page an hour after the sign-in."""
    await visitor.ask()
    await visitor.ask()
    early, late = postbox.links()
    page = (await visitor.post(early)).headers["location"]
    now = time.time()
    monkeypatch.setattr("shared.sealed_addresses.time.time", lambda: now + GOOD_FOR + 1)
    expired = [await visitor.get(late), await visitor.post(late)]
    open_ = await visitor.get(page)
    monkeypatch.setattr("shared.sealed_addresses.time.time", lambda: now + 3601)

    assert [answer.status_code for answer in expired] == [EXPIRED] * 2
    assert (open_.status_code, (await visitor.get(page)).status_code) == (200, EXPIRED)


async def test_nobody_learns_who_has_an_account(plans: Plans, visitor: Visitor, postbox: Postbox) -> None:
    """The same page for an address that nobody has. At an account's former address there is no mail any more."""
    known, unknown = await visitor.ask(), await visitor.ask("nobody@example.test")
    plans.tandem.call("togai", "PATCH", f"/accounts/{ACCOUNT}", json={"primaryEmail": "new@example.test"})
    await visitor.ask()
    await visitor.wait()
    reasons = [run.reason for run in plans.tandem.runs(event_type="sign_in.requested")]

    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
    assert [to for to, _ in postbox.mails] == [EMAIL]
    assert reasons == ["", "no account has this address", "no account has this address"]


async def test_an_account_that_was_archived_just_now(visitor: Visitor, tandem: InProcess, postbox: Postbox) -> None:
    """The index does not know it yet, Togai does: nothing is sold to it, and no mail goes out."""
    tandem.call("togai", "DELETE", f"/accounts/{ACCOUNT}")
    await visitor.ask()
    await visitor.wait()

    assert postbox.mails == []


async def test_an_account_that_was_made_just_now(visitor: Visitor, tandem: InProcess, postbox: Postbox) -> None:
    """The pollers have not listed it yet: its mail goes out when they have."""
    tandem.settings.delay_scale = Decimal(1)  # it waits until the test says so, however slow the machine is
    tandem.account("new", primaryEmail="new@example.test")
    await visitor.ask("new@example.test")
    early = list(postbox.mails)
    await tandem.drain()
    await visitor.wait()

    assert (early, [to for to, _ in postbox.mails]) == ([], ["new@example.test"])


async def test_a_page_shows_nothing_of_another_account(
    plans: Plans, visitor: Visitor, tandem: InProcess, postbox: Postbox
) -> None:
    """One mail names every account of an address, with a link each."""
    tandem.account("other", primaryEmail=EMAIL)
    await tandem.drain()
    await offer(plans, plans.plan("Gold"))
    await offer(plans, plans.plan("Silver"), "other")
    await visitor.ask()
    pages = [await visitor.get((await visitor.post(link)).headers["location"]) for link in postbox.links()]

    assert len(postbox.mails) == 1
    assert [("Gold" in page.text, "Silver" in page.text) for page in pages] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Zoë & Söhne GmbH", True), ("See https://evil.example", False), ("Pay now:\nevil", False), ("x" * 81, False)],
)
async def test_a_name_is_no_message(
    visitor: Visitor, tandem: InProcess, postbox: Postbox, name: str, shown: bool
) -> None:
    """Whoever signs up chooses it, maybe with another's address: Tandem carries no mail for him."""
    tandem.account("named", name=name, primaryEmail="victim@example.test")
    await tandem.drain()
    await visitor.ask("victim@example.test")
    [(to, text)] = postbox.mails

    assert (to, name in text, "named" in text.splitlines()) == ("victim@example.test", shown, not shown)


async def test_no_postbox_is_filled(visitor: Visitor, postbox: Postbox) -> None:
    """Three mails in ten minutes to one address, whatever its capitals; others still get theirs."""
    answers = [await visitor.ask(one) for one in (EMAIL, EMAIL.upper(), EMAIL, EMAIL)]
    other = await visitor.ask("b@example.test")

    assert [answer.status_code for answer in answers] == [200] * ASKED + [TOO_OFTEN]
    assert (other.status_code, len(postbox.mails)) == (200, ASKED)
    assert ALL_ASKED / WINDOW <= 0.1


@pytest.mark.parametrize("address", ["", "nobody", "a@b.test\r\nBcc: c@d.test", "x" * 250 + "@b.test"])
async def test_what_is_no_address_is_refused(visitor: Visitor, postbox: Postbox, address: str) -> None:
    """At once, and nothing is asked of a worker."""
    answer = await visitor.ask(address)

    assert (answer.status_code, postbox.mails) == (400, [])


async def test_no_sign_in_without_its_flow(visitor: Visitor, tandem: InProcess, postbox: Postbox) -> None:
    """A person switches it on: it sends mail."""
    await tandem.link(FLOW.id, enabled=False)
    answers = [await visitor.get("/portal/sign-in"), await visitor.ask()]

    assert FLOW.starts_off
    assert [answer.status_code for answer in answers] == [NOWHERE] * 2


@pytest.mark.parametrize(
    ("word", "state"), [("451 try later", "parked"), ("554 no such user here", "dead")], ids=["later", "never"]
)
async def test_a_mail_server_that_refuses(
    visitor: Visitor, tandem: InProcess, postbox: Postbox, word: str, state: str
) -> None:
    """For now, and for good: the run says what it said."""
    postbox.answers = [word] * 20
    await visitor.ask()
    [run] = tandem.runs(event_type="sign_in.requested")
    postbox.answers = []
    await tandem.go_on_unchanged()
    await tandem.work_off()

    assert (run.state, word[4:] in run.reason) == (state, True)
    assert len(postbox.mails) == (1 if state == "parked" else 0)


@pytest.mark.parametrize("path", ["sign-in/x", "offers/x", "sign-in/" + "A" * 3000])
async def test_a_token_that_nobody_made(visitor: Visitor, path: str) -> None:
    """It opens nothing."""
    assert (await visitor.get(f"/portal/{path}")).status_code == NOWHERE
