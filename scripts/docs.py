"""Write the pages that come from the code, or with `--check` say which of them are out of step with it.

`.env.example`, `docs/settings.md`, `docs/events.md`, the metrics of `docs/operations.md`, and the rights and events of
`docs/connecting.md`. What the code does not say about a field stands in `docs_words.py`; a field without a word fails.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
from console.local.environment import as_text, variable
from prometheus_client.metrics import MetricWrapperBase
from shared.apps import APPS
from shared.apps.refused import REFUSED_TYPE
from shared.domains import ACTIONS, BUILT_IN, TRIGGERS, noun_of, nouns, owner_of
from shared.domains.flow import Flow
from shared.events.envelope import Envelope
from shared.events.topics import DELAYS, Topic, Topics
from shared.flows.imports import ImportProgress, ImportRequest, Slice
from shared.flows.replays import ReplayProgress, ReplayRequest
from shared.flows.runs import DeadLetter, Parked, Run, RunError, Step
from shared.key_states import KeyState
from shared.linking.index import Entity
from shared.linking.mappings import Claim
from shared.linking.mappings import Mapping as MappingRecord
from shared.linking.pairs import Difference, PairState, Write
from shared.polls import Poll
from shared.reads import Reads
from shared.retries import IN_PLACE, LADDER, LAST_PARKING
from shared.secret_files import file_variable, secret_fields
from shared.settings import Settings

from scripts.docs_words import BROUGHT_WORDS, COMMON, GROUPS, TOPIC_WORDS, WORDS
from shared import metrics

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Written by scripts/docs.py from the code. Change the code or that script, then run it. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def default_of(field: str) -> str:
    """A setting's default as the environment would hold it."""
    value = Settings.model_fields[field].get_default(call_default_factory=True)
    return str(value) if isinstance(value, Path) else as_text(value)


def described(field: str) -> str:
    """What a setting is for, with the values that it may have where the words do not say them."""
    info = Settings.model_fields[field]
    choices = [str(choice) for choice in get_args(info.annotation) if isinstance(choice, str)]
    return f"{info.description} ({', '.join(choices)})" if choices else str(info.description)


