"""Songs of the catalogue by title, artist, genre, tempo, key, mood, instrument and voice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
from rapidfuzz import fuzz, process

from musrec.audio import descriptors
from musrec.audio.descriptors import strengths
from musrec.audio.instruments import least_shares
from musrec.catalogue.model import SongFilter
from musrec.columns import SINGING, Profiles
from musrec.model import Catalogue, Choices, Constraints, NotFound, Track
from musrec.recommend import variety
from musrec.titles import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray


ALIKE = 60
"""The least likeness, of 100, of a song that a search finds."""

NEARLY = 80
"""The least likeness, of 100, at which a name completes what is typed with a slip in it."""


class Name(NamedTuple):
    """What a song is found by: title, artists, and both in either order; folded."""

    title: str
    artist: str
    whole: str
    reversed: str


class Names(Sequence[Name]):
    """What each song of a catalogue is found by, read when it is first asked for.

    Parameters
    ----------
    texts : callable
        Takes ``"title"`` or ``"artist"`` and a row, returns the folded names from that row on.
    n : int
        How many songs there are. A catalogue that has grown shares what was read.
    """

    def __init__(self, texts: Callable[[str, int], list[str]], n: int) -> None:
        self._texts, self._n = texts, n
        self._known: dict[str, list[str]] = {"title": [], "artist": []}
        self._reading = Lock()

    def grown(self, n: int) -> Names:
        """Return the names of a catalogue that begins with the same songs."""
        names = Names(self._texts, n)
        names._known, names._reading = self._known, self._reading
        return names

    def _all(self, of: str) -> list[str]:
        known = self._known[of]
        with self._reading:
            if len(known) < self._n:
                known += self._texts(of, len(known))
        return known if len(known) == self._n else known[: self._n]

    @property
    def titles(self) -> list[str]:
        """The folded titles."""
        return self._all("title")

    @property
    def artists(self) -> list[str]:
        """The folded names of all artists of each song."""
        return self._all("artist")

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, row: int) -> Name: ...
    @overload
    def __getitem__(self, row: slice) -> list[Name]: ...
    def __getitem__(self, row: int | slice) -> Name | list[Name]:
        if isinstance(row, slice):
            return list(map(_name, self.titles[row], self.artists[row]))
        return _name(self.titles[row], self.artists[row])


def _name(title: str, artist: str) -> Name:
    return Name(title, artist, f"{title} {artist}", f"{artist} {title}")


def names(tracks: Iterable[Track]) -> Names:
    """Return what each track is found by."""
    folded = [(fold(track.title), fold(track.artist)) for track in tracks]
    columns = {"title": [title for title, _ in folded], "artist": [artist for _, artist in folded]}
    return Names(lambda of, first: columns[of][first:], len(folded))


def titled(catalogue: Catalogue, names: Names, text: str) -> Track | Choices | None:
    """Find a title, with or without its artist, in the catalogue; only an exact one counts."""
    wanted = fold(text)
    exact = [
        row
        for row, (title, artist) in enumerate(zip(names.titles, names.artists, strict=True))
        if wanted.startswith(title) or wanted.endswith(title)
        if wanted in (title, f"{title} {artist}", f"{artist} {title}")
    ]
    if len(exact) > 1:
        found = tuple(catalogue.tracks[row] for row in exact[:10])
        return Choices(found, "Several songs have that title.")
    return catalogue.tracks[exact[0]] if exact else None


def suggest(catalogue: Catalogue, names: Names, text: str, limit: int) -> list[Track]:
    """Complete what is being typed with songs of the catalogue, best first.

    Names that start with the text come first, then names in which a word starts with it, then
    names that are spelt nearly like it. In each group the shortest name comes first.
    """
    typed = fold(text)
    starts, words = list[int](), list[int]()
    titles, artists = names.titles, names.artists
    wholes = [f"{t} {a}" for t, a in zip(titles, artists, strict=True)]
    inside = f" {typed}"
    for row, whole in enumerate(wholes):
        if whole.startswith(typed) or artists[row].startswith(typed):
            starts.append(row)
        elif inside in whole or (
            typed.startswith(artists[row]) and f"{artists[row]} {titles[row]}".startswith(typed)
        ):
            words.append(row)
    rows = [row for group in (starts, words) for row in sorted(group, key=lambda r: len(wholes[r]))]
    if len(rows) < limit:
        near = process.extract(typed, wholes, scorer=fuzz.WRatio, limit=limit, score_cutoff=NEARLY)
        rows = list(dict.fromkeys([*rows, *(row for _, _, row in near)]))
    return [catalogue.tracks[row] for row in rows[:limit]]


def near(catalogue: Catalogue, names: Names, text: str, limit: int) -> list[Track]:
    """Return songs that are spelt nearly like a text, with or without artist, the nearest first.

    The whole text counts: a title that only has a word in common with it is not near.
    """
    typed = fold(text)
    likeness: dict[int, float] = {}
    pairs = list(zip(names.titles, names.artists, strict=True))
    wholes, reversed_ = [f"{t} {a}" for t, a in pairs], [f"{a} {t}" for t, a in pairs]
    for forms in (names.titles, wholes, reversed_):
        found = process.extract(typed, forms, scorer=fuzz.ratio, limit=limit, score_cutoff=NEARLY)
        for _, score, row in found:
            likeness[row] = max(score, likeness.get(row, 0.0))
    best = sorted(likeness, key=lambda row: -likeness[row])
    return [catalogue.tracks[row] for row in best[:limit]]


def one_of_each(catalogue: Catalogue) -> list[Track]:
    """Return one song of each stated genre, by the artist with most songs there."""
    artists: dict[str, Counter[str]] = defaultdict(Counter)
    for track in catalogue.tracks:
        if track.genre and track.artists:
            artists[track.genre.lower()][track.artists[0]] += 1
    chosen: dict[str, Track] = {}
    for track in catalogue.tracks:
        genre = (track.genre or "").lower()
        if track.artists and artists[genre].most_common(1)[:1] == [
            (track.artists[0], artists[genre][track.artists[0]])
        ]:
            chosen.setdefault(genre, track)
    return [chosen[genre] for genre in sorted(chosen)]


def moods(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the words, of descriptors and mood tags, that are said of some song, in order."""
    return tuple(descriptors.moods(Profiles.of(catalogue.profiles)))


