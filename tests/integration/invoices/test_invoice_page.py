"""The page of an invoice: its customer confirms a payment intent there, or pays it by another method, once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from console.portal.limits import SESSIONS
from cryptography.fernet import Fernet
from shared.domains.invoices.pages import DAY, GOOD_FOR, RENEWED, InvoicePages
from shared.flows.runs import Run
from shared.identity import Ref

from tests.contract.sandbox.tools import Control
from tests.integration.invoices.conftest import ACCOUNT, SERVICES, Invoices
from tests.integration.invoices.test_console import command
from tests.integration.invoices.test_intents import BACK, CHARGE, Intents
from tests.integration.invoices.test_intents import intents as intents
from tests.stack.console import Console, answering, succeeded
from tests.stack.in_process import InProcess, in_process

FORM = "togai-invoice-to-payment-form"
ASKS, PAYS, DECLINED, BANK = (
    "pm_card_authenticationRequired", "pm_card_visa", "pm_card_chargeCustomerFail", "pm_usBankAccount_success",
)  # fmt: skip
NOWHERE, TOO_LATE, NOT_NOW, TOO_OFTEN = 404, 410, 409, 429
LINK = "StripePaymentLink"
Json = dict[str, Any]


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """As in the other tests of invoices, with a key for pages."""
    key = Fernet.generate_key().decode()
    async with in_process(control, services=SERVICES, default_currency="USD", portal_keys=key) as made:
        made.account(ACCOUNT)
        await made.drain()
        yield made


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    with answering(tandem, tmp_path, monkeypatch) as made:
        yield made


class Visitor:
    """A customer who has the address of one invoice's page, and a browser."""

    def __init__(self, intents: Intents, console: Console) -> None:
        self.intents, self.tandem, self._console = intents, intents.tandem, console
        self.here = ""

    async def opens(self, invoice: str) -> None:
        """By the address that stands in Togai's Settings."""
        self.here = self.intents.invoices.settings(invoice)[LINK].partition("8401")[2]

    async def ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        return await asyncio.to_thread(self._console.ask, method, path, **what)

    async def page(self, more: str = "") -> httpx.Response:
        return await self.ask("GET", f"{self.here}{more}")

    async def state(self) -> str:
        return str((await self.ask("GET", f"{self.here}/state")).json()["state"])

    async def asked(self) -> Run:
        """What the page's script starts to show the form, as far as it comes."""
        asked = await self.ask("POST", f"{self.here}/session")
        assert asked.is_success, asked.text
        await self.tandem.work_off()
        return self.tandem.runs(event_type="payment_requested")[-1]

    async def secret(self) -> str:
        run = (await self.asked()).id
        found = await self.ask("GET", f"{self.here}/state", params={"run": run})
        return str(found.json().get("client_secret") or "")

    def confirms(self, secret: str, method: str) -> httpx.Response:
        """What Stripe.js does with it, with a publishable key."""
        url = f"{self.tandem.control.url}/stripe/v1/payment_intents/{secret.partition('_secret_')[0]}/confirm"
        given = {"key": "pk_test_sandbox", "client_secret": secret, "payment_method": method, "use_stripe_sdk": "true"}
        return httpx.post(url, data=given)

    def at_the_bank(self, secret: str, outcome: str) -> None:
        answer = httpx.post(f"{self.tandem.control.url}/authenticate/{secret}", data={"outcome": outcome})
        assert answer.is_success, answer.text

    def charges(self) -> list[str]:
        return sorted(str(charge["status"]) for charge in self.intents.all("charges"))


@pytest.fixture
def visitor(intents: Intents, console: Console) -> Visitor:
    return Visitor(intents, console)


async def unpaid(intents: Intents, visitor: Visitor, *amounts: str, method: str = ASKS) -> str:
    """An invoice whose off-session charge failed, and its page opened."""
    intents.method(method)
    invoice = await intents.invoices.generated(*(amounts or ("10",)))
    await visitor.opens(invoice)
    return invoice


