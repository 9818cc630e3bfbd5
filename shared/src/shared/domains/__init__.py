"""Every domain, and what derives from them: triggers, actions and built-in flows by name, nouns, services.

To add a domain, write its manifest in a folder of its own and name it at the end of this file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from shared.domains import customers, invoices, plans
from shared.domains.choices import GENERAL, ConflictKind
from shared.domains.flow import Flow, FlowOption, FlowStep
from shared.domains.model import Action, Domain, ImportKind, Relation, Trigger, View
from shared.domains.templates import paths

DOMAINS: dict[str, Domain] = {}
"""By noun."""
TRIGGERS: dict[str, Trigger] = {}
ACTIONS: dict[str, Action] = {}
RELATIONS: dict[str, Relation] = {}
BUILT_IN: dict[str, Flow] = {}
"""The flows that come with Tandem."""
_NOUN_OF_TRIGGER: dict[str, str] = {}
_OWNER_OF_ACTION: dict[str, Domain] = {}


class BadFlow(ValueError):
    """A flow that does not fit what there is."""


def register(domain: Domain) -> None:
    """Add a domain, or nothing of it. Raises ValueError if a name is taken or unknown, BadFlow if one of its flows does
    not fit.
    """
    known = [name for other in DOMAINS.values() for name in _names(other)]
    if taken := [name for name, count in Counter([*known, *_names(domain)]).items() if count > 1]:
        said = ", ".join(f"{kind} {name}" for kind, name in sorted(taken))
        raise ValueError(f"domain {domain.noun}: {said} is there already")
    _add(domain)
    try:
        for flow in domain.flows:
            check_flow(flow)
        if lost := [view.name for view in domain.views if view.relation not in RELATIONS]:
            raise ValueError(f"domain {domain.noun}: no relation is that of its view {lost[0]}")
    except ValueError:
        unregister(domain)
        raise


def _names(domain: Domain) -> Iterator[tuple[str, str]]:
    """The names that no other part of a kind may have. Triggers and actions are one kind: people find them by name."""
    yield "noun", domain.noun
    yield "service", domain.service
    yield from (("name", trigger.name) for trigger in domain.triggers)
    yield from (("name", action.name) for action in domain.actions)
    yield from (("relation", relation.name) for relation in domain.relations)
    yield from (("flow", flow.id) for flow in domain.flows)
    yield from (("view", view.name) for view in domain.views)
    yield from (("import", kind.name) for kind in domain.imports)


def _add(domain: Domain) -> None:
    DOMAINS[domain.noun] = domain
    for trigger in domain.triggers:
        TRIGGERS[trigger.name], _NOUN_OF_TRIGGER[trigger.name] = trigger, domain.noun
    for action in domain.actions:
        ACTIONS[action.name], _OWNER_OF_ACTION[action.name] = action, domain
    for relation in domain.relations:
        RELATIONS[relation.name] = relation
    for flow in domain.flows:
        BUILT_IN[flow.id] = flow


def unregister(domain: Domain) -> None:
    """Take a domain out again: for tests that bring one of their own."""
    del DOMAINS[domain.noun]
    for trigger in domain.triggers:
        del TRIGGERS[trigger.name], _NOUN_OF_TRIGGER[trigger.name]
    for action in domain.actions:
        del ACTIONS[action.name], _OWNER_OF_ACTION[action.name]
    for relation in domain.relations:
        del RELATIONS[relation.name]
    for flow in domain.flows:
        del BUILT_IN[flow.id]


def noun_of(event_type: str) -> str:
    """The noun on whose topics an event goes; empty for one that no trigger knows."""
    return _NOUN_OF_TRIGGER.get(event_type, "")


def subject_of(event_type: str, body: Any) -> tuple[str, str] | None:
    """What an event is about, as (noun, id), by its trigger; None if there is none, or its body does not tell."""
    trigger = TRIGGERS.get(event_type)
    return trigger.subject(body) if trigger else None


def owner_of(action: str) -> Domain:
    """The domain whose service implements an action. Raises KeyError."""
    return _OWNER_OF_ACTION[action]


def nouns() -> tuple[str, ...]:
    """Every noun that has topics."""
    return tuple(DOMAINS)


def relations_of(app: str, noun: str) -> list[Relation]:
    """The relations in which entities of a kind stand."""
    return [relation for relation in RELATIONS.values() if (app, noun) in relation.kinds]


def by_hand() -> list[Relation]:
    """The relations whose links a person can change; the first is meant where none is named."""
    return [relation for relation in RELATIONS.values() if relation.by_hand]


def views() -> dict[str, View]:
    """The lists of links that have a page and commands of their own, by name."""
    return {view.name: view for domain in DOMAINS.values() for view in domain.views}


def import_kinds() -> dict[str, ImportKind]:
    """What can be imported as a whole, by name."""
    return {kind.name: kind for domain in DOMAINS.values() for kind in domain.imports}


def import_options() -> dict[str, FlowOption]:
    """What else can be chosen for imports of any kind, by name."""
    return {option.name: option for kind in import_kinds().values() for option in kind.options}


def conflicts_of(flow: str) -> tuple[ConflictKind, ...]:
    """The kinds of conflicts that imports of a flow meet."""
    kind = next((kind for kind in import_kinds().values() if kind.flow == flow), None)
    return kind.all_conflicts if kind else GENERAL


def linked_kinds() -> frozenset[tuple[str, str]]:
    """Every kind of entity that a relation links, as (app, noun)."""
    return frozenset(kind for relation in RELATIONS.values() for kind in relation.kinds)


def services() -> dict[str, str]:
    """Each service that handles events, and its noun."""
    return {domain.service: domain.noun for domain in DOMAINS.values()}


def aliases_of(flow: Flow) -> dict[str, str]:
    """The connections that a flow link must bind, by alias, and the app of each."""
    app = TRIGGERS[flow.trigger].app
    found = {flow.trigger_connection or app: app}
    for step in flow.steps:
        app = ACTIONS[step.action].app
        found |= {step.connections.get(app, app): app} | {alias: app for app, alias in step.connections.items()}
    return found


def trigger_alias(flow: Flow) -> str:
    """The alias of the connection whose events start a flow."""
    return flow.trigger_connection or TRIGGERS[flow.trigger].app


def check_flow(flow: Flow) -> None:
    """Raises BadFlow with what does not fit: unknown triggers, actions and inputs, and names of later steps."""
    for name in flow.triggers:
        if name not in TRIGGERS:
            raise BadFlow(f"unknown trigger {name}; there are: {', '.join(sorted(TRIGGERS))}")
        first, other = TRIGGERS[flow.trigger], TRIGGERS[name]
        if (first.app, first.output, first.by_state) != (other.app, other.output, other.by_state):
            raise BadFlow(f"{name} does not tell what {flow.trigger} tells: it starts a flow of its own")
    known: set[str] = set()
    for step in flow.steps:
        if step.action not in ACTIONS:
            raise BadFlow(f"step {step.id}: unknown action {step.action}")
        if step.id in known:
            raise BadFlow(f"two steps are called {step.id}")
        for fault in _faults_of_input(step, known):
            raise BadFlow(f"step {step.id}: {fault}")
        known.add(step.id)


def _faults_of_input(step: FlowStep, earlier: set[str]) -> Iterator[str]:
    fields = ACTIONS[step.action].input.model_fields
    for name in step.input:
        if name not in fields:
            yield f"{step.action} has no input {name}; it has: {', '.join(fields)}"
    for name, field in fields.items():
        if field.is_required() and name not in step.input:
            yield f"{step.action} needs the input {name}"
    for path in paths(step.input):
        root, _, rest = path.partition(".")
        if root == "steps" and rest.partition(".")[0] not in earlier:
            yield f"{{{{ {path} }}}} names a step that does not run before it"
        if root not in ("steps", "trigger"):
            yield f"{{{{ {path} }}}} must begin with trigger. or steps."


for _domain in (customers.DOMAIN, invoices.DOMAIN, plans.DOMAIN):
    register(_domain)

__all__ = [
    "ACTIONS", "BUILT_IN", "DOMAINS", "RELATIONS", "TRIGGERS", "Action", "BadFlow", "Domain", "Relation", "Trigger",
    "View", "aliases_of", "by_hand", "check_flow", "conflicts_of", "import_kinds", "import_options", "linked_kinds",
    "noun_of", "nouns", "owner_of", "register", "relations_of",
    "services", "subject_of", "trigger_alias", "unregister", "views",
]  # fmt: skip
