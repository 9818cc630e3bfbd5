"""What a run wrote to an entity of a pair, kept so that it can be written back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ConfigDict, Field

from shared.identity import Ref
from shared.model import Model


class FieldWrite(Model):
    """One write to an entity, in the vendor's own terms: what was set, and what stood there before."""

    model_config = ConfigDict(extra="forbid")

    entity: str = Field(description="the entity's canonical id")
    set: dict[str, Any]
    former: dict[str, Any] = Field(description="in the same shape as `set`; null for what stood nowhere")


def by_app(writes: Iterable[FieldWrite]) -> dict[str, list[dict[str, Any]]]:
    """As records keep them, by the app whose entity they are to."""
    found: dict[str, list[dict[str, Any]]] = {}
    for write in writes:
        found.setdefault(Ref.parse(write.entity).app, []).append(write.model_dump(mode="json"))
    return found


def nothing_known(_write: FieldWrite) -> dict[str, dict[str, Any]]:
    """Of a relation that compares no fields."""
    return {}


def nothing_lasting(_write: FieldWrite) -> set[str]:
    """Of a relation in which every value can be taken back."""
    return set()