def search(catalogue: Catalogue, names: Names, wanted: SongFilter) -> list[Track]:
    """Find the songs of the catalogue that are as wanted, best first, as `rows` does."""
    return [catalogue.tracks[row] for row in rows(catalogue, names, wanted)]


def rows(catalogue: Catalogue, names: Names, wanted: SongFilter) -> NDArray[np.intp]:
    """Find the rows of the songs that are as wanted, best first.

    Parameters
    ----------
    names : Names, length n
        Of the songs of the catalogue, in its order.

    Raises
    ------
    NotFound
        No song is; the message says which wish none meets.
    """
    mood = wanted.mood.casefold()
    if mood and mood not in (known := moods(catalogue)):
        near = [one for one, *_ in process.extract(mood, known, limit=3, score_cutoff=NEARLY)]
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Try one of: {', '.join(known)}."
        raise NotFound(f"No song I know sounds “{mood[:40]}”.", hint if known else "")
    instrument, voice = wanted.instrument.casefold(), wanted.voice.casefold()
    if instrument and instrument not in least_shares():
        known_words = ", ".join(least_shares())
        raise NotFound(f"I cannot tell “{instrument[:40]}” by ear.", f"Try one of: {known_words}.")
    if voice not in SINGING:
        raise NotFound(f"“{voice[:40]}” is no kind of voice.", "Try sung or instrumental.")
    keep, reasons = variety.allowed(
        catalogue,
        Constraints(
            only_genres=frozenset((wanted.genre.casefold(),) if wanted.genre else ()),
            only_moods=frozenset((mood,) if mood else ()),
            only_instruments=frozenset((instrument,) if instrument else ()),
            voice=SINGING[SINGING.index(voice)],
            keys=frozenset((wanted.key,) if wanted.key else ()),
            tempo=wanted.tempo,
        ),
    )
    if reasons:
        sentence = "; ".join(reasons)
        raise NotFound(f"{sentence[0].upper()}{sentence[1:]}.", "Ask for less.")
    found = np.flatnonzero(keep)
    if wanted.artist:
        part = fold(wanted.artist)
        artists = names.artists
        found = np.array([row for row in found.tolist() if part in artists[row]], np.intp)
    if wanted.text:
        found = _named(names, found, wanted.text)
    elif mood:
        found = _best(found, strengths(mood, Profiles.of(catalogue.profiles))[found], 0)
    elif instrument:
        found = _best(found, Profiles.of(catalogue.profiles).instrument(instrument)[found], 0)
    if not len(found):
        raise NotFound("No song I know is all of that.", "Ask for less, or spell it differently.")
    return found


def _best(
    rows: NDArray[np.intp], scores: Sequence[float] | NDArray[np.floating], least: float
) -> NDArray[np.intp]:
    values = np.array(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    return rows[order[values[order] >= least]]


def _named(names: Names, rows: NDArray[np.intp], text: str) -> NDArray[np.intp]:
    """Return the rows whose title, or title and artist, are nearly that text, best first."""
    wanted, titles, artists = fold(text), names.titles, names.artists
    some = rows.tolist()
    wholes = [f"{titles[row]} {artists[row]}" for row in some]
    least = ALIKE - 1  # what is hardly alike is not compared to the end
    whole = process.cdist([wanted], wholes, scorer=fuzz.WRatio, score_cutoff=least)[0]
    near = [titles[row] for row in some]
    alone = process.cdist([wanted], near, scorer=fuzz.ratio, score_cutoff=least)[0]
    alike = np.flatnonzero(np.maximum(whole, alone))
    alone = process.cdist([wanted], [titles[row] for row in rows[alike]], scorer=fuzz.ratio)[0]
    # Of songs that hold the words alike, the one with that very title comes first.
    return _best(rows[alike], np.maximum(whole[alike], alone) + alone / 1000, ALIKE)
