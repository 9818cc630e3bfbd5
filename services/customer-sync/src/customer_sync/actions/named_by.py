"""Who at the other side names an entity already: it is its partner, and nothing is made beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shared.errors import Conflict
from shared.identity import Ref
from shared.runtime.actions import Context

from customer_sync.actions.email_matching import holder
from customer_sync.actions.indexed import await_index
from customer_sync.actions.pairs import claim_of


async def named_by(context: Context, ref: str, other: str, names: Callable[[str], Awaitable[bool]]) -> str:
    """The ref of the one at the other app that names an entity; empty for none. `names` asks the vendor whether an id
    does so now: the index is a hint.

    A create that was begun goes on, and who was unlinked from the entity by a person is not linked again. Raises
    NotReady until the index of both sides has been filled once, and while a candidate is being linked; Conflict where
    several name it, or one that is linked to another.
    """
    held = claim_of(context, ref)
    # Without pollers nothing fills the index.
    if not context.settings.polling or context.claims.index.open_claim(ref) or (held and held.state == "separate"):
        return ""
    await_index(context)
    entity = Ref.parse(ref).id
    known = context.registry.index.who_name(context.account(other), entity)
    others = [one for one in known if not any(ref in pair.refs for pair in context.claims.index.unlinked(one))]
    found = [one for one in others if await names(Ref.parse(one).id)]
    if not found:
        return ""
    taken = [one for one in found if holder(context, one)]
    if len(found) > 1 or taken:
        ids = " and ".join(Ref.parse(one).id for one in found)
        why = "which is linked to another" if taken else "more than one"
        raise Conflict(
            f"{ids} in {other.title()} names {entity}, {why}: correct what is wrong there, the run then goes on by "
            "itself, or choose with `tandem mappings link`",
            code="named_otherwise",
            candidates=(ref, *found),
            separable=True,
        )
    return found[0]
