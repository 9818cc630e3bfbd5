"""The schedule of what breaks: the same for the same seed, and everything in every act."""

from __future__ import annotations

from tests.reliability.chaos import ACT, CALLS, PROCESS_FAULTS, ROUND, WEBHOOKS, process_faults, vendor_faults


def test_the_same_seed_breaks_the_same_things() -> None:
    """At the same places of the story."""
    assert process_faults(3, 1000) == process_faults(3, 1000)
    assert vendor_faults(3, 1000) == vendor_faults(3, 1000)
    assert process_faults(3, 1000) != process_faults(4, 1000)
    assert vendor_faults(3, 1000) != vendor_faults(4, 1000)


def test_an_act_has_every_blow_in_order() -> None:
    """Three workers are there before one of them is hurt, and one is left at the end."""
    found = process_faults(1, ACT)
    hurt = {(fault.kind, fault.target.partition("-")[0]) for fault in found}

    assert (found[0].kind, found[0].target, found[-1].kind, found[-1].target) == ("scale", "3", "scale", "1")
    assert [fault.at for fault in found] == sorted(fault.at for fault in found)
    assert {("kill", t) for t in ("worker", "workers", "ingress", "console", "broker")} <= hurt
    assert {("pause", t) for t in ("worker", "ingress", "console", "broker")} <= hurt
    assert {("revoke", "stripe"), ("revoke", "togai")} <= hurt


def test_a_long_run_has_every_blow_in_each_round() -> None:
    """And they are as many, however long the last round is."""
    found = process_faults(1, 3 * ROUND - ACT)

    rounds = [sum(n * ROUND <= fault.at < (n + 1) * ROUND for fault in found) for n in range(3)]
    assert rounds == [len(PROCESS_FAULTS)] * 3


def test_every_act_has_all_vendor_faults() -> None:
    """Each kind of fault comes at each vendor that has it, in a spell within the act."""
    wanted = {(app, kind) for app, own in CALLS.items() for kind, _ in own}
    wanted |= {(app, kind) for app in CALLS for kind, _ in WEBHOOKS} - {("togai", "twin")}
    found = vendor_faults(1, 2 * ACT)
    for act in (0, 1):
        own = [fault for fault in found if act * ACT <= fault.begin < (act + 1) * ACT]

        assert {(fault.app, fault.kind) for fault in own} == wanted
        assert all(act * ACT <= fault.begin < fault.end <= (act + 1) * ACT for fault in own)
