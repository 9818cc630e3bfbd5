"""A linked pair is looked at: both sides are read, and where the owner of a field changed it, it is written.

The event's own snapshot saves a read where it is later than the last check, or where nothing is to be written or shown:
if it is stale, a later event follows. Else what is written is decided on what both sides said just before. An event
that shows its side as the last check left it is an echo, and asks for none.

A write is announced before it is sent. Of a refused one the field that the vendor refused is left out and shown, the
rest is sent again. What a write replaces stands in the run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from shared.domains.writes import FieldWrite, by_app
from shared.errors import FlowLinkOff, NotFound, NotReady, RateLimited, Rejected
from shared.events.envelope import timestamp
from shared.identity import digest
from shared.linking.claims import now
from shared.linking.fields import Decision, FieldPolicy, Value, decide, differences
from shared.linking.mappings import Mapping as Pair
from shared.linking.pairs import Side
from shared.runtime.actions import Context


class PairFields(ABC):
    """How a domain reads and writes the fields of one pair, in one comparison. `policy` is of what was read last."""

    policy: FieldPolicy
    is_shown: bool = False
    """Whether a side is as the event showed it, and not as its vendor said just now."""
    is_newest: bool = False
    """Whether that is later than the last check of the side, so that nothing goes back by it."""
    seen_at: dict[Side, float]
    """When each side was looked at, epoch seconds by the clock of its events: what they date earlier may be older."""

    @property
    @abstractmethod
    def left(self) -> FieldPolicy:
        """Both sides as they are meant to be after what was sent."""

    @abstractmethod
    def content(self, side: Side) -> str:
        """Digest of all that the fields of a side are made of, as `left` has it."""

    @abstractmethod
    async def read_shown(self) -> None:
        """Ask for the side that the event showed: something is about to be written or shown. Raises Ended if it is
        gone.
        """

    @abstractmethod
    async def send(self, to: Side, values: Mapping[str, Value]) -> None:
        """Write values to a side, each call within `Context.writing`; `left` shows them from then on.

        Raises Rejected if the vendor refused them, Ended if the side is gone.
        """

    async def read_again(self, to: Side) -> None:
        """One of several values was sent to a side: the next body must carry what it wrote."""
        return

    def refused(self, to: Side, error: Rejected, names: list[str]) -> list[str]:
        """The fields that a refusal is about; empty where the vendor names none."""
        return []

    @abstractmethod
    def writes(self, decision: Decision) -> list[FieldWrite]:
        """All that `send` is to send for a decision, with what stands there."""

    def sets(self, decision: Decision) -> Mapping[Side, Mapping[str, Value]]:
        """Every field that the writes set, by side: a body may set more than what is to be written."""
        return decision.write


@dataclass(frozen=True)
class Synced:
    """What a comparison came to: what was decided, less what was refused, and what was written, by this try of its run
    and by those before.
    """

    decision: Decision
    writes: list[FieldWrite]

    @property
    def notes(self) -> tuple[str, ...]:
        """All of it in words."""
        return (
            *self.decision.notes,
            *(said(made) for made in self.writes),
            *(f"{d.field} differs: {d.reason}" for d in self.decision.different),
        )


async def sync_fields(context: Context, pair: Pair, side: Side, fields: PairFields) -> Synced:
    """Look at a pair from the side of the event, write what follows, and record what both sides agree on now."""
    at = timestamp(now())
    decision, known = decide(fields.policy), fields.policy.known
    context.take_over(known.open)
    news = decision.writes or differences(decision, known, at) != known.differences
    # What a first contact would overwrite is never decided on an event alone.
    if news and fields.is_shown and (decision.overwrites or not fields.is_newest):
        await fields.read_shown()
        decision = decide(fields.policy)
    written = decision.writes
    if written:
        await _write(context, pair, side, fields, decision)
    left = decide(fields.left) if written else decision
    certain = not left.writes
    if certain:
        # What a write had to leave out is shown at once: its echo shows nothing new.
        decision.agreed, decision.different = left.agreed, left.different
    await context.pairs.commit(
        pair,
        side,
        context.run.id,
        seen=known,
        agreed=decision.agreed,
        differences=differences(decision, known, at),
        written=written,
        shown={side: fields.content(side) for side in fields.policy.sides} if certain else {},
        seen_at=fields.seen_at,
    )
    return Synced(decision, context.writes)


async def _write(context: Context, pair: Pair, side: Side, fields: PairFields, decision: Decision) -> None:
    """Announce, then send what was decided. `decision` is without the refused fields afterwards."""
    if decision.overwrites and not context.registry.may_overwrite(context.link, now().timestamp()):
        context.pairs.check_overwrites(pair, context.link.id)
    sets = {to: {name: digest(value) for name, value in values.items()} for to, values in fields.sets(decision).items()}
    known, overwrites = fields.policy.known, bool(decision.overwrites)
    replaces = by_app(fields.writes(decision))
    await context.pairs.begin(pair, side, context.run.id, sets, known, replaces=replaces, overwrites=overwrites)
    try:
        for to in fields.policy.sides:
            await _send(fields, decision, to)
    except (RateLimited, Rejected, NotReady, FlowLinkOff):
        await context.pairs.withdraw(pair, side, context.run.id)
        raise


async def _send(fields: PairFields, decision: Decision, to: Side) -> None:
    values = decision.write[to]
    while values:
        try:
            await fields.send(to, values)
            return
        except NotFound:
            raise
        except Rejected as error:
            refused = fields.refused(to, error, list(values))
            if not refused:
                await _one_by_one(fields, decision, to)
                return
            for name in refused:
                _refuse(fields, decision, to, name, error)


async def _one_by_one(fields: PairFields, decision: Decision, to: Side) -> None:
    for name, value in list(decision.write[to].items()):
        try:
            await fields.send(to, {name: value})
        except NotFound:
            raise
        except Rejected as error:
            _refuse(fields, decision, to, name, error)
            continue
        if len(decision.write[to]) > 1:
            await fields.read_again(to)


def _refuse(fields: PairFields, decision: Decision, to: Side, name: str, error: Rejected) -> None:
    """Leave a field out, with the vendor's text."""
    decision.refuse(to, name, f"{to.title()} refused the value: {error.message}", fields.policy)


def said(made: FieldWrite) -> str:
    """What a write replaced, in words."""
    former = {name: value for name, value in made.former.items() if value not in ("", None, {})}
    return f"{made.entity}: wrote {', '.join(made.set)}" + (f"; there was {former}" if former else "")
