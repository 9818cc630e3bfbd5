"""The Stripe SDK works on the sandbox's customers as on Stripe's."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import StripeSide

FULL: Any = {
    "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+44 20 7946 0000", "description": "first",
    "address": {"line1": "12 St James's Square", "city": "London", "country": "GB"},
    "shipping": {"name": "Ada", "address": {"line1": "Dock 1"}, "phone": "1"},
    "metadata": {"togai_id": "acc_1", "0": "digits"}, "tax_exempt": "reverse", "preferred_locales": ["en", "fr"],
    "invoice_settings": {"footer": "thanks", "custom_fields": [{"name": "PO", "value": "7"}]}, "balance": -500,
    "business_name": "Engines Ltd", "tax_id_data": [{"type": "gb_vat", "value": "GB123456789"}],
}  # fmt: skip


def test_create_and_retrieve(side: StripeSide) -> None:
    """Every field that was sent comes back typed, at creation and later."""
    made = side.sdk.v1.customers.create(FULL)
    assert made.livemode is False
    assert made.balance == -500
    assert made.metadata is not None
    assert made.metadata["0"] == "digits"
    assert made.invoice_settings is not None
    assert made.invoice_settings.custom_fields is not None
    assert made.invoice_settings.custom_fields[0].value == "7"
    assert made.preferred_locales == ["en", "fr"]
    assert side.sdk.v1.customers.retrieve(made.id).to_dict() == made.to_dict()


def test_update_merges_and_unsets(side: StripeSide) -> None:
    """Metadata and address merge by key, '' unsets a key, a field or the whole map."""
    made = side.sdk.v1.customers.create(FULL)
    changed = side.sdk.v1.customers.update(
        made.id, {"metadata": {"togai_id": "", "new": "1"}, "phone": "", "address": {"line1": "", "state": "X"}}
    )
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"0": "digits", "new": "1"}
    assert changed.phone is None
    assert changed.address is not None
    assert (changed.address.line1, changed.address.city, changed.address.state) == (None, "London", "X")
    emptied = side.sdk.v1.customers.update(made.id, {"metadata": "", "address": "", "shipping": ""})
    assert emptied.to_dict()["metadata"] == {}
    assert (emptied.address, emptied.shipping) == (None, None)


def test_delete(side: StripeSide) -> None:
    """A deleted customer answers as a stub, is in no list, and cannot be changed."""
    made = side.sdk.v1.customers.create({"name": "gone"})
    assert side.sdk.v1.customers.delete(made.id).deleted is True
    assert side.sdk.v1.customers.retrieve(made.id).to_dict() == {"id": made.id, "object": "customer", "deleted": True}
    assert side.sdk.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        side.sdk.v1.customers.update(made.id, {"name": "back"})
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_list_pages_in_both_directions(side: StripeSide) -> None:
    """Lists are newest first, and auto-pagination visits every customer once."""
    made = [side.sdk.v1.customers.create({"name": f"n{number}"}).id for number in range(7)][::-1]
    first = side.sdk.v1.customers.list({"limit": 3})
    assert ([c.id for c in first.data], first.has_more, first.url) == (made[:3], True, "/v1/customers")
    assert [c.id for c in first.auto_paging_iter()] == made
    before = side.sdk.v1.customers.list({"limit": 2, "ending_before": made[4]})
    assert ([c.id for c in before.data], before.has_more) == (made[2:4], True)
    last = side.sdk.v1.customers.list({"limit": 3, "starting_after": made[4]})
    assert ([c.id for c in last.data], last.has_more) == (made[5:], False)


def test_list_filters(side: StripeSide) -> None:
    """The e-mail filter minds case; created takes a number or a range."""
    made = side.sdk.v1.customers.create({"email": "Case@example.com"})
    assert [c.id for c in side.sdk.v1.customers.list({"email": "Case@example.com"}).data] == [made.id]
    assert side.sdk.v1.customers.list({"email": "case@example.com"}).data == []
    assert len(side.sdk.v1.customers.list({"created": made.created}).data) == 1
    assert len(side.sdk.v1.customers.list({"created": {"gte": made.created, "lt": made.created + 1}}).data) == 1
    assert side.sdk.v1.customers.list({"created": {"gt": made.created}}).data == []


def test_expand(side: StripeSide) -> None:
    """What is only included on demand appears on demand, in objects and in lists; anything else is refused."""
    params: Any = {**FULL, "expand": ["tax_ids", "subscriptions"]}
    made = side.sdk.v1.customers.create(params)
    assert made.tax_ids is not None
    assert made.tax_ids.data[0].value == "GB123456789"
    assert "tax_ids" not in side.sdk.v1.customers.retrieve(made.id)
    listed = side.sdk.v1.customers.list({"expand": ["data.tax"]}).data[0]
    assert listed.tax is not None
    assert listed.tax.automatic_tax == "unrecognized_location"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        side.sdk.v1.customers.retrieve(made.id, {"expand": ["nonsense"]})


REFUSED: list[tuple[dict[str, Any], str | None, str]] = [
    ({"emial": "a@b.co"}, "parameter_unknown", "emial"),
    ({"address": {"cty": "x"}}, "parameter_unknown", "address[cty]"),
    ({"shipping": {"name": "n", "address": {"zip": "1"}}}, "parameter_unknown", "shipping[address][zip]"),
    ({"invoice_settings": {"custom_fields": [{"name": "a", "value": "b", "x": "c"}]}}, "parameter_unknown",
     "invoice_settings[custom_fields][0][x]"),
    ({"tax_id_data": [{"type": "gb_vat"}]}, "parameter_missing", "tax_id_data[0][value]"),
    ({"shipping": {"name": "n"}}, "parameter_missing", "shipping[address]"),
    ({"balance": "5.0"}, "parameter_invalid_integer", "balance"),
    ({"balance": ""}, "parameter_invalid_empty", "balance"),
    ({"validate": "yes"}, None, "validate"),
    ({"tax_exempt": "maybe"}, None, "tax_exempt"),
    ({"address": "London"}, None, "address"),
    ({"name": {"first": "x"}}, None, "name"),
    ({"preferred_locales": "en"}, None, "preferred_locales"),
    ({"email": "no-address"}, "email_invalid", "email"),
    ({"name": "n" * 257}, None, "name"),
    ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
    ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
    ({"metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
    ({"metadata": {"a[b]": "c"}}, None, "metadata[a[b]]"),
    ({"payment_method": "pm_none"}, "resource_missing", "payment_method"),
    ({"created": 5}, "parameter_unknown", "created"),
]  # fmt: skip


@pytest.mark.parametrize(("params", "code", "param"), REFUSED, ids=[row[2][:30] for row in REFUSED])
def test_create_refuses(side: StripeSide, params: Any, code: str | None, param: str) -> None:
    """A parameter that Stripe does not have, or of a wrong type, is refused by name, and nothing is made."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        side.sdk.v1.customers.create(params)
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)
    assert caught.value.request_id
    assert side.sdk.v1.customers.list().data == []


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("created[foo]=1", "created[foo]"), ("offset=1", "offset"),
     ("starting_after=cus_none", "starting_after"), ("starting_after=a&ending_before=b", "starting_after")],
)  # fmt: skip
def test_list_refuses(side: StripeSide, query: str, param: str) -> None:
    """A list refuses limits out of 1..100, unknown filters and cursors that name nothing."""
    answer = side.http.get(f"/v1/customers?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_metadata_limit_counts_after_the_merge(side: StripeSide) -> None:
    """Fifty keys fit, the fifty-first does not, and unsetting one makes room."""
    made = side.sdk.v1.customers.create({"metadata": {f"k{n}": "v" for n in range(50)}})
    with pytest.raises(stripe.InvalidRequestError):
        side.sdk.v1.customers.update(made.id, {"metadata": {"more": "1"}})
    changed = side.sdk.v1.customers.update(made.id, {"metadata": {"more": "1", "k0": ""}})
    assert changed.metadata is not None
    assert len(changed.metadata.to_dict()) == 50


def test_missing_and_unknown_urls(side: StripeSide) -> None:
    """A missing id and a path that is not served answer 404 with Stripe's error bodies."""
    with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_none'"):
        side.sdk.v1.customers.retrieve("cus_none")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        side.sdk.v1.coupons.list()
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        side.sdk.v1.customers.search({"query": "name:'x'"})


def test_json_bodies_are_refused(side: StripeSide) -> None:
    """The v1 API takes forms only."""
    answer = side.http.post("/v1/customers", json={"name": "x"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_async_client(side: StripeSide) -> None:
    """The SDK's asynchronous calls work too, over aiohttp."""
    http = stripe.AIOHTTPClient()
    sdk = tools.stripe_client(side.url, side.key, http_client=http)
    made = await sdk.v1.customers.create_async({"name": "later"})
    found = await sdk.v1.customers.list_async({"limit": 1})
    assert [customer.id async for customer in found.auto_paging_iter()] == [made.id]
    await http.close_async()  # type: ignore[no-untyped-call]
