"""Pages of what a Togai organization holds, for imports."""

from __future__ import annotations

from shared.apps.listing import Listed, ListedPage, Window
from shared.apps.togai.client import Page, TogaiApp
from shared.apps.togai.readers.paginator import leads_on
from shared.apps.togai.readers.rows import Row, entity_id, seconds
from shared.errors import Malformed
from shared.log import get_logger

log = get_logger(__name__)


async def page(client: TogaiApp, noun: str, window: Window, after: str) -> ListedPage:
    """One page of those that are in use: active accounts, invoices that are due. `after` is the vendor's token.

    Togai tells when an invoice was generated, and of an account nothing: none is left out for its time. Raises the
    client's errors: Rejected also for a token that Togai does not take any more.
    """
    found = await (client.invoices("DUE", after) if noun == "invoice" else client.page("accounts", "ACTIVE", after))
    rows = [row for row in found.rows if _is_within(row, window)]
    return ListedPage([made for row in rows if (made := _listed(row, noun))], _next(found, after))


def _next(found: Page, after: str) -> str:
    return found.token if leads_on(found.token, found.rows, after) else ""


def _is_within(row: Row, window: Window) -> bool:
    made = seconds(row, "generatedAt") or seconds(row, "invoiceDate")
    return not made or window.begin <= made < window.end


def _listed(row: Row, noun: str) -> Listed | None:
    try:
        return Listed(entity_id(row), int(seconds(row, "generatedAt")))
    except Malformed as error:
        log.error("import.unusable_row", noun=noun, reason=error.message)
        return None
