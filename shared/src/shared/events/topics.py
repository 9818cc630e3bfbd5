"""Every topic of Tandem: the only place where a topic's name is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from shared.settings import Settings

Cleanup = Literal["delete", "compact", "compact,delete"]
Delay = Literal["1m", "10m", "1h"]

DELAYS: dict[Delay, timedelta] = {
    "1m": timedelta(minutes=1),
    "10m": timedelta(minutes=10),
    "1h": timedelta(hours=1),
}
"""The delay topics of a noun and how long a parked run stays in each."""

MAX_MESSAGE_BYTES = 2 * 1024 * 1024
"""A webhook body of 1 MB in its envelope, and a run record with step outputs, fit with room to spare."""

TALK_KEPT = timedelta(hours=1)
"""What processes tell each other about limits is of use for a second; an hour of it helps to see what happened."""


REPLACED_KEPT = timedelta(days=7)
"""How long a compacted topic holds at most what a newer record of its key replaced: a claim's body, a removed key.
Kafka alone would wait until a tenth of the topic is of that kind.
"""


@dataclass(frozen=True)
class Topic:
    """One topic as it must be on the cluster. `retention` None keeps records for ever (or until compacted).

    What is not `lasting` may be lost with the machine: Kafka does not wait for the disk with each record.
    """

    name: str
    partitions: int
    cleanup: Cleanup
    retention: timedelta | None = None
    lasting: bool = True

    def config(self) -> dict[str, str]:
        """The topic-level settings in Kafka's own names."""
        config = {"cleanup.policy": self.cleanup, "max.message.bytes": str(MAX_MESSAGE_BYTES)}
        config["retention.ms"] = str(_milliseconds(self.retention)) if self.retention else "-1"
        if "compact" in self.cleanup:
            config |= {"min.cleanable.dirty.ratio": "0.1", "segment.ms": str(24 * 3600 * 1000)}
            config["max.compaction.lag.ms"] = str(_milliseconds(REPLACED_KEPT))
        if not self.lasting:
            config |= {"flush.messages": str(2**63 - 1), "segment.ms": str(_milliseconds(TALK_KEPT))}
        return config


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)


def is_delay(topic: str) -> bool:
    """Whether parked runs wait on the topic, of whatever noun."""
    return ".delay." in topic


def is_replay(topic: str) -> bool:
    """Whether the topic holds events that are sent again, of whatever noun."""
    return topic.endswith(".replay")


class Topics:
    """The topics under one prefix. All inputs of a noun have one partition count: one worker owns the same numbers."""

    def __init__(self, settings: Settings) -> None:
        self.prefix = settings.topic_prefix
        self.partitions = settings.topic_partitions
        self._events_kept = timedelta(days=settings.events_retention_days)
        self._runs_kept = timedelta(days=settings.runs_retention_days)
        self.mappings = self._name("tandem.mappings")
        self.connections = self._name("tandem.connections")
        self.key_states = self._name("tandem.key-states")
        self.flows = self._name("tandem.flows")
        self.flow_links = self._name("tandem.flow-links")
        self.runs = self._name("tandem.runs")
        self.dead_letters = self._name("tandem.dead-letters")
        self.index = self._name("tandem.index")
        self.polls = self._name("tandem.polls")
        self.reads = self._name("tandem.reads")
        self.pair_states = self._name("tandem.pair-states")
        self.imports = self._name("tandem.imports")
        self.replays = self._name("tandem.replays")
        self.limits_demand = self._name("tandem.limits.demand")
        self.limits_leases = self._name("tandem.limits.leases")
        self.other = self._name("other.events")

    def _name(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def events(self, noun: str) -> str:
        """What happened to a noun, live."""
        return self._name(f"{noun}.events")

    def replay(self, noun: str) -> str:
        """The same and other events again: replays, retried dead letters, backfill."""
        return self._name(f"{noun}.replay")

    def delay(self, noun: str, delay: Delay) -> str:
        """Where parked runs wait."""
        return self._name(f"{noun}.delay.{delay}")

    def inputs(self, noun: str) -> list[str]:
        """Every topic that the service of a noun reads with its group."""
        return [self.events(noun), self.replay(noun), *(self.delay(noun, d) for d in DELAYS)]

    def group(self, service: str) -> str:
        """The consumer group of a service."""
        return self._name(service)

    def all(self, nouns: tuple[str, ...]) -> list[Topic]:
        """Every topic with its shape, for creating and for checking."""
        shaped = [Topic(name, self.partitions, "delete", self._events_kept) for n in nouns for name in self.inputs(n)]
        shaped.append(Topic(self.other, self.partitions, "delete", self._events_kept))
        shaped += [
            Topic(name, 1, "compact")
            for name in (
                self.mappings,
                self.connections,
                self.key_states,
                self.flows,
                self.flow_links,
                self.dead_letters,
                self.index,
                self.polls,
                self.reads,
                self.pair_states,
                self.imports,
                self.replays,
            )
        ]
        shaped += [
            Topic(name, 1, "delete", TALK_KEPT, lasting=False) for name in (self.limits_demand, self.limits_leases)
        ]
        shaped.append(Topic(self.runs, self.partitions, "compact,delete", self._runs_kept))
        return shaped
