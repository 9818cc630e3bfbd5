"""Connections and flow links: what is bound to what. Never a secret."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from shared.polls import webhooks_come_in

from console.api import connected, models
from console.api.state import SessionDep, StateDep, stamp

router = APIRouter(prefix="/api", dependencies=[Depends(stamp)])


@router.get("/connections", tags=["connections"], summary="List connections")
def list_connections(state: StateDep, session: SessionDep) -> models.ConnectionList:
    """Every key to an app account, removed ones too, its state and what is not well. No secret is in these tables."""
    found = connected.connection_items(session, webhooks=webhooks_come_in(state.settings))
    return models.ConnectionList(items=found)


@router.get("/flow-links", tags=["flows"], summary="List flow links")
def list_flow_links(session: SessionDep) -> models.FlowLinkList:
    """Which flow runs between which connections, and whether it is on."""
    return models.FlowLinkList(items=connected.flow_link_items(session))
