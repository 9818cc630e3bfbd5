"""Write the pages that come from the code, or with `--check` say which of them are out of step with it.

`.env.example`, `docs/settings.md`, `docs/events.md`, and the metrics table of `docs/operations.md`. What the code does
not say about a field stands in this file, and a field without a word fails.
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
from shared.catalog import ACTIONS, APPS, TRIGGERS
from shared.catalog.flows import BUILT_IN
from shared.events.envelope import Envelope
from shared.events.topics import DELAYS, Topic, Topics
from shared.index import Entity
from shared.mappings import Claim
from shared.mappings import Mapping as MappingRecord
from shared.pairs import Difference, PairState, Write
from shared.polls import Poll
from shared.retries import IN_PLACE, LADDER, LAST_PARKING
from shared.runs import DeadLetter, Parked, Problem, Run, Step
from shared.settings import Settings
from shared.streaming.admin import NOUNS

from shared import metrics

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Written by scripts/docs.py from the code. Change the code or that script, then run it. -->"
BEGIN, END = "<!-- metrics: written by scripts/docs.py -->", "<!-- end of metrics -->"

GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Accounts": (
        "Without both keys the sandbox stands in for Stripe and Togai. A key for one side alone is refused.",
        (
            "stripe_api_key", "stripe_webhook_secrets", "stripe_api_base", "togai_api_token", "togai_webhook_token",
            "togai_api_base", "togai_mode", "togai_organization", "public_url",
        ),
    ),
    "What flows do": (
        "",
        (
            "default_currency", "currency_by_country", "stripe_customer_setting", "email_rule", "field_owners",
            "synced_metadata",
        ),
    ),
    "Polling": (
        "What no webhook brings, or none has brought, is found by asking.",
        ("polling", "stripe_poll_interval", "togai_poll_interval", "poll_share", "stripe_quota", "togai_quota"),
    ),
    "Machine and addresses": (
        "",
        (
            "home", "host", "ingress_port", "console_port", "sandbox_port", "kafka_port", "worker_port",
            "console_token",
        ),
    ),
    "Secrets": (
        "A key is made by\n"
        'python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"',
        ("encryption_keys",),
    ),
    "Kafka": (
        "Needed only for a Kafka of your own.",
        (
            "kafka_bootstrap_servers", "kafka_security_protocol", "kafka_sasl_mechanism", "kafka_sasl_username",
            "kafka_sasl_password", "kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile", "topic_prefix",
            "topic_partitions", "allow_fewer_replicas", "events_retention_days", "runs_retention_days",
        ),
    ),
    "Database": ("", ("database_url",)),
    "Limits and times": (
        "Durations are seconds. Rates are calls per second; `tandem up` divides them among its workers.",
        (
            "stripe_rate", "togai_rate", "call_timeout", "calls_in_flight", "in_place_limit", "delay_scale",
            "append_timeout", "worker_id", "session_timeout", "drain_timeout", "bugs_in_a_row",
        ),
    ),
    "Logs": ("", ("log_level", "log_json")),
}  # fmt: skip

COMMON: Mapping[str, str] = {
    "schemaversion": "of this record; whoever reads another major version stops",
    **dict.fromkeys(("topic", "partition", "offset"), "where it stood"),
    "started_at": "time of the begin",
    "ended_at": "time of the end",
    "event": "the event's `id`",
    "event_type": "the event's `type`",
    "aggregate": "the event's `aggregate`",
    "connection": "the connection by whose address the event came",
}
"""What a field means in every record that does not say otherwise."""

WORDS: Mapping[type, Mapping[str, str]] = {
    Envelope: {
        "id": "with `source`, the event's name: Stripe's event id; for Togai, that has none, `tgi_` and a random part, "
        "or `tgp_` and what the poller saw; `req_` for what a person asked",
        "source": "`urn:tandem:` and the app account",
        "type": "`app.noun.what`, as `stripe.customer.created`",
        "subject": "the vendor's own id of what the event is about",
        "time": "when it happened (Stripe) or arrived (Togai), RFC 3339 in UTC",
        "appaccount": "`app:mode:account` at which it happened",
        "connection": "the connection by whose address it came",
        "aggregate": "canonical id of what it changes, `app:mode:account/noun/id`; also the record's key",
        "data": "the vendor's body, byte for byte",
        "origin": "how it came: `live` by a webhook or a person, `poll` by a poller",
        "cause": "run or request that made Tandem emit it; absent for the outside's own events",
        "specversion": "of CloudEvents",
        "datacontenttype": "of `data`",
    },
    Run: {
        "id": "`run_…`, made from flow link, app account and event id",
        "state": "see [architecture.md](architecture.md#states-of-a-run)",
        "flow_link": "flow link, empty if the event started none",
        "flow": "flow, empty if the event started none",
        "flow_version": "version of the flow",
        "updated_at": "time of this record",
        "steps": "the steps so far, each the record below",
        "reason": "in words, why it is in this state",
        "problem": "what went wrong last, the record below",
        "attempts": "how often it was tried",
        "parked": "how often it was parked",
        "next_attempt_at": "when a parked run goes on",
        "superseded_by": "the event that stood for this one",
        "refs": "every entity that it touched",
        "worker": "the worker that had it last",
        "origin": "the event's `origin`",
        "place": "topic, partition and offset of the event",
    },
    Step: {
        "id": "its name in the flow",
        "action": "the action",
        "state": "`in_sync`: nothing had to be done",
        "attempts": "tries in place",
        "output": "what the action gave to later steps",
        "notes": "in words, what was chosen, cut or found",
        "problem": "what went wrong",
    },
    Problem: {
        "error": "the class in `shared.errors`, or the exception's own for a bug",
        "reason": "for people",
        "code": "the vendor's code, or ours",
        "retryable": "whether the same call can succeed later",
        "traceback": "of a bug",
        "candidates": "entities that a person chooses from",
    },
    MappingRecord: {
        "id": "`map_…`, made from `source`",
        "state": "see [architecture.md](architecture.md#states-of-a-mapping)",
        "source": "the entity whose event began it",
        "at": "time of this record",
        "run": "the run that opened it",
        "target": "the other side, as soon as it is known",
        "also": "further entities of the pair, as the Togai customer above the account",
        "rule": "how the two were joined",
        "claim": "the call that is being made, the record below; only before the pair is made",
        "match": "the address under which it was made or linked",
        "reason": "why it was withdrawn, or which side was deleted",
    },
    Claim: {
        "action": "the action that makes the other side",
        "key": "idempotency key of the call",
        "body": "body of the call",
        "attempt": "raised only after it was proved that nothing was made",
        "opened_at": "time of this attempt",
        "run": "the run that opened it",
        "match": "a value that must be unique besides the entities; empty for none",
        "since": "offset of the claim's first record, written from attempt 2 on",
    },
    DeadLetter: {
        "id": "`dead_…`, made from the run's id, or from the record's place if there is no run",
        "state": "`open` until a person retries or discards it",
        "problem": "why",
        "value": "the whole record that was given up on, in base64",
        "buried_at": "time",
        "noun": "to whose replay topic a retry goes",
        "attempts": "attempts of the run",
        "step": "the step at which a retry resumes",
        "run": "the run as it was given up on",
        "changed_at": "time of the retry or discard",
        "changed_reason": "why it was retried or discarded",
    },
    Entity: {
        "ref": "the entity, `app:mode:account/noun/id`",
        "state": "as it was last seen",
        "email": "its address in small letters; of an account without one, its customer's",
        "parent": "the Togai customer of an account",
        "digest": "of its content",
        "seq": "counts its changes; of a Stripe customer the time of the last event",
    },
    Poll: {
        "app_account": "`app:mode:account` that is asked",
        "kind": "which list",
        "position": "time up to which everything is in the log",
        "cursor": "where an unfinished pass goes on",
        "complete": "whether a first full pass has ended",
        "passes": "full passes so far",
        "seen": "entities of the present pass so far",
        "found": "events that no webhook had brought",
        "at": "time of this record",
    },
    PairState: {
        "mapping": "id of the mapping",
        "side": "whose events the writer of this record works on",
        "pair": "both sides of the mapping that this speaks of",
        "agreed": "by field, digest of the owner's value that the other side was last equal to or set to",
        "open": "writes that were begun and not ended, the record below",
        "writes": "epoch seconds of the last writes",
        "differences": "by field, what differs and stays so, the record below",
        "at": "time of this record",
    },
    Write: {
        "run": "the run that writes",
        "to": "the side that is written",
        "fields": "by field, digest of the value",
        "at": "epoch seconds of the begin",
    },
    Difference: {
        "owner": "whose value holds",
        "togai": "Togai's value, as JSON",
        "stripe": "Stripe's value, as JSON",
        "reason": "why it stays",
        "since": "when it was first seen so",
    },
    Parked: {
        "run": "the run so far",
        "due": "epoch seconds at which it goes on",
        "waiting": "only a change at the other side helps: it looks again when it hears of its entity, else once a day",
        "looked_at": "epoch seconds of the last look",
    },
}

TOPIC_WORDS: Mapping[str, str] = {
    "events": "what happened, in the order of its arrival",
    "replay": "dead letters that are tried again",
    "delay": "parked runs, for {}",
    "other": "types that no trigger knows; nobody reads them yet",
    "mappings": "claims and mappings; its one partition decides who creates",
    "connections": "connections, their secrets encrypted",
    "flows": "private flows; nothing writes them yet",
    "flow_links": "which flow runs between which connections",
    "dead_letters": "what was given up on, by its id",
    "index": "ids and e-mail addresses of both sides, as the pollers saw them",
    "polls": "how far each poller is",
    "pair_states": "what both sides of a pair agree on, and what differs",
    "runs": "the activity log: each record is the whole state of its run",
}


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
        "# The environment wins over `.env`. Written by scripts/docs.py from shared/settings.py.",
    ]
    for title, (intro, fields) in GROUPS.items():
        lines += ["", f"# === {title} ===", *(f"# {line}" for line in intro.splitlines())]
        for field in fields:
            lines += ["", f"# {described(field)}", f"#{variable(field)}={default_of(field)}"]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """`docs/settings.md`."""
    parts = [
        "# Settings",
        NOTE,
        "For whoever sets up or runs Tandem. Each is an environment variable; [`.env.example`](../.env.example) has "
        "the same list, to copy to `.env` in the folder where Tandem is started. The environment wins over that file. "
        "A wrong value is refused at the start, with the setting's name.",
    ]
    for title, (intro, fields) in GROUPS.items():
        rows = [(f"`{variable(f)}`", f"`{d}`" if (d := default_of(f)) else "", described(f)) for f in fields]
        said = [intro.replace("by\npython3", "by `python3") + ("`" if "\npython3" in intro else "")] if intro else []
        parts += [f"## {title}", *said, table(("setting", "default", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def fields_of(record: type[msgspec.Struct]) -> str:
    """The table of a record's fields. Raises SystemExit if the words in this file do not fit them."""
    own, names = WORDS[record], record.__struct_fields__
    words = {name: own.get(name) or COMMON.get(name, "") for name in names}
    if wrong := set(own) - set(names) | {name for name, meaning in words.items() if not meaning}:
        raise SystemExit(f"scripts/docs.py: describe the fields of {record.__name__}: {', '.join(sorted(wrong))}")
    annotations: dict[str, Any] = {f.name: f.type for f in msgspec.structs.fields(record)}
    rows = []
    for name in names:
        values = [str(v) for v in get_args(annotations[name]) if isinstance(v, str) and v]
        rows.append((f"`{name}`", words[name] + (f" ({', '.join(f'`{v}`' for v in values)})" if values else "")))
    return table(("field", "meaning"), rows)


