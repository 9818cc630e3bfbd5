"""The lines of a draft: what lacks is added, what is none of the invoice's any more is taken out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.domains.invoices.stripe import LINE
from shared.domains.invoices.togai import InvoiceLine
from shared.errors import NotReady
from shared.identity import digest
from shared.runtime.actions import Context

from invoice_sync.actions.keys import under_key

INVOICES = "/v1/invoices"
BATCH = 100
"""Lines that one call adds."""
MOST = 5
"""Times that a draft is compared and filled in one attempt of a run."""


async def fill(
    context: Context, client: StripeApp, draft: str, wanted: Sequence[InvoiceLine], *, is_new: bool
) -> list[str]:
    """Give a draft its lines, whatever an earlier attempt left of them; what a person added stays. Returns notes, which
    name each line that was taken out.

    Raises NotReady where Stripe does not show what was added.
    """
    added, removed = 0, list[str]()
    for attempt in range(MOST):
        # A new one, that nobody can have filled, is not read.
        rows = client.listed(f"{INVOICES}/{draft}/lines", {})
        present = [] if is_new and not attempt else [row async for row in rows]
        standing, surplus = _compared(present, {line.id: line for line in wanted})
        if surplus:
            gone = [{"id": row["id"], "behavior": "delete"} for row in surplus]
            await client.act(INVOICES, draft, "remove_lines", {"lines": gone})
        missing = [line for line in wanted if line.id not in standing]
        for batch in _batches(missing):
            await _add(context, client, draft, batch, attempt)
        added += len(missing)
        removed += [f"taken out: {row['description']} ({row['amount']} minor units)" for row in surplus]
        if is_new or not missing:
            return [f"{len(wanted)} lines" + (f", {added} of them added" if not is_new else ""), *removed]
    raise NotReady(f"draft {draft} does not show the lines that were added", code="lines_missing")


def _compared(present: list[dict[str, Any]], wanted: dict[str, InvoiceLine]) -> tuple[set[str], list[dict[str, Any]]]:
    """The wanted lines that stand, and those of ours that are not wanted, or stand twice."""
    standing: set[str] = set()
    surplus = []
    for row in present:
        name = (row.get("metadata") or {}).get(LINE)
        line = wanted.get(name) if name else None
        if line and line.id not in standing and _is_as_wanted(row, line):
            standing.add(line.id)
        elif name:
            surplus.append(row)
    return standing, surplus


def _is_as_wanted(row: dict[str, Any], line: InvoiceLine) -> bool:
    taxes = sum(tax["amount"] for tax in row.get("taxes") or ())
    return bool(row["amount"] == line.amount and taxes == sum(tax.amount for tax in line.taxes))


def _batches(lines: Sequence[InvoiceLine]) -> Iterator[Sequence[InvoiceLine]]:
    yield from (lines[at : at + BATCH] for at in range(0, len(lines), BATCH))


async def _add(context: Context, client: StripeApp, draft: str, lines: Sequence[InvoiceLine], attempt: int) -> None:
    body = {"lines": [_params(line) for line in lines]}
    # The same lines go under the same key: while a first call may be under way, a second one adds nothing. Lines that
    # somebody took out since lack all the same: the next attempt has another key.
    await under_key(
        context,
        "stripe.invoice.add_lines",
        f"{draft} {digest(body)} {attempt}",
        lambda key: client.act(INVOICES, draft, "add_lines", body, key),
    )


def _params(line: InvoiceLine) -> dict[str, Any]:
    taxes = [
        {
            "amount": tax.amount,
            "taxable_amount": line.amount,
            "tax_rate_data": {"display_name": tax.name[:100], "inclusive": "false", "percentage": tax.percentage},
        }
        for tax in line.taxes
    ]
    period = {} if line.start is None or line.end is None else {"period": {"start": line.start, "end": line.end}}
    taxed = {"tax_amounts": taxes} if taxes else {}
    return {"amount": line.amount, "description": line.description, "metadata": {LINE: line.id}, **taxed, **period}