def env_example() -> str:
    """`.env.example`."""
    lines = [
        "# Every setting of Tandem with its default. Copy this file to `.env` and take the `#` off what you change.",
        "# The environment wins over `.env`. Of a secret and the file that holds it, NAME_FILE, only one may be set.",
        "# Written by scripts/docs.py from shared/settings.py.",
    ]
    for title, (intro, fields) in GROUPS.items():
        lines += ["", f"# === {title} ===", *(f"# {line}" for line in intro.splitlines())]
        for field in fields:
            lines += ["", f"# {described(field)}", f"#{variable(field)}={default_of(field)}"]
            lines += [f"#{file_variable(Settings, field)}="] if field in secret_fields(Settings) else []
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """`docs/settings.md`."""
    parts = [
        "# Settings",
        NOTE,
        "For whoever sets up or runs Tandem. Each is an environment variable; [`.env.example`](../.env.example) has "
        "the same list, to copy to `.env` in the folder where Tandem is started. The environment wins over that file. "
        "A wrong value is refused at the start, with the setting's name.",
        "A secret can stand in a file instead, as container platforms mount them: `STRIPE_API_KEY_FILE` names the "
        "file, and is set in place of `STRIPE_API_KEY`, never beside it. The file holds the secret alone (a list one "
        "a line, or with commas), and is read at the start. So it is with "
        + ", ".join(f"`{file_variable(Settings, field)}`" for field in secret_fields(Settings))
        + ".",
    ]
    for title, (intro, fields) in GROUPS.items():
        rows = [(f"`{variable(f)}`", f"`{d}`" if (d := default_of(f)) else "", described(f)) for f in fields]
        said = [intro.replace("by\npython3", "by `python3") + ("`" if "\npython3" in intro else "")] if intro else []
        parts += [f"## {title}", *said, table(("setting", "default", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def fields_of(record: type[msgspec.Struct]) -> str:
    """The table of a record's fields. Raises SystemExit if the words in this file do not fit them."""
    own, names = WORDS[record], record.__struct_encode_fields__
    words = {name: own.get(name) or COMMON.get(name, "") for name in names}
    if wrong := set(own) - set(names) | {name for name, meaning in words.items() if not meaning}:
        raise SystemExit(f"scripts/docs_words.py: describe the fields of {record.__name__}: {', '.join(sorted(wrong))}")
    annotations: dict[str, Any] = {f.encode_name: f.type for f in msgspec.structs.fields(record)}
    rows = []
    for name in names:
        values = [str(v) for v in get_args(annotations[name]) if isinstance(v, str) and v]
        rows.append((f"`{name}`", words[name] + (f" ({', '.join(f'`{v}`' for v in values)})" if values else "")))
    return table(("field", "meaning"), rows)


def _kept(topic: Topic) -> str:
    if topic.retention is None:
        return "the newest record of each key, for ever"
    days = f"{topic.retention.days} days" if topic.retention.days else _span(topic.retention)
    return f"the newest record of each key, {days}" if "compact" in topic.cleanup else days


def _span(delay: timedelta) -> str:
    minutes = int(delay.total_seconds() // 60)
    return "1 hour" if minutes == 60 else f"{minutes} minute{'s' if minutes > 1 else ''}"


def topics_table() -> str:
    """Every topic with its shape and its use."""
    topics = Topics(Settings(_env_file=None, topic_prefix=""))
    uses = {getattr(topics, name): TOPIC_WORDS[name] for name in TOPIC_WORDS if isinstance(getattr(topics, name), str)}
    for noun in nouns():
        uses |= {topics.events(noun): TOPIC_WORDS["events"], topics.replay(noun): TOPIC_WORDS["replay"]}
        uses |= {topics.delay(noun, d): TOPIC_WORDS["delay"].format(_span(span)) for d, span in DELAYS.items()}
    rows = [(f"`{t.name}`", str(t.partitions), f"`{t.cleanup}`", _kept(t), uses[t.name]) for t in topics.all(nouns())]
    return table(("topic", "partitions", "cleanup", "kept", "holds"), rows)


def _names(model: Any) -> str:
    return ", ".join(f"`{name}`{'' if field.is_required() else '?'}" for name, field in model.model_fields.items())


def events_page() -> str:
    """`docs/events.md`."""
    triggers = [
        (
            f"`{t.name}`",
            APPS[t.app].title,
            BROUGHT_WORDS[t.brought],
            f"`{noun_of(t.name)}.events`",
            _names(t.output),
            "; ".join(t.rights) or "–",
        )
        for t in TRIGGERS.values()
    ]
    actions = [
        (f"`{a.name}`", owner_of(a.name).service, _names(a.input), _names(a.output), "; ".join(a.rights) or "–")
        for a in ACTIONS.values()
    ]
    flows = [
        (
            f"`{f.id}`",
            f.title,
            ", ".join(f"`{name}`" for name in f.triggers),
            ", then ".join(f"`{s.action}`" for s in f.steps),
        )
        for f in BUILT_IN.values()
    ]
    parts = [
        "# Events, topics and records",
        NOTE,
        "For developers, and for whoever reads Tandem's topics with other tools. All records are JSON.",
        "## The envelope",
        "Every event is a CloudEvents 1.0 record in structured JSON. Its key on the topic is `aggregate`.",
        fields_of(Envelope),
        "## Topics",
        "With the default settings. `TANDEM_TOPIC_PREFIX` goes before every name and every consumer group.",
        topics_table(),
        "Waits between tries: "
        f"{', '.join(f'{s:g}' for s in IN_PLACE)} seconds in place, then the delay topics {', '.join(LADDER)}, the "
        f"last one again and again; a run that only fails is given up on after {LAST_PARKING} parkings.",
        "## Triggers",
        "`?` marks a field that may be missing. Rights are those of a restricted Stripe key.",
        table(("trigger", "app", "brought by", "goes to", "output", "rights"), triggers),
        "Ingress refuses a webhook of a type that no webhook brings. Any other type is kept on `other.events`.",
        "A good event of Stripe that is not the connection's, of the other mode or of a connected account, is kept "
        f"there too, under the type `{REFUSED_TYPE}` with the attribute `refused`; its own type stands in `data`. No "
        "flow starts on it, no poller takes it for received, and `tandem status` counts it.",
        "## Actions",
        table(("action", "implemented by", "input", "output", "rights"), actions),
        "## Built-in flows",
        table(("flow", "title", "trigger", "steps"), flows),
        "## Run",
        "On the runs topic, keyed by `id`. A field with its default value is left out, here and in all records below.",
        fields_of(Run),
        "A step:",
        fields_of(Step),
        "A problem:",
        fields_of(RunError),
        "## Claim and mapping",
        "On the mappings topic, keyed by `id`.",
        fields_of(MappingRecord),
        "Its `claim`:",
        fields_of(Claim),
        "## Index and polls",
        "On the index topic, keyed by `ref`.",
        fields_of(Entity),
        "On the polls topic, keyed by app account and kind.",
        fields_of(Poll),
        "On the reads topic, keyed by app account.",
        fields_of(Reads),
        "## State of a pair",
        "On the pair-states topic, keyed by mapping and side.",
        fields_of(PairState),
        "A write:",
        fields_of(Write),
        "A difference:",
        fields_of(Difference),
        "## State of a key",
        "On the key-states topic, keyed by connection, fingerprint and operation.",
        fields_of(KeyState),
        "## Import",
        "Two records of one import on the imports topic. `record` is `request` in the one that the console writes:",
        fields_of(ImportRequest),
        "`progress` in the one that ingress writes:",
        fields_of(ImportProgress),
        "Each of its slices:",
        fields_of(Slice),
        "## Replay",
        "Two records of one replay on the replays topic, as of an import. `request`:",
        fields_of(ReplayRequest),
        "`progress`:",
        fields_of(ReplayProgress),
        "## Dead letter",
        "On the dead-letters topic, keyed by `id`.",
        fields_of(DeadLetter),
        "## Parked run",
        "In the header `parked` of a record on a delay or replay topic; the record's value is the event.",
        fields_of(Parked),
    ]
    return "\n\n".join(parts) + "\n"


def metrics_table() -> str:
    """Every metric of shared.metrics."""
    rows = []
    for metric in (m for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)):
        (family,) = metric.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        rows.append((f"`{name}`", family.type, labels, family.documentation))
    return table(("metric", "kind", "labels", "meaning"), rows)


def _rights_of(flow: Flow) -> list[str]:
    """The rights that a flow needs of the Stripe key, by its trigger and its steps."""
    asked = [*(TRIGGERS[name].rights for name in flow.triggers), *(ACTIONS[step.action].rights for step in flow.steps)]
    return sorted({right for rights in asked for right in rights})


def rights_tables() -> str:
    """What each built-in flow wants of the key and of the webhook endpoint at Stripe, and of webhooks at Togai."""
    rights: dict[str, list[str]] = {}
    events: dict[str, list[str]] = {}
    hooks: dict[tuple[str, str], list[str]] = {}
    for flow in BUILT_IN.values():
        for right in _rights_of(flow):
            rights.setdefault(right, []).append(f"`{flow.id}`")
        for trigger in map(TRIGGERS.__getitem__, flow.triggers):
            event = f"`{trigger.name.partition('.')[2]}`"
            if trigger.hook:
                hooks.setdefault((trigger.hook, event), []).append(f"`{flow.id}`")
            elif trigger.app == "stripe" and trigger.brought == "webhook":
                events.setdefault(event, []).append(f"`{flow.id}`")
    return "\n\n".join(
        (
            table(("right", "needed by the flow"), [(r, ", ".join(who)) for r, who in sorted(rights.items())]),
            table(("event", "starts the flow"), [(e, ", ".join(who)) for e, who in sorted(events.items())]),
            table(
                ("event in Togai", "in the address", "starts the flow"),
                [(*event, ", ".join(who)) for event, who in sorted(hooks.items())],
            ),
        )
    )


def filled(page: Path, name: str, text: str) -> str:
    """A page that is written by hand, with one generated part: between two lines that name it."""
    present = page.read_text()
    begin, end = f"<!-- {name}: `make docs` writes this -->", f"<!-- /{name} -->"
    before, _, rest = present.partition(begin)
    _, _, after = rest.partition(end)
    if not rest or not after:
        raise SystemExit(f"{page.relative_to(ROOT)} must hold the lines {begin} and {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def pages() -> dict[Path, str]:
    """What each written page must hold."""
    listed = [field for _, fields in GROUPS.values() for field in fields]
    if sorted(listed) != sorted(Settings.model_fields):
        wrong = set(listed) ^ set(Settings.model_fields) or {f for f in listed if listed.count(f) > 1}
        raise SystemExit(f"scripts/docs_words.py: put each setting in one group: {', '.join(sorted(wrong))}")
    operations, connecting = ROOT / "docs/operations.md", ROOT / "docs/connecting.md"
    return {
        ROOT / ".env.example": env_example(),
        ROOT / "docs/settings.md": settings_page(),
        ROOT / "docs/events.md": events_page(),
        operations: filled(operations, "metrics", metrics_table()),
        connecting: filled(connecting, "rights", rights_tables()),
    }


def out_of_step(wanted: Mapping[Path, str]) -> list[Path]:
    """The pages that do not hold what they must."""
    return [file for file, text in wanted.items() if not file.exists() or file.read_text() != text]


def main() -> int:
    if "--check" in sys.argv:
        wrong = out_of_step(pages())
        for file in wrong:
            name = file.relative_to(ROOT)
            print(f"{name} is out of step with the code: run `make docs` and commit the result")
        return 1 if wrong else 0
    for file, text in pages().items():
        file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
