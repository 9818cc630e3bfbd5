"""The catalog and what is built on it agree: actions, triggers, flows, and the lists of services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from console.connect import events_of
from shared.apps import APPS
from shared.apps.togai.connecting import EVENT
from shared.domains import ACTIONS, BUILT_IN, DOMAINS, TRIGGERS, noun_of, nouns, owner_of, services
from shared.events.topics import Topics
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
OWNERS = sorted(file.parents[3].name for file in ROOT.glob("services/*/src/*/actions/__init__.py"))


def implementations(owner: str) -> Mapping[str, Callable[..., Any]]:
    """The actions that a service brings."""
    found: Mapping[str, Callable[..., Any]] = import_module(f"{owner.replace('-', '_')}.actions").IMPLEMENTATIONS
    return found


def test_every_owner_is_a_service_with_actions() -> None:
    """No action belongs to nobody, and no service brings actions that the catalog gives to another."""
    assert {domain.service for domain in DOMAINS.values()} == set(OWNERS)


@pytest.mark.parametrize("owner", OWNERS)
def test_a_service_implements_exactly_what_it_owns(owner: str) -> None:
    """Each action has one implementation, in its owner, and none is implemented that the catalog does not know."""
    found = implementations(owner)

    assert {name for name in ACTIONS if owner_of(name).service == owner} == set(found)
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_implementation_takes_the_input_of_its_action(name: str) -> None:
    """The model that the runner validates is the one that the function is written for."""
    hints = get_type_hints(implementations(owner_of(name).service)[name])
    hints.pop("return")
    _context, taken = hints.values()

    assert taken is ACTIONS[name].input


def test_names_begin_with_their_app() -> None:
    """`app.noun.what`, of an app that is in the catalog under its own name."""
    named = [*((a.name, a.app) for a in ACTIONS.values()), *((t.name, t.app) for t in TRIGGERS.values())]
    for name, app in named:
        assert name.partition(".")[0] == app
        assert app in APPS


def test_every_trigger_has_a_service_that_reads_its_topic() -> None:
    """An event whose noun nobody reads would wait for ever."""
    topics = Topics(Settings(_env_file=None))
    made = {topic.name for topic in topics.all(nouns())}

    assert {topics.events(noun_of(name)) for name in TRIGGERS} <= made


def test_built_in_flows_are_made_of_what_the_catalog_has() -> None:
    """Their triggers and actions exist, and each is listed under its own id."""
    for name, flow in BUILT_IN.items():
        assert name == flow.id
        assert flow.trigger in TRIGGERS
        assert {step.action for step in flow.steps} <= set(ACTIONS)
        assert flow.visibility == "built-in"


def test_every_list_of_workers_says_the_same() -> None:
    """The manifests, the folders and Compose."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    assert set(services()) == set(OWNERS)
    assert set(OWNERS) <= set(compose)


def test_endpoints_are_made_for_the_events_that_have_a_trigger() -> None:
    """What set-up asks the vendors to send is what the catalog knows."""
    sent = {name: t for name, t in TRIGGERS.items() if t.brought == "webhook"}
    of = {app: {name.partition(".")[2] for name, t in sent.items() if t.app == app} for app in APPS}

    assert set(events_of("stripe")) == of["stripe"]
    assert of["togai"] == {
        EVENT, "invoice.generated", "invoice.updated", "order.generated", "price_plan.created"
    }  # fmt: skip
