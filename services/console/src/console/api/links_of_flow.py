"""Which flow link does what a person asks for."""

from __future__ import annotations

from shared.connections import FlowLink
from shared.flows.links import able
from sqlmodel import Session

from console.api.errors import NotNow, Unknown
from console.projection import queries


def named_link(session: Session, name: str) -> FlowLink:
    """The flow link of an id, or the only one of a flow: people know the flow's name. Raises Unknown, NotNow."""
    if found := queries.flow_link(session, name):
        return found
    of_flow = [link for link in queries.flow_links(session) if link.flow == name]
    if len(of_flow) > 1:
        names = ", ".join(link.id for link in of_flow)
        raise NotNow(f"several flow links are of the flow {name}", f"name one of them: {names}", code="several_links")
    if not of_flow:
        raise Unknown(f"there is no flow link {name}", "see `tandem flow-links list` for those that there are")
    return of_flow[0]


def enabled_link(session: Session, flow: str, named: str = "", *, also_off: bool = False) -> FlowLink:
    """The one that is named, or the only one of the flow that is on; one that is off too, for what writes nothing.
    Raises NotNow.
    """
    chosen = able(queries.flow_links(session), flow, named, also_off=also_off)
    if len(chosen) > 1:
        names = ", ".join(link.id for link in chosen)
        raise NotNow(f"several flow links could: {names}", "name one of them with --flow-link", code="several_links")
    if not chosen:
        mine = [link for link in queries.flow_links(session) if link.flow == flow]
        there = ", ".join(f"{link.id} ({'on' if link.enabled else 'off'})" for link in mine)
        what = f"there is no flow link {named}" if named else "no flow link is on"
        to_do = f"there is: {there}" if there else "make one: `tandem flow-links list`"
        if there and not named:
            to_do += f"; switch it on with `tandem flow-links enable {mine[0].id}`"
        raise NotNow(f"{what} of the flow {flow}", to_do, code="no_link")
    if not chosen[0].enabled and not also_off:
        raise NotNow(
            f"flow link {named} is off", f"switch it on first: `tandem flow-links enable {named}`", code="link_off"
        )
    return chosen[0]
