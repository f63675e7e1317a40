"""A wish in words, such as "calm jazz with piano, no drums, 90-110 bpm"."""

from __future__ import annotations

import re
from collections.abc import Collection

from musrec.catalogue.model import tempo_range
from musrec.model import Constraints, Singing

_TEMPO = re.compile(r"(\d{2,3}(?:\s*[-–]\s*\d{2,3})?)\s*bpm\b", re.IGNORECASE)
_NOT = frozenset(("no", "not", "without"))
_FILLERS = frozenset(("a", "an", "and", "at", "but", "music", "some", "song", "songs", "with"))
_LONGEST = 3  # words of a genre or a mood
_CALLED = {
    "pianos": "piano",
    "guitars": "guitar",
    "woodwinds": "woodwind",
    **dict.fromkeys(
        ("female vocals", "female vocalist", "female singer", "woman singing"), "female voice"
    ),
    **dict.fromkeys(("male vocals", "male vocalist", "male singer", "man singing"), "male voice"),
}
"""Other names of instruments and voices."""

_SUNG = frozenset(("sung", "vocals", "singing", "voice", "voices", "singer"))


def read(
    text: str,
    genres: Collection[str],
    moods: Collection[str],
    instruments: Collection[str] = (),
) -> Constraints | None:
    """Read a wish; None if a word of it is none of what may be wished for: then it is a title.

    Of several genres, or moods, a song is one; it has all the instruments.

    Parameters
    ----------
    genres, moods, instruments : collection of str
        What may be wished for, lower case.
    """
    tempo = None
    if said := _TEMPO.search(text):
        tempo = tempo_range(said[1])
        text = text[: said.start()] + " " + text[said.end() :]
    words = re.findall(r"[\w&'-]+", text.casefold())
    found: dict[tuple[str, bool], set[str]] = {}
    wanted = True
    voice: Singing = ""
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
            if phrase in _SUNG or (phrase == "instrumental" and wanted):
                voice = "sung" if wanted and phrase in _SUNG else "instrumental"
            elif (instrument := _CALLED.get(phrase, phrase)) in instruments:
                found.setdefault(("instrument", wanted), set()).add(instrument)
            elif kind := "genre" if phrase in genres else "mood" if phrase in moods else "":
                found.setdefault((kind, wanted), set()).add(phrase)
            else:
                continue
            del words[:length]
            wanted = True
            break
        else:
            return None
    if not found and tempo is None and not voice:
        return None
    return Constraints(
        only_genres=frozenset(found.get(("genre", True), ())),
        no_genres=frozenset(found.get(("genre", False), ())),
        only_moods=frozenset(found.get(("mood", True), ())),
        no_moods=frozenset(found.get(("mood", False), ())),
        only_instruments=frozenset(found.get(("instrument", True), ())),
        no_instruments=frozenset(found.get(("instrument", False), ())),
        voice=voice,
        tempo=tempo,
    )
