"""Texts of others on a terminal and in a log: shown, not obeyed."""

from __future__ import annotations

import io
import json
import logging
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from shared.log import get_logger
from shared.plain import one_line, plain, plain_json

HOSTILE = "Acme\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\r\x00"


def steers(text: str) -> set[str]:
    """The characters that a terminal would do something for."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") and c not in "\n\t"} | (
        {*text} & {"\u202e", "\u2066", "\u200f"}
    )


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_is_left_that_steers(text: str) -> None:
    """Whatever it was; and what was plain stays as it is."""
    assert steers(plain(text)) == set()
    assert plain(text) == text or steers(text) or any(unicodedata.category(c) == "Cf" for c in text)
    assert "\n" not in one_line(text)


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_says_the_same(value: object) -> None:
    """Only other escapes are written."""
    text = plain_json(json.dumps(value, ensure_ascii=False))

    assert json.loads(text) == value
    assert steers(text) == set()


def test_a_log_obeys_nobody(written: io.StringIO) -> None:
    """Neither a value nor an event's name, an exception or a library's message gets through to the terminal."""
    log = get_logger("shared.test")
    log.info("one", name=HOSTILE, inside={"deep": [HOSTILE]})
    log.info(f"two {HOSTILE}\n2026-01-01 [info] three")
    logging.getLogger("library").warning("said %s", HOSTILE)
    try:
        raise ValueError(f"{HOSTILE}\n2026-01-01 [info] four")
    except ValueError as error:
        log.error("bug", exc_info=error)

    text = written.getvalue()
    assert steers(text) == set()
    assert text.count("owned") >= 5
    assert not any(line.startswith("2026-01-01") for line in text.splitlines())