async def test_a_customer_confirms_with_the_bank(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor
) -> None:
    """Number, amount, our scripts and Stripe's; the declined card again, with its bank; counted once, and all ends."""
    invoice = await unpaid(intents, visitor, "1049.50")
    shown, secret, [intent] = await visitor.page(), await visitor.secret(), intents.all()
    waited = intents.waits()
    waiting = visitor.confirms(secret, intent["last_payment_error"]["payment_method"]["id"]).json()
    visitor.at_the_bank(secret, "succeeded")
    back = await visitor.page("/done")
    await tandem.drain()
    paid, late = await visitor.page(), await visitor.ask("POST", f"{visitor.here}/session")

    number = invoices.togai(invoice)["sequenceId"]
    assert all(text in shown.text for text in (f"Invoice {number}", "1,049.50 USD", "/js/v3/", "assets/invoice.js"))
    assert f"frame-src {tandem.control.url}" in shown.headers["content-security-policy"]
    assert (secret, waiting["status"], waited) == (intent["client_secret"], "requires_action", "requires_action")
    assert "being confirmed" in back.text
    assert ("Thank you" in paid.text, "1,049.50 USD" in paid.text, "/js/v3/" in paid.text) == (True, True, False)
    assert (await visitor.state(), late.status_code) == ("paid", NOT_NOW)
    assert (invoices.payments(), intents.shown(invoice)) == ([(intent["id"], "1049.5")], ("PAID", ""))
    assert (intents.run().state, intents.run().reason, tandem.parked) == ("skipped", "it is paid already", {})
    assert (visitor.charges(), tandem.letters()) == (["failed", "succeeded"], [])


async def test_a_customer_pays_by_another_method(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor
) -> None:
    """After one that is declined there, too: by that the card on file is not tried again."""
    invoice = await unpaid(intents, visitor, method=DECLINED)
    secret = await visitor.secret()
    refused = visitor.confirms(secret, DECLINED)
    await tandem.drain()
    await tandem.recheck()
    tried, opened = visitor.charges(), await visitor.state()
    visitor.confirms(await visitor.secret(), PAYS)
    await tandem.drain()

    assert (refused.status_code, tried, opened) == (402, ["failed", "failed"], "open")
    assert (visitor.charges(), await visitor.state()) == (["failed", "failed", "succeeded"], "paid")
    assert ([amount for _, amount in invoices.payments()], intents.shown(invoice)) == (["10"], ("PAID", ""))


@pytest.mark.parametrize(("end", "state"), [("succeeded", "paid"), ("failed", "open")])
async def test_a_bank_debit_takes_days(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor, end: str, state: str
) -> None:
    """Being confirmed, with nothing to pay a second time."""
    await unpaid(intents, visitor)
    visitor.confirms(await visitor.secret(), BANK)
    await tandem.drain()
    waiting, states = await visitor.page(), [await visitor.state()]
    intents.end(end)
    await tandem.drain()
    states.append(await visitor.state())

    assert ("do not pay a second time" in waiting.text, "/js/v3/" in waiting.text) == (True, False)
    assert states == ["confirming", state]
    assert len(invoices.payments()) == (1 if end == "succeeded" else 0)


async def test_nothing_is_charged_while_a_customer_is_at_the_bank(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor
) -> None:
    """Another default method, an update in Togai: the customer's own attempt goes on."""
    invoice = await unpaid(intents, visitor)
    secret = await visitor.secret()
    visitor.confirms(secret, ASKS)
    intents.method(PAYS)
    await invoices.bring(invoice, "invoice.updated")
    await tandem.recheck()
    meanwhile = visitor.charges()
    visitor.at_the_bank(secret, "succeeded")
    await tandem.drain()

    assert (meanwhile, visitor.charges()) == (["failed"], ["failed", "succeeded"])
    assert ([amount for _, amount in invoices.payments()], intents.shown(invoice)[0]) == (["10"], "PAID")


@pytest.mark.parametrize("first", ["customer", "tandem"])
async def test_both_at_once_charge_once(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor, first: str
) -> None:
    """The form is open while another default method is charged off session: one of the two is refused."""
    invoice = await unpaid(intents, visitor)
    secret, refused = await visitor.secret(), []

    async def confirmed() -> None:
        refused.append(visitor.confirms(secret, PAYS).is_success)

    intents.method(PAYS)
    if first == "customer":
        tandem.before_write("payment_intents.confirm", confirmed)
    await tandem.recheck()
    if first == "tandem":
        await confirmed()
    await tandem.recheck()

    assert refused == [first == "customer"]
    assert visitor.charges() == ["failed", "succeeded"]
    assert ([amount for _, amount in invoices.payments()], intents.shown(invoice)[0]) == (["10"], "PAID")
    assert (tandem.letters(), await visitor.state()) == ([], "paid")


