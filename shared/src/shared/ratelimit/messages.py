"""What workers and the allocator tell each other, and the times that both must agree on.

Durations are told, in seconds, and the sender's time: clocks differ, so only its differences mean anything (`clocks`).
"""

from __future__ import annotations

import msgspec

from shared.ratelimit.lanes import Lane

SPELL = 0.25
"""How long a permit may wait in a worker; then it goes back."""
HORIZON = 0.6
"""No permit is used later than this after the worker sent the demand that it answers. So the allocator knows when a
permit is dead, however long either message was on its way.
"""
ALLOWANCE = 0.025
"""A vendor has counted a call when it answers, or so long after it was sent, or later by as much as the call was slower
than the fastest of its kind: a delay that all calls have moves them all alike.
"""
LATEST = 1.0
"""No call is taken for counted later than this after it was sent: one that hangs would hold its place for ever.

The first calls of a busy process take half a second to get out.
"""
REACH = 1.0
"""Who has waited so long for a sign of the allocator is out of its reach."""
LEASED_AHEAD = 0.08
"""A place in a window is leased so long before it comes free: the message's way costs no quota."""
HEARTBEAT = 0.1
"""A worker repeats its demand that often while calls wait or reports are owed."""


class Wish(msgspec.Struct, frozen=True, omit_defaults=True):
    """Calls that want permits, beyond those at hand: `waiting` ones, and `ahead` those that will come soon."""

    account: str
    operation: str
    lane: Lane
    waiting: int = 0
    ahead: int = 0


class Used(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call under a permit. `answered` is None while it runs; `late` is by how much it was slower than the fastest."""

    id: int
    sent: float
    answered: float | None = None
    late: float = 0.0


class Own(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call of which this allocator knows nothing: under the fallback share, or under a permit of a former one."""

    id: int
    account: str
    operation: str
    sent: float
    answered: float | None = None
    late: float = 0.0


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A 429. `no` numbers those of one worker, since a report may come twice."""

    no: int
    account: str
    operation: str
    reason: str = ""
    retry_after: float | None = None


class Demand(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a worker: its `n`th, `at` by its clock. It has read the allocator `epoch` up to message `got`."""

    worker: str
    n: int
    epoch: int = -1
    got: int = 0
    wishes: list[Wish] = []
    used: list[Used] = []
    unused: list[int] = []
    own: list[Own] = []
    refusals: list[Refusal] = []
    at: float | None = None


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """A permit for one call of a worker, usable `after` seconds from when it was sent, for a spell."""

    id: int
    worker: str
    account: str
    operation: str
    lane: Lane
    after: float = 0.0


class Hold(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vendor asked for silence: nobody calls the account, or one operation of it, for so many seconds."""

    account: str
    operation: str = ""
    seconds: float = 0.0


class Leases(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the allocator, `at` by its clock. `heard` tells by worker which demand it answers.

    An allocator begins with a message of epoch -1: the offset of that one is its epoch, in all that follow. A message
    with `by` is none of the allocator's: that worker was told to keep silent, and tells the others. It has holds only.
    """

    epoch: int = -1
    n: int = 0
    heard: dict[str, int] = {}
    grants: list[Grant] = []
    holds: list[Hold] = []
    by: str = ""
    at: float | None = None


demand_decoder = msgspec.json.Decoder(Demand)
leases_decoder = msgspec.json.Decoder(Leases)
encode = msgspec.json.encode
