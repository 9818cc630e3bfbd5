"""Pages of what a Togai organization holds, for imports."""

from __future__ import annotations

from shared.apps.listing import Listed, ListedPage, Window
from shared.apps.togai.answers import leads_on
from shared.apps.togai.client import Page, TogaiApp
from shared.apps.togai.readers.rows import Row, entity_id, seconds
from shared.errors import Malformed
from shared.log import get_logger

log = get_logger(__name__)

STATUSES = {"account": ("ACTIVE",), "invoice": ("DUE", "PARTIALLY_PAID")}
"""Each is listed apart."""


async def page(client: TogaiApp, noun: str, window: Window, after: str) -> ListedPage:
    """One page of those that are in use: active accounts, invoices that are due or partly paid. `after` is the status
    that is listed, and the vendor's token.

    Togai tells when an invoice was generated, and of an account nothing: none is left out for its time. Raises the
    client's errors: Rejected also for a token that Togai does not take any more.
    """
    status, _, token = after.partition(" ")
    left = STATUSES[noun][STATUSES[noun].index(status) if status else 0 :]
    found = await (client.invoices(left[0], token) if noun == "invoice" else client.page("accounts", left[0], token))
    rows = [row for row in found.rows if _is_within(row, window)]
    return ListedPage([made for row in rows if (made := _listed(row, noun))], _next(found, left, token))


def _next(found: Page, left: tuple[str, ...], token: str) -> str:
    if leads_on(found.token, found.rows, token):
        return f"{left[0]} {found.token}"
    return f"{left[1]} " if len(left) > 1 else ""


def _is_within(row: Row, window: Window) -> bool:
    made = seconds(row, "generatedAt") or seconds(row, "invoiceDate")
    return not made or window.begin <= made < window.end


def _listed(row: Row, noun: str) -> Listed | None:
    try:
        return Listed(entity_id(row), int(seconds(row, "generatedAt")))
    except Malformed as error:
        log.error("import.unusable_row", noun=noun, reason=error.message)
        return None
