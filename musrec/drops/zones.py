"""Time zones by name."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from rapidfuzz import fuzz, process

from musrec.model import NotFound


@cache
def zones() -> tuple[str, ...]:
    """Return the names of all time zones, those that people look for first."""
    cities = {name for name in available_timezones() if "/" in name and name[:4] != "Etc/"}
    return ("UTC", *sorted(cities))


def zone_named(text: str) -> str:
    """Return a time zone's name as it is written, whatever the case of `text`.

    Raises
    ------
    NotFound
        There is none; the hint names some that read alike.
    """
    wanted = text.strip().replace(" ", "_").casefold()
    for name in zones():
        if name.casefold() == wanted:
            return name
    near = suggest_zones(text, 3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Try Europe/Berlin."
    raise NotFound(f"There is no time zone called “{text.strip()[:60]}”.", hint)


def suggest_zones(text: str, limit: int = 25) -> list[str]:
    """Complete a time zone's name from its beginning, a city or anything near it."""
    wanted = text.strip().replace(" ", "_").casefold()
    inside = [name for name in zones() if wanted in name.casefold()]
    # A city's beginning is what people type: it comes before the same letters elsewhere.
    inside.sort(key=lambda name: not name.rpartition("/")[2].casefold().startswith(wanted))
    if inside:
        return inside[:limit]

    cities = {name: name.rpartition("/")[2].casefold() for name in zones()}
    found = process.extract(wanted, cities, scorer=fuzz.ratio, limit=limit, score_cutoff=60)
    return [name for _, _, name in found]
