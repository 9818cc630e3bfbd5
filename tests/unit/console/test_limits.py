"""How often what costs something is asked for at the open pages."""

from __future__ import annotations

from console.portal.limits import ALL_ASKED, ASKED, Limits


async def test_each_may_ask_so_often_and_all_together_too() -> None:
    """Who comes too often uses up nothing of what is there for all; and of all there is an end."""
    limits = Limits()
    first = [await limits.take("a@b.test") for _ in range(ASKED + 1)]
    others = [await limits.take(f"{number}@b.test") for number in range(ALL_ASKED)]

    assert first == [True] * ASKED + [False]
    assert others == [True] * (ALL_ASKED - ASKED) + [False] * ASKED
