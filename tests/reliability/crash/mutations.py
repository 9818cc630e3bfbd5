"""Broken products, switched on in the launcher: each breaks one promise, and crash points must show it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.models import StripeCustomer
from shared.runtime.pool import Work
from shared.runtime.processor import Processor
from shared.runtime.worker import Worker


@dataclass(frozen=True)
class Mutation:
    """How the product is broken, the label of the operation that is tried, and what is seen after a death there."""

    install: Callable[[], None]
    label: str
    seen: str


def key_from_random() -> None:
    """A create's key is not the claim's but a new one at each try."""
    create = StripeApp.create_customer

    async def mutated(self: StripeApp, params: Mapping[str, Any], key: str) -> StripeCustomer:
        return await create(self, params, f"{key}-{secrets.token_hex(4)}")

    StripeApp.create_customer = mutated  # type: ignore[method-assign]


def acknowledged_first() -> None:
    """An event is acknowledged before anything is done about it."""
    guarded = Worker._guarded

    def mutated(self: Worker, processor: Processor) -> Callable[[Work], Awaitable[None]]:
        handle = guarded(self, processor)

        async def early(work: Work) -> None:
            work.acknowledge()
            await self.app.consumer.commit()
            await handle(work)

        return early

    Worker._guarded = mutated  # type: ignore[method-assign]


MUTATIONS = {
    "key-from-random": Mutation(key_from_random, "call POST /stripe/v1/customers", "2 customers at Stripe"),
    "acknowledged-first": Mutation(
        acknowledged_first, "send tandem.runs togai.account.created succeeded", "has no ended run"
    ),
}
