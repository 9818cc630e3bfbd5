"""Which links to sign in were used, in the console's database: whoever comes second with the same one is sent away.

These rows stand in no log, so they outlast the console's other tables, which are dropped and folded again.
"""

from __future__ import annotations

import time

from sqlalchemy import BigInteger, Column, Engine, MetaData, String, Table, delete
from sqlalchemy.exc import IntegrityError

_metadata = MetaData()
_used = Table(
    "used_sign_ins",
    _metadata,
    Column("number", String(64), primary_key=True),
    Column("ends", BigInteger, nullable=False, index=True),
)


def take(engine: Engine, number: str, ends: int) -> bool:
    """Whether nobody took it before. What no token holds any more is forgotten."""
    _metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(delete(_used).where(_used.c.ends < int(time.time())))
    try:
        with engine.begin() as connection:
            connection.execute(_used.insert().values(number=number, ends=ends))
    except IntegrityError:
        return False
    return True
