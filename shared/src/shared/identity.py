"""Names of things: app accounts, entities, and the ids and idempotency keys that are made from them.

All ids come from data, never from clock or random, so that whoever gets an event again makes the same ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple, TypeGuard

import msgspec

CONSOLE_SOURCE = "urn:tandem:console"
"""`source` of every event that a person asked for: the console writes it, nobody else."""
RUNS_SOURCE = "urn:tandem:runs"
"""`source` of the events by which a run goes from one service to another."""
LONGEST_ID = 255
"""Characters of an id, Stripe's own limit; Togai's is 50. Ids stand in URLs, Kafka's keys and SQL's indexes, and in
every record that is made of them several times.
"""
OWN_KEY_PREFIX = "tandem-"
"""Every idempotency key that we send begins so: Stripe tells it in `event.request.idempotency_key`."""


def is_id(text: object) -> TypeGuard[str]:
    """Whether a text can be an id: neither empty nor too long, nothing in it that cannot be shown, and more than dots,
    which are cut from a path before it is sent.
    """
    return isinstance(text, str) and bool(text.strip(".")) and len(text) <= LONGEST_ID and text.isprintable()


class AppAccount(NamedTuple):
    """One account at an app in one mode, written `stripe:test:acct_1`."""

    app: str
    mode: str
    account: str

    def __str__(self) -> str:
        return f"{self.app}:{self.mode}:{self.account}"

    @classmethod
    def parse(cls, text: str) -> AppAccount:
        """Raises ValueError for anything that is not `app:mode:account`."""
        app, mode, account = text.split(":", 2)
        return cls(app, mode, account)


class Ref(NamedTuple):
    """One entity at one app account, written `stripe:test:acct_1/customer/cus_1`: also the canonical aggregate id."""

    account: str
    noun: str
    id: str

    def __str__(self) -> str:
        return f"{self.account}/{self.noun}/{self.id}"

    @property
    def app(self) -> str:
        return self.account.partition(":")[0]

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Raises ValueError for anything that is not `account/noun/id`; the id itself may hold slashes."""
        account, noun, entity = text.split("/", 2)
        return cls(account, noun, entity)


def source_of(app_account: str) -> str:
    """`source` of an event that happened at an app account."""
    return f"urn:tandem:{app_account}"


def digest(value: object) -> str:
    """A short mark of a value, equal for equal values."""
    return blake2b(msgspec.json.encode(value, order="sorted"), digest_size=6).hexdigest()


def _digest(*parts: str, size: int = 12) -> str:
    return blake2b("\x1f".join(parts).encode(), digest_size=size).hexdigest()


def key_fingerprint(api_key: str) -> str:
    """Which key, without telling it."""
    return _digest("key", api_key)


def run_id(flow_link: str, app_account: str, event_id: str, place: str) -> str:
    """One flow link handling one record of an event is one run, however often the record is read.

    `place` is where the record stands, as `topic/partition/offset`: an event that is delivered again after years is a
    run of its own, which does not write over what the first one did.
    """
    return f"run_{_digest(flow_link, app_account, event_id, place)}"


def link_id(source: str, relation: str, target_account: str, key: str = "") -> str:
    """The record of a link is keyed by the entity whose event opened it, the relation, and the app account of the other
    side: an entity has one link of a relation there, or one for each `key` where the relation has many.
    """
    return f"map_{_digest(source, relation, target_account, key)}"


def unlink_id(relation: str, refs: Iterable[str]) -> str:
    """The record of a person's decision that two entities are not linked in a relation."""
    return f"map_{_digest('unlinked', relation, *sorted(refs))}"


def hold_id(relation: str, ref: str) -> str:
    """The record of a person's decision that nothing more is made for an entity of a relation."""
    return f"map_{_digest('held', relation, ref)}"


def create_key(app_account: str, action: str, source: str, attempt: int) -> str:
    """Idempotency key of a create: the same until the claim's attempt is raised (design law 2)."""
    return f"{OWN_KEY_PREFIX}{action}-{_digest(app_account, action, source, size=16)}-{attempt}"


def update_key() -> str:
    """Idempotency key of an update: new per call, for setting a state twice is harmless and an old answer is not."""
    return f"{OWN_KEY_PREFIX}update-{uuid.uuid4().hex}"


def is_own_key(key: str | None) -> bool:
    """Whether the write behind an event was ours."""
    return bool(key) and str(key).startswith(OWN_KEY_PREFIX)


def dead_letter_id(topic: str, partition: int, offset: int, run: str = "") -> str:
    """A dead letter has its run's id, that of an event that never became a run under its place in the log."""
    return f"dead_{_digest(run)}" if run else f"dead_{_digest(topic, str(partition), str(offset))}"


def entity_letter_id(flow_link: str, aggregate: str) -> str:
    """Runs that act on an entity's present state share one letter for each flow link."""
    return f"dead_{_digest('entity', flow_link, aggregate)}"
