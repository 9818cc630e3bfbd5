"""What the code does not say about settings, records and topics: the words of the generated pages."""

from __future__ import annotations

from collections.abc import Mapping

from shared.events.envelope import Envelope
from shared.flows.imports import ImportProgress, ImportRequest, Slice
from shared.flows.runs import DeadLetter, Parked, Run, RunError, Step
from shared.key_states import KeyState
from shared.linking.index import Entity
from shared.linking.mappings import Claim
from shared.linking.mappings import Mapping as MappingRecord
from shared.linking.pairs import Difference, PairState, Write
from shared.polls import Poll

GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Accounts": (
        "Without both keys the sandbox stands in for Stripe and Togai. A key for one side alone is refused.",
        (
            "stripe_api_key", "stripe_webhook_secrets", "stripe_api_base", "togai_api_token", "togai_webhook_tokens",
            "togai_api_base", "togai_mode", "togai_organization", "sandbox", "public_url",
        ),
    ),
    "What flows do": (
        "",
        (
            "default_currency", "currency_by_country", "stripe_customer_setting", "stripe_invoice_setting",
            "stripe_invoice_state_setting",
            "payment_link_setting", "togai_time_zone", "invoice_days_until_due", "email_rule", "field_owners",
            "synced_metadata",
        ),
    ),
    "Polling": (
        "What no webhook brings, or none has brought, is found by asking.",
        ("polling", "stripe_poll_interval", "togai_poll_interval", "poll_share"),
    ),
    "Machine and addresses": (
        "",
        (
            "home", "host", "ingress_port", "ingress_admin_port", "ingress_admin_host", "console_port",
            "sandbox_port", "kafka_port", "worker_port",
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
        "Durations are seconds. The quotas are those of an app account, which all workers and pollers share.",
        (
            "stripe_quota", "stripe_operation_quota", "stripe_concurrency", "togai_quota", "togai_concurrency",
            "togai_account_quota", "import_slices",
            "fallback_share", "call_timeout", "calls_in_flight", "in_place_limit", "delay_scale",
            "append_timeout", "worker_id", "session_timeout", "drain_timeout", "bugs_in_a_row",
        ),
    ),
    "Logs": ("", ("log_level", "log_json")),
}  # fmt: skip