def _kept(topic: Topic) -> str:
    if topic.retention is None:
        return "the newest record of each key, for ever"
    days = f"{topic.retention.days} days"
    return f"the newest record of each key, {days}" if "compact" in topic.cleanup else days


def _span(delay: timedelta) -> str:
    minutes = int(delay.total_seconds() // 60)
    return "1 hour" if minutes == 60 else f"{minutes} minute{'s' if minutes > 1 else ''}"


def topics_table() -> str:
    """Every topic with its shape and its use."""
    topics = Topics(Settings(_env_file=None, topic_prefix=""))
    uses = {getattr(topics, name): TOPIC_WORDS[name] for name in TOPIC_WORDS if isinstance(getattr(topics, name), str)}
    for noun in NOUNS:
        uses |= {topics.events(noun): TOPIC_WORDS["events"], topics.replay(noun): TOPIC_WORDS["replay"]}
        uses |= {topics.delay(noun, d): TOPIC_WORDS["delay"].format(_span(span)) for d, span in DELAYS.items()}
    rows = [(f"`{t.name}`", str(t.partitions), f"`{t.cleanup}`", _kept(t), uses[t.name]) for t in topics.all(NOUNS)]
    return table(("topic", "partitions", "cleanup", "kept", "holds"), rows)


def _names(model: Any) -> str:
    return ", ".join(f"`{name}`{'' if field.is_required() else '?'}" for name, field in model.model_fields.items())


def events_page() -> str:
    """`docs/events.md`."""
    triggers = [
        (f"`{t.name}`", APPS[t.app].title, f"`{t.noun}.events`", _names(t.output), "; ".join(t.rights) or "–")
        for t in TRIGGERS.values()
    ]
    actions = [
        (f"`{a.name}`", a.owner, _names(a.input), _names(a.output), "; ".join(a.rights) or "–")
        for a in ACTIONS.values()
    ]
    flows = [
        (f"`{f.id}`", f.title, f"`{f.trigger}`", ", then ".join(f"`{s.action}`" for s in f.steps))
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
        table(("trigger", "app", "goes to", "output", "rights"), triggers),
        "Any other type is kept on `other.events`.",
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
        fields_of(Problem),
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
        "## State of a pair",
        "On the pair-states topic, keyed by mapping and side.",
        fields_of(PairState),
        "A write:",
        fields_of(Write),
        "A difference:",
        fields_of(Difference),
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


def operations_page(present: str) -> str:
    """`docs/operations.md` with its metrics table anew; the rest is written by hand."""
    before, _, rest = present.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        raise SystemExit(f"docs/operations.md must hold the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{metrics_table()}\n\n{END}{after}"


def pages() -> dict[Path, str]:
    """What each written page must hold."""
    listed = [field for _, fields in GROUPS.values() for field in fields]
    if sorted(listed) != sorted(Settings.model_fields):
        wrong = set(listed) ^ set(Settings.model_fields) or {f for f in listed if listed.count(f) > 1}
        raise SystemExit(f"scripts/docs.py: put each setting in one group: {', '.join(sorted(wrong))}")
    operations = ROOT / "docs/operations.md"
    return {
        ROOT / ".env.example": env_example(),
        ROOT / "docs/settings.md": settings_page(),
        ROOT / "docs/events.md": events_page(),
        operations: operations_page(operations.read_text()),
    }


def out_of_step(wanted: Mapping[Path, str]) -> list[Path]:
    """The pages that do not hold what they must."""
    return [file for file, text in wanted.items() if not file.exists() or file.read_text() != text]


def main() -> int:
    if "--check" in sys.argv:
        wrong = out_of_step(pages())
        for file in wrong:
            name = file.relative_to(ROOT)
            print(f"{name} is out of step with the code: run `.venv/bin/python scripts/docs.py` and commit the result")
        return 1 if wrong else 0
    for file, text in pages().items():
        file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
