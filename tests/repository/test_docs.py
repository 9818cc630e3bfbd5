"""What a person reads is true: links, commands, messages, tables and numbers in the documents exist in the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import get_args

import grimp
import pytest
from console.projection.rows import kinds
from ingress.polling.scheduler import event_topics
from sandbox.togai_api.webhooks import EVENTS
from shared.apps import APPS
from shared.apps.stripe.client import API_VERSION
from shared.connections import ConnectionState
from shared.domains import ACTIONS, TRIGGERS, import_kinds, nouns, services
from shared.domains.choices import GENERAL
from shared.events.topics import Topics
from shared.flows.recent import REMEMBERED
from shared.flows.runs import TERMINAL_STATES, RunState
from shared.linking.mappings import MappingState
from shared.retries import LAST_PARKING
from shared.runtime.pool import Bounds
from shared.runtime.processor import SNAPSHOT_VALID_FOR
from shared.runtime.registry import Registry
from shared.settings import Settings

from scripts import docs
from tests.repository.packages import PACKAGE_OF, PACKAGES, ROOT
from tests.repository.pages import (
    ARCHITECTURE,
    CONNECTING,
    DECISIONS,
    PAGES,
    README,
    SOURCES,
    TROUBLESHOOTING,
    USING,
    by_path,
    literals,
    rows,
)

# --- generated pages --------------------------------------------------------------------------------------------------


def test_generated_pages_are_up_to_date() -> None:
    """`make docs` writes them."""
    assert docs.out_of_step(docs.pages()) == []


def test_a_page_out_of_step_is_found(tmp_path: Path) -> None:
    """A check that cannot fail checks nothing."""
    (tmp_path / "old.md").write_text("old\n")
    (tmp_path / "same.md").write_text("same\n")
    wanted = {tmp_path / "old.md": "new\n", tmp_path / "same.md": "same\n", tmp_path / "missing.md": "x\n"}

    assert docs.out_of_step(wanted) == [tmp_path / "old.md", tmp_path / "missing.md"]


# --- links ----------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=by_path)
def test_relative_links_resolve(page: Path) -> None:
    """To files that are there, and to headings that they have."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("readme", sorted(ROOT.glob("services/*/README.md")), ids=by_path)
def test_a_services_readme_names_its_modules(readme: Path) -> None:
    """Every module and package right below the service's own; those within a package are the package's."""
    text = readme.read_text()
    [package] = readme.parent.glob("src/*")
    names = [f"{path.name}{'/' if path.is_dir() else ''}" for path in package.iterdir() if path.name[0] not in "_."]

    assert [name for name in sorted(names) if f"`{name}" not in text and name != "py.typed"] == []


# --- the README and what it points to ---------------------------------------------------------------------------------


def test_the_readme_is_short_and_points_to_every_page() -> None:
    """What it is, the two commands, play, connect, where to look."""
    assert len(README.splitlines()) <= 200
    assert all(f"](docs/{page.name})" in README for page in ROOT.glob("docs/*.md"))


def test_the_test_command_is_make_test() -> None:
    """And it is all that the gate runs."""
    gate = (ROOT / ".ci/run").read_text()

    assert "## Test it\n```\nmake test\n```" in README
    assert gate.rstrip().splitlines()[-1] == "make test"
    assert "@@" not in README


def test_what_must_be_typed_at_the_vendors_is_the_codes() -> None:
    """Rights, events, version, addresses, and Togai's payload."""
    asked = [*(a.rights for a in ACTIONS.values()), *(t.rights for t in TRIGGERS.values())]
    rights = {right for one in asked for right in one}
    events = {t.name.partition(".")[2] for t in TRIGGERS.values() if t.app == "stripe" and t.brought == "webhook"}
    ids = [wanted.id for app in APPS.values() if (wanted := app.connector.from_settings(Settings(_env_file=None)))]

    assert {row[0] for row in rows(CONNECTING, "right")} == rights
    assert {row[0].strip("`") for row in rows(CONNECTING, "event")} == events
    assert API_VERSION in CONNECTING
    assert "/webhooks/stripe/con_stripe" in CONNECTING
    assert "/webhooks/togai/con_togai/account.created/<token>" in CONNECTING
    assert ids == ["con_stripe", "con_togai"]
    assert '`{"payload": "request"}`' in CONNECTING


def test_every_event_that_togai_sends_is_named_as_its_own_pages_do() -> None:
    """Togai wants a webhook set up for each: one that the page does not name is never sent."""
    brought = [t for t in TRIGGERS.values() if t.app == "togai" and t.brought == "webhook"]
    listed = {(row[0], row[1].strip("`")) for row in rows(CONNECTING, "event in Togai")}

    assert listed == {(t.hook, t.name.partition(".")[2]) for t in brought}
    assert {hook for hook, _ in listed} <= set(EVENTS)


@pytest.mark.parametrize("row", rows(TROUBLESHOOTING, "you see"), ids=lambda row: row[0])
def test_symptoms_are_messages_of_the_code(row: list[str]) -> None:
    """The part in backticks stands in the code word for word, with `…` for what differs."""
    output = re.findall(r"`([^`]+)`", row[0])

    assert output
    for message in output:
        code = message.removeprefix("signature_") if "signature_" in message else message
        parts = [part for part in re.split(r"\s*…\s*", code) if part]
        assert any(all(part in text for part in parts) for text in literals()), message


SIGNATURES = [ROOT / "shared/src/shared/apps/stripe/signatures.py"]


def test_refusals_of_ingress_are_listed() -> None:
    """Every code that a sender can get, and no other."""
    page = (ROOT / "services/ingress/README.md").read_text()
    listed = {c for row in rows(page, "status") for c in re.findall(r"`([a-z_0-9]+)`", row[1])} - {"unavailable"}
    found = set()
    for file in (*SOURCES["ingress"], *(ROOT / "shared/src/shared/apps").rglob("webhooks.py"), *SIGNATURES):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                given = [str(a.value) for a in node.args if isinstance(a, ast.Constant)]
                if node.func.id == "Refused" and len(given) > 1:
                    found.add(given[1])
                elif node.func.id == "BadSignature":
                    found.add(f"signature_{given[0]}")

    assert found == listed


# --- architecture, principles, operations -----------------------------------------------------------------------------

TOPIC_NAMES = {
    "mappings", "connections", "flows", "flow_links", "runs", "dead_letters", "other", "index", "polls", "pair_states",
    "key_states", "imports", "replays", "reads",
}  # fmt: skip
TOPICS = Topics(Settings(_env_file=None, topic_prefix=""))
ASKED = (TOPICS.imports, TOPICS.replays)


@cache
def topics_written(file: Path) -> set[str]:
    """The topics that a module names, if it appends records to Kafka (a call of `append` with key and value)."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    calls = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    if not any(getattr(c.func, "attr", "") in ("append", "_write") and len(c.args) >= 3 for c in calls):
        return set()
    named = {n.attr for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n.value).endswith("topics")}
    found = {str(getattr(TOPICS, name)) for name in named & TOPIC_NAMES}
    for noun in nouns():
        if "delay" in named:
            found |= {name for name in TOPICS.inputs(noun) if ".delay." in name}
        found |= {getattr(TOPICS, name)(noun) for name in named & {"events", "replay"}}
    return found


@cache
def makes(file: Path, name: str) -> bool:
    """Whether a module makes an object of a class."""
    calls = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)]
    return any(isinstance(call.func, ast.Name) and call.func.id == name for call in calls)


def test_who_writes_and_reads_which_topic() -> None:
    """Written: by a service's own modules, and by those of `shared` that it imports. Read: by its folds and inputs."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    module = {f: ".".join(f.relative_to(ROOT).with_suffix("").parts).partition("src.")[2] for f in SOURCES["shared"]}
    written, talked = {}, {}
    for service, package in PACKAGE_OF.items():
        reached = set(graph.find_upstream_modules(package, as_package=True))
        files = [*SOURCES[service], *(f for f in SOURCES["shared"] if module[f] in reached)]
        written[service] = {topic for file in files for topic in topics_written(file)}
        asks, leases = (any(makes(file, name) for file in files) for name in ("SharedLimits", "AllocatorServer"))
        # Who asks for leases also tells the others of a silence, where the leases are published.
        tells = ((TOPICS.limits_demand, asks), (TOPICS.limits_leases, asks or leases))
        written[service] |= {t for t, does in tells if does}
        talked[service] = {t for t, does in ((TOPICS.limits_leases, asks), (TOPICS.limits_demand, leases)) if does}
    registry = Registry()
    few = set(registry.folds(TOPICS, with_mappings=False, with_index=False))
    read = {
        "ingress": {
            *registry.folds(TOPICS, with_mappings=False, with_reads=True),
            *event_topics(TOPICS),
            TOPICS.imports,
            TOPICS.replays,
        },
        **{service: set(registry.folds(TOPICS)) | set(TOPICS.inputs(noun)) for service, noun in services().items()},
        "console": few | set(kinds(TOPICS)),
    }
    read = {service: topics | talked[service] for service, topics in read.items()}

    def who(sets: dict[str, set[str]], topic: str) -> str:
        named = {name for name in PACKAGE_OF if topic in sets[name]}
        if named >= {*services()}:
            named = {*named - {*services()}, "every worker"}
        return ", ".join(sorted(named, key=order.index)) or "–"

    order = ["ingress", "every worker", *services(), "console"]
    expected = {(f"`{t.name}`", who(written, t.name), who(read, t.name)) for t in TOPICS.all(nouns())}
    shown = {(*row,) for row in rows(ARCHITECTURE, "topic")}
    lacking = [f"| {' | '.join(row)} |" for row in sorted(expected - shown)]
    assert lacking == [], "rows for the table of docs/architecture.md"
    assert shown - expected == set()


def test_states_are_those_of_the_code() -> None:
    """Each has its row, and ends a run or does not."""
    tables = re.split(r"^## ", ARCHITECTURE, flags=re.MULTILINE)
    page = {part.splitlines()[0]: part for part in tables}
    runs = {row[0].strip("`"): row[2] for row in rows(page["States of a run"], "state")}

    assert {row[0].strip("`") for row in rows(page["States of a mapping"], "state")} == set(get_args(MappingState))
    assert {row[0].strip("`") for row in rows(page["States of a connection"], "state")} == set(
        get_args(ConnectionState)
    )
    assert set(runs) == set(get_args(RunState))
    assert {state for state, ended in runs.items() if ended == "yes"} == TERMINAL_STATES


def test_numbers_are_those_of_the_code() -> None:
    """A bound that was changed is changed here too."""
    bounds = Bounds()

    assert f"{bounds.per_partition} unfinished records per partition" in ARCHITECTURE
    assert f"{bounds.held:,} held records per delay partition" in ARCHITECTURE
    assert "Eight\nwaiting events per aggregate" in ARCHITECTURE.replace("\n  waiting", "\nwaiting")
    assert bounds.per_aggregate == 8
    assert f"given up on after {LAST_PARKING} parkings" in ARCHITECTURE
    assert f"it remembers {REMEMBERED:,}" in ARCHITECTURE
    assert "A live event of the last minute" in ARCHITECTURE
    assert SNAPSHOT_VALID_FOR == 60


def test_every_principle_names_a_check_that_exists() -> None:
    """A rule that no check holds is a wish."""
    page = (ROOT / "docs/principles.md").read_text()
    for principle in re.findall(r"^\*\*.+?(?=\n\n|\Z)", page, re.MULTILINE | re.DOTALL):
        held = principle.replace("\n", " ").partition("*Held by*")[2]
        assert held, principle
        assert "`tests/" in held, principle
        folder = Path("tests")
        for name in re.findall(r"`((?:tests/|test_)[\w./]+)`", held):
            place = Path(name) if name.startswith("tests/") else folder / name
            assert (ROOT / place).exists(), name
            folder = place.parent


def test_metrics_in_the_documents_exist() -> None:
    """An alarm on a name that nobody sets never rings."""
    page = (ROOT / "docs/operations.md").read_text()
    api = ROOT / "services/console/src/console/api"
    own = "".join((api / name).read_text() for name in ("status.py", "connected.py"))
    of_console = set(re.findall(r'"(tandem_[a-z_]+)"', own)) | {"tandem_mappings", "tandem_runs", "tandem_dead_letters"}
    named = set(re.findall(r"tandem_[a-z_]+", page))

    assert of_console <= named
    assert named - of_console == set(re.findall(r"tandem_[a-z_]+", docs.metrics_table()))


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=by_path)
def test_a_page_begins_with_whom_it_is_for(page: Path) -> None:
    """Whoever opens the wrong one sees it in the first line."""
    first = [line for line in page.read_text().splitlines() if line and not line.startswith(("#", "<!--"))][0]

    assert first.startswith("For ")


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    """Each with its four parts, short, and in the index."""
    index = (ROOT / "docs/decisions/README.md").read_text()

    assert [int(file.name[:4]) for file in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for file in DECISIONS:
        text = file.read_text()
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Alternatives"]
        assert text.startswith(f"# {file.name[:4]} · ")
        assert 15 <= len(text.splitlines()) <= 30
        assert f"]({file.name}) | {text.splitlines()[0].partition(' · ')[2]} |" in index


def test_every_conflict_of_an_import_is_explained() -> None:
    """With all that a person can choose, the first one first."""
    text = USING
    general = {kind.name for kind in GENERAL}
    kinds = {kind for each in import_kinds().values() for kind in each.conflicts}

    assert all(f"`{name}`" in text for name in general)
    missing = [k.name for k in kinds if not _row_of(text, k.name, " | " + ", ".join(f"`{c}`" for c in k.choices))]
    assert missing == []


def _row_of(text: str, name: str, choices: str) -> bool:
    return any(line.startswith(f"| `{name}` |") and choices in line for line in text.splitlines())
