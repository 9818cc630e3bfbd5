"""What a write to a pair of customers set, in the terms in which both sides are compared. Pure."""

from __future__ import annotations

from typing import Any

from shared.apps.togai.models import TogaiAddress
from shared.domains.writes import FieldWrite
from shared.identity import Ref

ADDRESS_FIELDS = ("line1", "line2", "city", "state", "postal_code", "country")
"""The parts of an address, as Stripe names them."""
TOGAI_STATUS = "togai_status"
"""Key of a Stripe customer's metadata that shows the field `status`."""
TAKEN_BACK = frozenset({"address", "metadata"})
"""What Togai takes back once it stands: of any other value it keeps the last one."""


def fields_of(write: FieldWrite) -> dict[str, dict[str, Any]]:
    """What each parameter of a write set, by field. Of a Togai customer only the name is compared by itself, of
    anything else the value of its account.
    """
    ref = Ref.parse(write.entity)
    if ref.app == "stripe":
        return {name: _at_stripe(name, value) for name, value in write.set.items()}
    if ref.noun == "customer":
        return {name: {name: value} for name, value in write.set.items() if name == "name"}
    return {name: _at_togai(name, value) for name, value in write.set.items()}


def lasting(write: FieldWrite) -> set[str]:
    """The parameters whose former value cannot be put back: there was none, and Togai takes none back."""
    return {name for name, value in write.former.items() if value is None and name not in TAKEN_BACK}


def _at_stripe(name: str, value: Any) -> dict[str, Any]:
    if name == "metadata" and isinstance(value, dict):
        return {"status" if key == TOGAI_STATUS else f"metadata.{key}": text for key, text in value.items()}
    if name == "address":
        return {name: {part: text for part, text in value.items() if text} if isinstance(value, dict) else {}}
    return {name: value}


def _at_togai(name: str, value: Any) -> dict[str, Any]:
    if name == "primaryEmail":
        return {"email": value}
    if name == "metadata" and isinstance(value, dict):
        return {f"metadata.{key}": text for key, text in value.items()}
    if name == "address" and isinstance(value, dict):
        whole = TogaiAddress.model_validate(value)
        parts = {part: text for part in ADDRESS_FIELDS if (text := getattr(whole, part))}
        return {"phone": whole.phone_number or "", "address": parts}
    return {}
