"""What playlists may be called, and how two names are compared."""

from __future__ import annotations

import unicodedata

from musrec.playlists.model import LONGEST_NAME, PlaylistError


def visible(text: str) -> str:
    """Return what a text shows, on one line and without its edges.

    Emoji stay whole; control and direction-changing characters go.
    """
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs", "Cn", "Co") else c
        for c in unicodedata.normalize("NFC", text)
        if unicodedata.category(c) != "Cf" or c == "\u200d"
    )
    return " ".join(kept.split()).strip("\u200d")


def clean_name(text: str) -> str:
    """Return the visible part of a playlist's name.

    Mentions in it are harmless: names are escaped wherever they are shown.

    Raises
    ------
    PlaylistError
        Nothing that shows is left, or it is too long.
    """
    name = visible(text)
    if not any(unicodedata.category(c)[0] in "LNPS" for c in name):
        raise PlaylistError("A playlist needs a name that can be seen.", "Try a word or two.")
    if len(name) > LONGEST_NAME:
        raise PlaylistError(
            f"That name has {len(name)} characters; {LONGEST_NAME} are the most.", "Shorten it."
        )
    return name


def key(name: str) -> str:
    """Return a cleaned name as it is compared: two that look alike to a reader are the same."""
    return unicodedata.normalize("NFKC", name).casefold()
