"""The limits that all processes share: one place by which every call to a vendor goes out.

`gate` is what a call passes, `permits` gets its leave from the allocator over two topics, `purse` decides (pure),
`messages` is what they tell each other, `refusals` what a 429 means for others. The allocator itself is a part of
ingress.
"""

from shared.ratelimit.gate import CallGate
from shared.ratelimit.lanes import Lane, LaneOf, present_lane
from shared.ratelimit.limiter import Permits
from shared.ratelimit.refusals import LONGEST_HOLD

__all__ = ["LONGEST_HOLD", "CallGate", "Lane", "LaneOf", "Permits", "present_lane"]
