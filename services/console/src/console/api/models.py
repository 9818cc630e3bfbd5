"""The shapes of the API: what a list shows of each record, and what a single one adds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field
from shared.model import Model

CUS = "cus_NffrFeUfNV2Hib"
STRIPE_REF = f"stripe:test:acct_1Nv0FGQ9RKHgCVdK/customer/{CUS}"
TOGAI_REF = "togai:test:org_1zYnJ0W2/account/acme"


class RunProblem(Model):
    """Why something did not go on."""

    error: str = Field(description="class of the error", examples=["Rejected"])
    reason: str = Field(description="in words", examples=["Stripe refused the e-mail address"])
    code: str = Field(description="the vendor's or our own code", examples=["email_invalid"])
    retryable: bool = Field(description="whether the same call can succeed later")
    candidates: list[str] = Field(description="refs that a person must choose from")
    connection: str = Field(description="the connection that the run waits for, empty if none")


class Side(Model):
    """One entity of a link."""

    app: str = Field(examples=["stripe"])
    account: str = Field(description="app account", examples=["stripe:test:acct_1"])
    kind: str = Field(description="noun at the app", examples=["customer"])
    id: str = Field(examples=[CUS])
    ref: str = Field(examples=[STRIPE_REF])
    url: str = Field(description="its page at the vendor, empty if none is known")


class MappingItem(Model):
    """A pair of entities at both sides, from the claim on."""

    id: str = Field(examples=["map_8a1f0c2b3d4e5f6071829304"])
    state: str = Field(
        description="claimed, linked, deleted, withdrawn, separate, unlinked or held", examples=["linked"]
    )
    shown_as: str = Field(description="the state in words", examples=["Stripe customer deleted"])
    relation: str = Field(description="what kind of link it is", examples=["customer"])
    sides: list[Side] = Field(description="both sides, as far as they are known, then what they belong to")
    rule: str = Field(description="why these two are one: created, setting, metadata, natural-id, email, manual")
    origin_app: str = Field(description="app where the pair began", examples=["togai"])
    source: str = Field(description="full ref of the side where it began", examples=[TOGAI_REF])
    target: str | None = Field(description="full ref of the other side", examples=[STRIPE_REF])
    also: list[str] = Field(description="further refs of the pair")
    run: str = Field(description="run that wrote the present state", examples=["run_0c9a7b5d3e1f2a4b6c8d0e1f"])
    at: str = Field(description="when the present state was written", examples=["2026-11-23T10:00:00.000Z"])
    claimed_for: float | None = Field(description="seconds since the claim was opened, only while it is claimed")
    reason: str = Field(description="why it is deleted, withdrawn or separate, or was linked by hand")


class Claim(Model):
    """The call that a claim announces."""

    action: str = Field(examples=["stripe.customer.create"])
    key: str = Field(description="idempotency key of the call")
    body: dict[str, Any] = Field(description="what is sent, again and again the same")
    attempt: int
    opened_at: str
    match: str = Field(description="value that must be unique besides the refs")


class MappingDetail(MappingItem):
    """The whole record."""

    match: str = Field(description="the address under which the pair was made or linked, if any")
    claim: Claim | None


class StepItem(Model):
    """One action of a run."""

    id: str
    action: str = Field(examples=["stripe.customer.create"])
    state: str = Field(description="running, succeeded, in_sync, skipped, failed or waiting")
    started_at: str
    ended_at: str
    attempts: int
    output: dict[str, Any]
    notes: list[str] = Field(description="what was chosen, cut or found, in words")
    problem: RunProblem | None


class RunItem(Model):
    """One flow link handling one event."""

    id: str = Field(examples=["run_0c9a7b5d3e1f2a4b6c8d0e1f"])
    state: str = Field(
        description="running, succeeded, in_sync, skipped, superseded, missed, parked, dead, discarded or previewed",
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
    problem: RunProblem | None
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
    echo_of: str = Field("", description="run whose own write its event was, if nothing was to be done")
    steps: list[StepItem]


class DeadLetterItem(Model):
    """An event or run given up on."""

    id: str = Field(examples=["dead_5d3e1f2a4b6c8d0e1f0c9a7b"])
    state: str = Field(description="open, retried, discarded or resolved: a later run ended well", examples=["open"])
    problem: RunProblem
    noun: str = Field(examples=["customer"])
    aggregate: str = Field(examples=[TOGAI_REF])
    event: str
    event_type: str
    connection: str
    run: str | None = Field(description="run that was given up, null if the event never became one")
    step: str = Field(description="step at which a retry resumes")
    attempts: int
    dead_lettered_at: str = Field(examples=["2026-11-23T10:00:00.000Z"])
    place: str = Field(description="topic, partition and offset of the event", examples=["customer.events/3/1204"])
    changed_at: str = Field(description="when it was retried or discarded")
    changed_reason: str


class DeadLetterDetail(DeadLetterItem):
    """The whole record."""

    traceback: str = Field(description="of a bug, else empty")
    value: str = Field(description="the record that was given up on, as text")
    run_record: RunDetail | None


class Entity(Model):
    """One thing at one app."""

    ref: str = Field(description="its full ref", examples=[STRIPE_REF])
    app: str = Field(examples=["stripe"])
    noun: str = Field(examples=["customer"])
    id: str = Field(examples=[CUS])


class Candidate(Entity):
    """One of those that could be the other side."""

    mapping: str | None = Field(description="mapping that names it, null if none does")
    state: str | None = Field(description="state of that mapping", examples=["linked"])
    linked_to: str | None = Field(description="ref of the other side of that mapping, while it is linked")


class ConflictItem(Model):
    """A run that waits for a person: several things could be one, or one is linked already."""

    run: str = Field(examples=["run_0c9a7b5d3e1f2a4b6c8d0e1f"])
    relation: str = Field(description="kind of link that it is to get", examples=["customer"])
    entity: Entity = Field(description="what is to get its other side")
    reason: str = Field(description="in words")
    candidates: list[Candidate]
    separable: bool = Field(description="whether it is over, too, if the entity is declared to match none of them")
    decidable: bool = Field(description="whether one of the candidates can be chosen")
    flow_link: str = Field(description="the one that carries a decision out, where several could; else empty")
    flow: str = Field(examples=["stripe-customer-to-togai-customer"])
    event_type: str = Field(examples=["stripe.customer.created"])
    since: str = Field(description="when the run began", examples=["2026-11-23T10:00:00.000Z"])
    next_attempt_at: str | None = Field(description="when it looks again at the latest; a decision wakes it")


class DifferenceItem(Model):
    """A field whose values differ at the two sides of a pair and stay so."""

    mapping: str = Field(examples=["map_8a1f0c2b3d4e5f6071829304"])
    relation: str = Field(description="what kind of link it is", examples=["customer"])
    sides: list[Side] = Field(description="both sides of the pair")
    field: str = Field(examples=["name"])
    owner: str = Field(description="app whose value holds", examples=["togai"])
    values: dict[str, Any] = Field(
        description="value at each app", examples=[{"togai": "Acme Inc.", "stripe": "Acme Incorporated"}]
    )
    reason: str = Field(description="why it was neither copied nor reverted")
    since: str = Field(examples=["2026-11-23T10:00:00.000Z"])


class RefusedOperation(Model):
    """An operation that the vendor refuses to a connection's key: a right that lacks, or a quota that is used up."""

    operation: str = Field(examples=["customers.create"])
    quota: bool = Field(description="the vendor lets no more stand: ask it for more; else a right lacks")
    reason: str = Field(description="the vendor's own words; Stripe's name the right that lacks")
    since: str = Field(description="time of the last refusal", examples=["2026-11-23T10:00:00.000Z"])