BROUGHT_WORDS: Mapping[str, str] = {
    "webhook": "webhook, poller",
    "poll": "poller",
    "person": "console, `tandem`",
}
"""Who may write events of a trigger."""

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
        "source": "who wrote it: `urn:tandem:` and the app account, or `urn:tandem:console` for what a person asked; "
        "an event whose source does not fit its type is never acted on",
        "type": "`app.noun.what`, as `stripe.customer.created`",
        "subject": "the vendor's own id of what the event is about",
        "time": "when it happened (Stripe) or arrived (Togai), RFC 3339 in UTC",
        "appaccount": "`app:mode:account` at which it happened",
        "connection": "the connection by whose address it came",
        "aggregate": "canonical id of what it changes, `app:mode:account/noun/id`; also the record's key",
        "data": "the vendor's body, byte for byte",
        "origin": "how it came: `live` by a webhook or a person, `poll` by a poller",
        "flowlink": "the one flow link that it is for; absent where every one that its type starts is meant",
        "dryrun": "it is only judged what its runs would do; absent where they do it",
        "choices": "what becomes of conflicts of an import, as `same_email=leave_out`; absent where nothing was chosen",
        "refused": "why nobody may act on it (`wrong_mode`, `other_account`); absent for every other event",
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
        "noun": "whose service has the run now",
        "updated_at": "time of this record",
        "steps": "the steps so far, each the record below",
        "reason": "in words, why it is in this state",
        "problem": "what went wrong last, the record below",
        "attempts": "how often it was tried",
        "parked": "how often it was parked",
        "failures": "how often in a row by a failure, not to wait",
        "next_attempt_at": "when a parked run goes on",
        "superseded_by": "the later event that replaced this one",
        "echo_of": "the run whose own write its event was, where that is certain",
        "refs": "every entity that it touched",
        "worker": "the worker that had it last",
        "origin": "the event's `origin`",
        "place": "topic, partition and offset of the event",
        "cause": "id of the import or run that made the event; empty for the outside's own",
        "verdict": "of an import: the kind of conflict that it met; of a dry run: what it would do",
    },
    Step: {
        "id": "its name in the flow",
        "action": "the action",
        "state": "`in_sync`: nothing had to be done; `skipped`: its run ended without it",
        "attempts": "tries in place",
        "output": "what the action gave to later steps",
        "notes": "in words, what was chosen, cut or found",
        "problem": "what went wrong",
    },
    RunError: {
        "error": "the class in `shared.errors`, or the exception's own for a bug",
        "reason": "for people",
        "code": "the vendor's code, or ours",
        "retryable": "whether the same call can succeed later",
        "traceback": "of a bug",
        "candidates": "entities that a person chooses from",
        "separable": "whether declaring the entity separate ends it, too",
        "connection": "the connection that the run waits for",
        "blocker": "the flow link that must be switched on, or confirmed (`<link>/overwrites`), before the run goes on",
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
        "relation": "what kind of link it is, as `customer`",
        "origin_app": "the app where the customer was first, if Tandem made the other side: kept by an unlink",
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
        "knew": "the last link seen under the match value at the claim: a newer one means that it lost the race",
        "since": "offset of the claim's first record, written from attempt 2 on",
    },
    DeadLetter: {
        "id": "`dead_…`, made from flow link and entity; from the run's id where each event counts; from the record's "
        "place if there is no run",
        "state": "`open` until a person retries or discards it, or a later run of its flow link and entity ends well",
        "problem": "why",
        "value": "the whole record that was given up on, in base64",
        "dead_lettered_at": "time",
        "noun": "to whose replay topic a retry goes",
        "attempts": "attempts of the run",
        "step": "the step at which a retry resumes",
        "run": "the newest run that was given up on, as it was then",
        "changed_at": "when it was retried, discarded or resolved",
        "changed_reason": "why it was retried or discarded, or by which run it was resolved",
    },
    Entity: {
        "ref": "the entity, `app:mode:account/noun/id`",
        "state": "as it was last seen",
        "email": "its address in small letters; of an account without one, its customer's",
        "parent": "the Togai customer of an account",
        "digest": "of its content",
        "seq": "counts its changes; of a Stripe customer the time of the last event",
        "newcomer": "of an account: it was made since the organization is ours, and is to have its Stripe customer",
    },
    Poll: {
        "app_account": "`app:mode:account` that is asked",
        "kind": "which list",
        "since": "when the app account became ours: what happened before makes no events",
        "position": "time up to which everything is in the log",
        "cursor": "where an unfinished pass goes on",
        "complete": "whether a first full pass has ended",
        "passes": "full passes so far",
        "seen": "entities of the present pass so far",
        "found": "events that no webhook had brought",
        "reread_at": "when the last days were read once more, for events that are listed late",
        "lost": "the stretch of time whose events nobody lists any more, as `from/to`",
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
        "link": "the run that linked the two: what a former link agreed on says nothing",
        "overwrites": "epoch seconds of a first contact that replaced filled values by others",
        "settled": "a counter: the record with the higher one tells what was agreed on last and what differs",
        "at": "time of this record",
    },
    Write: {
        "run": "the run that writes",
        "to": "the side that is written",
        "fields": "by field, digest of the value",
        "at": "epoch seconds of the begin",
    },
    KeyState: {
        "connection": "whose key it is",
        "fingerprint": "which key, without telling it; as in the connection's record",
        "state": "the vendor's last word",
        "operation": "what was refused with a 403, as `customers.create`; empty for the whole key (401)",
        "reason": "the vendor's words",
        "at": "time of the last refusal, or of the first success after it",
    },
    Difference: {
        "owner": "whose value holds",
        "values": "by app: its value, as JSON",
        "reason": "why it stays",
        "since": "when it was first seen so",
        "refused": "mark of a value that the vendor refused: the same is not sent again while nothing changes",
    },
    ImportRequest: {
        "id": "its id; the record's key is `<id>/request`",
        "kind": "what is imported",
        "flow_link": "the flow link that handles what is found",
        "connection": "the connection by which it is listed",
        "requested_at": "when a person asked for it",
        "created_from": "epoch seconds; what was made before is left out",
        "created_until": "epoch seconds; what was made then or later is left out",
        "ids": "these alone, if any are named",
        "dry_run": "it is judged what each would become, and nothing is written",
        "choices": "what becomes of conflicts, by their kind",
        "target": "the connection at the other side",
        "wanted": "`run`, `pause` or `cancel`",
        "changed_at": "when a person changed that last",
        "runner": "the process that runs it in the foreground; empty: ingress",
    },
    ImportProgress: {
        "id": "of the import; the record's key is `<id>/progress`",
        "state": "`running`, `paused`, `cancelled`, `listed` or `failed`",
        "listed": "entities read from the vendor",
        "written": "events that are in the log",
        "slices": "the parts of the time that are listed side by side, each the record below",
        "standing": "of a dry run: how many stand at the other side, counted up to the quota",
        "quota": "of a dry run: how many the vendor lets stand there; 0: no limit is known",
        "started_at": "when it was begun",
        "updated_at": "time of this record",
        "ended_at": "when all was listed, or it was cancelled or failed",
        "problem": "what holds it up, or why it failed",
    },
    Slice: {
        "begin": "epoch seconds: what was made from then on",
        "end": "epoch seconds: what was made before then",
        "cursor": "the last entity that was written",
        "reached": "epoch seconds at which that one was made",
        "edge": "the written ones that were made in that second",
        "listed": "entities of it that were read, and their events written",
        "span": "how many seconds the last page went back",
        "done": "whether all of it is listed",
    },
    Parked: {
        "run": "the run so far",
        "due": "epoch seconds at which it goes on",
        "looked_at": "epoch seconds of the last check of a run that waits for the other side to change; else 0",
        "lane": "the lane in which its event came: its calls keep it",
    },
}

TOPIC_WORDS: Mapping[str, str] = {
    "events": "what happened, in the order of its arrival",
    "replay": "dead letters that are tried again",
    "delay": "parked runs, for {}",
    "other": "types that no trigger knows, which nobody reads yet; refused events, which the console counts",
    "mappings": "claims and mappings; its one partition decides who creates",
    "connections": "connections, their secrets encrypted together with the address that they are for",
    "key_states": "what the vendors say of each key: refused, or good again",
    "flows": "private flows; nothing writes them yet",
    "flow_links": "which flow runs between which connections",
    "dead_letters": "what was given up on, by its id",
    "index": "ids and e-mail addresses of both sides, as the pollers saw them",
    "polls": "how far each poller is",
    "imports": "what a person asked to import, and how far that is",
    "pair_states": "what both sides of a pair agree on, and what differs",
    "limits_demand": "calls that wait, and what became of leases: workers to the allocator",
    "limits_leases": "leases for calls: the allocator to workers; silence after a 429: the refused one to all",
    "runs": "the activity log: each record is the whole state of its run",
}
