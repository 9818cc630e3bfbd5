"""Links as the API shows them, in the words of the tests of customers."""

from __future__ import annotations

from typing import Any


def with_ids(item: dict[str, Any]) -> dict[str, Any]:
    """A link or difference of customers, with the ids of its sides by the names that these tests give them."""
    ids = {f"{side['app']}/{side['kind']}": side["id"] for side in item["sides"]}
    kinds = {"stripe_id": "stripe/customer", "togai_account_id": "togai/account", "togai_customer_id": "togai/customer"}
    return item | {name: ids.get(kind) for name, kind in kinds.items()}
