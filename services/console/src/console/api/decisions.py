"""What a person's decision about a link means: the flow link that carries it out, and both sides by name.

Ids are taken from the tables and checked there; the worker that does it asks the vendors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.connections import FlowLink
from shared.domains.customers.flows import LINKS_BY_HAND
from shared.domains.writes import FieldWrite
from shared.flows.runs import Run
from shared.identity import Ref, is_id
from shared.linking.mappings import Mapping
from sqlmodel import Session

from console.api import asked
from console.api.errors import BadRequest, NotNow, Unknown
from console.projection import pending, queries

NOUNS = {"togai": "account", "stripe": "customer"}
PAIRED = ("linked", "deleted")
"""States of a mapping that a person can take back."""


@dataclass(frozen=True)
class LinkContext:
    """The flow link that changes links between two app accounts: its id, its Togai connection, both app accounts."""

    link: str
    connection: str
    accounts: dict[str, str]

    def ref(self, app: str, text: str) -> str:
        """The full ref of an id of one side. Raises BadRequest for the ref of something else."""
        given = full_ref(text)
        if not is_id(given.id if given else text):
            raise BadRequest(f"this is no id of a {app.title()} {NOUNS[app]}", "name its id as the vendor shows it")
        if given is None:
            return str(Ref(self.accounts[app], NOUNS[app], text))
        if (given.app, given.noun) != (app, NOUNS[app]):
            raise BadRequest(f"{text} is no {app.title()} {NOUNS[app]}", f"name a {app.title()} {NOUNS[app]}")
        return text


@dataclass(frozen=True)
class Decision:
    """What is to be done. `account` and `customer` are refs, one of them empty where the decision names one side."""

    change: Literal["link", "unlink", "relink", "separate", "revert"]
    hand: LinkContext
    reason: str
    account: str = ""
    customer: str = ""
    writes: tuple[FieldWrite, ...] = ()


def full_ref(text: str) -> Ref | None:
    """None for a bare id."""
    try:
        ref = Ref.parse(text)
    except ValueError:
        return None
    return ref if ref.account.count(":") >= 2 else None


def link(session: Session, wanted: asked.LinkRequest) -> Decision:
    """Two that are linked to nobody. Raises BadRequest, NotNow, Unknown."""
    if wanted.togai_account_id.startswith("cus_") and not wanted.stripe_customer_id.startswith("cus_"):
        raise BadRequest(
            f"{wanted.togai_account_id} looks like a Stripe customer and {wanted.stripe_customer_id} does not",
            "give the Togai account first, then the Stripe customer",
        )
    hand = context_for(session, wanted.flow_link, wanted.togai_account_id, wanted.stripe_customer_id)
    account, customer = hand.ref("togai", wanted.togai_account_id), hand.ref("stripe", wanted.stripe_customer_id)
    for ref in (account, customer):
        _free(session, ref, "give it another partner: `tandem mappings relink {}`")
    return Decision("link", hand, wanted.reason, account, customer)


def unlink(session: Session, wanted: asked.UnlinkRequest) -> Decision:
    """A pair, by its mapping or any id of either side. Raises BadRequest, NotNow, Unknown."""
    pair = pair_of(session, wanted.id)
    hand = context_for(session, wanted.flow_link, *pair.refs)
    return Decision("unlink", hand, wanted.reason, side_of(pair, "togai"), side_of(pair, "stripe"))


def relink(session: Session, wanted: asked.RelinkRequest) -> Decision:
    """Another partner for one side of a pair. Raises BadRequest, NotNow, Unknown."""
    pair = pair_of(session, wanted.id)
    app, text = ("togai", wanted.togai_account_id) if wanted.togai_account_id else ("stripe", wanted.stripe_customer_id)
    hand = context_for(session, wanted.flow_link, *pair.refs, text)
    partner = hand.ref(app, text)
    if partner in pair.refs:
        raise NotNow(
            f"{pair.id} links it to {Ref.parse(partner).id} already",
            "name another partner, or nothing is to be done",
            code="already_linked",
        )
    _free(session, partner, "take that link back first: `tandem mappings unlink {}`")
    if app == "togai":
        return Decision("relink", hand, wanted.reason, partner, side_of(pair, "stripe"))
    return Decision("relink", hand, wanted.reason, side_of(pair, "togai"), partner)


def separate(session: Session, wanted: asked.SeparateRequest) -> Decision:
    """An entity in conflict matches none of those that are there. Raises BadRequest, NotNow, Unknown."""
    conflicts = pending.conflicts_of(session, wanted.id)
    found = {run.aggregate for run in conflicts} or _unlinked(session, wanted.id)
    if conflicts and not any(run.problem and run.problem.separable for run in conflicts):
        reason = conflicts[0].problem.reason if conflicts[0].problem else conflicts[0].reason
        raise NotNow(
            f"that decides nothing for {wanted.id}: {reason}",
            f"see `tandem conflicts show {conflicts[0].id}` for what does",
            code="not_separable",
        )
    if not found:
        raise NotNow(
            f"{wanted.id} is in no conflict, and was not unlinked by hand",
            "see `tandem conflicts list` for what waits for a decision",
            code="no_conflict",
        )
    if len(found) > 1:
        raise _ambiguous(wanted.id, sorted(found))
    (entity,) = found
    hand = context_for(session, wanted.flow_link, entity)
    _free(session, entity, "take that link back first: `tandem mappings unlink {}`")
    of_togai = Ref.parse(entity).app == "togai"
    return Decision(
        "separate", hand, wanted.reason, account=entity if of_togai else "", customer="" if of_togai else entity
    )


def _unlinked(session: Session, text: str) -> set[str]:
    """The entity of this id or full ref, if a person unlinked it."""
    decided = [m for m in pending.pairs_of(session, text) if m.state == "unlinked"]
    return {ref for mapping in decided for ref in mapping.refs if text in (ref, Ref.parse(ref).id)}


def pair_of(session: Session, text: str) -> Mapping:
    """The pair that a mapping's id, or any id of either side, names. Raises Unknown, NotNow."""
    by_id = queries.mapping(session, text)
    named = [by_id] if by_id else pending.pairs_of(session, text)
    found = {m.id: m for m in named if m.state in PAIRED}
    if len(found) > 1:
        raise _ambiguous(text, sorted(found))
    if found:
        return found.popitem()[1]
    if not named:
        raise Unknown(
            f"no mapping names {text}", "find the pair with `tandem mappings list --id` and an id of either side"
        )
    if made := next((m for m in named if m.state == "claimed"), None):
        raise NotNow(
            f"{text} is not linked yet: run {made.run} is making its other side ({made.id})",
            f"look again when that is done, or see why it waits: `tandem runs show {made.run}`",
            code="not_linked",
        )
    raise NotNow(
        f"{text} is not linked: {named[0].id} is {named[0].state}",
        "link it with `tandem mappings link`",
        code="not_linked",
    )