async def test_the_form_asks_for_what_togai_does(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor
) -> None:
    """Also where no news of a part that was paid elsewhere has come."""
    invoice = await unpaid(intents, visitor, "50")
    invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    run = await visitor.asked()
    [intent] = intents.all()
    await invoices.bring(invoice, "invoice.updated")
    page = await visitor.page()

    assert (run.state, intent["amount"], intent["client_secret"] in str(run.steps)) == ("succeeded", 3000, False)
    assert ("30.00 USD" in page.text, "50.00 USD" in page.text) == (True, False)


async def test_a_held_invoice_is_not_paid(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor
) -> None:
    """No form while it is held; a request that was under way ends, for nobody waits for it."""
    invoice = await unpaid(intents, visitor)
    asked = await visitor.ask("POST", f"{visitor.here}/session")
    await invoices.decide("hold", invoice)
    held = (await visitor.state(), (await visitor.ask("POST", f"{visitor.here}/session")).status_code)
    late = tandem.runs(event_type="payment_requested")[-1]
    await invoices.decide("release", invoice)

    assert (asked.status_code, held) == (202, ("preparing", NOT_NOW))
    assert (late.state, "held by hand" in late.reason) == ("skipped", True)
    assert (await visitor.state(), bool(await visitor.secret())) == ("open", True)


@pytest.mark.parametrize(("status", "state"), [("VOID", "closed"), ("UN_COLLECTIBLE", "closed"), ("PAID", "paid")])
async def test_a_closed_invoice_is_not_paid(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor, status: str, state: str
) -> None:
    """A form that is still open in a browser can confirm nothing."""
    invoice = await unpaid(intents, visitor)
    secret = await visitor.secret()
    invoices.change(invoice, status=status, **({"paid": "10"} if status == "PAID" else {}))
    await invoices.bring(invoice, "invoice.updated")
    late = visitor.confirms(secret, PAYS)
    shown = (await visitor.state(), (await visitor.ask("POST", f"{visitor.here}/session")).status_code)

    assert (late.is_success, visitor.charges(), shown) == (False, ["failed"], (state, NOT_NOW))


async def test_an_intent_that_a_person_canceled(intents: Intents, tandem: InProcess, visitor: Visitor) -> None:
    """Its invoice is due in Togai still, and is collected by hand: not at this page."""
    invoice = await unpaid(intents, visitor)
    intents.end("canceled")
    await tandem.drain()

    assert (await visitor.state(), intents.shown(invoice)) == ("closed", ("DUE", "payment canceled"))


