"""Two workers, each with its own replica of one mapping topic: its order decides, and both see the same winner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shared.errors import Conflict, NotReady
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.linking.claims import Claims, Links, Match
from shared.linking.mappings import Mapping
from shared.runtime.registry import Registry
from shared.settings import Settings

ACTION, ACCOUNT = "stripe.customer.create", "stripe:test:acct_1"


class Worker:
    """One worker's claims."""

    def __init__(self, claims: Claims) -> None:
        self.claims = claims

    async def claim(
        self, source: str, *, target: str = "", match: str = "", compared: Match | None = None, **body: Any
    ) -> Mapping:
        return await self.claims.claim(
            source,
            action=ACTION,
            app_account=ACCOUNT,
            body=body,
            run=f"run of {source}",
            target=target,
            match=compared or self.claims.match(match),
        )

    async def tries(self, source: str, **more: Any) -> Mapping | NotReady | Conflict:
        """The claim, or why not."""
        try:
            return await self.claim(source, **more)
        except (NotReady, Conflict) as error:
            return error


@asynccontextmanager
async def worker(settings: Settings, clock: datetime | None = None) -> AsyncIterator[Worker]:
    registry, topics = Registry(), Topics(settings)
    async with Log(settings) as log, Replica(settings, registry.folds(topics)) as replica:
        await replica.wait_ready()
        yield Worker(Links(log, replica, registry.mappings, topics, lambda: clock or datetime.now(UTC)).of("customer"))


@pytest.fixture
async def two(settings: Settings) -> AsyncIterator[tuple[Worker, Worker]]:
    async with worker(settings) as one, worker(settings) as other:
        yield one, other


def ref(app: str, name: object) -> str:
    account = "stripe:test:acct_1/customer" if app == "stripe" else "togai:test:org_1/account"
    return f"{account}/{name}"


@pytest.mark.parametrize("same", ["target", "match"])
async def test_exactly_one_wins(two: tuple[Worker, Worker], settings: Settings, same: str) -> None:
    """Two sources, one target or one match value, at the same time: one goes on, the other looks again."""
    one, other = two
    winners = []
    for number in range(15):
        shared = {same: ref("stripe", f"shared-{number}")}
        sources = ref("togai", f"a{number}"), ref("togai", f"b{number}")
        answers = await asyncio.gather(one.tries(sources[0], **shared), other.tries(sources[1], **shared))
        won = [answer for answer in answers if isinstance(answer, Mapping)]
        lost = [answer for answer in answers if isinstance(answer, NotReady)]
        assert (len(won), len(lost)) == (1, 1), answers
        assert won[0].source in str(lost[0])
        winners.append(won[0].source)
        # However often it looks again, it never overtakes.
        loser = sources[0] if winners[-1] == sources[1] else sources[1]
        for each in two:
            assert isinstance(await each.tries(loser, **shared), NotReady)

    async with worker(settings) as third:
        index = third.claims.index
        assert [index.holders_of(source)[0].state for source in winners] == ["claimed"] * 15


async def test_a_link_between_look_and_claim_is_seen(two: tuple[Worker, Worker]) -> None:
    """Claimed and linked under the same value after the other one looked: that one looks again, then goes on."""
    one, other = two
    compared = one.claims.match("m")
    held = await other.claim(ref("togai", "a"), match="m")
    await other.claims.link(held, ref("stripe", "cus_1"), "created")
    late = await one.tries(ref("stripe", "cus_2"), compared=compared)
    assert isinstance(late, NotReady)
    assert "just linked" in str(late)

    assert (await one.claim(ref("stripe", "cus_2"), match="m")).state == "claimed"


async def test_the_winners_mapping_is_a_conflict_to_the_other(two: tuple[Worker, Worker]) -> None:
    """Once linked, a person decides; both pairs' refs are named."""
    one, other = two
    target = ref("stripe", "cus_1")
    held = await one.claim(ref("togai", "a"), target=target)
    with pytest.raises(NotReady):
        await other.claim(ref("togai", "b"), target=target)
    linked = await one.claims.link(held, target, "created")
    lost = await other.tries(ref("togai", "b"), target=target)

    assert isinstance(lost, Conflict)
    assert lost.candidates == (ref("togai", "a"), target)
    assert await other.claim(ref("togai", "a")) == linked
    assert await other.claim(target) == linked


