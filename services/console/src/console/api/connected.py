"""What is connected to what, as the API shows it: connections, flow links, and what of them is off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from shared.apps import APPS
from shared.connections import Connection, FlowLink
from shared.domains import ACTIONS, BUILT_IN, TRIGGERS, Action, Trigger
from shared.flows.links import competition, gone_connections, is_new, removal
from shared.key_states import KeyStates
from sqlmodel import Session

from console.api import models
from console.pages.words import counted
from console.projection import missed, pending, queries


def connection_item(
    connection: Connection, states: KeyStates, *, webhooks: bool = False, links: Iterable[FlowLink] = ()
) -> models.ConnectionItem:
    """Names every field that is shown: what is added to the record later stays hidden until somebody decides.

    `webhooks`: whether the vendors can reach ingress at all; `links`: the flow links that may need a refused right.
    """
    same = ("id", "app", "app_account", "mode", "title", "api_base", "publishable_key", "changed_at")
    if connection.state == "removed":
        state, reason = "removed", _again(connection)
    else:
        closed = states.refusal(connection)
        state, reason = ("closed", closed.reason) if closed else ("open", "")
    item = models.ConnectionItem(
        **{name: getattr(connection, name) for name in same},
        state=state,
        reason=reason,
        limits=msgspec.to_builtins(connection.limits),  # without those that nobody set
        refused=[
            models.RefusedOperation(operation=s.operation, quota=s.quota, reason=s.reason, since=s.at)
            for s in states.refusals(connection)
            if s.operation
        ],
        problems=[],
    )
    unverified = webhooks and connection.verifies is False
    return item.model_copy(update={"problems": _problems(item, unverified, list(links))})


def who_needs(operation: str, connection: models.ConnectionItem, links: Iterable[FlowLink]) -> list[str]:
    """The flow links that are on and cannot do their work by a connection without an operation, in their order."""
    right = APPS[connection.app].right_of(operation) if connection.app in APPS else ""
    return [link.id for link in links if link.enabled and _needs(right, connection, link)] if right else []


def _needs(right: str, connection: models.ConnectionItem, link: FlowLink) -> bool:
    flow = BUILT_IN.get(link.flow)
    if flow is None or connection.id not in link.connections.values():
        return False
    parts: list[Action | Trigger] = [TRIGGERS[name] for name in flow.triggers]
    parts += [ACTIONS[step.action] for step in flow.steps]
    rights = {one for part in parts if part.app == connection.app for one in part.rights}
    # What may be written may be read.
    return bool(rights & {right, right.replace(": read", ": write")})


def _again(connection: Connection) -> str:
    return (
        f"`tandem connections add {connection.app} {connection.id}` connects it again; its record stays, without "
        "secrets, for runs name it"
    )


def _lacks(item: models.ConnectionItem, operation: str, reason: str, links: Sequence[FlowLink]) -> str:
    """What a key may not do, who is held up by it, and what ends that."""
    app, needed = APPS.get(item.app), who_needs(operation, item, links)
    right = app.right_of(operation) if app else ""
    remedy = f'. Give the key the right "{right}" at {app.title}' if app and right else ""
    who = (
        f"flow link{'s' * (len(needed) > 1)} {', '.join(needed)} lack{'s' * (len(needed) == 1)} it, " if needed else ""
    )
    return f"may not {operation}, {who}runs that need it wait: {reason.rstrip('.')}{remedy}"


def _problems(item: models.ConnectionItem, unverified: bool, links: Sequence[FlowLink]) -> list[str]:
    """What is not well, to be read after the connection's name: in the vendor's words, or with what to do."""
    if item.state == "removed":
        return []
    if item.state == "closed":
        return [f"is closed: {item.reason}"]
    app = APPS[item.app].title if item.app in APPS else item.app
    found = [
        f"has used up a quota: ask {app} for more; what waits goes on within a minute then. It says: {one.reason}"
        if one.quota
        else _lacks(item, one.operation, one.reason, links)
        for one in item.refused
    ]
    if unverified:
        found.append(
            f"has no signing secret, so every webhook to it is refused: make an endpoint for it in {app} if there is "
            f"none, and give its secret with `tandem connections add {item.app} {item.id} --webhook-secret -`"
        )
    return found


def connection_items(session: Session, *, webhooks: bool) -> list[models.ConnectionItem]:
    """Every connection with what the vendor says of its key, removed ones at the end."""
    states, links = queries.key_states(session), queries.flow_links(session)
    return [
        connection_item(found, states, webhooks=webhooks, links=links) for found in queries.all_connections(session)
    ]


def flow_link_items(session: Session) -> list[models.FlowLinkItem]:
    """Every flow link that is not removed, with what waits for it and what it missed while it was off."""
    not_done, waiting = missed.counts(session), pending.parked_by_link(session, pending.HELD_OFF)
    known = {connection.id: connection for connection in queries.all_connections(session)}
    found, links = [], queries.flow_links(session)
    for link in links:
        same = {name: getattr(link, name) for name in ("id", "flow", "connections", "enabled", "changed_at")}
        gone = gone_connections(link, known)
        found.append(
            models.FlowLinkItem(
                **same,
                new=is_new(link),
                missed=0 if gone else not_done.get(link.id, 0),
                waiting=waiting.get(link.id, 0),
                off=_why_off(link, removal(gone)),
                removed=gone,
                competition=competition(link, links, known),
                options=chosen_of(link),
            )
        )
    return found


def chosen_of(link: FlowLink) -> dict[str, str]:
    """What a flow link has chosen of its flow's options."""
    flow = BUILT_IN.get(link.flow)
    return flow.chosen(link.options) if flow else link.options


