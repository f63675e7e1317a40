"""A wish in words, such as "calm jazz, not vocal, 90-110 bpm"."""

from __future__ import annotations

import re
from collections.abc import Collection

from musrec.catalogue.model import tempo_range
from musrec.model import Constraints

_TEMPO = re.compile(r"(\d{2,3}(?:\s*[-–]\s*\d{2,3})?)\s*bpm\b", re.IGNORECASE)
_NOT = frozenset(("no", "not", "without"))
_FILLERS = frozenset(("a", "an", "and", "at", "but", "music", "some", "song", "songs", "with"))
_LONGEST = 3  # words of a genre or a mood


def read(text: str, genres: Collection[str], moods: Collection[str]) -> Constraints | None:
    """Read a wish; None if a word of it is neither a genre nor a mood, so that it is a title.

    Of several genres, or moods, a song is one.

    Parameters
    ----------
    genres, moods : collection of str
        What may be wished for, lower case.
    """
    tempo = None
    if said := _TEMPO.search(text):
        tempo = tempo_range(said[1])
        text = text[: said.start()] + " " + text[said.end() :]
    words = re.findall(r"[\w&'-]+", text.casefold())
    found: dict[tuple[str, bool], set[str]] = {}
    wanted = True
    while words:
        if words[0] in _NOT:
            wanted = False
            del words[0]
            continue
        if words[0] in _FILLERS:
            del words[0]
            continue
        for length in range(_LONGEST, 0, -1):
            phrase = " ".join(words[:length])
            kind = "genre" if phrase in genres else "mood" if phrase in moods else ""
            if kind:
                found.setdefault((kind, wanted), set()).add(phrase)
                del words[:length]
                wanted = True
                break
        else:
            return None
    if not found and tempo is None:
        return None
    return Constraints(
        only_genres=frozenset(found.get(("genre", True), ())),
        no_genres=frozenset(found.get(("genre", False), ())),
        only_moods=frozenset(found.get(("mood", True), ())),
        no_moods=frozenset(found.get(("mood", False), ())),
        tempo=tempo,
    )
