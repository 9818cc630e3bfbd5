"""Every metric, named and explained in one place; a worker serves them at /metrics in Prometheus' format."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS_IN = Counter("tandem_ingress_events_total", "events accepted and appended", ["app", "type"])
REFUSED = Counter("tandem_ingress_refused_total", "webhooks refused, by reason", ["app", "reason"])
APPEND_SECONDS = Histogram(
    "tandem_ingress_append_seconds",
    "time of the durable append",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5),
)
APPEND_FAILED = Counter("tandem_ingress_append_failed_total", "appends that Kafka did not confirm in time (503)")

POLL_EVENTS = Counter("tandem_poll_events_total", "events appended by a poller, which no webhook had brought", ["app"])
POLL_REFUSED = Counter(
    "tandem_poll_refused_total", "what a poller could not read or append, by reason", ["app", "reason"]
)
POLL_FAILED = Counter("tandem_poll_failed_total", "looks of a poller that failed and were tried again", ["app_account"])
POLL_GAP_SECONDS = Gauge(
    "tandem_poll_gap_seconds",
    "seconds since the time up to which all that a vendor lists is in the log",
    ["app_account"],
)
POLL_LEADER = Gauge("tandem_poll_leader", "1 in the one ingress that polls")

RUNS = Counter("tandem_runs_total", "runs that reached a state", ["flow", "state"])
RUN_SECONDS = Histogram(
    "tandem_run_seconds",
    "time of one attempt at a run",
    ["flow"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
RETRIES = Counter("tandem_retries_total", "tries after the first, by error class", ["action", "error"])
DEAD_LETTERS = Counter("tandem_dead_letters_total", "events and runs given up on", ["error"])
SKIPPED = Counter("tandem_events_skipped_total", "events that started no flow")
DUPLICATES = Counter("tandem_events_duplicate_total", "events that this worker had finished already")
IN_HAND = Gauge("tandem_events_in_hand", "events read and not acknowledged", ["topic"])
OLDEST_SECONDS = Gauge("tandem_oldest_event_seconds", "age of the oldest event that is being worked on")
ASSIGNED = Gauge("tandem_assigned_partitions", "partitions that this worker owns")

LEASES = Counter(
    "tandem_leases_total",
    "leases granted, used, returned unused, and calls by the fallback share",
    ["app_account", "lane", "what"],
)
LEASE_WAIT_SECONDS = Histogram(
    "tandem_lease_wait_seconds",
    "time that a call waited for its lease",
    ["lane"],
    buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
WAITING_CALLS = Gauge("tandem_waiting_calls", "calls that wait for a lease", ["app_account", "lane"])
FALLBACK = Gauge("tandem_fallback_share", "1 while calls wait and nobody grants leases: the fallback share holds")
IMPORT_LEADER = Gauge("tandem_imports_leader", "1 in the one ingress that runs imports")
LIMIT_LEADER = Gauge("tandem_limits_leader", "1 in the one ingress that grants leases")
PRESENT_RATE = Gauge("tandem_present_rate", "calls per second that are leased at most now, after 429s", ["app_account"])
QUOTA_USE = Gauge("tandem_quota_use", "share of the quota that the last minute's calls used", ["app_account"])
READS = Gauge(
    "tandem_reads", "reads of the last 30 days, and how many the vendor allows in them", ["app_account", "what"]
)
PRESENT_CONCURRENCY = Gauge(
    "tandem_present_concurrency", "calls under way that are leased at most now; 0 is no limit", ["app_account"]
)
