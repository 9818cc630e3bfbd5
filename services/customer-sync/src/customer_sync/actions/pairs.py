"""What a run that came to make a pair does where it is finished already, or where only a person can decide."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from shared.apps.stripe.models import TOGAI_ACCOUNT_ID, StripeCustomer
from shared.errors import Conflict, Rejected, Waiting
from shared.flows.recheck import replayed
from shared.identity import Ref
from shared.linking.claims import now
from shared.linking.dry_run import is_dry
from shared.linking.mappings import Mapping
from shared.linking.pairs import REMEMBERED_FOR
from shared.runtime.actions import Context, Ended


def end_if_made_elsewhere(context: Context, pair: Mapping, subject: str) -> None:
    """Raises Ended if nothing is left to do for this run: a side is gone, or the pair is another event's doing.

    The run that opened the claim from the other side also writes both ids, and is tried until it has: a second writer
    would only spend calls.
    """
    if pair.state == "deleted":
        raise Ended("in_sync", f"the pair has a deleted side: {pair.reason}", pair.refs)
    if pair.source != subject and pair.run != context.run.id:
        raise Ended("in_sync", f"linked meanwhile by run {pair.run} ({pair.id})", pair.refs)


def end_if_of_others(context: Context, pair: Mapping) -> None:
    """Raises Ended for a pair of other app accounts than this flow link's: it is another link's to look after."""
    if not context.is_own(pair.refs):
        accounts = " and ".join(sorted({ref.partition("/")[0] for ref in pair.refs}))
        raise Ended(
            "skipped", f"linked between {accounts} ({pair.id}), which {context.link.id} does not work on", pair.refs
        )


def claim_of(context: Context, ref: str) -> Mapping | None:
    """The record of an entity's own link, in whatever state."""
    other = "stripe" if Ref.parse(ref).app == "togai" else "togai"
    return context.claims.index.claim_of(ref, context.account(other))


def is_unlinked(context: Context, ref: str) -> bool:
    """Whether a person took a link of the entity back, and has not let it have its own other side since."""
    held = claim_of(context, ref)
    if held and held.state in ("claimed", "separate"):
        return False
    return bool(context.claims.index.unlinked(ref))


def end_if_unlinked(context: Context, ref: str, named: str = "") -> None:
    """Raises Ended if a person unlinked the entity: no rule links or makes its other side, until a person does. An
    entity that names another partner since (`named`) was linked by a person there.
    """
    if not is_unlinked(context, ref):
        return
    decided = context.claims.index.unlinked(ref)
    if named and not any(named in mapping.refs for mapping in decided):
        return
    last = max(decided, key=lambda mapping: mapping.at)
    raise Ended(
        "skipped",
        f"unlinked by hand: {last.reason}. It stays so until `tandem mappings link` or `tandem mappings separate`",
        (ref, *last.refs),
    )


def end_if_linked_elsewhere(context: Context, entity: str, other: str) -> None:
    """Raises Ended if a person has taken back or changed the pair whose ids are to be written."""
    index = context.claims.index
    pair = index.pair(entity) or claim_of(context, entity)
    if pair and (pair.state == "withdrawn" or (pair.state != "separate" and other not in pair.refs)):
        raise Ended("in_sync", f"no pair with {other} any more ({pair.id})", (entity, other))


def check_named_account(customer: StripeCustomer, account: str) -> None:
    """Raises Conflict if the customer's metadata name another account than the one that it is linked to: a person wrote
    that, and it is not ours to overwrite.
    """
    named = customer.metadata.get(TOGAI_ACCOUNT_ID)
    if named and named != account:
        raise Conflict(
            f"the metadata of {customer.id} names account {named}, it is linked to {account}: correct the metadata or "
            "the link"
        )


async def leave_if_nothing_was_made(context: Context, held: Mapping) -> None:
    """Withdraw the claim of a create whose flow link is off, so that it stands in nobody's way: nothing was found, and
    no call that was sent before the link was switched off can still land.
    """
    off_since = context.link.changed_at
    if off_since and now() - datetime.fromisoformat(off_since) > timedelta(seconds=REMEMBERED_FOR):
        await context.claims.withdraw(held, f"flow link {context.link.id} is off, and nothing was made")


async def create_again(context: Context, ref: str) -> None:
    """The entity's creation as an event once more, for its run has ended and none waits for this."""
    app = Ref.parse(ref).app
    what = "stripe.customer.created" if app == "stripe" else "togai.account.created"
    name, connection = f"{context.run.event}-created", context.connection(app)
    event = replayed(ref, what, name, connection, now(), cause=context.run.id)
    await context.send_event(context.topics.replay("customer"), event)


def refused(error: Rejected, entity: str) -> Waiting:
    """A vendor refused values of an entity: only a change of that entity mends it, so the run waits for one."""
    return Waiting(f"{error.message}: correct {entity}, the run goes on by itself", code=error.code or "refused")


@asynccontextmanager
async def free_for_a_person(context: Context, source: str) -> AsyncIterator[None]:
    """Around what makes the other side of `source`: on a conflict a link that was begun is given up, for the person who
    decides must find the entity free. A worker that died may have left it.
    """
    try:
        yield
    except Conflict as conflict:
        if not is_dry.get():
            await context.claims.give_up_link(source, conflict.message)
        raise
