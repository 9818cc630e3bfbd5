"""Which flow links an event starts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shared.connections import Connection, FlowLink
from shared.domains import TRIGGERS, trigger_alias
from shared.domains.flow import Condition, Flow
from shared.domains.templates import lookup


def holds(condition: Condition, trigger: dict[str, Any]) -> bool:
    """Whether a condition is true of a trigger's output. What cannot be compared does not hold."""
    found, value = lookup(condition.path, trigger), condition.value
    try:
        match condition.operator:
            case "exists":
                return found is not None
            case "absent":
                return found is None
            case "equals":
                return bool(found == value)
            case "not_equals":
                return bool(found != value)
            case "in":
                return found in value
            case "not_in":
                return found not in value
            case "contains":
                return found is not None and value in found
            case "greater":
                return bool(found > value)
            case "less":
                return bool(found < value)
    except TypeError:
        return False


def starting(
    event_type: str,
    app_account: str,
    links: Iterable[FlowLink],
    flows: Mapping[str, Flow],
    connections: Mapping[str, Connection],
) -> list[tuple[FlowLink, Flow]]:
    """The links, enabled or not, whose flow has this trigger, at this app account: by which connection it came is no
    matter. A link whose connection was removed misses nothing.
    """
    if event_type not in TRIGGERS:
        return []
    found = []
    for link in links:
        flow = flows.get(link.flow)
        if flow is None or event_type not in flow.triggers:
            continue
        connection = connections.get(link.connections.get(trigger_alias(flow), ""))
        if connection and connection.state != "removed" and connection.app_account == app_account:
            found.append((link, flow))
    return sorted(found, key=lambda pair: pair[0].id)
