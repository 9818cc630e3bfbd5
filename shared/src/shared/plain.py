"""Texts of others on a terminal or in a log: what would steer the terminal is shown instead of done. Pure."""

from __future__ import annotations

import re

_STEERS = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1: colours, the cursor, the clipboard, the title; \n and \t stay
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of writing: an id could read as another one
    "\u2028\u2029\ud800-\udfff"  # further ends of lines, and what no encoding can write
    "]"
)


def plain(text: str) -> str:
    r"""The text with everything that a terminal would obey written out, as `\x1b` and `\u202e`. Lines stay lines."""
    return _STEERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    r"""The same, with line ends written out too."""
    return plain(text).replace("\n", "\\n")


def plain_json(text: str) -> str:
    r"""JSON that says the same and steers nothing. JSON itself escapes C0 only, and every escape is its `\uXXXX`."""
    return _STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