class ConnectionItem(Model):
    """One key to one app account. Its secrets are never shown."""

    id: str = Field(examples=["stripe-test"])
    app: str = Field(examples=["stripe"])
    app_account: str = Field(examples=["stripe:test:acct_1Nv0FGQ9RKHgCVdK"])
    mode: str = Field(description="test or live")
    title: str
    state: str = Field(description="open, closed (the vendor refused its key), or removed by a person")
    reason: str = Field(description="why it is closed, in the vendor's words, or how to have a removed one again")
    refused: list[RefusedOperation] = Field(description="what an open one may not do; the runs that need it wait")
    problems: list[str] = Field(description="what is not well, with what to do, to be read after the connection's name")
    api_base: str
    publishable_key: str = Field(description="Stripe's, for pages that customers see; empty for none")
    limits: dict[str, float] = Field(
        description="how fast it may be called, as a person set it; the rest is left to the settings",
        examples=[{"quota": 50, "background_share": 0.2}],
    )
    changed_at: str


class FlowLinkItem(Model):
    """A flow bound to a connection for every app that it uses."""

    id: str
    flow: str = Field(examples=["stripe-customer-to-togai-customer"])
    connections: dict[str, str] = Field(examples=[{"stripe": "stripe-test", "togai": "togai-test"}])
    enabled: bool
    new: bool = Field(description="an update brought it, switched off, and nobody has decided about it yet")
    changed_at: str
    missed: int = Field(
        description="entities of which it missed something, and that it has not handled since", examples=[0]
    )
    waiting: int = Field(description="entities whose runs wait until it is on again")
    off: str = Field(description="why it is off and what switches it on; empty while it is on")
    competition: str = Field(
        "", description="which others make the other side of the same entities at another account, and what to do"
    )
    options: dict[str, str] = Field({}, description="what it has chosen", examples=[{"mode": "first_payment"}])
    removed: dict[str, str] = Field({}, description="its connections that a person removed, and the app of each")


