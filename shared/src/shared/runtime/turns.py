"""Whose turn it is among work that goes behind the live one: so many at a time.

At a vendor the lanes decide whose call goes first. Work that only waits there costs memory, records and processor time
all the same: an import of thousands would begin them all at once, and each live event beside them would feel it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from shared.ratelimit.lanes import LANES, LIVE, WorkPriority


class Turns:
    """At most `most` at a time of all lanes but the live one, in the order of the lanes, the oldest first. Where
    `beside_live` says so, no other begins while `in_hand` of them are at no vendor: they wait for leave to call, or for
    the processor.
    """

    def __init__(self, most: int, in_hand: int, beside_live: Callable[[], bool]) -> None:
        self._free = most
        self._hands = in_hand
        self._beside_live = beside_live
        self._waiting: list[tuple[int, int, asyncio.Future[bool]]] = []

    async def begin(self, lane: WorkPriority) -> bool:
        """Wait for a turn; work that is or becomes live has it at once. Whether it takes a place: say so to `end`."""
        if lane.lane == LIVE:
            return False
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (LANES.index(lane.lane), lane.age, turn))
        self._give()

        def promoted() -> None:
            if not turn.done():
                turn.set_result(False)

        lane.on_promotion.append(promoted)
        try:
            if takes_place := await turn:
                lane.on_call = self._called
            return takes_place
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.end(turn.result())
            raise
        finally:
            lane.on_promotion.remove(promoted)

    def end(self, takes_place: bool) -> None:
        """Work that had its turn has ended."""
        self._free += takes_place
        self._hands += takes_place
        self._give()

    def _called(self, at_vendor: bool) -> None:
        self._hands += 1 if at_vendor else -1
        self._give()

    def _give(self) -> None:
        while self._waiting and self._free > 0 and (self._hands > 0 or not self._beside_live()):
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._free -= 1
                self._hands -= 1
                turn.set_result(True)

    def stop(self) -> None:
        """Nobody waits any longer: whoever does is cancelled."""
        for *_, turn in self._waiting:
            turn.cancel()
        self._waiting.clear()
