"""The first command of the README, as it stands in the Makefile: start, look, stop, kill, start again."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from console.api.lag import KEPT
from shared.domains import services
from shared.polls import rfc3339

from tests.e2e.home import Place, Up, until
from tests.stack.sides import with_ids

PARTS = ("kafka", "sandbox", "setup", "ingress", *(f"{service}-1" for service in services()), "console")
DEMO = "Six customers, made at one side and linked to the other"
IN_TOGAI = ("acme-robotics", "nordlicht-energie", "saffron-analytics")


def test_a_home_from_its_first_start_through_three_deaths(
    tmp_path: Path, up: Callable[[Place], Up], kafka_bootstrap: str
) -> None:
    """Demo and commands at the first start; after Ctrl-C, kill -9 of everything and of make, all data is there. It
    begins beside the Kafka of the tests.
    """
    place = Place(tmp_path / "home")

    first = up(place)
    _runs_with_its_demo(first)
    pairs = place.linked()
    _starts_in_order(first)
    _shows_six_pairs(first, pairs)
    _answers_to_commands(place, pairs)
    assert kafka_bootstrap != f"127.0.0.1:{place.ports['kafka']}"
    first.ctrl_c()
    assert first.left() == []
    assert "stopped in" in first.text

    began = rfc3339(time.time())
    # What the first life left is found in seconds, not within a minute.
    place.keys["TANDEM_POLL_SHARE"] = "0.5"
    second = up(place)
    second.runs()
    until(lambda: place.linked() == pairs, "all pairs after Ctrl-C")
    _starts_in_order(second)
    assert DEMO not in second.text
    # Else the next life is the first one to find what this one's polls have not.
    seen = until(lambda: place.has_polled(began) and time.monotonic(), "what the first life left to the pollers")
    # What that said to be left may have been counted before the poll's end.
    until(lambda: time.monotonic() > seen + KEPT and place.has_polled(began), "what the polls found, worked off")
    _signs_in(place)
    runs = {run["id"] for run in place.api("/runs", limit=200)["items"]}
    second.kill_everything()
    assert second.left() == []

    third = up(place)
    third.runs()
    until(lambda: place.linked() == pairs, "all pairs after kill -9")
    assert {run["id"] for run in place.api("/runs", limit=200)["items"]} == runs
    assert DEMO not in third.text
    third.process.send_signal(signal.SIGKILL)
    assert third.left() == []


@pytest.mark.long("one home beside the Kafka of the tests, and tests/integration/local/test_cli.py")
def test_two_homes_know_nothing_of_each_other(tmp_path: Path, up: Callable[[Place], Up]) -> None:
    """Side by side on one machine; one of them stops, the other goes on."""
    place, other = Place(tmp_path / "home"), Place(tmp_path / "other")
    first, beside = up(place), up(other)
    for life in (first, beside):
        _runs_with_its_demo(life)
    pairs, theirs = place.linked(), other.linked()
    first.ctrl_c()
    until(lambda: other.api("/status")["healthy"], "the other home, healthy")

    assert [len(pairs), len(theirs)] == [6, 6]
    assert not set(pairs.values()) & set(theirs.values())
    assert other.linked() == theirs
    beside.ctrl_c()
    assert beside.left() == []


def _runs_with_its_demo(running: Up) -> None:
    running.runs()
    running.says("See them live")
    running.says("Stripe asked for 20.00, and since that was paid Togai says PAID")


def _signs_in(place: Place) -> None:
    """A customer of the demo sees the plan that was sold to it, by a link from the sandbox's outbox."""
    asked = place.visit("console", "/portal/sign-in", email="billing@acme.example")
    assert "a mail with a link is on its way" in asked.text
    mailed = r'href="http://127.0.0.1:\d+(/portal/sign-in/[^"]+)"'
    until(lambda: re.search(mailed, place.visit("sandbox", "/outbox").text), "the mail in the outbox")
    [link] = re.findall(mailed, place.visit("sandbox", "/outbox").text)
    page = place.visit("console", link, enter="yes")
    assert ("Your offers" in page.text, "paid" in page.text) == (True, True)


def _starts_in_order(running: Up) -> None:
    shown = [match[1] for line in running.lines if (match := re.match(r"\S (\S+)\s+ready in \d+\.\d s", line))]

    assert sorted(shown) == sorted(PARTS)
    assert shown.index("kafka") < shown.index("setup") < shown.index("ingress")
    assert f"http://127.0.0.1:{running.place.ports['console']}" in running.text


def _shows_six_pairs(running: Up, pairs: dict[str, str]) -> None:
    assert DEMO in running.text
    assert len(pairs) == 6
    assert set(IN_TOGAI) < set(pairs)
    table = running.text.partition(DEMO)[2]
    # A narrow terminal folds long ids over two lines; a pipe is 80 columns wide.
    shown = {column for line in table.splitlines() for column in re.split(r"[\s│]+", line) if column}
    for account, customer in pairs.items():
        for name in (account, customer):
            assert any(name.startswith(piece) and len(piece) > 4 for piece in shown), name


def _answers_to_commands(place: Place, pairs: dict[str, str]) -> None:
    mappings = place.answer_of("mappings", "list")["items"]
    status = place.answer_of("status")
    runs = place.command("runs", "list")

    assert {m["togai_account_id"]: m["stripe_id"] for m in map(with_ids, mappings) if m["stripe_id"]} == pairs
    assert status["healthy"] is True
    assert {part["name"] for part in status["parts"] if part["running"]} == set(PARTS) - {"setup"}
    assert runs.returncode == 0
    assert all(customer in runs.stdout or account in runs.stdout for account, customer in pairs.items())


@pytest.mark.parametrize(
    ("given", "missing"), [("STRIPE_API_KEY", "TOGAI_API_TOKEN"), ("TOGAI_API_TOKEN", "STRIPE_API_KEY")]
)
def test_one_key_alone_is_refused(tmp_path: Path, up: Callable[[Place], Up], given: str, missing: str) -> None:
    """The sandbox never stands in for one side alone: it stops at once and names what is missing."""
    refused = up(Place(tmp_path / "home", {given: "sk_test_secret_part"}))

    assert refused.left() == []
    assert refused.process.returncode != 0
    assert f"{given} is set and {missing} is not" in refused.text
    assert "secret_part" not in refused.text
    assert "Traceback" not in refused.text
    assert not (tmp_path / "home/kafka").exists()
