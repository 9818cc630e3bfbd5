"""Where the customer of a payment intent finds its page: the address stands in Settings of Togai's invoice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.apps.togai.client import TogaiApp
from shared.connections import Connection, FlowLink, portal_keys
from shared.domains.invoices.pages import INVOICE_TO_PAYMENT_FORM, PLACE, InvoicePages
from shared.errors import Rejected
from shared.identity import Ref
from shared.runtime.actions import Context
from shared.settings import STRIPE_API, Settings

from invoice_sync.actions.invoices import OWNER


async def publish_page(context: Context, invoice_id: str) -> str:
    """Write the page's address where none stands, or one of ours that ends soon. Returns where it is, or what to set
    for it to be there, in words.
    """
    stripe, links = context.registry.connection(context.connection("stripe")), context.registry.links.values()
    if lacks := list(lacking(context.settings, stripe, context.link, links)):
        return f"It has no page yet: {', '.join(lacks)}"
    client: TogaiApp = await context.client("togai")
    name, invoice = context.settings.payment_link_setting, Ref.parse(context.ref("togai", "invoice", invoice_id))
    present = await client.setting(name, OWNER, invoice_id)
    former, shows = present.value if present else "", f"`tandem invoices show {invoice_id}` shows its page"
    address = InvoicePages(context.settings).in_place_of(former, invoice)
    try:
        if address and former:
            await client.update_setting(name, address, OWNER, invoice_id)
        elif address:
            # Whoever wrote one meanwhile keeps it.
            await client.fill_setting(name, address, OWNER, invoice_id)
    except Rejected as error:
        # The charge waits for its customer all the same.
        return f"{shows}: Togai refused the address in {name}: {error.message}"
    return f"{shows}, and so does {name} in Togai" if address or PLACE in former else f"{shows}; {name} is another one"


def lacking(settings: Settings, stripe: Connection, charges: FlowLink, links: Iterable[FlowLink]) -> Iterator[str]:
    """What a person has to set before customers can reach a page and pay there, each as a request. `charges` is the
    flow link that charges off session.
    """
    if not portal_keys(settings):
        yield "set TANDEM_PORTAL_KEYS"
    if stripe.api_base.rstrip("/") == STRIPE_API:
        # The sandbox's customers are on this machine, and its script asks for no key.
        if not settings.portal_url:
            yield "set TANDEM_PORTAL_URL"
        if not stripe.publishable_key:
            yield f"`tandem connections set {stripe.id} publishable_key=pk_...`"
    if not any(
        link.flow == INVOICE_TO_PAYMENT_FORM.id and link.enabled and link.connections == charges.connections
        for link in links
    ):
        yield f"switch the flow {INVOICE_TO_PAYMENT_FORM.id} on"
