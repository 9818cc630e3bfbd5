"""The shapes of the API: what a list shows of each record, and what a single one adds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

CUS = "cus_NffrFeUfNV2Hib"
STRIPE_REF = f"stripe:test:acct_1Nv0FGQ9RKHgCVdK/customer/{CUS}"
TOGAI_REF = "togai:test:org_1zYnJ0W2/account/acme"


class Problem(BaseModel):
    """Why something did not go on."""

    error: str = Field(description="class of the error", examples=["Rejected"])
    reason: str = Field(description="in words", examples=["Stripe refused the e-mail address"])
    code: str = Field(description="the vendor's or our own code", examples=["email_invalid"])
    retryable: bool = Field(description="whether the same call can succeed later")
    candidates: list[str] = Field(description="refs that a person must choose from")


class MappingItem(BaseModel):
    """A pair of entities at both sides, from the claim on."""

    id: str = Field(examples=["map_8a1f0c2b3d4e5f6071829304"])
    state: str = Field(description="claimed, linked, deleted or withdrawn", examples=["linked"])
    stripe_id: str | None = Field(description="id at Stripe, null until it is known", examples=[CUS])
    togai_account_id: str | None = Field(description="account id at Togai, null until it is known", examples=["acme"])
    togai_customer_id: str | None = Field(description="id of the Togai customer above the account", examples=["acme"])
    rule: str = Field(description="why these two are one: created, setting, metadata, natural-id, manual")
    born: str = Field(description="app where the pair began", examples=["togai"])
    source: str = Field(description="full ref of the side where it began", examples=[TOGAI_REF])
    target: str | None = Field(description="full ref of the other side", examples=[STRIPE_REF])
    also: list[str] = Field(description="further refs of the pair")
    run: str = Field(description="run that wrote the present state", examples=["run_0c9a7b5d3e1f2a4b6c8d0e1f"])
    at: str = Field(description="when the present state was written", examples=["2026-11-23T10:00:00.000Z"])
    claimed_for: float | None = Field(description="seconds since the claim was opened, only while it is claimed")
    reason: str = Field(description="why it is deleted or withdrawn")


class Claim(BaseModel):
    """The call that a claim stands for."""

    action: str = Field(examples=["stripe.customer.create"])
    key: str = Field(description="idempotency key of the call")
    body: dict[str, Any] = Field(description="what is sent, again and again the same")
    attempt: int
    opened_at: str
    match: str = Field(description="value that must be unique besides the refs")


class MappingDetail(MappingItem):
    """The whole record."""

    claim: Claim | None


class StepItem(BaseModel):
    """One action of a run."""

    id: str
    action: str = Field(examples=["stripe.customer.create"])
    state: str = Field(description="running, succeeded, in_sync, failed or waiting")
    started_at: str
    ended_at: str
    attempts: int
    output: dict[str, Any]
    notes: list[str] = Field(description="what was chosen, cut or found, in words")
    problem: Problem | None


class RunItem(BaseModel):
    """One flow link handling one event."""

    id: str = Field(examples=["run_0c9a7b5d3e1f2a4b6c8d0e1f"])
    state: str = Field(
        description="running, succeeded, in_sync, skipped, superseded, parked, dead or discarded",
        examples=["succeeded"],
    )
    flow: str = Field(examples=["togai-account-to-stripe-customer"])
    flow_link: str
    event: str = Field(description="id of the event", examples=["evt_1NG8Du2eZvKYlo2CUI79vXWy"])
    event_type: str = Field(examples=["customer.created"])
    aggregate: str = Field(description="what the event changed", examples=[STRIPE_REF])
    connection: str = Field(description="connection that brought the event")
    origin: str = Field(description="live, poll, replay or backfill")
    started_at: str = Field(examples=["2026-11-23T10:00:00.000Z"])
    updated_at: str
    ended_at: str | None = Field(description="null until it has ended")
    reason: str = Field(description="why it ended as it did", examples=["both sides are equal"])
    problem: Problem | None
    attempts: int
    parked: int = Field(description="how often it was parked")
    next_attempt_at: str | None = Field(description="when a parked run goes on")
    superseded_by: str = Field(description="run that made this one unnecessary")
    refs: list[str] = Field(description="entities that it touched")
    steps_done: int = Field(description="steps that succeeded")
    steps_total: int = Field(description="steps that were begun")


class RunDetail(RunItem):
    """The whole record, with its steps in the order of execution."""

    flow_version: int
    worker: str
    place: str = Field(description="topic, partition and offset of the event")
    steps: list[StepItem]


class DeadLetterItem(BaseModel):
    """An event or run given up on."""

    id: str = Field(examples=["dead_5d3e1f2a4b6c8d0e1f0c9a7b"])
    state: str = Field(description="open, retried or discarded", examples=["open"])
    problem: Problem
    noun: str = Field(examples=["customer"])
    aggregate: str = Field(examples=[TOGAI_REF])
    event: str
    event_type: str
    connection: str
    run: str | None = Field(description="run that was given up, null if the event never became one")
    step: str = Field(description="step at which a retry resumes")
    attempts: int
    buried_at: str = Field(examples=["2026-11-23T10:00:00.000Z"])
    place: str = Field(description="topic, partition and offset of the event", examples=["customer.events/3/1204"])
    changed_at: str = Field(description="when it was retried or discarded")
    changed_reason: str


class DeadLetterDetail(DeadLetterItem):
    """The whole record."""

    traceback: str = Field(description="of a bug, else empty")
    value: str = Field(description="the record that was given up on, as text")
    run_record: RunDetail | None


class ConnectionItem(BaseModel):
    """One key to one app account. Its secrets are never shown."""

    id: str = Field(examples=["stripe-test"])
    app: str = Field(examples=["stripe"])
    app_account: str = Field(examples=["stripe:test:acct_1Nv0FGQ9RKHgCVdK"])
    mode: str = Field(description="test or live")
    title: str
    state: str = Field(description="open, closed (a key was refused) or removed")
    reason: str = Field(description="why it is closed, and what to do")
    api_base: str
    changed_at: str


class FlowLinkItem(BaseModel):
    """A flow bound to a connection for every app that it uses."""

    id: str
    flow: str = Field(examples=["stripe-customer-to-togai-customer"])
    connections: dict[str, str] = Field(examples=[{"stripe": "stripe-test", "togai": "togai-test"}])
    enabled: bool
    changed_at: str


NextCursor = Annotated[str | None, Field(description="give it as `cursor` for the next page; null on the last one")]


class MappingPage(BaseModel):
    """A page of mappings, newest first."""

    items: list[MappingItem]
    next_cursor: NextCursor = None


class RunPage(BaseModel):
    """A page of runs, newest first."""

    items: list[RunItem]
    next_cursor: NextCursor = None


class DeadLetterPage(BaseModel):
    """A page of dead letters, newest first."""

    items: list[DeadLetterItem]
    next_cursor: NextCursor = None


class ConnectionList(BaseModel):
    """Every connection."""

    items: list[ConnectionItem]
    next_cursor: NextCursor = None


class FlowLinkList(BaseModel):
    """Every flow link."""

    items: list[FlowLinkItem]
    next_cursor: NextCursor = None


class Discard(BaseModel):
    """Why a dead letter is given up for good."""

    reason: str = Field(min_length=1, max_length=500, examples=["test account, not needed"])
