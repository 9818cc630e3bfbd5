"""Polls of the Settings that name Stripe customers."""

from __future__ import annotations

from ingress.polling.gate import PollGate
from shared.apps import APPS
from shared.apps.togai.readers.settings import SHARE, SettingReader
from shared.polls import POLL_REQUESTED, Poll, epoch, rfc3339
from shared.settings import Settings

from tests.fakes.polling import NOW, TOGAI, Clock, FakeTogai, Memory, connection

INTERVAL = 60.0


class Org:
    """One organization and the poller of its Settings; `live` makes another process of it."""

    def __init__(self, size: int = 100, quota: float = 1000.0) -> None:
        self.clock = Clock(NOW)
        self.togai = FakeTogai(self.clock, size)
        self.memory = Memory()
        self.gate = PollGate(Settings(_env_file=None, togai_quota=quota))
        self.live()

    def live(self) -> None:
        self.memory = Memory(self.memory)
        self.reader = SettingReader(self.memory.context(TOGAI, self.clock, budget=self.gate), INTERVAL)

    async def poll(self) -> float:
        self.clock.now += INTERVAL
        return await self.reader.poll_once(connection("togai"), self.togai)

    @property
    def pass_began_at(self) -> float:
        return epoch(self.memory.store.polls.get(TOGAI, "togai-settings").pass_began_at)

    def named(self, customer: str) -> list[str]:
        return self.memory.store.index.who_name(TOGAI, customer)


async def test_the_first_pass_reads_every_setting() -> None:
    """Whose Settings name whom is known then, and only then is the poll complete."""
    org = Org(size=10)
    org.togai.named = {f"a{n}": f"cus_{n}" for n in range(35)}
    while await org.poll() == 0.0:
        pass

    assert org.memory.store.polls.get(TOGAI, "togai-settings").complete
    assert org.named("cus_34") == [f"{TOGAI}/account/a34"]
    assert org.memory.events() == []


async def test_a_setting_that_was_changed_names_another() -> None:
    """An empty value names nobody: Togai has no call that removes a setting."""
    org = Org()
    org.togai.named = {"a1": "cus_1", "a2": "cus_2"}
    await org.poll()
    org.togai.named = {"a1": "", "a2": "cus_1"}
    await org.poll()

    assert org.named("cus_1") == [f"{TOGAI}/account/a2"]
    assert org.named("cus_2") == []


async def test_a_later_pass_is_spread_over_polls() -> None:
    """A share of what pollers may call; another process goes on where the last one was."""
    org = Org(size=1)
    org.togai.named = {f"a{n}": f"cus_{n}" for n in range(4)}
    await org.poll()
    room = org.gate.calls_in(TOGAI, INTERVAL)
    org.togai.named = {f"a{n}": f"cus_{n}" for n in range(2 * (room // SHARE))}
    org.togai.calls.clear()
    await org.poll()
    first = len(org.togai.calls)
    org.live()
    await org.poll()
    await org.poll()

    assert first == room // SHARE
    assert org.named(f"cus_{2 * first - 1}") == [f"{TOGAI}/account/a{2 * first - 1}"]


async def test_a_requested_pass_is_whole_and_made_at_once() -> None:
    """The pass in hand may be past the place where somebody was named: it begins again, and takes all calls there are.
    Another process does not take what was read before it for a pass.
    """
    org = Org(size=1)
    org.togai.named = {f"a{n}": f"cus_{n}" for n in range(2)}
    await org.poll()
    room = org.gate.calls_in(TOGAI, INTERVAL)
    org.togai.named = {f"a{n}": f"cus_{n}" for n in range(room // SHARE + 2)}
    await org.poll()
    org.togai.named["a0"] = "cus_late"
    asked = org.clock.now
    await org.memory.store.poll(Poll(app_account=TOGAI, kind=POLL_REQUESTED, at=rfc3339(asked)))
    before = org.pass_began_at
    org.live()
    org.togai.calls.clear()
    due = await org.poll()

    assert before < asked < org.pass_began_at
    assert org.named("cus_late") == [f"{TOGAI}/account/a0"]
    assert (due, len(org.togai.calls) >= len(org.togai.named)) == (INTERVAL, True)


async def test_a_token_that_is_not_taken_any_more_begins_the_list_again() -> None:
    """Nothing is left out by it."""
    org = Org(size=1, quota=0.001)
    org.togai.named = {"a1": "cus_1", "a2": "cus_2"}
    await org.poll()
    org.togai.refused = {"1"}
    await org.poll()
    org.togai.refused.clear()
    while await org.poll() == 0.0:
        pass

    assert org.named("cus_2") == [f"{TOGAI}/account/a2"]


async def test_what_somebody_waits_for_goes_before_the_other_lists() -> None:
    """A request that came while the lists were read: they are read again, and invoices and plans wait for that."""
    org = Org()
    [poller] = APPS["togai"].pollers_of(org.memory.context(TOGAI, org.clock, budget=org.gate))
    while org.memory.registry.not_indexed(TOGAI):
        await poller.poll_once(connection("togai"), org.togai)
    requested = Poll(app_account=TOGAI, kind=POLL_REQUESTED, at=rfc3339(org.clock.now + 1))
    await org.memory.store.poll(requested)
    org.togai.calls.clear()
    due = await poller.poll_once(connection("togai"), org.togai)
    before = set(org.togai.calls)
    org.clock.now += 2
    await poller.poll_once(connection("togai"), org.togai)

    assert due == 0.0
    assert org.pass_began_at > epoch(requested.at)
    assert set(org.togai.calls) > before
