"""The rate limits that all processes share: every call to a vendor passes `gate`.

`shared_limits` gets leases from the allocator over two topics, `lease_client` decides (pure), `messages` is what
travels, `refusals` what a 429 means for others, `live_first` who pauses in one process. The allocator itself is a part
of ingress.
"""

from shared.ratelimit.gate import CallGate
from shared.ratelimit.lanes import Lane, WorkPriority, present_lane
from shared.ratelimit.live_first import LiveFirst
from shared.ratelimit.refusals import LONGEST_BACK_OFF
from shared.ratelimit.shared_limits import SharedLimits

__all__ = ["LONGEST_BACK_OFF", "CallGate", "Lane", "LiveFirst", "WorkPriority", "SharedLimits", "present_lane"]
