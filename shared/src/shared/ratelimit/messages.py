"""Messages between workers and the allocator, and the times that both must agree on.

A message holds durations in seconds and the sender's time. Clocks differ: only differences mean anything (`clocks`).
"""

from __future__ import annotations

import msgspec

from shared.ratelimit.lanes import Lane

LEASE_TTL = 0.25
"""Seconds for which a lease may wait in a worker; then it is returned."""
HORIZON = 0.6
"""No lease is used later than this after the worker sent the demand that it answers. So the allocator knows when a
lease is dead, however long either message was on its way.
"""
ALLOWANCE = 0.025
"""Upper bound on when the vendor counted a call: send time + 25 ms + excess latency. The excess is by how much the call
was slower than the fastest of its operation: a delay that all calls have moves them all alike.
"""
COUNTED_WITHIN = 1.0
"""No call is taken for counted later than this after it was sent: one that hangs would hold its place for ever.

The first calls of a busy process take half a second to get out.
"""
ALLOCATOR_TIMEOUT = 1.0
"""Seconds without an answer after which a worker goes on without the allocator."""
LEASED_AHEAD = 0.08
"""A place in a window is leased so long before it comes free: the message's way costs no quota."""
HEARTBEAT = 0.1
"""A worker repeats its demand that often while calls wait or reports are owed."""


class LeaseRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Calls that want leases, beyond those at hand: `waiting` ones, and `ahead` those that will come soon."""

    account: str
    operation: str
    lane: Lane
    waiting: int = 0
    ahead: int = 0


class CallReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call under a lease. `answered` is None while it runs; `excess` is by how much it was slower than
    the fastest.
    """

    id: int
    sent: float
    answered: float | None = None
    excess: float = 0.0


class UntrackedCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call of which this allocator knows nothing: under the fallback share, or under a lease of a former one."""

    id: int
    account: str
    operation: str
    sent: float
    answered: float | None = None
    excess: float = 0.0


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
    requests: list[LeaseRequest] = []
    reports: list[CallReport] = []
    unused: list[int] = []
    untracked: list[UntrackedCall] = []
    refusals: list[Refusal] = []
    at: float | None = None


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lease for one call of a worker, usable `after` seconds from when it was sent, for `LEASE_TTL`."""

    id: int
    worker: str
    account: str
    operation: str
    lane: Lane
    after: float = 0.0


class BackOff(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vendor asked for a pause: nobody calls the account, or one operation of it, for so many seconds."""

    account: str
    operation: str = ""
    seconds: float = 0.0


class Grants(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the allocator, `at` by its clock. `answers` names each worker's last demand that it considers.

    An allocator begins with a message of epoch -1: the offset of that one is its epoch, in all that follow. A message
    with `by` is none of the allocator's: that worker got a 429, and tells the others. It has back-offs only.
    """

    epoch: int = -1
    n: int = 0
    answers: dict[str, int] = {}
    grants: list[Grant] = []
    back_offs: list[BackOff] = []
    by: str = ""
    at: float | None = None


demand_decoder = msgspec.json.Decoder(Demand)
grants_decoder = msgspec.json.Decoder(Grants)
encode = msgspec.json.encode
