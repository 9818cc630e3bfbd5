"""The poll that a worker requests, as ingress makes it, for a worker inside the test's own process."""

from __future__ import annotations

import json
import time

from shared.apps import APPS
from shared.apps.stripe.readers.entities import from_list
from shared.events.topics import Topics
from shared.identity import AppAccount
from shared.kafka.log import Log
from shared.linking.index import Entity, EntityIndex, encode
from shared.polls import POLL_REQUESTED, Poll, rfc3339

from shared import polls
from tests.contract.sandbox.tools import Control


def requested_at_account(value: bytes) -> str:
    """The app account of which a record requests a poll; empty for any other record of a poll."""
    poll = polls.decode(value)
    return poll.app_account if poll.kind == POLL_REQUESTED else ""


async def record_poll(control: Control, index: EntityIndex, log: Log, topics: Topics, app_account: str) -> None:
    """Write what Stripe's customers are, and that the app account was polled."""
    (name, _, account), now = AppAccount.parse(app_account), time.time()
    rows = control.call("GET", "/state", account=account, lists="customers")["customers"] if name == "stripe" else []
    for entity in (from_list(app_account, json.dumps(row).encode(), now)[1] for row in rows):
        if (index.get(entity.ref) or Entity(ref="")).email != entity.email:
            await log.append(topics.index, entity.ref, encode(entity))
    for kind in APPS[name].repeated:
        poll = Poll(app_account=app_account, kind=kind, complete=True, pass_began_at=rfc3339(now))
        await log.append(topics.polls, poll.key, polls.encode(poll))
