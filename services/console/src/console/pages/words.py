"""How the page says things: relative times, tones of states, short names. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape
from shared.apps import APPS
from shared.identity import Ref

TONES = {
    "linked": "good",
    "succeeded": "good",
    "in_sync": "good",
    "ok": "good",
    "resolved": "good",
    "done": "good",
    "running": "busy",
    "working": "busy",
    "requested": "busy",
    "paused": "wait",
    "retried": "busy",
    "claimed": "wait",
    "waiting": "wait",
    "parked": "wait",
    "held": "wait",
    "warning": "wait",
    "alarm": "bad",
    "dead": "bad",
    "failed": "bad",
    "open": "bad",
    "closed": "bad",
}
"""Tone of a state; any other is quiet. A domain names its own states' tones by these."""

IMPORT_COUNTS = {
    "linked": "linked",
    "already": "linked before",
    "new": "new",
    "matched": "to be linked to what stands there",
    "waiting": "waiting",
    "conflicts": "in conflict",
    "left_out": "left out",
    "failed": "failed",
    "held": "held",
}
"""What came of an import's entities, as it is shown."""

CHANGES = {
    "requested": ("pause", "cancel"),
    "running": ("pause", "cancel"),
    "paused": ("resume", "cancel"),
    "cancelled": (),
    "failed": (),
    "working": ("pause", "cancel"),
    "done": (),
}
"""What a person can do with an import or a replay, by its state."""


REPLAY_COUNTS = {
    "changed": "changed",
    "in_sync": "in sync",
    "waiting": "waiting",
    "conflicts": "in conflict",
    "left_out": "left out",
    "failed": "failed",
    "held": "held",
}
"""What came of a replay's events, as it is shown."""


def tone(state: str) -> str:
    return TONES.get(state, "quiet")


def label(state: str) -> str:
    return state.replace("_", " ")


def app_name(app: str) -> str:
    return APPS[app].title if app in APPS else app.replace("_", " ").title()


def any_app() -> str:
    """`Stripe or Togai`: whatever apps there are."""
    *others, last = (app.title for app in APPS.values())
    return f"{', '.join(others)} or {last}" if others else last


def counted(count: int, one: str, several: str) -> str:
    """`1 entity waits`, `3 entities wait`."""
    return f"1 {one}" if count == 1 else f"{count} {several}"


def parse_time(text: str | None) -> datetime | None:
    """None for what is no time."""
    try:
        when = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def ago(text: str | None, now: datetime) -> str:
    """`12 s ago`, `in 3 min`: the exact time stands in the title."""
    when = parse_time(text)
    if when is None:
        return text or "never"
    seconds = (now - when).total_seconds()
    span = duration(abs(seconds)) if abs(seconds) >= 1 else "0 s"
    return f"{span} ago" if seconds >= 0 else f"in {span}"


def duration(seconds: float) -> str:
    """One unit, the largest that fits."""
    if seconds < 1:
        return f"{int(seconds * 1000)} ms"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def between(start: str | None, end: str | None) -> str:
    """How long something took, empty while it is not known."""
    first, last = parse_time(start), parse_time(end)
    return duration(max(0.0, (last - first).total_seconds())) if first and last else ""


def entity(ref: str) -> str:
    """The id alone: the app and the noun stand beside it."""
    try:
        return Ref.parse(ref).id
    except ValueError:
        return ref


def entity_kind(ref: str) -> str:
    """`Stripe customer` of a full ref, empty for anything else."""
    try:
        parsed = Ref.parse(ref)
    except ValueError:
        return ""
    return kind_name(parsed.app, parsed.noun)


def kind_name(app: str, noun: str) -> str:
    """`Stripe customer`."""
    return f"{app_name(app)} {noun.replace('_', ' ')}"


def ticks(text: str) -> Markup:
    """Text in which `commands` stand between back-ticks, as the messages write them; the rest is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def value(found: Any) -> str:
    """One side's value of a field: text as it stands, `–` for none, anything else as JSON."""
    if found is None or found in ("", {}, []):
        return "–"
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, sort_keys=True)


def passed(complete: bool, seen: int, passes: int) -> str:
    """How far a list was read: the first full pass shows its progress, later ones only that it is whole."""
    if complete:
        return "complete"
    return f"{seen:,} read" if seen or passes else "not begun"


def numbers(counts: dict[str, Any]) -> list[dict[str, Any]]:
    """The totals on the first page: each leads to its list."""
    linked, ran, letters = counts["mappings"], counts["runs"], counts["dead_letters"]
    found = (
        ("Linked", "/mappings?state=linked", linked.get("linked", 0), ""),
        ("Claimed", "/mappings?state=claimed", linked.get("claimed", 0), "wait"),
        ("Runs succeeded", "/runs", ran.get("succeeded", 0) + ran.get("in_sync", 0), ""),
        ("Running", "/runs?state=running", ran.get("running", 0), ""),
        ("Parked", "/runs?state=parked", ran.get("parked", 0), "wait"),
        ("Conflicts", "/conflicts", counts["conflicts"], "wait"),
        ("Differences", "/differences", counts["differences"], "wait"),
        ("Open dead letters", "/dead-letters", letters.get("open", 0), "bad"),
    )
    return [{"title": t, "href": href, "count": n, "tone": tone if n else ""} for t, href, n, tone in found]


def quota_of(found: Mapping[str, Any]) -> tuple[str, str]:
    """What an app account may be called, and what of it was used in the last minute."""
    if not found["quota"]:
        return "no limit", f"{found['last_minute']:,} calls"
    share = found["last_minute"] / (60 * found["quota"])
    return f"{found['quota']:g}", f"{found['last_minute']:,} calls, {share:.0%}"


def lowered(found: Mapping[str, Any]) -> str:
    """What the vendor's refusals made of a quota for now; empty if nothing."""
    said = []
    if found["rate"] < found["quota"]:
        said.append(f"{found['rate']:g} calls a second for now, after the vendor refused some")
    if found["back_off"]:
        said.append(f"pausing for {found['back_off']:g} s")
    return ", ".join(said)