async def test_both_sides_of_a_pair_at_once(two: tuple[Worker, Worker]) -> None:
    """Each worker begins at another side and names the other as its target: one pair comes of it."""
    one, other = two
    for number in range(10):
        left, right = ref("togai", f"x{number}"), ref("stripe", f"x{number}")
        answers = await asyncio.gather(one.tries(left, target=right), other.tries(right, target=left))

        assert sorted(type(answer).__name__ for answer in answers) == ["Mapping", "NotReady"]


async def test_who_gets_the_event_again_resumes_the_first_claim(two: tuple[Worker, Worker]) -> None:
    """Same source, another worker and a later body: key, body and attempt of the first hold, for both."""
    one, other = two
    first = await one.claim(ref("togai", "a"), name="first")
    again = await other.claim(ref("togai", "a"), name="second")
    at_once = await asyncio.gather(
        *(w.claim(ref("togai", "b"), name=w_name) for w, w_name in ((one, "1"), (other, "2")))
    )

    assert again == first
    assert first.claim is not None
    assert (first.claim.body, first.claim.attempt) == ({"name": "first"}, 1)
    assert first.claim.key.startswith("tandem-")
    assert at_once[0] == at_once[1]


async def test_a_raised_attempt_keeps_its_place(two: tuple[Worker, Worker], settings: Settings) -> None:
    """A new key for the same create; whoever came later is still later, after a restart too."""
    one, other = two
    target = ref("stripe", "cus_1")
    held = await one.claim(ref("togai", "a"), target=target)
    with pytest.raises(NotReady):
        await other.claim(ref("togai", "b"), target=target)
    raised = await one.claims.next_attempt(held, ACCOUNT)
    twice = await other.claims.next_attempt(held, ACCOUNT)

    assert held.claim is not None
    assert raised.claim is not None
    assert (raised.claim.attempt, raised.claim.body) == (2, held.claim.body)
    assert raised.claim.key != held.claim.key
    assert twice == raised
    async with worker(settings) as third:
        assert await third.claim(ref("togai", "a"), target=target) == raised
        assert isinstance(await third.tries(ref("togai", "b"), target=target), NotReady)


async def test_a_withdrawn_claim_holds_nobody(two: tuple[Worker, Worker]) -> None:
    """The other goes on at once; who withdrew and comes again is the later one."""
    one, other = two
    target = ref("stripe", "cus_1")
    held = await one.claim(ref("togai", "a"), target=target, match="m")
    await one.claims.withdraw(held, "refused")
    taken = await other.claim(ref("togai", "b"), target=target, match="m")

    assert taken.state == "claimed"
    assert isinstance(await one.tries(ref("togai", "a"), target=target, match="m"), NotReady)


async def test_a_deleted_side_is_never_made_again(two: tuple[Worker, Worker]) -> None:
    """The pair is found with its state, by both sides, and nobody else can have its target."""
    one, other = two
    target = ref("stripe", "cus_1")
    linked = await one.claims.link(await one.claim(ref("togai", "a"), target=target), target, "created")
    deleted = await one.claims.mark_deleted(linked, "deleted in Stripe")

    assert (deleted.state, deleted.refs) == ("deleted", linked.refs)
    await other.claims._links.replica.wait_for(other.claims._links.topics.mappings, 2)
    assert await other.claim(ref("togai", "a"), target=target) == deleted
    assert isinstance(await other.tries(ref("togai", "b"), target=target), Conflict)


async def test_a_claims_age_is_that_of_its_key(settings: Settings) -> None:
    """Whatever the worker that asks has seen of it."""
    started = datetime(2026, 11, 23, 10, tzinfo=UTC)
    async with worker(settings, started) as one:
        held = await one.claim(ref("togai", "a"))
    for hours, old in ((19.9, False), (20.1, True)):
        async with worker(settings, started + timedelta(hours=hours)) as later:
            assert later.claims.is_older(held, timedelta(hours=20)) is old
