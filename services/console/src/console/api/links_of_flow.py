"""Which flow link does what a person asks for."""

from __future__ import annotations

from shared.connections import FlowLink
from shared.flows.links import able
from sqlmodel import Session

from console.api.errors import NotNow
from console.projection import queries


def enabled_link(session: Session, flow: str, named: str = "", *, also_off: bool = False) -> FlowLink:
    """The one that is named, or the only one of the flow that is on; one that is off too, for what writes nothing.
    Raises NotNow.
    """
    chosen = able(queries.flow_links(session), flow, named, also_off=also_off)
    if len(chosen) > 1:
        names = ", ".join(link.id for link in chosen)
        raise NotNow(f"several flow links could: {names}", "name one of them with --flow-link", code="several_links")
    if not chosen:
        what = f"there is no flow link {named}" if named else "no flow link is on"
        raise NotNow(f"{what} of the flow {flow}", "switch one on: `tandem flow-links list`", code="no_link")
    if not chosen[0].enabled and not also_off:
        raise NotNow(
            f"flow link {named} is off", f"switch it on first: `tandem flow-links enable {named}`", code="link_off"
        )
    return chosen[0]
