"""What an invoice and a payment cost in calls to both vendors, each further one with its reason."""

from __future__ import annotations

from tests.integration.customers.test_calls import cost
from tests.integration.invoices.conftest import Invoices
from tests.integration.invoices.test_groups import composite
from tests.integration.invoices.test_groups import group as group
from tests.integration.invoices.test_intents import Intents
from tests.integration.invoices.test_intents import intents as intents
from tests.stack.in_process import InProcess

INVOICE = {
    "togai invoices.retrieve": 1,
    # Togai's own integration may have made one: its Settings say so.
    "togai settings.retrieve": 1,
    "stripe invoices.create": 1,
    "stripe invoices.add_lines": 1,
    # The penny gate: currency and total are read back before it is finalized.
    "stripe invoices.retrieve": 1,
    "stripe invoices.finalize": 1,
    "stripe invoices.send": 1,
    # The page where it is paid, then the Stripe invoice's id.
    "togai settings.create": 2,
}
PAYMENT = {
    "stripe invoices.retrieve": 1,
    # Nothing is counted beyond what is open there, read just before.
    "togai invoices.retrieve": 1,
    "togai payments.create": 1,
}


async def test_an_invoice(invoices: Invoices, tandem: InProcess) -> None:
    """However many lines it has, up to a hundred."""
    invoices.tell(invoices.generate("49.50", "1", "2.25"))

    assert await cost(tandem) == INVOICE


async def test_a_payment_of_a_part(invoices: Invoices, tandem: InProcess) -> None:
    """A read at each side and a write."""
    await invoices.generated("49.50")
    invoices.pay(invoices.stripe()[0]["id"], amount=1000)

    assert await cost(tandem) == PAYMENT


async def test_a_payment_of_the_whole(invoices: Invoices, tandem: InProcess) -> None:
    """Stripe tells of it twice, as a payment and as the invoice that is paid: the second one may close more than was
    paid, so it looks at both sides.
    """
    await invoices.generated("49.50")
    invoices.pay(invoices.stripe()[0]["id"])

    assert await cost(tandem) == {**PAYMENT, "stripe invoices.retrieve": 2, "togai invoices.retrieve": 2}


async def test_the_last_of_several_payments(invoices: Invoices, tandem: InProcess) -> None:
    """It costs what a payment of the whole does: no words of Tandem's stand in the Settings that would have to go."""
    await invoices.generated("49.50")
    invoices.pay(invoices.stripe()[0]["id"], amount=1000)
    await tandem.drain()
    invoices.pay(invoices.stripe()[0]["id"])

    assert await cost(tandem) == {**PAYMENT, "stripe invoices.retrieve": 2, "togai invoices.retrieve": 2}


async def test_an_invoice_of_a_group(invoices: Invoices, tandem: InProcess, group: str) -> None:
    """The first one makes the group's customer, which its Settings may name already; the others cost what any does."""
    invoices.tell(composite(invoices, group))
    first = await cost(tandem)
    invoices.tell(composite(invoices, group))

    assert first == {
        **INVOICE,
        "togai invoice_groups.retrieve": 1,
        "stripe customers.create": 1,
        "togai settings.retrieve": 2,
        "togai settings.create": 3,
    }
    assert await cost(tandem) == INVOICE


async def test_a_payment_of_a_group(invoices: Invoices, tandem: InProcess, group: str) -> None:
    """Its accounts are read once, where something is to be counted, and Togai refuses the first of them."""
    await invoices.bring(composite(invoices, group))
    invoices.pay(invoices.stripe()[0]["id"])

    assert await cost(tandem) == {
        **PAYMENT,
        "stripe invoices.retrieve": 2,
        "togai invoices.retrieve": 2,
        "togai invoice_groups.retrieve": 1,
        "togai payments.create": 2,
    }


async def test_a_payment_intent(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """It is made and linked before it is confirmed, and its event is counted."""
    invoices.tell(invoices.generate("49.50"))
    made = await cost(tandem)

    assert {name: made[name] for name in made if name.startswith("stripe payment_intents")} == {
        "stripe payment_intents.create": 1,
        "stripe payment_intents.confirm": 1,
        # What its event tells of: what was made is answered by the call that makes it.
        "stripe payment_intents.retrieve": 1,
    }
    # Its default method is there before anything is made.
    assert (made["stripe customers.retrieve"], made["togai payments.create"]) == (1, 1)
    assert sum(made.values()) <= 10
