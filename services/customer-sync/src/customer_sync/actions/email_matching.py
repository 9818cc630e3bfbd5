"""The e-mail rule: a new customer is linked to the one object on the other side that has its address, or made.

It links only where exactly one unlinked object on each side has the address. Anything else is a conflict that a person
decides; nothing is ever guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.errors import Conflict, NotFound, NotReady
from shared.identity import Ref
from shared.linking.claims import NO_MATCH, Match
from shared.linking.index import normalized_email
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context

from customer_sync.actions.indexed import await_index
from customer_sync.actions.pairs import claim_of


@dataclass(frozen=True)
class LinkCandidate:
    """What is to get its other side: its ref, its address, the app of the other side, what its claim must be the only
    one of, and its Togai customer if any.
    """

    ref: str
    email: str | None
    other: str
    match: Match
    parent: str = ""

    @property
    def noun(self) -> str:
        """What the entity itself is, in words."""
        return "account" if self.other == "stripe" else "customer"


def match_of(context: Context, email: str | None) -> Match:
    """What a claim under the rule must be the only one of: the address between these two app accounts; else nothing.

    Ask before `other_side` looks: its claim gives way to what is linked after that.
    """
    address = normalized_email(email)
    if not address or not _on(context):
        return NO_MATCH
    return context.claims.match(f"{context.account('togai')}|{context.account('stripe')}|{address}")


def _on(context: Context) -> bool:
    # Without pollers nothing fills the index: a rule that asks it would find nobody for ever.
    return context.settings.email_rule == "exact" and context.settings.polling


async def other_side(context: Context, candidate: LinkCandidate) -> str:
    """The ref of the unlinked object to link, empty if the other side is to be made.

    Raises NotReady until the index of both sides has been filled once, and while another run is about to link a
    candidate; Conflict with its candidates where the rule decides nothing.
    """
    address = normalized_email(candidate.email)
    held = claim_of(context, candidate.ref)
    if not candidate.match.value or (held and held.state == "separate"):
        return ""
    await_index(context)
    others = _others(context, candidate, address)
    if not others:
        if context.run.origin == "backfill" and (doubles := _doubles(context, candidate, address)):
            raise _conflict(context, candidate, [], doubles)
        return ""
    for held in context.claims.index.open_under(candidate.match.value):
        if held.source != candidate.ref:
            # What it has just made at the other side may be the candidate, which its claim does not name yet.
            raise NotReady(f"run {held.run} is about to link {held.source}: looking again", code="claimed")
    rivals = _rivals(context, candidate, address)
    free = len(others) == 1 and not rivals and holder(context, others[0]) is None
    if free and not context.claims.index.unlinked(others[0]):
        return others[0] if await _has_address(context, others[0], address) else ""
    raise _conflict(context, candidate, others, rivals)


def _others(context: Context, candidate: LinkCandidate, address: str) -> list[str]:
    """Who has the address on the other side. A sibling's partner does not count: accounts of one customer share it."""
    account = context.account(candidate.other)
    found = [entity.ref for entity in context.registry.index.with_email(account, address)]
    linked = context.claims.index.recently_linked(candidate.match.value)
    if linked:
        found += [ref for ref in linked.refs if Ref.parse(ref).app == candidate.other and ref not in found]
    return [ref for ref in found if not _is_siblings(context, candidate, ref)]


def _rivals(context: Context, candidate: LinkCandidate, address: str) -> list[str]:
    """Unlinked objects on the entity's own side that have its address too, its siblings among them."""
    own = candidate.ref.partition("/")[0]
    found = [entity.ref for entity in context.registry.index.with_email(own, address)]
    return [ref for ref in found if ref != candidate.ref and holder(context, ref) is None]


def _doubles(context: Context, candidate: LinkCandidate, address: str) -> list[str]:
    """Who has the entity's address beside it, where nobody at the other side has it. An import finds both at once, and
    which of them would be made first is chance; accounts of one customer share an address, and each gets its own.
    """
    rivals = _rivals(context, candidate, address)
    if not candidate.parent:
        return rivals
    known = {entity.ref for entity in context.registry.index.children(candidate.parent)}
    return [ref for ref in rivals if ref not in known]


def _is_siblings(context: Context, candidate: LinkCandidate, ref: str) -> bool:
    holder = context.claims.index.pair(ref)
    return bool(holder and candidate.parent and candidate.parent in holder.also)


def holder(context: Context, ref: str) -> Mapping | None:
    """Who holds a candidate. Raises NotReady while that is a claim: it may yet be withdrawn."""
    for mapping in context.claims.index.holders_of(ref):
        if mapping.state == "claimed":
            raise NotReady(f"run {mapping.run} is about to link {ref}: looking again", code="claimed")
        return mapping
    return None


async def _has_address(context: Context, ref: str, address: str) -> bool:
    """The index is a hint: the candidate is read before it is linked."""
    found = Ref.parse(ref)
    try:
        if found.app == "stripe":
            stripe: StripeApp = await context.client("stripe")
            customer = await stripe.retrieve_customer(found.id)
            return not customer.deleted and normalized_email(customer.email) == address
        togai: TogaiApp = await context.client("togai")
        account = await togai.account(found.id)
        email = await togai.email_of(account)
        return account.status != "ARCHIVED" and normalized_email(email) == address
    except NotFound:
        return False


def _conflict(context: Context, candidate: LinkCandidate, others: list[str], rivals: list[str]) -> Conflict:
    linked = [ref for ref in others if holder(context, ref)]
    names = ", ".join(Ref.parse(ref).id for ref in others)
    app = candidate.other.title()
    if rivals:
        same = ", ".join(Ref.parse(ref).id for ref in rivals)
        whose = f"{names} in {app} and also {same}" if others else same
        what = f"{whose} beside it have the address of this {candidate.noun}"
    elif len(others) > 1:
        what = f"several in {app} have the address of this {candidate.noun}: {names}"
    else:
        state = "is linked to another" if linked else "was unlinked by hand"
        what = f"{names} in {app} has the address of this {candidate.noun} and {state}"
    return Conflict(
        f"{what}: choose with `tandem mappings link`, or let it have its own with `tandem mappings separate`",
        code="same_email",
        candidates=(*others, *rivals),
        separable=True,
    )
