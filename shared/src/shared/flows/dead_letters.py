"""The dead letters that stand: which one an entity's flow link has, folded from the topic. Pure but for a wait.

The runs of one flow link for one entity share a letter where they act on the entity's present state: a webhook and a
poller tell of one new account, and whoever retries the letter brings that account up to date.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict

import msgspec

from shared.domains import TRIGGERS
from shared.flows.recent import REMEMBERED
from shared.flows.runs import DeadLetter, Run, decode_dead_letter
from shared.identity import dead_letter_id, entity_letter_id

STANDING = ("open", "retried")
"""States of a letter whose cause may still be there."""
MARK_PATIENCE = 5.0
"""Seconds for the console's mark, which it writes right after it has sent a letter's run again."""


class _Peeked(msgspec.Struct):
    id: str
    state: str


_peek = msgspec.json.Decoder(_Peeked).decode


def acts_on_state(event_type: str) -> bool:
    """Whether the flows of an event act on the present state of its entity: a later run does an earlier one's work."""
    trigger = TRIGGERS.get(event_type)
    return bool(trigger and trigger.by_state)


def letter_id(run: Run) -> str:
    """The letter of a run that is given up on."""
    if acts_on_state(run.event_type):
        return entity_letter_id(run.flow_link, run.aggregate)
    return dead_letter_id("", 0, 0, run.id)


class StandingLetters:
    """Every open or retried letter, packed; the last 20,000. `apply` takes what this worker and what others wrote."""

    def __init__(self) -> None:
        self._packed: OrderedDict[str, tuple[int, str, bytes]] = OrderedDict()
        self._closed: OrderedDict[str, int] = OrderedDict()
        self._moved = asyncio.Event()

    def __len__(self) -> int:
        return len(self._packed)

    def apply(self, offset: int, key: str, value: bytes) -> None:
        """Fold one record; one that is older than what is known changes nothing. Raises msgspec.DecodeError."""
        known, closed = self._packed.get(key), self._closed.get(key, -1)
        if offset <= max(known[0] if known else -1, closed):
            return
        self._packed.pop(key, None)
        self._closed.pop(key, None)
        state = _peek(value).state
        if state in STANDING:
            self._packed[key] = (offset, state, zlib.compress(value))
        else:
            self._closed[key] = offset
        for kept in (self._packed, self._closed):
            if len(kept) > REMEMBERED:
                kept.popitem(last=False)
        self._moved.set()

    def drop(self, letter: str) -> None:
        """Its record was removed from the topic."""
        self._packed.pop(letter, None)

    def get(self, letter: str) -> DeadLetter | None:
        """None if there is none that stands."""
        found = self._packed.get(letter)
        return decode_dead_letter(zlib.decompress(found[2])) if found else None

    def of(self, run: Run) -> list[DeadLetter]:
        """The letters whose cause is gone if the run ended well: its own, and that of its entity."""
        names = dict.fromkeys((letter_id(run), dead_letter_id("", 0, 0, run.id)))
        return [letter for name in names if (letter := self.get(name))]

    async def marked(self, letter: str, patience: float = MARK_PATIENCE) -> None:
        """Wait until a letter that is being retried is open no more, at most `patience` seconds: the console marks it
        after it has sent its run, and would write over what became of the run otherwise.
        """
        try:
            async with asyncio.timeout(patience):
                while (known := self._packed.get(letter)) and known[1] == "open":
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return
