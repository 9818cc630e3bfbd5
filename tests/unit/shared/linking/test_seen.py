"""When an event may be taken for the present state of its side: by any order of deliveries nothing goes back."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from shared.linking.pairs import CLOCKS_APART, Known, later

SIDE = "stripe"


@dataclass
class Entity:
    """One side as it was at each time, and what the other side was set to from it; `skew` is our clock's error."""

    states: list[tuple[float, str]]
    skew: float
    known: Known = field(default_factory=Known)
    taken: list[int] = field(default_factory=lambda: [0])

    def present(self, at: float) -> int:
        return max(n for n, (since, _) in enumerate(self.states) if since <= at)

    def look(self, at: float) -> None:
        """Both sides are read."""
        number = self.present(at)
        self._take(number, at + self.skew + CLOCKS_APART)

    def event(self, number: int, at: float) -> None:
        """The event of a state is handled some time after it."""
        made, content = self.states[number]
        if self.known.is_as_seen(SIDE, content):
            seen_at = later(self.known.seen_at, {SIDE: made + CLOCKS_APART})
            self.known = Known(shown=self.known.shown, seen_at=seen_at)
        elif self.known.is_newer(SIDE, made):
            self._take(number, made + CLOCKS_APART)
        else:
            self.look(at)

    def _take(self, number: int, seen_at: float) -> None:
        self.taken.append(number)
        seen = later(self.known.seen_at, {SIDE: seen_at})
        self.known = Known(shown={SIDE: self.states[number][1]}, seen_at=seen)


@given(st.data())
def test_no_order_of_events_takes_the_other_side_back(data: st.DataObject) -> None:
    """Late, doubled and in any order, among looks that other events cause; values come back to what they were. In the
    end the other side has the last state.
    """
    gaps = data.draw(st.lists(st.floats(0.0, 20.0), min_size=1, max_size=6))
    times = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    states = [(-100.0, "A"), *((at, data.draw(st.sampled_from("ABC"))) for at in times)]
    entity = Entity(states, data.draw(st.floats(-CLOCKS_APART, CLOCKS_APART)))
    entity.look(-50.0)
    numbers = list(range(1, len(states)))
    doubled = data.draw(st.lists(st.sampled_from(numbers), max_size=3))
    handled = [(states[n][0] + data.draw(st.floats(0.0, 60.0)), n) for n in numbers + doubled]
    looks = [(at, 0) for at in data.draw(st.lists(st.floats(0.0, 100.0), max_size=3))]
    for at, number in sorted(handled + looks):
        entity.event(number, at) if number else entity.look(at)

    values = [states[n][1] for n in entity.taken]
    assert entity.taken == sorted(entity.taken), values
    assert values[-1] == states[-1][1]


def test_what_was_never_read_is_not_taken_from_an_event() -> None:
    """The first comparison reads both sides."""
    assert not Known().is_newer(SIDE, 1e12)


def test_what_may_still_land_is_looked_for() -> None:
    """An event that shows what the last check left may come before a write of ours that nobody saw the end of."""
    assert Known(shown={SIDE: "A"}).is_as_seen(SIDE, "A")
    assert not Known(shown={SIDE: "A"}).is_as_seen(SIDE, "B")
    assert not Known().is_as_seen(SIDE, "")
