"""Flow links that set-up makes, and those that a person removed. Pure.

The record of a removed link stays, bound to no connection: the topic forgets a record without a value after a day, and
set-up would make the link again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from shared.connections import Connection, FlowLink
from shared.domains import BUILT_IN, aliases_of, trigger_alias
from shared.domains.flow import Flow


def removed(link: FlowLink, at: str) -> FlowLink:
    """The record of a link that a person removed. `at` is RFC 3339."""
    return msgspec.structs.replace(link, connections={}, enabled=False, changed_at=at)


def is_removed(link: FlowLink) -> bool:
    """Whether a person removed the link: it starts nothing, no list shows it, and set-up never makes it again."""
    return not link.connections


def is_new(link: FlowLink) -> bool:
    """Whether set-up made the link, switched off, and nobody has decided about it yet."""
    return not link.enabled and not link.changed_at and not is_removed(link)


def missing_links(
    flows: Iterable[Flow], connections: Iterable[Connection], known: Mapping[str, FlowLink], *, sandboxed: bool
) -> list[FlowLink]:
    """The links that set-up has not made yet. `known` are all records, those of removed links too.

    Nothing starts by itself: where any link of these connections is known they come switched off, for an update brought
    them. On a fresh home they are on, but for flows that move money or send e-mail, which are on in the sandbox only,
    and for one that changes what others do.
    """
    by_app: dict[str, str] = {connection.app: connection.id for connection in connections}
    wanted = {link_id(flow): flow for flow in flows}
    of_these = {id for id, link in known.items() if set(link.connections.values()) & set(by_app.values())}
    first_start = not (of_these | (wanted.keys() & known.keys()))
    return [
        FlowLink(
            id=id,
            flow=flow.id,
            connections={alias: by_app[app] for alias, app in sorted(aliases_of(flow).items())},
            enabled=first_start and not flow.opt_in and (sandboxed or not flow.starts_off),
        )
        for id, flow in wanted.items()
        if id not in known and by_app.keys() >= set(aliases_of(flow).values())
    ]


def able(links: Iterable[FlowLink], flow: str, named: str = "", *, also_off: bool = False) -> list[FlowLink]:
    """The links that could do what a person asks of a flow: the named one, on or off, else those that are on. Where
    none is on those that are off too, for what writes nothing (`also_off`).
    """
    found = [link for link in links if link.flow == flow and not is_removed(link)]
    on = [link for link in found if link.enabled]
    return [link for link in found if link.id == named] if named else on or (found if also_off else [])


def link_id(flow: Flow) -> str:
    """Id of the link that set-up makes for a built-in flow."""
    return f"link_{flow.id}"


def gone_connections(link: FlowLink, connections: Mapping[str, Connection]) -> dict[str, str]:
    """The connections of a link that are not there, and the app of each. `connections` are removed ones too."""
    gone: dict[str, str] = {}
    for alias, id in link.connections.items():
        found = connections.get(id)
        if found is None or found.state == "removed":
            gone[id] = found.app if found else alias
    return gone


def removal(gone: Mapping[str, str]) -> str:
    """What `gone_connections` found in words, with how to have them again; empty if all are there."""
    if not gone:
        return ""
    again = " and ".join(f"`tandem connections add {app} {id}`" for id, app in gone.items())
    what = f"connection {next(iter(gone))} is" if len(gone) == 1 else f"connections {' and '.join(gone)} are"
    return f"{what} removed: {again}"


def twin_of(link: FlowLink, links: Iterable[FlowLink], connections: Mapping[str, Connection]) -> FlowLink | None:
    """Another link of the same flow between the same app accounts: with both on, every event would run twice."""
    own = _accounts(link, connections)
    same = (other for other in links if other.id != link.id and other.flow == link.flow)
    return next((other for other in same if _accounts(other, connections) == own), None)


def competition(link: FlowLink, links: Iterable[FlowLink], connections: Mapping[str, Connection]) -> str:
    """What is to be said of links that are on and make the other side of the same entities as this one at another
    account; empty for none, and while this one is off. An entity has one other side: whoever is first makes it.
    """
    flow, own = BUILT_IN.get(link.flow), _accounts(link, connections)
    if flow is None or not flow.makes or not link.enabled:
        return ""
    by = trigger_alias(flow)
    others = [
        other.id
        for other in links
        if other.id != link.id and other.flow == link.flow and other.enabled
        if (found := _accounts(other, connections)) != own and found.get(by) == own.get(by)
    ]
    if not others:
        return ""
    have = "has" if len(others) == 1 else "have"
    return (
        f"{' and '.join(others)} {have} the same events for another account: what is new is made at one of them alone, "
        "by whichever is first. Switch off the one that is to make none: `tandem flow-links disable ID`"
    )


def _accounts(link: FlowLink, connections: Mapping[str, Connection]) -> dict[str, str]:
    """The app accounts that a link joins, without those whose connection was removed."""
    known = ((alias, connections.get(id)) for alias, id in link.connections.items())
    return {alias: found.app_account for alias, found in known if found and found.state != "removed"}
