"""What a domain is made of: triggers, actions and built-in flows, as data. Pure.

A domain is a noun with a service and topics of its own. Everything that lists nouns, services, triggers, actions or
flows derives from the manifests in `shared.domains`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from shared.domains.choices import GENERAL, ConflictKind
from shared.domains.flow import Flow, FlowOption
from shared.domains.writes import FieldWrite, nothing_known, nothing_lasting


@dataclass(frozen=True)
class Trigger:
    """An event of an app that can start a flow.

    - `subject`: what it is about, as (noun, id), None if the body does not tell.
    - `extract`: the body as `output`; raises Malformed if it does not fit.
    - `recheck_body`: a body that holds the id of an entity alone, for an event that asks for a recheck; None where that
      makes no sense.
    - `brought`: by whom: the vendor's webhook (and the poller that fills its gaps), a poller alone, or a person.
    - `by_state`: its flows act on the present state of the subject, so several waiting events may fold into the last.
    - `rights`: what a restricted key must be allowed for the event to reach us.
    - `hook`: the event's name in the vendor's own pages, where a person sets up a webhook for each event; else empty.
    """

    name: str
    app: str
    title: str
    output: type[BaseModel]
    subject: Callable[[Any], tuple[str, str] | None]
    extract: Callable[[Any], BaseModel]
    recheck_body: Callable[[str], Any] | None = None
    by_state: bool = True
    brought: Literal["webhook", "poll", "person"] = "webhook"
    rights: tuple[str, ...] = ()
    hook: str = ""


@dataclass(frozen=True)
class Action:
    """An operation on an app; the service of its domain implements it. `rights` are those of a restricted key.

    - `subject`: the entity in whose queue an input is worked on, as (app, noun, id); None where that is what the run is
      about.
    - `reads`: without effect: a run that is resumed reads again instead of acting on what was true then. What another
      service read before a hand-over stays as it was: an action reads itself what it must be sure of.
    - `calls`: about how many calls it makes at each app where it acts, in a run that has read before; for estimates.
    """

    name: str
    app: str
    title: str
    input: type[BaseModel]
    output: type[BaseModel]
    rights: tuple[str, ...] = ()
    subject: Callable[[Any], tuple[str, str, str]] | None = None
    reads: bool = False
    calls: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of entity at an app, as `togai` `account`."""

    app: str
    noun: str


@dataclass(frozen=True)
class LinkRequest:
    """What a person asks for about a link. `sides` are the ids by app, of the sides that are named; `flow_link` is the
    one that does it, `writes` what a revert takes back.
    """

    change: Literal["link", "unlink", "relink", "separate", "revert"]
    sides: Mapping[str, str]
    reason: str
    flow_link: str = ""
    writes: Sequence[FieldWrite] = ()


@dataclass(frozen=True)
class ByHand:
    """How a person changes links of a relation: the flow that does it, and a request as its trigger's body."""

    flow: str
    body: Callable[[LinkRequest], BaseModel]


@dataclass(frozen=True)
class Relation:
    """A kind of link between two kinds of entities.

    - `many`: an entity may have several at one app account.
    - `fields_of`: what each parameter of a write to a pair set, by field, in the terms in which fields are compared.
    - `lasting`: the parameters of a write whose former value cannot be put back.
    - `by_hand`: None where no person changes its links.
    """

    name: str
    source: Kind
    target: Kind
    many: bool = False
    fields_of: Callable[[FieldWrite], Mapping[str, Mapping[str, Any]]] = nothing_known
    lasting: Callable[[FieldWrite], set[str]] = nothing_lasting
    by_hand: ByHand | None = None

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """The app and noun of its source and its target, which may be at one app."""
        return (self.source.app, self.source.noun), (self.target.app, self.target.noun)

    @property
    def nouns(self) -> dict[str, str]:
        """The noun of its entities at each app, where that is one: people change links between two apps alone."""
        return {kind.app: kind.noun for kind in (self.source, self.target)}


@dataclass(frozen=True)
class View:
    """Links of a relation as people look at them: the page `/<name>` and the command `tandem <name>`.

    - `title` stands above the page, `help` beside the command; `empty` says what makes the first link.
    - `columns`: the kinds of entities whose ids are shown, in this order.
    """

    name: str
    title: str
    help: str
    relation: str
    columns: tuple[Kind, ...]
    empty: str


@dataclass(frozen=True)
class NextStep:
    """What a person can ask for after an import in which an option had a value, of the same entities.

    - `address`: where it is asked for, behind the first import's own.
    - `button` says it on the page, `says` in the terminal.
    """

    option: FlowOption
    value: str
    address: str
    button: str
    says: str


@dataclass(frozen=True)
class ImportKind:
    """What can be imported as a whole: every entity of a kind at an app, each as if its flow's trigger had come.

    - `timed`: the vendor tells when each was made, so that a part can be asked for by time; `sliced`: it lists the
      newest first, so that parts of the time can be listed side by side.
    - `conflicts`: the kinds of conflicts of its own that a person can choose about; `target`: what is made of each.
    - `options`: what else a person chooses, the first value of each unless another is named: actions find it among the
      choices. `confirm`: what a person confirms before it begins, empty for nothing. `next_step`: what can follow it.
    """

    name: str
    title: str
    source: Kind
    target: Kind
    flow: str
    timed: bool = True
    sliced: bool = False
    conflicts: tuple[ConflictKind, ...] = ()
    options: tuple[FlowOption, ...] = ()
    confirm: str = ""
    next_step: NextStep | None = None

    def next_of(self, options: Mapping[str, str]) -> NextStep | None:
        """What can follow an import with these options."""
        step = self.next_step
        return step if step and options.get(step.option.name) == step.value else None

    @property
    def all_conflicts(self) -> tuple[ConflictKind, ...]:
        """Its own kinds of conflicts, and those of every import."""
        return (*self.conflicts, *GENERAL)


@dataclass(frozen=True)
class Domain:
    """A noun, the service that handles it, and what flows can be made of.

    - `noun`: names its topics, as `customer.events`; `service`: the service that reads them and implements its actions.
    - `flows`: those that come with Tandem.
    - `relations`: what its actions link; the first is the one that is meant where none is named.
    - `views`: the lists of links that have a page and commands of their own.
    - `imports`: what of it can be imported as a whole.
    """

    noun: str
    service: str
    triggers: tuple[Trigger, ...]
    actions: tuple[Action, ...]
    flows: tuple[Flow, ...] = ()
    relations: tuple[Relation, ...] = ()
    views: tuple[View, ...] = ()
    imports: tuple[ImportKind, ...] = ()
