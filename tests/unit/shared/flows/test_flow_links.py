"""Nothing starts by itself: which links set-up makes, and which of them are on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from shared.connections import Connection, FlowLink, encode
from shared.domains import BUILT_IN, invoices, plans
from shared.domains.customers.flows import CUSTOMER_CHANGES
from shared.domains.flow import Flow
from shared.domains.invoices.by_hand import INVOICES_BY_HAND
from shared.domains.plans.archived import FLOW as ARCHIVED
from shared.domains.plans.by_hand import PRICES_BY_HAND
from shared.domains.plans.payments import CHECKOUT_ENDED, REFUND_SHOWN
from shared.domains.plans.sign_in import FLOW as SIGN_IN
from shared.events.topics import Topics
from shared.flows.links import is_new, is_removed, link_id, missing_links, removed
from shared.runtime.registry import Registry
from shared.settings import Settings

BILLING = CUSTOMER_CHANGES.model_copy(update={"id": "bill-customers", "moves_money": True})
MAILING = CUSTOMER_CHANGES.model_copy(update={"id": "mail-customers", "sends_email": True})
FLOWS: dict[str, Flow] = {flow.id: flow for flow in (*BUILT_IN.values(), BILLING, MAILING)}
AT = "2026-11-23T10:00:00.000Z"


def connection(app: Any, name: str = "") -> Connection:
    """A connection in test mode."""
    return Connection(
        id=name or f"con_{app}", app=app, app_account=f"{app}:test:x", mode="test", api_base="", sealed=""
    )


CONNECTIONS = (connection("stripe"), connection("togai"))


def made(known: dict[str, FlowLink] | None = None, *, sandboxed: bool = False) -> dict[str, FlowLink]:
    """What set-up makes beside what is known, by flow."""
    return {link.flow: link for link in missing_links(FLOWS.values(), CONNECTIONS, known or {}, sandboxed=sandboxed)}


def known(*flows: str, **changes: Any) -> dict[str, FlowLink]:
    """Links that an earlier set-up made."""
    both = {"stripe": "con_stripe", "togai": "con_togai"}
    links = [FlowLink(id=f"link_{flow}", flow=flow, connections=both) for flow in flows]
    return {link.id: msgspec.structs.replace(link, **changes) for link in links}


@pytest.mark.parametrize("sandboxed", [True, False])
def test_a_new_home_has_its_flows_on(sandboxed: bool) -> None:
    """With real keys all but those that bill or write to customers; in the sandbox these too, but for one that changes
    what others do, as by billing the same.
    """
    found = made(sandboxed=sandboxed)
    off = {name for name, link in found.items() if not link.enabled}

    assert found.keys() == FLOWS.keys()
    assert off == {flow.id for flow in FLOWS.values() if flow.opt_in or (flow.starts_off and not sandboxed)}
    assert {BILLING.id, MAILING.id} <= {flow.id for flow in FLOWS.values() if flow.starts_off}
    assert {name for name, link in found.items() if is_new(link)} == off


@pytest.mark.parametrize("sandboxed", [True, False])
@pytest.mark.parametrize(
    "before",
    [
        known(CUSTOMER_CHANGES.id),
        known(CUSTOMER_CHANGES.id, enabled=False, changed_at=AT),
        known("a-persons-own"),
        {id: removed(link, AT) for id, link in known(CUSTOMER_CHANGES.id).items()},
    ],
    ids=["one is on", "one is off", "a person's own", "one was removed"],
)
def test_what_an_update_brings_is_off(before: dict[str, FlowLink], sandboxed: bool) -> None:
    """On every home that exists, whatever the flow does; what stands there is not made again."""
    found = made(before, sandboxed=sandboxed)

    assert found.keys() == FLOWS.keys() - {link.flow for link in before.values()}
    assert all(is_new(link) for link in found.values())


def test_other_connections_make_no_home_of_these() -> None:
    """Somebody linked two accounts by hand; then keys were set for two others."""
    links = {"link_own": FlowLink(id="link_own", flow="x", connections={"stripe": "con_a", "togai": "con_b"})}

    assert made(links)[CUSTOMER_CHANGES.id].enabled


def test_what_a_person_decided_is_new_no_more() -> None:
    """Switched on, switched off, or removed."""
    link = made(known("x"))[BILLING.id]

    assert is_new(link)
    for enabled in (True, False):
        assert not is_new(msgspec.structs.replace(link, enabled=enabled, changed_at=AT))
    assert not is_new(removed(link, AT))


def test_a_removed_link_is_gone_for_workers_and_known_to_set_up() -> None:
    """Its record stays in the topic: one without a value would be forgotten after a day."""
    registry, topic = Registry(), Topics(Settings(_env_file=None)).flow_links
    fold = Registry.folds(registry, Topics(Settings(_env_file=None)))[topic]
    (link,) = known(CUSTOMER_CHANGES.id).values()
    gone = removed(link, AT)
    fold(0, link.id, encode(link))
    fold(1, gone.id, encode(gone))

    assert is_removed(gone)
    assert (list(registry.links), list(registry.removed_links)) == ([], [link.id])
    assert link_id(CUSTOMER_CHANGES) not in {m.id for m in made(registry.links | registry.removed_links).values()}
    fold(2, link.id, encode(link))
    assert (list(registry.links), list(registry.removed_links)) == ([link.id], [])


def test_the_built_in_flows_that_move_money_are_declared_so() -> None:
    """Those of plans sell, and attach what was paid; those of invoices collect, and count what was paid. A person's
    decision about an invoice, or a price, moves none; nor does what is shown of a payment alone, a mail to sign in, or
    that the offers of an archived plan can be paid no more.
    """
    moving = {flow.id for domain in (plans.DOMAIN, invoices.DOMAIN) for flow in domain.flows}
    moving -= {INVOICES_BY_HAND.id, PRICES_BY_HAND.id, CHECKOUT_ENDED.id, REFUND_SHOWN.id, SIGN_IN.id, ARCHIVED.id}

    assert {flow.id for flow in BUILT_IN.values() if flow.moves_money} == moving
