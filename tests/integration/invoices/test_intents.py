"""Payment-intent mode: an invoice is charged by its customer's default method, once, whatever happens on the way."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from shared.flows.runs import Run
from shared.identity import create_key

from tests.integration.invoices.conftest import OUT, Invoices
from tests.stack.console import answering, succeeded
from tests.stack.in_process import InProcess
from tests.stack.points import Died, Point

CHARGE, BACK = "togai-invoice-to-stripe-payment-intent", "stripe-payment-intent-to-togai-payment"
STATE = "StripeInvoiceState"
Json = dict[str, Any]


class Intents:
    """What a test does with payment intents, and what it sees of them."""

    def __init__(self, invoices: Invoices, tandem: InProcess) -> None:
        self.invoices = invoices
        self.tandem = tandem

    def method(self, name: str = "pm_card_visa") -> None:
        """The customer's default method is this one now."""
        [customer] = self.tandem.customers()
        data = {"customer": customer["id"]}
        made = self.tandem.call("stripe", "POST", f"/v1/payment_methods/{name}/attach", data=data)["id"]
        self.tandem.change(customer["id"], **{"invoice_settings[default_payment_method]": made})

    def all(self, path: str = "payment_intents") -> list[Json]:
        return list(self.tandem.call("stripe", "GET", f"/v1/{path}", params={"limit": 100})["data"])

    def end(self, outcome: str) -> None:
        """What becomes of the one intent at the bank, or at the customer's."""
        [intent] = self.all()
        body = {"account": self.tandem.accounts["stripe"]["id"], "outcome": outcome}
        self.tandem.control.call("POST", f"/stripe/payment_intents/{intent['id']}", body)

    def run(self, flow: str = CHARGE) -> Run:
        return [run for run in self.tandem.runs() if run.flow == flow][-1]

    def waits(self) -> str:
        """Code of what keeps the last run from going on."""
        run = self.run()
        return run.problem.code if run.problem and run.state == "parked" else run.state

    def shown(self, invoice: str) -> tuple[str, str]:
        """Togai's status of an invoice, and the words in its Settings."""
        return self.invoices.togai(invoice)["status"], self.invoices.settings(invoice).get(STATE, "")


@pytest.fixture
async def intents(invoices: Invoices, tandem: InProcess) -> Intents:
    """The mode is on, the other one is off, and the customer has a card."""
    await tandem.link(OUT, enabled=False)
    await tandem.link(CHARGE)
    found = Intents(invoices, tandem)
    found.method()
    await tandem.drain()
    return found


