"""What a person asks for, and what is answered: links changed by hand, and writes taken back."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from shared.domains.writes import FieldWrite
from shared.model import Model

from console.api.models import CUS

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    Field(description="why; it is kept with the link", examples=["two records of one company"]),
]
AnyId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


class _Decision(Model):
    model_config = ConfigDict(extra="forbid")

    reason: Reason
    flow_link: str = Field("", max_length=300, description="flow link that does it; needed only if several could")


class LinkRequest(_Decision):
    """Two that are to be one."""

    relation: str = Field("", max_length=100, description="kind of link; empty: the first that people change by hand")
    sides: dict[str, AnyId] = Field(
        description="id or full ref at each of its two apps", examples=[{"togai": "acme", "stripe": CUS}]
    )


class UnlinkRequest(_Decision):
    """A pair that is none."""

    id: AnyId = Field(description="the mapping's id, or any id or full ref of either side", examples=[CUS])


class RelinkRequest(UnlinkRequest):
    """Another partner for one side of a pair."""

    sides: dict[str, AnyId] = Field(
        min_length=1, max_length=1, description="the new one, id or full ref, by its app", examples=[{"stripe": CUS}]
    )


class RevertReason(_Decision):
    """Why what a run replaced is written back."""


class RevertRequest(RevertReason):
    """A run whose writes are taken back."""

    id: AnyId


class Stays(Model):
    """A value that is known to be another one by now, or not to go back: what stood before is not put back."""

    entity: str
    field: str = Field(description="the parameter that was written, as in `set`", examples=["phone"])
    why: str = Field(examples=["it is '+2' now"])
    run: str = Field("", description="the later run that wrote it, if one did")


class RevertPreview(Model):
    """What a run wrote to a pair, in its order: `set` goes back to `former` where it still stands. What is known not to
    is in `stays`; of anything else the vendors are asked when it is written back.
    """

    run: str
    writes: list[FieldWrite]
    stays: list[Stays]


class SeparateRequest(_Decision):
    """An entity that matches none of its candidates, or that was unlinked and is to have its own."""

    id: AnyId = Field(description="id or full ref of the entity in conflict", examples=[CUS])


class RecheckRequest(Model):
    """A run was asked to look again; `event` is what asked it."""

    run: str
    event: str


class LinkAsked(Model):
    """The request is in the log; the run does it."""

    run: str = Field(description="see how it goes: GET /api/runs/{run}", examples=["run_0c9a7b5d3e1f2a4b6c8d0e1f"])
    event: str = Field(examples=["req_5f0c9a7b5d3e1f2a4b6c8d0e1f0c9a7b"])
