"""Reading foreign JSON, in which nothing need have the shape that was promised.

Each function follows a path of keys and indices and returns a value of one type, or None: for a
missing key, a null, a list in place of a mapping, or words in place of a number.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata

LONGEST_TEXT = 300
"""Characters of a title or a name; the rest is cut off."""

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_ID = re.compile(r"[0-9A-Za-z_\-]{1,64}")
_MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def decode(body: bytes) -> object:
    """Parse JSON.

    Raises
    ------
    ValueError
        It is not JSON, or nested too deep.
    """
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    return parsed


def at(value: object, *path: str | int) -> object:
    """Follow a path of keys and indices; None where it ends early."""
    for step in path:
        if isinstance(step, int) and isinstance(value, list):
            value = value[step] if -len(value) <= step < len(value) else None
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def text(value: object, *path: str | int) -> str | None:
    """Return one line of text without control characters, or None where there is none."""
    found = at(value, *path)
    if not isinstance(found, str):
        return None
    return one_line(found)[:LONGEST_TEXT] or None


def one_line(text: str) -> str:
    """Put a text on one line, without control characters or marks that change its direction."""
    kept = (" " if _unseen(char) else char for char in text)
    return " ".join("".join(kept).split())


def _unseen(char: str) -> bool:
    # The two joiners are part of Persian and Hindi words, and of emoji.
    return unicodedata.category(char).startswith("C") and char not in "\u200c\u200d"


def number(value: object, *path: str | int) -> float | None:
    """Return a finite number, even from a string such as ``"233"``."""
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    try:
        parsed = float(found)
    except (ValueError, OverflowError):
        return None
    return parsed if math.isfinite(parsed) else None


def positive(value: object, *path: str | int) -> float | None:
    """Return a number above zero; a length of 0 or -1 means that it is not known."""
    found = number(value, *path)
    return found if found is not None and found > 0 else None


def identifier(value: object, *path: str | int) -> str | None:
    """Return an id that needs no escaping in an address."""
    found = at(value, *path)
    if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 10**18:
        return str(found)
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def isrc(value: object, *path: str | int) -> str | None:
    """Return an International Standard Recording Code (ISO 3901), in capitals, without hyphens."""
    found = at(value, *path)
    if not isinstance(found, str):
        return None
    code = found.replace("-", "").strip().upper()
    return code if _ISRC.fullmatch(code) else None


def mbid(value: object, *path: str | int) -> str | None:
    """Return a MusicBrainz id."""
    found = at(value, *path)
    return found if isinstance(found, str) and _MBID.fullmatch(found) else None


def year(value: object, *path: str | int) -> int | None:
    """Return the year of a date such as ``2018-05-10``."""
    found = text(value, *path) or ""
    return int(found[:4]) if re.match(r"(19|20)[0-9]{2}(-|$)", found) else None


def rows(value: object, *path: str | int) -> list[object]:
    """Return a list, empty where there is none."""
    found = at(value, *path)
    return found if isinstance(found, list) else []
