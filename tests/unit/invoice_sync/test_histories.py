"""Histories of one invoice's payments: whatever order its events come in, and however often, the end is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invoice_sync.states import ORDER, Outcome, becomes, fact_of, gathered, outcome_of
from shared.errors import NotReady, Waiting

from tests.unit.invoice_sync.counting import Counting, Togai

Json = dict[str, Any]
Event = tuple[Json, ...]
"""What one event of Stripe shows: the objects that it changed, as they are after it."""
TOTAL = 10_000


def invoice(status: str, overpaid: int = 0) -> Json:
    return {"object": "invoice", "id": "in_1", "status": status, "total": TOTAL, "amount_overpaid": overpaid}


def thing(kind: str, id: str, status: str, amount: int, **more: Any) -> Json:
    return {"object": kind, "id": id, "status": status, "amount": amount, **more}


def part(amount: int, place: int = 1) -> Json:
    payment = {"type": "payment_intent", "payment_intent": f"pi_{place}"}
    found = {"object": "invoice_payment", "id": f"inpay_{place}", "status": "paid", "amount_paid": amount}
    return found | {"payment": payment}


def refund(amount: int, status: str = "succeeded", place: int = 1) -> Event:
    return (thing("refund", f"re_{place}", status, amount),)


def dispute(status: str, amount: int = TOTAL) -> Event:
    return (thing("dispute", "du_1", status, amount),)


def note(amount: int, status: str = "issued", place: int = 1) -> Event:
    return (thing("credit_note", f"cn_{place}", status, amount),)


def intent(status: str, **more: Any) -> Json:
    return thing("payment_intent", "pi_1", status, TOTAL, **more)


SENT: Event = (invoice("open"),)
WHOLE: Event = (part(TOTAL), invoice("paid"))
"""One payment of all of it: `invoice_payment.paid` and `invoice.paid` tell the same."""
CLOSED: Event = (invoice("paid"),)
"""Paid by nothing that Stripe lists: customer balance, or out of band."""
FAILED: Event = (intent("requires_payment_method", last_payment_error={"code": "card_declined"}),)
UNDER_WAY: Event = (intent("processing"),)
VOIDED: Event = (invoice("void"),)
GIVEN_UP: Event = (invoice("uncollectible"),)
HALF, REST = (part(4_000),), (part(6_000, 2), invoice("paid"))
OVERPAID = (part(12_000), invoice("paid", overpaid=2_000))
"""`invoice_payment.paid`, `invoice.paid` and `invoice.overpaid` each tell as much."""
OVER = "20.00 USD overpaid, in the customer's balance at Stripe"

HISTORIES: dict[str, tuple[Sequence[Event], tuple[str, str, int, str]]] = {
    "nothing yet": ([SENT], ("open", "DUE", 0, "")),
    "paid": ([SENT, WHOLE], ("paid", "PAID", 10_000, "")),
    "reported twice, by both events": ([SENT, (part(TOTAL),), WHOLE], ("paid", "PAID", 10_000, "")),
    "in two parts": ([SENT, HALF, REST], ("paid", "PAID", 10_000, "")),
    "a part": ([SENT, HALF], ("partly paid", "PARTIALLY_PAID", 4_000, "")),
    "failed": ([SENT, FAILED], ("failed", "DUE", 0, "payment failed")),
    "failed, then paid": ([SENT, FAILED, WHOLE], ("paid", "PAID", 10_000, "")),
    "under way": ([SENT, UNDER_WAY], ("open", "DUE", 0, "payment under way")),
    "under way, failed days later": ([SENT, UNDER_WAY, FAILED], ("failed", "DUE", 0, "payment failed")),
    "under way, arrived": ([SENT, UNDER_WAY, WHOLE], ("paid", "PAID", 10_000, "")),
    "a part, the next one failed": (
        [SENT, HALF, FAILED], ("partly paid", "PARTIALLY_PAID", 4_000, "payment failed"),
    ),
    "void": ([SENT, VOIDED], ("void", "VOID", 0, "")),
    "failed, void": ([SENT, FAILED, VOIDED], ("void", "VOID", 0, "")),
    "given up": ([SENT, GIVEN_UP], ("uncollectible", "UN_COLLECTIBLE", 0, "")),
    "given up, paid after all": ([SENT, GIVEN_UP, WHOLE], ("paid", "PAID", 10_000, "")),
    "given up, void": ([SENT, GIVEN_UP, VOIDED], ("void", "VOID", 0, "")),
    "a part, given up": ([SENT, HALF, GIVEN_UP], ("uncollectible", "PARTIALLY_PAID", 4_000, "")),
    "out of band": ([SENT, CLOSED], ("paid", "PAID", 10_000, "")),
    "a part, the rest out of band": ([SENT, HALF, CLOSED], ("paid", "PAID", 10_000, "")),
    "refunded": ([SENT, WHOLE, refund(TOTAL)], ("refunded", "REFUND_INITIATED", 10_000, "refunded 100.00 USD")),
    "refunded in parts": (
        [SENT, WHOLE, refund(4_000), refund(6_000, place=2)],
        ("refunded", "REFUND_INITIATED", 10_000, "refunded 100.00 USD"),
    ),
    "partly refunded": (
        [SENT, WHOLE, refund(1_500)], ("paid", "PAID", 10_000, "partly refunded: 15.00 USD of 100.00 USD"),
    ),
    "refund pending": (
        [SENT, WHOLE, refund(TOTAL, "pending")], ("paid", "PAID", 10_000, "refund of 100.00 USD pending"),
    ),
    "refund pending, done": (
        [SENT, WHOLE, refund(TOTAL, "pending"), refund(TOTAL)],
        ("refunded", "REFUND_INITIATED", 10_000, "refunded 100.00 USD"),
    ),
    "refund pending, failed": (
        [SENT, WHOLE, refund(TOTAL, "pending"), refund(TOTAL, "failed")],
        ("paid", "PAID", 10_000, "refund of 100.00 USD failed"),
    ),
    "refund canceled": (
        [SENT, WHOLE, refund(500, "requires_action"), refund(500, "canceled")],
        ("paid", "PAID", 10_000, "refund of 5.00 USD canceled"),
    ),
    "disputed, won": (
        [SENT, WHOLE, dispute("needs_response"), dispute("under_review"), dispute("won")],
        ("paid", "PAID", 10_000, "dispute won: 100.00 USD"),
    ),
    "disputed, lost": (
        [SENT, WHOLE, dispute("needs_response"), dispute("lost")],
        ("paid", "PAID", 10_000, "dispute lost: 100.00 USD"),
    ),
    "an inquiry that came to nothing": (
        [SENT, WHOLE, dispute("warning_needs_response", 2_000), dispute("warning_closed", 2_000)],
        ("paid", "PAID", 10_000, "inquiry closed: 20.00 USD"),
    ),
    "partly refunded, the rest disputed and lost": (
        [SENT, WHOLE, refund(1_500), dispute("needs_response", 8_500), dispute("lost", 8_500)],
        ("paid", "PAID", 10_000, "partly refunded: 15.00 USD of 100.00 USD; dispute lost: 85.00 USD"),
    ),
    "overpaid": ([SENT, OVERPAID, OVERPAID, OVERPAID], ("paid", "PAID", 10_000, OVER)),
    "a part, the rest overpaid": (
        [SENT, HALF, (part(8_000, 2), invoice("paid", overpaid=2_000))], ("paid", "PAID", 10_000, OVER),
    ),
    "overpaid, then refunded in part": (
        [SENT, OVERPAID, refund(2_000)],
        ("paid", "PAID", 10_000, f"partly refunded: 20.00 USD of 120.00 USD; {OVER}"),
    ),
    "credited before it was paid": (
        [SENT, note(1_000), (part(9_000), invoice("paid"))], ("paid", "PAID", 10_000, "credited 10.00 USD"),
    ),
    "a credit note that was voided": ([SENT, note(1_000), note(1_000, "void"), WHOLE], ("paid", "PAID", 10_000, "")),
    "credited as a whole after it was paid, by a refund": (
        [SENT, WHOLE, (*note(TOTAL), *refund(TOTAL))],
        ("refunded", "REFUND_INITIATED", 10_000, "refunded 100.00 USD; credited 100.00 USD"),
    ),
}  # fmt: skip


def deliveries(count: int) -> Iterator[tuple[int, ...]]:
    """Every order of so many events, with one of them a second time: each in its turn, at each place in its turn."""
    for turn, order in enumerate(permutations(range(count))):
        again = order[turn % count]
        place = turn % (count + 1)
        yield (*order[:place], again, *order[place:])


async def end_of(history: Sequence[Event], order: Sequence[int]) -> tuple[tuple[str, str, int, str], list[str]]:
    """What stands at both sides after deliveries in an order, and what the runs said: at each one Stripe shows what has
    happened by then, which is at least what the event tells.
    """
    togai, latest, outcome = Togai(TOTAL), 0, Outcome("open")
    counting = Counting(togai)
    for event in order:
        latest = max(latest, event)
        shown = [found for part_of in history[: latest + 1] for found in part_of]
        newest = max((one for one in shown if one["object"] == "invoice"), key=lambda one: fact_of(one).rank)
        # `invoice.paid` and `invoice_payment.paid` start the one flow, every event the other.
        parts = {one["id"]: one for one in shown if one["object"] == "invoice_payment"}
        await counting.count(newest, list(parts.values()))
        outcome = outcome_of(gathered(shown), "USD", overpaid=newest["amount_overpaid"])
        togai.record(outcome)
    return (outcome.state, togai.status, togai.paid, togai.recorded), counting.notes


@pytest.mark.parametrize("name", HISTORIES)
async def test_every_order_ends_the_same(name: str) -> None:
    """Late, early, doubled and of the same second: one end, which the history says, and nobody is to be refunded."""
    history, end = HISTORIES[name]
    found = [await end_of(history, order) for order in deliveries(len(history))]

    assert {state for state, _ in found} == {end}
    assert [note for _, notes in found for note in notes if "refund it in Stripe" in note] == []


@pytest.mark.parametrize("name", [name for name, (_, end) in HISTORIES.items() if OVER in end[-1]])
async def test_what_is_overpaid_is_said_once(name: str) -> None:
    """By the run that counts the payment, in every order: it is in the customer's balance, and counted nowhere."""
    history, _ = HISTORIES[name]
    found = [(await end_of(history, order))[1] for order in deliveries(len(history))]
    said = [[note for note in notes if "20.00 more than was open stays" in note] for notes in found]

    assert {len(notes) for notes in said} == {1}