def _why_off(link: FlowLink, gone: str) -> str:
    switch_on = f"`tandem flow-links enable {link.id}`"
    if link.enabled:
        return ""
    if gone:
        return f"{gone}, then {switch_on}"
    return f"new, nobody has switched it on: {switch_on}" if is_new(link) else f"switched off: {switch_on}"


def off(session: Session) -> list[str]:
    """What is off because somebody wanted it so, and flow links that have not caught up with what they missed.

    A removed connection is listed once, with its flow links, as long as it has some.
    """
    with_it: dict[tuple[str, ...], list[models.FlowLinkItem]] = {}
    found = []
    for link in flow_link_items(session):
        news = counted(link.missed, "entity had news", "entities had news")
        if link.removed and not link.enabled:
            with_it.setdefault(tuple(link.removed), []).append(link)
        elif link.off:
            more = [f"{news} meanwhile" if link.missed else "", _waiting(link.waiting)]
            found.append("; ".join([f"flow link {link.id} is off ({link.off})", *filter(None, more)]))
        elif link.missed:
            found.append(f"{news} while flow link {link.id} was off: `tandem flow-links catch-up {link.id}`")
    return [_off_with_connections(links) for links in with_it.values()] + found


def _off_with_connections(links: list[models.FlowLinkItem]) -> str:
    said = [
        f"{removal(links[0].removed)}; off with it: {', '.join(link.id for link in links)}",
        _waiting(sum(link.waiting for link in links)),
        "then `tandem flow-links enable ID` for each, or `tandem flow-links remove ID` to be done with it",
    ]
    return "; ".join(filter(None, said))


def _waiting(number: int) -> str:
    return f"{counted(number, 'entity waits', 'entities wait')} for it" if number else ""


def gauges(session: Session) -> list[tuple[str, str, list[str], Mapping[tuple[str, ...], int]]]:
    """Numbers for Prometheus: name, meaning, names of the labels, and a number for each of their values."""
    links = flow_link_items(session)
    states: Counter[tuple[str, ...]] = Counter(
        ("on" if link.enabled else "new" if link.new else "off",) for link in links
    )
    connections: Counter[tuple[str, ...]] = Counter((item.state,) for item in connection_items(session, webhooks=False))
    return [
        ("tandem_connections", "connections: open, closed or removed", ["state"], connections),
        ("tandem_flow_links", "flow links: on, off, or new and off", ["state"], states),
        (
            "tandem_missed",
            "entities of which a flow link missed something",
            ["flow_link"],
            {(link.id,): link.missed for link in links},
        ),
    ]
