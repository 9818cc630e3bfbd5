"""Writes to a pair, announced in the log before they are sent and settled after: what keeps two workers from setting
the same pair at the same time, and what tells a late write of ours from a person's change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from shared.errors import NotReady, OverwritesHeld, Unsettled
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.linking import pairs
from shared.linking.claims import now
from shared.linking.dry_run import end_if_dry, is_dry
from shared.linking.mappings import Mapping as Pair
from shared.linking.pairs import (
    CLOCKS_APART,
    REMEMBERED_FOR,
    Difference,
    Known,
    PairState,
    PairStates,
    Side,
    Write,
    later,
    other_side,
    sides_of,
)
from shared.settings import Settings

FIGHT_WRITES = 5
FIGHT_WINDOW = 600.0
"""So many writes to one pair in so many seconds do not settle (design law 3)."""
OVERWRITES = 20
"""Pairs whose first contact may replace filled values within the same time before a person is asked."""

Clock = Callable[[], float]
NOTHING: Mapping[Side, str] = {}
NEVER: Mapping[Side, float] = {}
NO_WRITES: Mapping[Side, list[dict[str, Any]]] = {}


class PairWrites:
    """One per worker. `side` is always that of the event that is being handled: its record has one writer."""

    def __init__(
        self,
        log: Log,
        replica: Replica,
        states: PairStates,
        topics: Topics,
        settings: Settings,
        clock: Clock = lambda: now().timestamp(),
    ) -> None:
        self._log = log
        self._replica = replica
        self._states = states
        self._topic = topics.pair_states
        self._lease = 2 * settings.call_timeout
        self._window = FIGHT_WINDOW * float(settings.delay_scale)
        self._clock = clock

    def known(self, pair: Pair, side: Side) -> Known:
        """What is known of the pair. Raises NotReady while the other side's worker is writing it."""
        for write in self._other(pair, side).open:
            if self._clock() - write.at < self._lease:
                raise NotReady(f"run {write.run} is writing this pair ({pair.id}): looking again", code="being_written")
        return self._states.known(pair)

    def differences(self, pair: Pair) -> Mapping[str, Difference]:
        """What differs at the pair as far as this worker knows, by field."""
        return self._states.known(pair).differences

    async def begin(
        self,
        pair: Pair,
        side: Side,
        run: str,
        fields: Mapping[Side, Mapping[str, str]],
        seen: Known,
        *,
        replaces: Mapping[Side, list[dict[str, Any]]] = NO_WRITES,
        overwrites: bool = False,
        by_hand: bool = False,
    ) -> None:
        """Announce a write: digests by side of all fields that it sets. `seen` is what the decision was made on,
        `replaces` the field writes with what stands there, `overwrites` whether a first contact replaces filled values,
        `by_hand` whether a person asked for it.

        Raises NotReady if the pair's state moved since, Unsettled if it was written too often of late.
        """
        recent = [when for when in seen.writes if self._clock() - when < self._window]
        if len(recent) >= FIGHT_WRITES and not by_hand:
            raise Unsettled(
                f"the pair {pair.id} was written {len(recent)} times within {self._window:g} s and does not settle: "
                "two systems may write it in turn. Find the other one, or name another owner in TANDEM_FIELD_OWNERS",
                code="does_not_settle",
            )
        at = self._clock()  # one time for both sides: what was announced together ends together
        writes = [
            Write(run=run, to=to, fields=dict(set_), at=at, replaces=replaces.get(to, []))
            for to, set_ in fields.items()
            if set_
        ]
        own = self._own(pair, side)
        # An earlier try of this very run stays too: a call that timed out may land after the one that replaces it.
        unseen = self._unseen(own.open)
        mark = {"overwrites": at} if overwrites else {}
        await self._write(pair, own, seen, unseen, open=[*unseen, *writes], **mark)

    def check_overwrites(self, pair: Pair, link: str) -> None:
        """Raises OverwritesHeld if first contacts replaced filled values of many pairs of late: a wrong setting does
        so to all of them. Ask only where no person has confirmed that it is meant.
        """
        since = self._clock() - self._window
        done = self._states.overwritten(since) - {pair.id}
        if len(done) >= OVERWRITES:
            raise OverwritesHeld(link, len(done), self._window)

    async def withdraw(self, pair: Pair, side: Side, run: str) -> None:
        """What the run announced last is known not to land any more: it was refused."""
        own = self._own(pair, side)
        await self._append(msgspec.structs.replace(own, at=self._now(), open=self._unseen(_without_last(own, run))))

    async def commit(
        self,
        pair: Pair,
        side: Side,
        run: str,
        *,
        seen: Known,
        agreed: Mapping[str, str],
        differences: Mapping[str, Difference],
        written: bool,
        shown: Mapping[Side, str] = NOTHING,
        seen_at: Mapping[Side, float] = NEVER,
    ) -> None:
        """Record what both sides agree on now, what stays different, what they show and when they were seen, if it is
        not what is known. `written` tells that all calls of the last announcement were answered.

        Raises NotReady if the other side's record moved meanwhile: the next comparison sees both.
        """
        own = self._own(pair, side)
        settled = not written and dict(agreed) == seen.agreed and dict(differences) == seen.differences
        is_known = dict(shown) == seen.shown and later(seen.seen_at, seen_at) == seen.seen_at
        # What a dry run compared without a call that writes is no change: the run itself would end as in sync.
        if is_dry.get() or (settled and is_known):
            return
        unseen = self._unseen(_without_last(own, run) if written else own.open)
        at = self._clock()
        kept = [when for when in own.writes if at - when < self._window]
        await self._write(
            pair,
            own,
            seen,
            unseen,
            open=unseen,
            agreed=dict(agreed),
            differences=dict(differences),
            shown=dict(shown),
            seen_at=later(seen.seen_at, seen_at),
            settled=self._next(pair),
            writes=[*kept, at] if written else kept,
        )

    async def created(
        self, pair: Pair, side: Side, agreed: Mapping[str, str], shown: Mapping[Side, str] = NOTHING
    ) -> None:
        """A pair is being made with equal values: remember them, and what each side shows, before it is linked."""
        await self._append(
            PairState(
                mapping=pair.id,
                side=side,
                pair=list(pair.refs),
                link=pair.run,
                agreed=dict(agreed),
                shown=dict(shown),
                seen_at=dict.fromkeys(sides_of(pair), self._clock() + CLOCKS_APART),
                settled=self._next(pair),
                at=self._now(),
            )
        )

    async def saw(self, pair: Pair, side: Side, at: float) -> None:
        """An event of a side, dated `at`, showed it as it was: none that is older shows anything new."""
        own, known = self._own(pair, side), self._states.known(pair)
        if known.is_newer(side, at) and not is_dry.get():
            await self._append(msgspec.structs.replace(own, at=self._now(), seen_at=later(own.seen_at, {side: at})))

    def _unseen(self, writes: Sequence[Write]) -> list[Write]:
        """Of the writes that were begun, those that may still land, the last of equal ones."""
        recent_writes = [write for write in writes if self._clock() - write.at < REMEMBERED_FOR]
        return [
            w
            for n, w in enumerate(recent_writes)
            if not any(_sets_the_same(w, later) for later in recent_writes[n + 1 :])
        ]

    async def _write(self, pair: Pair, own: PairState, seen: Known, unseen: list[Write], **changes: object) -> None:
        await self._append(msgspec.structs.replace(own, at=self._now(), **changes))
        if self._moved(pair, own.side, seen):
            # Nothing was sent yet, or all that was is done: the announcement is taken back either way.
            await self._append(msgspec.structs.replace(own, at=self._now(), open=unseen))
            raise NotReady(f"{own.mapping} was looked at from the other side meanwhile: looking again", code="moved")

    def _moved(self, pair: Pair, side: Side, seen: Known) -> bool:
        """Whether the other side's worker ended a comparison, or announced a write, since the decision was made."""
        now_ = self._other(pair, side)
        then = seen.records.get(now_.side)
        announced = any(write not in (then.open if then else ()) for write in now_.open)
        return announced or now_.settled != (then.settled if then else 0)

    async def _append(self, state: PairState) -> None:
        end_if_dry("changed", f"pair {state.mapping} would be written")
        place = await self._log.append(self._topic, state.key, pairs.encode(state))
        await self._replica.wait_for(self._topic, place.offset)

    def _next(self, pair: Pair) -> int:
        return 1 + max(self._own(pair, side).settled for side in sides_of(pair))

    def _own(self, pair: Pair, side: Side) -> PairState:
        return self._states.own(pair, side)

    def _other(self, pair: Pair, side: Side) -> PairState:
        return self._states.own(pair, other_side(pair, side))

    def _now(self) -> str:
        return timestamp(now())


def _without_last(own: PairState, run: str) -> list[Write]:
    """The writes of a record without those that a run announced last."""
    last = max((write.at for write in own.open if write.run == run), default=None)
    return [write for write in own.open if write.run != run or write.at != last]


def _sets_the_same(one: Write, other: Write) -> bool:
    return (one.run, one.to, one.fields) == (other.run, other.to, other.fields)
