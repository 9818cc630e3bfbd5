"""A creation that Tandem caused comes back as an event: its run says whose it is."""

from __future__ import annotations

from tests.stack.in_process import InProcess


async def test_the_echo_of_a_creation_names_the_run_that_made_it(tandem: InProcess) -> None:
    """From either side; the run that made it is nobody's echo."""
    tandem.account()
    customer = tandem.customer()
    await tandem.drain()
    pairs = [tandem.pair(tandem.ref("acme", "togai")), tandem.linked(customer)]
    runs = {run.id: run for run in tandem.runs()}

    for pair in pairs:
        assert pair
        echoes = [run for run in runs.values() if run.echo_of == pair.run]
        assert (runs[pair.run].state, runs[pair.run].echo_of) == ("succeeded", "")
        assert [(run.state, run.aggregate) for run in echoes] == [("skipped", pair.target)]
