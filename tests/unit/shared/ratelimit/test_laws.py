"""The laws of the shared limits, whatever the network, the workers and the allocator do: on a clock of its own."""

from __future__ import annotations

from collections import Counter
from statistics import median

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from shared.ratelimit.lanes import LANES
from shared.ratelimit.quotas import Quota

from tests.unit.shared.ratelimit.world import Counted, Network, World, key

# No shrinking: an example is a seed, and a smaller seed is no simpler world.
laws = settings(
    max_examples=settings().max_examples // 5,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
steady = settings(laws, max_examples=max(1, laws.max_examples // 20))
"""For what back_offs on average: each example is a minute of calls."""

seeds = st.integers(0, 2**32)
weathers = st.builds(
    Network,
    delay=st.sampled_from([0.002, 0.02, 0.15]),
    lost=st.sampled_from([0.0, 0.0, 0.1]),
    call=st.sampled_from([0.01, 0.1, 0.6]),
    jitter=st.sampled_from([0.01, 0.2, 0.9]),
    slow_calls=st.sampled_from([0.0, 0.2]),
    dawdle=st.sampled_from([0.0, 0.02, 1.5]),
)
troubles = st.lists(
    st.tuples(
        st.floats(0.5, 12), st.sampled_from(["worker dies", "worker comes", "allocator dies", "allocator moves"])
    ),
    max_size=5,
)


def cause(world: World, trouble: str, back_after: float) -> None:
    """Something goes wrong in the world."""
    if trouble == "worker dies":
        for worker in [w for w in world.workers.values() if w.alive][:1]:
            worker.alive = False
    elif trouble == "worker comes":
        world.add_worker(f"w{len(world.workers)}", live=4, replay=2)
    elif trouble == "allocator dies":
        world.kill_allocator()
        world.later(back_after, lambda: None if world.allocator else world.begin_allocator())
    else:
        world.begin_allocator()


def saturated(world: World, workers: int = 3, **backlog: int) -> World:
    """So many workers with calls of each lane always waiting, and an allocator that leases since a while."""
    world.begin_allocator()
    for number in range(workers):
        world.add_worker(f"w{number}", **backlog)
    world.run(5)
    return world


def used(world: World, since: float, seconds: float) -> int:
    """Calls in so many seconds from the first one on: where they come in bursts, a stretch must begin with one."""
    first = min(call.at for call in world.counted if call.at >= since)
    return len(world.between(first, first + seconds))


def share_of(calls: list[Counted], lane: str) -> float:
    return sum(1 for call in calls if call.key.lane == lane) / len(calls)


@laws
@given(
    rate=st.sampled_from([0.5, 1.0, 3.0, 10.0, 25.0]),
    seed=seeds,
    network=weathers,
    workers=st.integers(1, 4),
    happening=troubles,
    back_after=st.floats(0, 6),
)
def test_never_above_the_quota(
    rate: float, seed: int, network: Network, workers: int, happening: list[tuple[float, str]], back_after: float
) -> None:
    """In no stretch of time does the vendor count more, through delays, losses, late use, deaths and new allocators."""
    # Of a few calls a second no share can be given to workers that do not know how many they are.
    world = World(Quota(rate), seed, network, share=0.04 if rate >= 10 else 0.0)
    world.begin_allocator()
    for number in range(workers):
        world.add_worker(f"w{number}", live=5, replay=5)
    for at, trouble in happening:
        world.later(at, lambda what=trouble: cause(world, what, back_after))  # type: ignore[misc]
    world.run(18)

    assert world.most_in_a_window(world.quota.window) <= world.quota.places


@steady
@given(
    rate=st.sampled_from([3.0, 10.0, 20.0]),
    seed=seeds,
    calls=st.sampled_from([0.01, 0.4]),
    delay=st.sampled_from([0.008, 0.06]),
)
@example(rate=10.0, seed=1, calls=0.01, delay=0.06)
@example(rate=20.0, seed=1, calls=0.01, delay=0.06)
def test_the_quota_is_never_idle_while_work_waits(rate: float, seed: int, calls: float, delay: float) -> None:
    """95 % and more, wherever the work is, whether calls are quick or slow: a late message makes no later place, since
    both sides tell from the quickest one what the other's clock said. Without live calls no place is kept for them.
    """
    world = World(Quota(rate), seed, Network(delay=delay, call=calls))
    saturated(world, workers=1, replay=30)
    world.add_worker("idle")
    world.add_worker("other", backfill=30)
    # Until a worker has seen twenty answers it does not know which of them are slow.
    world.run(60 / rate)
    started = world.at
    world.run(62)

    assert used(world, started, 60) >= 0.95 * 60 * rate


@steady
@given(seed=seeds, rate=st.sampled_from([10.0, 20.0]))
def test_what_one_lane_leaves_goes_to_the_others(seed: int, rate: float) -> None:
    """Where live wants half of the quota, replay gets the rest, and nothing lies idle but the place kept for live."""
    world = World(Quota(rate), seed)
    saturated(world, workers=2, replay=5)
    started, first = world.at, world.workers["w0"]
    for number in range(15 * int(rate)):
        world.later(number / (rate / 2), lambda: world.call(first, "live"))
    world.run(30)
    calls = Counter(call.key.lane for call in world.between(started, world.at))

    assert calls["live"] >= 15 * rate - 5
    assert calls["live"] + calls["replay"] >= 0.95 * 30 * (rate - 1)


@steady
@given(seed=seeds)
def test_live_takes_all_but_a_twentieth_and_nobody_starves(seed: int) -> None:
    """With everything waiting everywhere: 95 to 5, and 6 to 3 to 1 inside those."""
    world = World(Quota(10.0), seed)
    saturated(world, workers=2, **(dict.fromkeys(LANES, 3) | {"live": 15}))
    started = world.at
    world.run(150)
    calls = world.between(started, world.at)

    assert share_of(calls, "live") == pytest.approx(0.95, abs=0.015)
    assert share_of(calls, "replay") == pytest.approx(0.03, abs=0.012)
    assert share_of(calls, "reconcile") == pytest.approx(0.015, abs=0.008)
    assert share_of(calls, "backfill") == pytest.approx(0.005, abs=0.004)
    assert all(share_of(calls, lane) > 0 for lane in LANES)


@steady
@given(seed=seeds, bounds=st.sampled_from([(10.0, 0.2, 0.055), (25.0, 0.12, 0.055)]))
def test_a_live_call_waits_for_the_next_place_alone(seed: int, bounds: tuple[float, float, float]) -> None:
    """Beside a background that uses all that it may: its calls come one by one, not all at the beginning of a window,
    which a live one would wait for to pass. Once a live call has come places are kept free: without them half of the
    later ones would wait 0.062 seconds or more (30 seeds, 25 places), with one 0.046 at most.
    """
    rate, longest, half = bounds
    world, waits = World(Quota(rate), seed), list[float]()
    first = saturated(world, workers=1, backfill=30).workers["w0"]
    for _ in range(30):
        began = world.at
        world.call(first, "live")
        world.run(1.37)
        waits += [call.at - began for call in world.between(began, world.at) if call.key.lane == "live"]

    assert len(waits) == 30
    assert max(waits) <= longest
    assert median(waits) <= half


@steady
@given(seed=seeds, every=st.sampled_from([1.0, 1.37, 5.0]))
def test_a_live_event_makes_its_calls_beside_an_import_as_alone(seed: int, every: float) -> None:
    """Three reads and a write at Togai, each once the one before was answered: of ten places a second four are kept for
    them while live events come. Without that they waited 0.4 seconds together; alone 0.07, the way to a lease.
    """
    world, waits = World(Quota(10.0), seed), list[float]()
    first = saturated(world, workers=1, backfill=30).workers["w0"]
    for _ in range(25):
        began, waited = world.at, 0.0
        for pause in (0.012, 0.012, 0.06, 0.0):
            asked = world.at
            world.call(first, "live")
            while not (answered := [c.at for c in world.between(asked, world.at) if c.key.lane == "live"]):
                world.run(0.005)
            waited += answered[0] - asked
            world.run(pause)
        waits.append(waited)
        world.run(max(0.0, began + every - world.at))

    after_the_first = sorted(waits[1:])
    assert median(after_the_first) <= 0.15
    assert after_the_first[-1] <= 0.3


@steady
@given(seed=seeds)
def test_workers_share_by_demand(seed: int) -> None:
    """Nobody gets more for shouting louder: one with ten times the calls waiting gets as many as the others."""
    world = World(Quota(25.0), seed)
    saturated(world, workers=2, live=40)
    world.add_worker("loud", live=400)
    world.run(3)
    started = world.at
    world.run(30)
    calls = Counter(call.worker for call in world.between(started, world.at))

    assert max(calls.values()) <= 1.15 * min(calls.values())


@steady
@given(seed=seeds, network=weathers)
def test_each_operation_has_its_own_window(seed: int, network: Network) -> None:
    """25 of each operation, 60 of the account, and three operations use all of it."""
    world = World(Quota(60.0, operation_rate=25.0), seed, network)
    world.begin_allocator()
    for number in range(2):
        worker = world.add_worker(f"w{number}")
        for operation in ("create", "update", "retrieve"):
            worker.backlog[key("live", operation)] = 40
    world.run(12)
    calls = world.counted

    assert world.most_in_a_window() <= 60
    for operation in ("create", "update", "retrieve"):
        world.counted = [call for call in calls if call.key.operation == operation]
        assert 0 < world.most_in_a_window() <= 25


@steady
@given(seed=seeds, network=weathers)
def test_never_more_under_way_than_allowed(seed: int, network: Network) -> None:
    """Calls of up to a second, four at a time: the fifth waits for an answer."""
    network.call, network.jitter, network.lost = 0.1, 1.0, 0.0
    world = World(Quota(25.0, concurrency=4), seed, network)
    saturated(world, live=10)
    most, steps = 0, 200
    for _ in range(steps):
        world.run(0.05)
        most = max(most, world.under_way)

    assert 1 <= most <= 4


@steady
@given(seed=seeds, gap=st.floats(7, 12))
def test_workers_go_on_without_an_allocator(seed: int, gap: float) -> None:
    """Each by its small share, no more; and the whole quota is used within three seconds of the next one's begin."""
    world = World(Quota(25.0), seed)
    saturated(world, live=10)
    world.kill_allocator()
    died = world.at
    world.run(gap)
    alone = world.between(died + 4.2, world.at)
    world.begin_allocator()
    world.run(3)
    started = world.at
    world.run(11)

    assert len(alone) <= 3 * (0.05 * 25 * (gap - 4.2) + 1)
    assert len(alone) >= 3 * (0.05 * 25 * (gap - 4.2) - 1)
    assert used(world, started, 10) >= 0.95 * 25 * 10
    assert world.most_in_a_window() <= 25


@pytest.mark.parametrize("reason", ["", "global-rate"])
def test_a_429_lowers_the_rate_and_time_raises_it(reason: str) -> None:
    """A vendor that allows less than it says is called less, with ever fewer 429s; when it has mended, all is used."""
    world = saturated(World(Quota(20.0)), live=10)
    allows = [10]

    def answer(call: Counted) -> tuple[str, float | None] | None:
        recent = [c for c in world.counted[-50:] if call.at - 1 < c.at <= call.at]
        return (reason, None) if len(recent) > allows[0] else None

    world.answer = answer
    world.run(25)
    started = world.at
    world.run(20)
    lowered = len(world.between(started, world.at)) / 20
    allows[0] = 100
    world.run(45)
    started = world.at
    world.run(12)

    assert 5 <= lowered <= 15
    assert used(world, started, 10) >= 0.95 * 20 * 10


@pytest.mark.parametrize(("reason", "other"), [("global-rate", 0), ("endpoint-rate", 9)])
def test_retry_after_holds_all_workers(reason: str, other: int) -> None:
    """One worker gets it, nobody calls the account, or the operation, for so long, not even a new worker."""
    world = World(Quota(50.0, operation_rate=25.0))
    world.begin_allocator()
    for number in range(3):
        worker = world.add_worker(f"w{number}")
        worker.backlog |= {key("live", "create"): 5, key("live", "update"): 5}
    world.run(4)
    world.refuse(world.workers["w1"], "create", reason, 7.0)
    world.run(0.05)
    world.add_worker("new").backlog |= {key("live", "create"): 5}
    started = world.at
    world.run(6.8)
    silent = Counter(call.key.operation for call in world.between(started, world.at))
    world.run(3)
    after = Counter(call.key.operation for call in world.between(started + 7, world.at))

    assert silent["create"] == 0
    assert (silent["update"] > 0) is (other > 0)
    assert after["create"] > 10
    assert after["update"] > 10


def test_retry_after_holds_all_workers_without_an_allocator() -> None:
    """They go on by their fallback shares, and receive of the silence from the one that was answered with it."""
    world = saturated(World(Quota(50.0)), live=10)
    world.kill_allocator()
    world.run(10)
    started = world.at
    world.run(7)
    before = Counter(call.worker for call in world.between(started, world.at))
    world.refuse(world.workers["w1"], "", "", 7.0)
    world.run(0.05)
    started = world.at
    world.run(6.8)
    silent = Counter(call.worker for call in world.between(started, world.at))
    world.run(6)

    assert len(before) == len(world.workers) > 1
    assert set(silent) <= {"w1"}
    assert {call.worker for call in world.between(started + 7, world.at)} == set(world.workers)


@pytest.mark.parametrize("reason", ["resource-specific", "lock_timeout"])
def test_a_locked_object_lowers_nothing(reason: str) -> None:
    """It says nothing about the account."""
    world = saturated(World(Quota(25.0)), live=10)
    world.answer = lambda call: (reason, 5.0)
    started = world.at
    world.run(12)

    assert used(world, started, 10) >= 0.95 * 25 * 10
