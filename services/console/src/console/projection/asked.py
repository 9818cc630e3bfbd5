"""What people asked for that is done page by page, an import say: the newest records of each."""

from __future__ import annotations

from shared.flows.asked import Asked, P, R
from sqlalchemy import select
from sqlmodel import Session, col

from console.projection.tables import ImportRow, ReplayRow


def newest(
    session: Session, row: type[ImportRow] | type[ReplayRow], known: Asked[R, P], name: str, limit: int
) -> list[tuple[R, P | None]]:
    """The newest requests of a table, newest first, or the one of a name; each with its progress, None before it was
    begun. `known` is empty, and folds the table's records.
    """
    query = select(col(row.id), col(row.record))
    for key, record in session.execute(query.where(col(row.of) == name) if name else query):
        known.apply(0, key, record)
    requests = sorted(known.requests.values(), key=lambda one: (one.requested_at, one.id), reverse=True)
    return [(request, known.progress.get(request.id)) for request in requests[:limit]]