def context_for(session: Session, named: str, *texts: str) -> LinkContext:
    """The one enabled flow link that changes links between the app accounts of these entities.

    Raises Unknown for a flow link that is not there, NotNow if none fits or several do.
    """
    if named and not any(x.id == named and x.flow == LINKS_BY_HAND.id for x in queries.flow_links(session)):
        raise Unknown(
            f"there is no flow link {named} of the flow {LINKS_BY_HAND.id}", "see `tandem flow-links list` for its id"
        )
    known = [hand for hand in contexts(session) if named in ("", hand.link)]
    refs = [ref for text in texts if (ref := full_ref(text))]
    fitting = [hand for hand in known if all(hand.accounts.get(ref.app) == ref.account for ref in refs)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise NotNow(
            f"several flow links change links by hand: {', '.join(hand.link for hand in fitting)}",
            "name one of them: `flow_link` in the request, --flow-link of the command",
            code="ambiguous",
        )
    between = " and ".join(sorted({ref.account for ref in refs}))
    raise NotNow(
        f"no enabled flow link changes links by hand{' of ' + between if between else ''}",
        "switch it on with `tandem flow-links enable`, or add one with `tandem flow-links add` for the flow "
        f"{LINKS_BY_HAND.id}",
        code="no_flow_link",
    )


def contexts(session: Session) -> list[LinkContext]:
    """Every enabled flow link that changes links by hand."""
    accounts = {c.id: c.app_account for c in queries.connections(session)}
    links = [x for x in queries.flow_links(session) if x.flow == LINKS_BY_HAND.id and x.enabled]
    return [hand for link in links if (hand := _hand(link, accounts))]


def deciding(session: Session, run: Run, known: list[LinkContext]) -> str:
    """The flow link that carries out a decision about a run, where there are several: that between the same app
    accounts as the run's. The commands name entities by their bare ids, which tell no account.
    """
    link = queries.flow_link(session, run.flow_link)
    if len(known) < 2 or link is None:
        return ""
    accounts = {c.id: c.app_account for c in queries.connections(session)}
    own = {accounts.get(connection) for connection in link.connections.values()}
    return next((hand.link for hand in known if own <= set(hand.accounts.values())), "")


def _hand(found: FlowLink, accounts: dict[str, str]) -> LinkContext | None:
    """None if one of its connections was removed."""
    both = {app: accounts[c] for app, c in found.connections.items() if c in accounts}
    return LinkContext(found.id, found.connections["togai"], both) if both.keys() >= NOUNS.keys() else None


def side_of(pair: Mapping, app: str) -> str:
    """The ref of the pair's entity at an app, empty if it has none there."""
    return next((ref for ref in pair.refs if Ref.parse(ref).app == app), "")


def _free(session: Session, ref: str, what_to_do: str) -> None:
    """Raises NotNow if the entity is linked. `what_to_do` gets the mapping's id put in."""
    holder = pending.holders(session, [ref]).get(ref)
    if holder and holder.state in PAIRED:
        other = next((Ref.parse(other).id for other in holder.refs if other != ref), "another")
        raise NotNow(
            f"{Ref.parse(ref).id} is linked to {other} already ({holder.id})",
            what_to_do.format(holder.id),
            code="already_linked",
        )


def _ambiguous(text: str, found: list[str]) -> NotNow:
    return NotNow(
        f"{text} names several: {', '.join(found)}", "name the one that you mean, as it stands here", code="ambiguous"
    )