def test_there_are_thirty_of_at_most_five_events() -> None:
    """Each is a set that belongs to one invoice."""
    assert len(HISTORIES) >= 30
    assert max(len(history) for history, _ in HISTORIES.values()) <= 5


OBJECTS = st.sampled_from([
    thing(kind, f"{kind}_{place}", status, 100 * place)
    for kind, statuses in ORDER.items() for status in statuses for place in (1, 2)
])  # fmt: skip


@given(st.lists(OBJECTS, max_size=12), st.randoms(use_true_random=False))
def test_facts_do_not_depend_on_the_order_in_which_they_come(objects: list[Json], chance: Any) -> None:
    """Nor on how often; and no object goes back."""
    shuffled = [*objects, *objects[:3]]
    chance.shuffle(shuffled)
    facts = gathered(objects)

    assert gathered(shuffled) == facts
    assert all(facts[found["object"], found["id"]].rank >= fact_of(found).rank for found in objects)


def test_a_status_that_is_not_known_waits() -> None:
    """It is not taken for another one."""
    with pytest.raises(NotReady, match="refund re_9 is reversed"):
        gathered([thing("refund", "re_9", "reversed", 5)])


def test_what_togai_says_last_stays() -> None:
    """Nothing is left for a terminal status, and nothing comes after REFUND_INITIATED but Togai's own."""
    terminal = ("VOID", "PAID", "REFUND_INITIATED", "REFUND_COMPLETED", "MERGED")
    back = {(now, then) for now in terminal for then in ("DUE", "VOID", "UN_COLLECTIBLE", "PAID") if becomes(now, then)}

    assert back == set()


async def test_what_was_paid_in_another_currency_is_not_counted() -> None:
    """As of an invoice that somebody else made at Stripe: a person counts it."""
    togai = Togai(TOTAL)
    with pytest.raises(Waiting, match="is in USD and was paid in EUR"):
        await Counting(togai).count(invoice("paid") | {"currency": "eur"}, [part(TOTAL)])

    assert togai.payments == {}
