"""What an action did to fields of an entity, as it stands in the run. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from shared.model import Model


class FieldWrite(Model):
    """One write to an entity, in the vendor's own terms: what was set, and what stood there before."""

    model_config = ConfigDict(extra="forbid")

    entity: str = Field(description="the entity's canonical id")
    set: dict[str, Any]
    former: dict[str, Any] = Field(description="in the same shape as `set`; null for what stood nowhere")
