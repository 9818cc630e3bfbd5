"""Connections and flow links: what is bound to what. Never a secret."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from console.api import models, shapes
from console.api.state import SessionDep, stamp

router = APIRouter(prefix="/api", dependencies=[Depends(stamp)])


@router.get("/connections", tags=["connections"], summary="List connections")
def list_connections(session: SessionDep) -> models.ConnectionList:
    """Every key to an app account, its state, and why it is closed. Secrets are not in these tables."""
    found = shapes.connection_items(session)
    return models.ConnectionList(items=found)


@router.get("/flow-links", tags=["flows"], summary="List flow links")
def list_flow_links(session: SessionDep) -> models.FlowLinkList:
    """Which flow runs between which connections, and whether it is on."""
    return models.FlowLinkList(items=shapes.flow_link_items(session))