async def test_a_due_invoice_is_charged_and_counted(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """To the cent, without a Stripe invoice; the same news again charges nothing."""
    invoice = await invoices.generated("49.50")
    for event in ("invoice.generated", "invoice.updated"):
        await invoices.bring(invoice, event)
    [intent], [charge] = intents.all(), intents.all("charges")

    assert (intent["status"], intent["amount"], intent["currency"], charge["status"]) == (
        "succeeded", 4950, "usd", "succeeded",
    )  # fmt: skip
    assert (invoices.payments(), intents.shown(invoice)) == ([(intent["id"], "49.5")], ("PAID", ""))
    assert (invoices.stripe(), invoices.settings(invoice)["StripePaymentIntentId"]) == ([], intent["id"])
    assert tandem.letters() == []


async def test_without_a_method_it_waits(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """Nothing is made at Stripe; it is charged once there is one."""
    [customer] = tandem.customers()
    tandem.change(customer["id"], **{"invoice_settings[default_payment_method]": ""})
    invoice = await invoices.generated("10")
    before = (intents.waits(), intents.all())
    intents.method()
    await tandem.recheck()

    assert (before, intents.shown(invoice)[0]) == (("no_method", []), "PAID")


@pytest.mark.parametrize(
    ("method", "code", "words"),
    [
        ("pm_card_chargeCustomerFail", "declined", "payment failed"),
        ("pm_card_authenticationRequired", "requires_action", "payment waits for its customer"),
    ],
)
async def test_a_method_is_tried_once(
    intents: Intents, invoices: Invoices, tandem: InProcess, method: str, code: str, words: str
) -> None:
    """However often it is looked at; another method, or a person who asks for it, is another attempt."""
    intents.method(method)
    invoice = await invoices.generated("10")
    for _ in range(3):
        await tandem.recheck()
    tried, said, waits = len(intents.all("charges")), intents.shown(invoice), intents.waits()
    await invoices.decide("resync", invoice)
    by_hand = len(intents.all("charges"))
    intents.method()
    await tandem.recheck()

    assert (tried, said, waits, by_hand) == (1, ("DUE", words), code, 2)
    assert intents.shown(invoice) == ("PAID", "")
    assert [intent["status"] for intent in intents.all()] == ["succeeded"]


async def test_another_method_takes_over_from_who_left_the_bank(
    intents: Intents, invoices: Invoices, tandem: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour later: the same method is not tried again, a default method that is new since is."""
    monkeypatch.setattr("invoice_sync.actions.intents.AT_BANK", -60)
    intents.method("pm_card_authenticationRequired")
    invoice = await invoices.generated("10")
    [intent] = intents.all()
    method = intent["last_payment_error"]["payment_method"]["id"]
    data = {"payment_method": method}
    tandem.call("stripe", "POST", f"/v1/payment_intents/{intent['id']}/confirm", data=data)
    await tandem.recheck()
    before = (intents.all()[0]["status"], intents.waits(), len(intents.all("charges")))
    intents.method()
    await tandem.recheck()

    assert before == ("requires_action", "requires_action", 1)
    assert [(one["status"], one["amount_received"]) for one in intents.all()] == [("succeeded", 1000)]
    assert ([amount for _, amount in invoices.payments()], intents.shown(invoice)) == (["10"], ("PAID", ""))


@pytest.mark.parametrize(("end", "shown"), [("succeeded", ("PAID", "")), ("failed", ("DUE", "payment failed"))])
async def test_what_is_under_way_is_not_paid(
    intents: Intents, invoices: Invoices, tandem: InProcess, end: str, shown: tuple[str, str]
) -> None:
    """A bank debit is counted when it arrives, days later."""
    intents.method("pm_usBankAccount_success")
    invoice = await invoices.generated("10")
    await invoices.bring(invoice, "invoice.updated")
    before = (intents.shown(invoice)[0], invoices.payments(), len(intents.all("charges")))
    intents.end(end)
    await tandem.drain()

    assert before == ("DUE", [], 1)
    assert intents.shown(invoice) == shown
    assert len(invoices.payments()) == (1 if end == "succeeded" else 0)


async def test_who_pays_later_is_counted(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """The customer confirms it, or a person cancels it: Togai's invoice stays due then."""
    intents.method("pm_card_authenticationRequired")
    paid, canceled = await invoices.generated("10"), ""
    intents.end("succeeded")
    await tandem.drain()
    [first] = intents.all()
    canceled = await invoices.generated("20")
    second = intents.all()[0]["id"]
    tandem.call("stripe", "POST", f"/v1/payment_intents/{second}/cancel")
    await tandem.drain()
    await tandem.recheck()

    assert (intents.shown(paid), invoices.payments()) == (("PAID", ""), [(first["id"], "10")])
    assert (intents.shown(canceled), intents.waits()) == (("DUE", "payment canceled"), "closed_in_stripe")
    assert len(intents.all()) == 2


async def test_every_order_of_the_events_counts_once(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """Late, early and doubled."""
    intents.method("pm_card_chargeCustomerFail")
    await tandem.link(BACK, enabled=False)
    invoice = await invoices.generated("10")
    intents.method()
    await tandem.recheck()
    await tandem.link(BACK)
    names = ("payment_intent.payment_failed", "payment_intent.succeeded")
    found = [
        body for name in names for body in tandem.call("stripe", "GET", "/v1/events", params={"type": name})["data"]
    ]
    for turn, order in enumerate(itertools.permutations([*found, found[-1]])):
        for place, body in enumerate(order):
            tandem.deliver(tandem.event_of(body | {"id": f"evt_{turn}_{place}"}))
    await tandem.drain()

    assert len(found) == 2
    assert ([amount for _, amount in invoices.payments()], intents.shown(invoice)) == (["10"], ("PAID", ""))


FAULTS = [
    ("cut_before", False), ("cut_after", False), ("error_before", False), ("error_before", True), ("error_after", True),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "stored"), FAULTS)
@pytest.mark.parametrize("operation", ["create", "confirm"])
async def test_faults_of_stripe_charge_once(
    intents: Intents, invoices: Invoices, tandem: InProcess, operation: str, kind: str, stored: bool
) -> None:
    """No answer, an error after all was done, and an error that Stripe stores under the key."""
    match = {"operation": f"payment_intents.{operation}", "account": tandem.accounts["stripe"]["id"]}
    more = {} if kind.startswith("cut") else {"stored": stored}
    with tandem.control.fault(app="stripe", kind=kind, match=match, times=1, **more) as fired:
        invoice = await invoices.generated("10")
        struck = fired()
    for _ in range(2):  # a stored error is proved to have made nothing before the next key is used
        await tandem.recheck()

    assert struck == 1
    assert [(intent["status"], intent["amount"]) for intent in intents.all()] == [("succeeded", 1000)]
    assert [charge["status"] for charge in intents.all("charges")] == ["succeeded"]
    assert ([amount for _, amount in invoices.payments()], intents.shown(invoice)[0]) == (["10"], "PAID")


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize(
    "label", ["payment_intents.create", "payment_intents.confirm", "payment_intents.retrieve", "mappings"]
)
async def test_deaths_charge_once(
    intents: Intents, invoices: Invoices, tandem: InProcess, label: str, phase: str
) -> None:
    """Another worker goes on where one died, at each call and record of the way."""
    died: list[str] = []

    def die(point: Point) -> None:
        if not died and label in point.label and point.phase == phase:
            died.append(point.label)
            raise Died

    tandem.points.at = die
    with pytest.raises(Died):
        await invoices.generated("10")
    await invoices.go_on_elsewhere()
    await tandem.recheck()

    assert len(died) == 1
    assert [intent["status"] for intent in intents.all()] == ["succeeded"]
    assert [charge["status"] for charge in intents.all("charges")] == ["succeeded"]
    assert [amount for _, amount in invoices.payments()] == ["10"]


async def test_what_was_paid_elsewhere_is_not_charged(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """What Togai asks for when it is confirmed: less than when the intent was made."""
    match = {"operation": "payment_intents.confirm", "account": tandem.accounts["stripe"]["id"]}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("50")
        invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    await tandem.recheck()

    assert [intent["amount_received"] for intent in intents.all()] == [3000]
    assert intents.shown(invoice)[0] == "PAID"


async def test_both_modes_bill_once(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """Whichever comes first; also where Togai's Settings name a Stripe invoice."""
    await tandem.link(OUT)
    invoice = await invoices.generated("10")
    await invoices.bring(invoice, "invoice.updated")
    reasons = {run.reason for run in tandem.runs() if run.flow in (OUT, CHARGE) and run.state == "skipped"}

    assert len(invoices.stripe()) + len(intents.all()) == 1
    assert any("collects it at Stripe" in reason for reason in reasons)
    assert tandem.letters() == []


async def test_a_held_invoice_is_not_charged(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """Until a person releases it."""
    invoice = invoices.generate("10")
    await invoices.decide("hold", invoice)
    await invoices.bring(invoice)
    held = intents.all()
    await invoices.decide("release", invoice)
    await tandem.recheck()

    assert (held, intents.shown(invoice)[0]) == ([], "PAID")


async def test_money_that_goes_back_is_shown(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """As of an invoice of Stripe: a part in words, the whole as a status."""
    invoice = await invoices.generated("100")
    [intent] = intents.all()
    seen = []
    for amount in ("1500", ""):
        data = {"payment_intent": intent["id"]} | ({"amount": amount} if amount else {})
        tandem.call("stripe", "POST", "/v1/refunds", data=data)
        await tandem.drain()
        seen.append(intents.shown(invoice))

    assert seen == [
        ("PAID", "partly refunded: 15.00 USD of 100.00 USD"), ("REFUND_INITIATED", "refunded 100.00 USD"),
    ]  # fmt: skip
    assert tandem.letters() == []


async def test_a_payment_that_no_invoice_lists_is_left_alone(
    intents: Intents, invoices: Invoices, tandem: InProcess
) -> None:
    """Skipped with a reason, without a call and without a retry; so is one of another organization."""
    intents.method()
    [customer] = tandem.customers()
    data = {
        "amount": "1000", "currency": "usd", "customer": customer["id"], "confirm": "true",
        "payment_method": customer["invoice_settings"]["default_payment_method"],
        "automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never",
    }  # fmt: skip
    other = {"metadata[togai_invoice_id]": "inv.9.x", "metadata[togai_app_account]": "togai:test:org_other"}
    for more in ({}, other):
        tandem.call("stripe", "POST", "/v1/payment_intents", data=data | more)
    calls = tandem.calls()["togai"]
    await tandem.drain()
    found = [(run.state, run.attempts) for run in tandem.runs(event_type="payment_intent.succeeded")]
    reasons = [run.reason for run in tandem.runs(event_type="payment_intent.succeeded")]

    assert found == [("skipped", 1), ("skipped", 1)]
    assert "payment of no invoice" in reasons[0]
    assert reasons[1] == "it pays inv.9.x of togai:test:org_other"
    assert (tandem.calls()["togai"], tandem.letters()) == (calls, [])


async def test_a_resync_reads_both_sides(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """What was paid while nobody counted it is counted then."""
    await tandem.link(BACK, enabled=False)
    invoice = await invoices.generated("10")
    before = invoices.payments()
    await tandem.link(BACK)
    await invoices.decide("resync", invoice)

    assert (before, intents.shown(invoice)) == ([], ("PAID", ""))
    assert len(intents.all("charges")) == 1


async def test_an_import_finds_what_an_earlier_home_charged(
    intents: Intents, invoices: Invoices, tandem: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log is lost, and what is under way at the bank is still due in Togai: it is not charged a second time."""
    intents.method("pm_usBankAccount_success")
    invoice = await invoices.generated("10")
    tandem.forget(tandem.topics.mappings, b"invoice_intent")
    await tandem.restart()
    # Days later Stripe has forgotten the key of its create.
    monkeypatch.setattr("shared.linking.claims.create_key", lambda *of: f"{create_key(*of)}_days_later")
    await invoices.bring(invoice, origin="backfill")
    intents.end("succeeded")
    await tandem.drain()

    assert [one["status"] for one in intents.all()] == ["succeeded"]
    assert ([amount for _, amount in invoices.payments()], intents.shown(invoice)) == (["10"], ("PAID", ""))


async def test_the_console_shows_it(
    intents: Intents, invoices: Invoices, tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its payment, by the id of either side."""
    invoice = await invoices.generated("100")
    [intent] = intents.all()
    with answering(tandem, tmp_path, monkeypatch) as console:
        found = await succeeded(console, "GET", f"/api/invoices/{invoice}")
        other = await succeeded(console, "GET", f"/api/invoices/{intent['id']}")

    assert other == found
    assert (found["stripe_id"], found["state"], found["togai_status"]) == (intent["id"], "paid", "PAID")
    assert (found["stripe_status"], found["total"], found["paid"]) == ("succeeded", "100.00", "100.00")
    assert [one["id"] for one in found["payments"]] == [intent["id"]]


async def test_who_has_not_chosen_the_mode_misses_nothing(invoices: Invoices, tandem: InProcess) -> None:
    """Set-up makes its link, switched off: its events are no runs that somebody could catch up on. Once it was on, they
    are, as of any flow.
    """
    await invoices.generated("10")
    before = [run.state for run in tandem.runs() if run.flow == CHARGE]
    await tandem.link(CHARGE, enabled=False, changed_at="2026-11-23T10:00:00.000Z")
    await invoices.generated("20")

    assert before == []
    assert {run.state for run in tandem.runs() if run.flow == CHARGE} == {"missed"}
