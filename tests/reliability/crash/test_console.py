"""The console dies round its SQL transactions: the tables end as a fresh refold makes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from console.projection.database import driver_url
from sqlalchemy import create_engine, text

from tests.reliability.crash.console import contents, open_console, refolded
from tests.reliability.crash.points import one_of_each_kind
from tests.stack.processes import Stack


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """A database of this test alone."""
    engine = create_engine(driver_url(postgres_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE crash_points"))
    yield engine.url.set(drivername="postgresql", database="crash_points").render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE crash_points WITH (FORCE)"))
    engine.dispose()


WHOLE = pytest.mark.long("the gate keeps the first transaction of each moment")
OTHER = pytest.mark.long("the gate dies between the batches of both in tests/integration/console/test_projector.py")


@pytest.mark.parametrize("few", [True, pytest.param(False, marks=WHOLE)], ids=["first", "all"])
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=OTHER)])
async def test_death_at_any_transaction_changes_no_row(
    engine: str,
    few: bool,
    sandbox: Stack,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    subtests: pytest.Subtests,
) -> None:
    """Rows and positions are one transaction: before it nothing is written, after it nothing is folded twice."""
    url = request.getfixturevalue("postgres_database") if engine == "postgres" else ""
    async with open_console(sandbox, tmp_path / "home", url) as console:
        await console.live()
        for moment in (console.live, console.fold):
            points = await console.record(moment)
            for point in one_of_each_kind(points) if few else points:
                died = await console.die(moment, point)
                with subtests.test(msg=f"{moment.__name__}: {point}"):
                    assert died
                    assert contents(console.database) == await refolded(console, tmp_path)
