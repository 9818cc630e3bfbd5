"""How many reads an account has left: by what was written down, and by its payments."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ingress.polling.allowance import allowance, stretched
from ingress.polling.scheduler import PollScheduler
from ingress.ratelimit.accounts import Account
from ingress.ratelimit.read_count import ReadCount
from prometheus_client import REGISTRY
from shared.errors import Unavailable
from shared.events.topics import Topics
from shared.polls import Poll
from shared.ratelimit.quotas import Quota
from shared.reads import day_of
from shared.runtime.registry import Registry
from shared.settings import Settings

from tests.stack.folding_log import FoldingLog
from tests.stack.points import Points

LIVE, TEST, TOGAI = "stripe:live:acct_1", "stripe:test:acct_1", "togai:live:org_1"


class Followed:
    async def wait_for(self, _topic: str, _offset: int) -> None:
        """The log is folded as it is written."""


async def away(*_: Any, **__: Any) -> None:
    raise Unavailable("Kafka is away")


class Ingress:
    """What one ingress knows; another life of it reads the log again."""

    def __init__(self) -> None:
        self.topics, self.log = Topics(Settings(_env_file=None)), FoldingLog(Points(), "")
        self.live()

    def live(self) -> None:
        self.registry = Registry()
        self.log.folds = self.registry.folds(self.topics, with_reads=True)
        for offset, record in enumerate(self.log.written):
            self.log.folds[record.topic](offset, record.key, record.value)
        self.count = ReadCount(self.log, self.topics, self.registry, cast(Any, Followed()))

    def allowance(self, account: str) -> Mapping[str, int] | None:
        found = allowance(self.registry, account, time.time())
        return {"used": found.used, "allowed": found.allowed} if found else None

    def paid(self, payments: int) -> None:
        days = {day_of(time.time()): payments}
        self.registry.polls.apply(Poll(app_account=LIVE, kind="stripe-events", payments=days))


async def test_reads_add_up_over_lives() -> None:
    """Of every account apart; a record says all of them."""
    ingress = Ingress()
    await ingress.count.add(LIVE, 300)
    await ingress.count.add(TEST, 7)
    ingress.live()
    await ingress.count.add(LIVE, 20)

    assert ingress.allowance(LIVE) == {"used": 320, "allowed": 10_000}
    assert ingress.allowance(TEST) is None
    assert ingress.allowance(TOGAI) is None


@pytest.mark.parametrize(("payments", "allowed"), [(0, 10_000), (20, 10_000), (21, 10_500), (4_000, 2_000_000)])
def test_every_payment_allows_more(payments: int, allowed: int) -> None:
    """Five hundred each, and ten thousand at least."""
    ingress = Ingress()
    ingress.paid(payments)

    assert ingress.allowance(LIVE) == {"used": 0, "allowed": allowed}


async def test_pollers_are_slower_where_few_reads_are_left() -> None:
    """In live mode alone: Stripe counts no payments in test mode."""
    ingress = Ingress()
    await ingress.count.add(LIVE, 9_000)
    await ingress.count.add(TEST, 9_000)
    now = time.time()

    assert stretched(ingress.registry, LIVE, 600, now) == pytest.approx(3000)
    assert stretched(ingress.registry, TEST, 600, now) == 600
    ingress.paid(100)
    assert stretched(ingress.registry, LIVE, 600, now) == 600


@pytest.mark.parametrize(
    ("operation", "is_read"),
    [
        ("customers.retrieve", True),
        ("events.list", True),
        ("", True),
        ("customers.update", False),
        ("x.finalize", False),
    ],
)
async def test_which_calls_are_reads(operation: str, is_read: bool) -> None:
    """A call of which no operation is known counts as one; of a vendor that does not count them none is written."""
    ingress = Ingress()
    accounts = {name: Account(Quota(10.0), 0.0, 5.0) for name in (LIVE, TEST, TOGAI)}
    for account in accounts.values():
        account.use.add(operation, 1, 0.0)
    await ingress.count.write(accounts)

    assert list(ingress.registry.reads) == [LIVE] * is_read


async def test_reads_and_what_is_allowed_are_metrics() -> None:
    """Where the vendor counts them."""
    ingress = Ingress()
    await ingress.count.add(LIVE, 12)
    scheduler = PollScheduler(cast(Any, SimpleNamespace(registry=ingress.registry)))
    for account in (LIVE, TEST):
        scheduler._watch_gaps(account, cast(Any, SimpleNamespace(polls=ingress.registry.polls)))

    def shown(account: str, what: str) -> float | None:
        return REGISTRY.get_sample_value("tandem_reads", {"app_account": account, "what": what})

    assert (shown(LIVE, "used"), shown(LIVE, "allowed"), shown(TEST, "used")) == (12, 10_000, None)


async def test_reads_that_kafka_did_not_take_are_counted_later() -> None:
    """With those that came meanwhile."""
    ingress = Ingress()
    account = Account(Quota(10.0), 0.0, 5.0)
    append, ingress.log.append = ingress.log.append, cast(Any, away)  # type: ignore[method-assign]
    account.use.add("customers.list", 5, 0.0)
    await ingress.count.write({LIVE: account})
    ingress.log.append = append  # type: ignore[method-assign]
    account.use.add("customers.retrieve", 2, 1.0)
    await ingress.count.write({LIVE: account})

    assert ingress.allowance(LIVE) == {"used": 7, "allowed": 10_000}
