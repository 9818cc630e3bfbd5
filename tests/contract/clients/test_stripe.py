"""Our Stripe client, every method: what it sends is what Stripe takes, and what comes back is what we read."""

from __future__ import annotations

import pytest
from shared.apps.stripe.client import API_VERSION
from shared.errors import Malformed, NotFound

from tests.contract.clients.conftest import StripeSide

ODD = [
    "a b",
    "a/b",
    "a?b=c",
    "a#b",
    "a%2Fb",
    "a&b",
    "Zoë",
    "日本",
    "a\\b",
    "a;b",
    "..",
    ".",
    "../customers",
    "./",
]


async def test_who_is_behind_the_key(stripe_side: StripeSide) -> None:
    """The account's own id."""
    assert await stripe_side.client.account() == stripe_side.account


async def test_a_customer_is_made_once_under_its_key(stripe_side: StripeSide) -> None:
    """Sent again it is the same customer, and everything that we write comes back."""
    address = {"line1": "1 Elm Avenue", "city": "Zürich", "country": "CH"}
    params = {"name": "Zoë & Co.", "email": "z@x.test", "address": address, "metadata": {"togai_account_id": "a b"}}
    made = await stripe_side.client.create_customer(params, "tandem-key-1")
    again = await stripe_side.client.create_customer(params, "tandem-key-1")
    read = await stripe_side.client.retrieve_customer(made.id)

    assert made == again == read
    assert (read.name, read.email, read.metadata) == ("Zoë & Co.", "z@x.test", {"togai_account_id": "a b"})
    assert read.address is not None
    assert (read.address.city, read.address.country, read.address.line2) == ("Zürich", "CH", None)
    assert len(stripe_side.state()["customers"]) == 1


async def test_an_update_is_never_an_old_answer(stripe_side: StripeSide) -> None:
    """Back and forth between two states: each call has a key of its own, so that each takes effect."""
    made = await stripe_side.client.create_customer({"name": "one", "metadata": {"kept": "yes"}}, "k")
    for name in ("two", "one", "two", "one"):
        changed = await stripe_side.client.update_customer(made.id, {"metadata": {"name": name}})
        assert changed.metadata == {"kept": "yes", "name": name}

    assert (await stripe_side.client.retrieve_customer(made.id)).metadata["name"] == "one"


async def test_a_deleted_customer_is_returned_as_deleted(stripe_side: StripeSide) -> None:
    """Read it comes back with the mark, written it is not found."""
    made = await stripe_side.client.create_customer({"name": "x"}, "k")
    await stripe_side.client._client.v1.customers.delete_async(made.id)

    assert (await stripe_side.client.retrieve_customer(made.id)).deleted
    with pytest.raises(NotFound):
        await stripe_side.client.update_customer(made.id, {"name": "y"})


@pytest.mark.parametrize("number", [0, 1, 100, 101, 130])
async def test_every_customer_since_a_time_over_all_pages(stripe_side: StripeSide, number: int) -> None:
    """Newest first, none twice, none left out at the edge of a page, none from before."""
    await stripe_side.client.create_customer({"name": "before"}, "before")
    since = stripe_side.control.call("POST", "/clock", {"advance": 10})["now"]
    made = [(await stripe_side.client.create_customer({"name": f"c{n}"}, f"k{n}")).id for n in range(number)]
    found = [customer.id async for customer in stripe_side.client.customers_since(int(since) - 5)]

    assert found == made[::-1]


async def test_webhook_endpoints(stripe_side: StripeSide) -> None:
    """Made with our API version and a secret that is shown once, listed without it, removed."""
    events = ["customer.created", "customer.updated"]
    made = await stripe_side.client.create_webhook_endpoint("http://127.0.0.1:1/webhooks/stripe/c", events)
    (listed,) = await stripe_side.client.webhook_endpoints()
    await stripe_side.client.delete_webhook_endpoint(made["id"])

    assert made["secret"].startswith("whsec_")
    assert (listed["id"], listed["url"], listed["api_version"]) == (made["id"], made["url"], API_VERSION)
    assert listed["enabled_events"] == events
    assert "secret" not in listed
    assert await stripe_side.client.webhook_endpoints() == []


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_id_reaches_no_other_address(stripe_side: StripeSide, odd: str) -> None:
    """It is not found, or refused before a call: never a list, a create or another object."""
    await stripe_side.client.create_customer({"name": "x"}, "k")
    with pytest.raises((NotFound, Malformed)):
        await stripe_side.client.retrieve_customer(odd)
    with pytest.raises((NotFound, Malformed)):
        await stripe_side.client.update_customer(odd, {"name": "y"})

    assert [customer["name"] for customer in stripe_side.state()["customers"]] == ["x"]
    operations = [call["operation"] for call in stripe_side.calls()]
    assert (operations.count("customers.create"), operations.count("customers.list")) == (1, 0)


async def test_an_empty_id_is_no_call(stripe_side: StripeSide) -> None:
    """GET /v1/customers/ would be the list of all."""
    with pytest.raises(Malformed):
        await stripe_side.client.retrieve_customer("")
    with pytest.raises(Malformed):
        await stripe_side.client.update_customer("", {})

    assert stripe_side.calls() == []
