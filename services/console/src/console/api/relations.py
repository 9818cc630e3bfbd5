"""Which relation something is about, and which flow links change its links by hand."""

from __future__ import annotations

from dataclasses import dataclass

from shared.apps import APPS
from shared.connections import FlowLink
from shared.domains import BUILT_IN, DOMAINS, RELATIONS, aliases_of, by_hand, noun_of, relations_of, trigger_alias
from shared.domains.model import ByHand, Relation
from shared.flows.runs import Run
from shared.identity import Ref, is_id
from sqlmodel import Session

from console.api.errors import BadRequest, NotNow, Unknown
from console.pages.words import kind_name
from console.projection import queries


@dataclass(frozen=True)
class LinkContext:
    """A flow link that changes links of a relation: its id, the connection at which its event happens, and both app
    accounts.
    """

    link: str
    relation: Relation
    connection: str
    accounts: dict[str, str]

    @property
    def by(self) -> ByHand:
        """How it does it."""
        assert self.relation.by_hand is not None
        return self.relation.by_hand

    def ref(self, app: str, text: str) -> str:
        """The full ref of an id of one side. Raises BadRequest for the ref of something else."""
        if app not in self.relation.nouns:
            apps = " and ".join(self.relation.nouns)
            raise BadRequest(
                f"a link of {self.relation.name} has no side at {app}", f"it is between {apps}: name those"
            )
        noun = self.relation.nouns[app]
        given, kind = full_ref(text), kind_name(app, noun)
        if not is_id(given.id if given else text):
            raise BadRequest(f"this is no id of a {kind}", "name its id as the vendor shows it")
        if given is None:
            return str(Ref(self.accounts[app], noun, text))
        if (given.app, given.noun) != (app, noun):
            raise BadRequest(f"{text} is no {kind}", f"name a {kind}")
        return text


def full_ref(text: str) -> Ref | None:
    """None for a bare id."""
    try:
        ref = Ref.parse(text)
    except ValueError:
        return None
    return ref if ref.account.count(":") >= 2 else None


def named(name: str) -> Relation:
    """A relation that people change, by its name or the first. Raises NotNow, Unknown."""
    if not name:
        return by_hand()[0]
    if name not in RELATIONS:
        raise Unknown(f"there is no relation {name}", f"there are: {', '.join(RELATIONS)}")
    if RELATIONS[name].by_hand is None:
        raise NotNow(f"links of {name} are not changed by hand", "change what its flow reads at the vendor")
    return RELATIONS[name]


def of_entity(text: str) -> str:
    """The first relation that people change in which an entity stands; empty if there is none."""
    ref = full_ref(text)
    found = relations_of(ref.app, ref.noun) if ref else []
    return next((relation.name for relation in found if relation.by_hand), "")


def of_run(run: Run) -> str:
    """The relation in which a run makes a link, else one of its entity's."""
    flow = BUILT_IN.get(run.flow)
    return flow.makes if flow and flow.makes else of_entity(run.aggregate)


def noun_of_run(run: Run) -> str:
    """The noun on whose topics what concerns a run is sent: that of the service in which it stands."""
    known = run.noun or noun_of(run.event_type)
    if known in DOMAINS:
        return known
    relation = of_entity(run.aggregate)
    return next((d.noun for d in DOMAINS.values() if any(r.name == relation for r in d.relations)), next(iter(DOMAINS)))


def contexts(session: Session) -> list[LinkContext]:
    """Every enabled flow link that changes links by hand."""
    flows = {relation.by_hand.flow: relation for relation in by_hand() if relation.by_hand}
    accounts = {c.id: c.app_account for c in queries.connections(session)}
    links = [link for link in queries.flow_links(session) if link.flow in flows and link.enabled]
    return [context for link in links if (context := _context(link, flows[link.flow], accounts))]


def _context(found: FlowLink, relation: Relation, accounts: dict[str, str]) -> LinkContext | None:
    """None if one of its connections was removed."""
    flow = BUILT_IN[found.flow]
    apps = aliases_of(flow)
    both = {apps.get(alias, alias): accounts[c] for alias, c in found.connections.items() if c in accounts}
    return (
        LinkContext(found.id, relation, found.connections[trigger_alias(flow)], both)
        if both.keys() >= {*relation.nouns}
        else None
    )


def context_for(session: Session, relation: Relation, by: str, *texts: str) -> LinkContext:
    """The one enabled flow link that changes links of a relation between the app accounts of these entities.

    Raises Unknown for a flow link that is not there, NotNow if none fits or several do.
    """
    flow = relation.by_hand.flow if relation.by_hand else ""
    if by and not any(link.id == by and link.flow == flow for link in queries.flow_links(session)):
        raise Unknown(f"there is no flow link {by} of the flow {flow}", "see `tandem flow-links list` for its id")
    known = [
        context for context in contexts(session) if context.relation.name == relation.name and by in ("", context.link)
    ]
    refs = [ref for text in texts if (ref := full_ref(text))]
    fitting = [context for context in known if all(context.accounts.get(ref.app) == ref.account for ref in refs)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise NotNow(
            f"several flow links change links by hand: {', '.join(context.link for context in fitting)}",
            "name one of them: `flow_link` in the request, --flow-link of the command",
            code="ambiguous",
        )
    between = " and ".join(sorted({ref.account for ref in refs}))
    raise NotNow(
        f"no enabled flow link changes links by hand{' of ' + between if between else ''}",
        f"switch it on with `tandem flow-links enable`, or add one with `tandem flow-links add` for the flow {flow}",
        code="no_flow_link",
    )


def deciding(session: Session, run: Run, known: list[LinkContext]) -> str:
    """The flow link that carries out a decision about a run, where there are several: that between the same app
    accounts as the run's. The commands name entities by their bare ids, which tell no account.
    """
    link, relation = queries.flow_link(session, run.flow_link), of_run(run)
    known = [context for context in known if context.relation.name == relation]
    if len(known) < 2 or link is None:
        return ""
    accounts = {c.id: c.app_account for c in queries.connections(session)}
    own = {accounts.get(connection) for connection in link.connections.values()}
    return next((context.link for context in known if own <= set(context.accounts.values())), "")


def swapped(relation: Relation, sides: dict[str, str]) -> str:
    """What looks as if a person had swapped two ids, in words; empty if nothing does."""
    for app, text in sides.items():
        for other, noun in relation.nouns.items():
            known = APPS.get(other)
            if (
                other != app
                and known
                and known.recognizes(noun, text)
                and not known.recognizes(noun, sides.get(other, ""))
            ):
                return f"{text} looks like a {kind_name(other, noun)} and {sides.get(other, '')} does not"
    return ""
