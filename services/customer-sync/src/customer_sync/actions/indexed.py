"""What the index of both sides must show before something is made because nobody is there."""

from __future__ import annotations

from collections.abc import Iterator

from shared.errors import NotPolled, NotReady
from shared.flows.runs import is_sent_again
from shared.polls import POLL_REQUESTED, Poll, rfc3339
from shared.runtime.actions import Context

from shared import polls


async def await_poll(context: Context, ref: str) -> None:
    """Raises NotPolled until the lists of both sides have been read since a person asked for what the run is of: an
    import, a replay, or what was missed. Who was made or named just before may have no event yet, and whoever asks
    expects it to be seen. Ingress is asked to read them at once. A create that was begun goes on.

    Raises what is wrong with a connection, for that keeps the pollers too.
    """
    if not is_sent_again(context.run) or not context.settings.polling or context.claims.index.open_claim(ref):
        return
    await_index(context)
    registry = context.registry
    since = registry.asked_at(context.run)
    for app, account in _accounts(context):
        if registry.not_polled(account, since):
            await context.client(app)
            await _request(context, account, since)
    for _, account in _accounts(context):
        for poll in registry.not_polled(account, since):
            raise NotPolled(f"{account} is polled once more ({poll.kind}): nothing is made before", account)


async def _request(context: Context, account: str, since: float) -> None:
    if context.registry.polls.poll_requested(account) < since:
        wanted = Poll(app_account=account, kind=POLL_REQUESTED, at=rfc3339(since))
        await context.log.append(context.topics.polls, wanted.key, polls.encode(wanted))


def await_index(context: Context) -> None:
    """Raises NotReady until the index of both sides has been filled once."""
    for _, account in _accounts(context):
        for poll in context.registry.not_indexed(account):
            raise NotReady(
                f"the index of {account} is being filled for the first time ({poll.kind}: {poll.seen} "
                "read): nothing is made before it is known who is there",
                code="not_indexed",
            )


def _accounts(context: Context) -> Iterator[tuple[str, str]]:
    return ((app, context.account(app)) for app in ("togai", "stripe"))
