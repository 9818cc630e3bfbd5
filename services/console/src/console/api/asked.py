"""What a person asks for, and what is answered: links changed by hand, and writes taken back."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from shared.domains.writes import FieldWrite
from shared.model import Model

from console.api.models import CUS

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    Field(description="why; it is kept with the link", examples=["two records of one company"]),
]
AnyId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]

NewPartner = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]


class _Decision(Model):
    model_config = ConfigDict(extra="forbid")

    reason: Reason
    flow_link: str = Field(
        "", max_length=300, description="flow link of `links-by-hand` that does it; needed only if several could"
    )


class LinkRequest(_Decision):
    """Two that are to be one."""

    togai_account_id: AnyId = Field(description="id or full ref", examples=["acme"])
    stripe_customer_id: AnyId = Field(description="id or full ref", examples=[CUS])


class UnlinkRequest(_Decision):
    """A pair that is none."""

    id: AnyId = Field(description="the mapping's id, or any id or full ref of either side", examples=[CUS])


class RelinkRequest(UnlinkRequest):
    """Another partner for one side of a pair: exactly one of the two."""

    togai_account_id: NewPartner = Field("", description="the new account, id or full ref")
    stripe_customer_id: NewPartner = Field("", description="the new customer, id or full ref", examples=[CUS])

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.togai_account_id) == bool(self.stripe_customer_id):
            raise ValueError("name the new togai_account_id or the new stripe_customer_id, one of the two")
        return self


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


class LookAsked(Model):
    """A run was asked to look again; `event` is what asked it."""

    run: str
    event: str


class LinkAsked(Model):
    """The request is in the log; the run does it."""

    run: str = Field(description="see how it goes: GET /api/runs/{run}", examples=["run_0c9a7b5d3e1f2a4b6c8d0e1f"])
    event: str = Field(examples=["req_5f0c9a7b5d3e1f2a4b6c8d0e1f0c9a7b"])