class FlowLinkOptions(Model):
    """What is to be chosen; what is not named stays."""

    model_config = ConfigDict(extra="forbid")

    options: dict[str, str] = Field(max_length=20, examples=[{"mode": "subscription"}])


class CatchUpRequest(Model):
    """Where to go on."""

    after: str = Field("", description="`next` of the answer before; empty for the first")


class CaughtUp(Model):
    """How many entities are looked at again. `gone`: those of which an event is not kept any more."""

    sent: int
    gone: int
    next: str | None = Field(description="send it as `after` for the next ones; null when these were all")


NextCursor = Annotated[str | None, Field(description="give it as `cursor` for the next page; null on the last one")]


class MappingPage(Model):
    """A page of mappings, newest first."""

    items: list[MappingItem]
    next_cursor: NextCursor = None


class RunPage(Model):
    """A page of runs, newest first."""

    items: list[RunItem]
    next_cursor: NextCursor = None


class DeadLetterPage(Model):
    """A page of dead letters, newest first."""

    items: list[DeadLetterItem]
    next_cursor: NextCursor = None


class ConflictPage(Model):
    """A page of conflicts, newest first."""

    items: list[ConflictItem]
    next_cursor: NextCursor = None


class DifferencePage(Model):
    """A page of differences, newest first."""

    items: list[DifferenceItem]
    next_cursor: NextCursor = None
    behind: list[str] = Field(
        description="flow links that have not looked at what came for these entities while they were off: what differs "
        "since is not known"
    )


class ConnectionList(Model):
    """Every connection."""

    items: list[ConnectionItem]
    next_cursor: NextCursor = None


class FlowLinkList(Model):
    """Every flow link."""

    items: list[FlowLinkItem]
    next_cursor: NextCursor = None


class Discard(Model):
    """Why a dead letter is given up for good."""

    reason: str = Field(min_length=1, max_length=500, examples=["test account, not needed"])