async def test_a_token_opens_one_invoice_until_its_time_is_over(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed one is none, one of another kind of page neither; a run of another invoice gives nothing away."""
    await unpaid(intents, visitor)
    theirs = await visitor.asked()
    await unpaid(intents, visitor, "20")
    state = await visitor.ask("GET", f"{visitor.here}/state", params={"run": theirs.id})
    token = visitor.here.rpartition("/")[2]
    wrong = [visitor.here[:-6] + "AAAAAA", f"/portal/{token}", f"/portal/offers/{token}", f"/portal/sign-in/{token}"]
    refused = [(await visitor.ask("GET", path)).status_code for path in wrong]
    clock = time.time() + GOOD_FOR + DAY
    monkeypatch.setattr("shared.sealed_addresses.time.time", lambda: clock)
    late = [await visitor.page(), await visitor.page("/state"), await visitor.ask("POST", f"{visitor.here}/session")]

    assert state.json() == {"state": "open", "amount": "20.00 USD"}
    assert refused == [NOWHERE] * len(wrong)
    assert [answer.status_code for answer in late] == [TOO_LATE] * 3


async def test_forms_are_asked_for_so_often_and_no_more(
    intents: Intents, invoices: Invoices, tandem: InProcess, visitor: Visitor
) -> None:
    """Each is an event, a run and calls to both vendors; the page itself can be loaded at any time."""
    await unpaid(intents, visitor)
    answers = [await visitor.ask("POST", f"{visitor.here}/session") for _ in range(SESSIONS + 1)]

    assert [answer.status_code for answer in answers] == [202] * SESSIONS + [TOO_OFTEN]
    assert (await visitor.page()).status_code == 200


@pytest.mark.parametrize("whose", ["a person's", "nobody's", "ours", "ours that ends"])
async def test_where_the_address_is_written(
    intents: Intents, invoices: Invoices, tandem: InProcess, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """Where nothing stands, and over one of ours that ends soon; what a person wrote stays."""
    intents.method(ASKS)
    invoice = invoices.generate("10")
    pages, ref = (
        InvoicePages(tandem.settings),
        Ref(tandem.registry.connections["togai"].app_account, "invoice", invoice),
    )
    text = {"a person's": "https://example.test/pay", "nobody's": ""}.get(whose)
    if text is None:
        ago = time.time() - (GOOD_FOR - RENEWED + 60 if whose == "ours that ends" else 60)
        with monkeypatch.context() as patched:
            patched.setattr("shared.domains.invoices.pages.time.time", lambda: ago)
            text = pages.address(ref)
    setting = {"id": LINK, "name": LINK, "value": text, "entityType": "INVOICE", "entityId": invoice}
    tandem.call("togai", "POST", "/settings", json=setting | {"dataType": "STRING", "namespace": "USER"})
    await invoices.bring(invoice)
    first = invoices.settings(invoice)[LINK]
    await tandem.recheck()

    assert (first == text) == (whose in ("a person's", "ours"))
    assert invoices.settings(invoice)[LINK] == first
    if whose != "a person's":
        assert pages.invoice_of(first.rpartition("/")[2]) == ref


async def test_the_run_says_what_lacks(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """Before customers can reach a page: here its flow link."""
    await tandem.link(FORM, enabled=False)
    intents.method(ASKS)
    invoice = await invoices.generated("10")
    run = intents.run()
    await tandem.link(FORM)
    await tandem.recheck()
    later = intents.run()

    assert run.problem
    assert later.problem
    assert f"It has no page yet: switch the flow {FORM} on" in run.problem.reason
    assert f"`tandem invoices show {invoice}` shows its page, and so does {LINK} in Togai" in later.problem.reason
    assert ("/portal/invoices/" in invoices.settings(invoice)[LINK], run.flow) == (True, CHARGE)


async def test_an_address_that_togai_refuses(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """The charge waits for its customer all the same, and says so."""
    match = {"operation": "settings.create", "account": tandem.accounts["togai"]["id"]}
    intents.method(ASKS)
    await tandem.link(BACK, enabled=False)
    with tandem.control.fault(app="togai", kind="error_before", match=match, status=400):
        await invoices.generated("10")
    run = intents.run()

    assert run.problem
    assert (intents.waits(), f"Togai refused the address in {LINK}" in run.problem.reason) == ("requires_action", True)
    assert tandem.letters() == []


async def test_the_address_by_api_command_and_page(
    intents: Intents,
    invoices: Invoices,
    tandem: InProcess,
    visitor: Visitor,
    console: Console,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each is good for the same page; there is none of an invoice that is paid."""
    invoice = await unpaid(intents, visitor)
    given = (await succeeded(console, "GET", f"/api/invoices/{invoice}"))["portal"]
    await command("show", invoice)
    printed = "".join(capsys.readouterr().out.split()).partition("paidat")[2]
    listed = await visitor.ask("GET", "/invoices", params={"id": invoice})
    led = await visitor.ask("GET", "/invoices/page", params={"invoice": invoice}, follow_redirects=False)
    pages = [await visitor.ask("GET", url.partition("8401")[2]) for url in (given, led.headers["location"])]
    intents.end("succeeded")
    await tandem.drain()
    after = await succeeded(console, "GET", f"/api/invoices/{invoice}")
    gone = await visitor.ask("GET", "/invoices/page", params={"invoice": invoice}, follow_redirects=False)

    assert [(page.status_code, "10.00 USD" in page.text) for page in pages] == [(200, True)] * 2
    assert ("/portal/invoices/" in printed, "/invoices/page?invoice=" in listed.text) == (True, True)
    assert (led.status_code, after["portal"], gone.status_code) == (303, "", NOT_NOW)


async def test_what_was_charged_is_not_paid_again(
    intents: Intents, invoices: Invoices, tandem: InProcess, console: Console
) -> None:
    """The card was charged, and that is not counted yet: no page offers a form."""
    await tandem.link(BACK, enabled=False)
    invoice = await invoices.generated("10")
    found = await succeeded(console, "GET", f"/api/invoices/{invoice}")

    assert (intents.all()[0]["status"], found["state"], found["portal"]) == ("succeeded", "open", "")
