"""Songs of the catalogue by title, artist, genre, tempo, key, mood, instrument and voice."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz import fuzz, process

from musrec.audio import descriptors
from musrec.audio.descriptors import strengths
from musrec.audio.instruments import least_shares
from musrec.catalogue.model import SongFilter
from musrec.columns import SINGING, Profiles, Tracks, most_frequent
from musrec.model import Catalogue, Choices, Constraints, NotFound, Track
from musrec.recommend import variety
from musrec.titles import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray


ALIKE = 60
"""The least likeness, of 100, of a song that a search finds."""

NEARLY = 80
"""The least likeness, of 100, at which a name completes what is typed with a slip in it."""


COMPARED = 20_000
"""Names, at most, that are compared with a text letter by letter: those that share most pairs of
letters with it. ``python -m benchmarks.names`` measures what the others would have added."""

WORDS = 4
"""Words of 64 bits that the pairs of letters of a name are kept in."""


class Names:
    """What the songs of a catalogue are found by: folded titles and artists, read when needed.

    Parameters
    ----------
    read : callable
        Takes ``"title"`` or ``"artist"`` and rows, returns the folded names of those.
    pairs : NDArray of uint64, shape (n, WORDS)
        Which pairs of letters stand in title and artists, each as one of the bits.
    lengths : NDArray of int32, shape (n,)
        Characters of title and artists together.
    """

    def __init__(
        self,
        read: Callable[[str, NDArray[np.intp]], list[str]],
        pairs: NDArray[np.uint64],
        lengths: NDArray[np.int32],
    ) -> None:
        self._read, self.pairs, self.lengths = read, pairs, lengths

    def titles(self, rows: NDArray[np.intp]) -> list[str]:
        """Return the folded titles of some songs."""
        return self._read("title", rows)

    def artists(self, rows: NDArray[np.intp]) -> list[str]:
        """Return the folded names of all artists of some songs."""
        return self._read("artist", rows)

    def holding(self, part: str, rows: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Return all rows, of some or of all, whose names may hold a part, and a few others.

        Parameters
        ----------
        part : str
            Folded. A space at an end stands for the end of a word.
        """
        wanted = _bits(part)
        if rows is None:
            rows = np.arange(len(self.lengths))
        has = np.empty(len(rows), bool)
        for start in range(0, len(rows), _CHUNK):
            block = slice(start, start + _CHUNK)
            has[block] = ((self.pairs[rows[block]] & wanted) == wanted).all(axis=1)
        return rows[has]

    def likeliest(
        self, text: str, most: int, rows: NDArray[np.intp] | None = None
    ) -> NDArray[np.intp]:
        """Return the rows, of some or of all, that share most pairs with a text, ascending.

        What counts is the share of the text's pairs, or of the name's if it has fewer.
        """
        if rows is None:
            rows = np.arange(len(self.lengths))
        if len(rows) <= most:
            return rows
        wanted = _bits(f" {text} ")
        shares = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _CHUNK):
            block = slice(start, start + _CHUNK)
            pairs = self.pairs[rows[block]]
            fewer = np.minimum(_counts(pairs), max(int(_counts(wanted[None])[0]), 1))
            shares[block] = _counts(pairs & wanted) / np.maximum(fewer, 1)
        return rows[np.sort(np.argpartition(shares, -most)[-most:])]


_CHUNK = 16_384  # rows whose pairs fit into a processor's cache


def _bits(text: str) -> NDArray[np.uint64]:
    """Return the pairs of letters of a text as bits, shape (WORDS,)."""
    found = 0
    for pair in set(itertools.pairwise(text)):
        found |= _bit(*pair)
    return np.frombuffer(found.to_bytes(8 * WORDS, "little"), "<u8")


@lru_cache(1 << 16)
def _bit(first: str, second: str) -> int:
    return 1 << zlib.crc32(f"{first}{second}".encode(errors="replace")) % (64 * WORDS)


def _counts(bits: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Return how many bits are set in each row."""
    return np.asarray(np.bitwise_count(bits).sum(axis=1, dtype=np.uint16))


def names(tracks: Iterable[Track]) -> Names:
    """Return what each track is found by."""
    folded = [(fold(track.title), fold(track.artist)) for track in tracks]
    wholes = [f"{title} {artist}" for title, artist in folded]
    return Names(
        lambda of, rows: [folded[row][of == "artist"] for row in rows.tolist()],
        np.array([_bits(f" {whole} ") for whole in wholes], np.uint64).reshape(-1, WORDS),
        np.array([len(whole) for whole in wholes], np.int32),
    )


def titled(catalogue: Catalogue, names: Names, text: str) -> Track | Choices | None:
    """Find a title, with or without its artist, in the catalogue; only an exact one counts."""
    wanted = fold(text)
    rows = names.holding(f" {wanted} ")
    exact = [
        row
        for row, title, artist in zip(
            rows.tolist(), names.titles(rows), names.artists(rows), strict=True
        )
        if wanted in (title, f"{title} {artist}", f"{artist} {title}")
    ]
    if len(exact) > 1:
        found = tuple(catalogue.tracks[row] for row in exact[:10])
        return Choices(found, "Several songs have that title.")
    return catalogue.tracks[exact[0]] if exact else None


def suggest(catalogue: Catalogue, names: Names, text: str, limit: int) -> list[Track]:
    """Complete what is being typed with songs of the catalogue, best first.

    Names that start with the text come first, then names in which a word starts with it, then
    names that are spelt nearly like it. In each of the first two groups the shortest name comes
    first.
    """
    typed = fold(text)
    found = _completed(names, typed, limit)
    if len(found) < limit:
        rows = names.likeliest(typed, COMPARED)
        wholes = list(map(" ".join, zip(names.titles(rows), names.artists(rows), strict=True)))
        alike = process.cdist([typed], wholes, scorer=fuzz.WRatio, score_cutoff=NEARLY)[0]
        found = list(dict.fromkeys([*found, *_best(rows, alike, NEARLY)[:limit].tolist()]))
    return [catalogue.tracks[row] for row in found[:limit]]


def _completed(names: Names, typed: str, limit: int) -> list[int]:
    """Return the rows of names that start with a text, then those with a word that does."""
    rows = names.holding(f" {typed}")
    rows = rows[np.argsort(names.lengths[rows], kind="stable")]
    starts, words = list[int](), list[int]()
    for first in range(0, len(rows), _TOGETHER):
        part = rows[first : first + _TOGETHER]
        both = zip(part.tolist(), names.titles(part), names.artists(part), strict=True)
        for row, title, artist in both:
            whole = f"{title} {artist}"
            if whole.startswith(typed) or artist.startswith(typed):
                starts.append(row)
            elif f" {typed}" in whole or (
                typed.startswith(artist) and f"{artist} {title}".startswith(typed)
            ):
                words.append(row)
        if len(starts) >= limit:
            break
    return [*starts, *words][:limit]


_TOGETHER = 1_000  # names that are read at a time, until there are enough


def near(catalogue: Catalogue, names: Names, text: str, limit: int) -> list[Track]:
    """Return songs that are spelt nearly like a text, with or without artist, the nearest first.

    The whole text counts: a title that only has a word in common with it is not near.
    """
    typed = fold(text)
    rows = names.likeliest(typed, COMPARED)
    titles, artists = names.titles(rows), names.artists(rows)
    pairs = list(zip(titles, artists, strict=True))
    forms = (titles, [f"{t} {a}" for t, a in pairs], [f"{a} {t}" for t, a in pairs])
    alike = [
        process.cdist([typed], form, scorer=fuzz.ratio, score_cutoff=NEARLY)[0] for form in forms
    ]
    best = _best(rows, np.max(alike, axis=0), NEARLY)[:limit]
    return [catalogue.tracks[row] for row in best.tolist()]


def one_of_each(catalogue: Catalogue) -> list[Track]:
    """Return one song of each stated genre, by the artist with most songs there."""
    tracks = Tracks.of(catalogue.tracks)
    names = [genre.lower() for genre in tracks.genre_names]
    number_of = {name: number for number, name in enumerate(sorted(set(names)))}
    numbers = np.array([number_of[name] for name in names], np.intp)
    rows = np.flatnonzero((tracks.stated >= 0) & (tracks.artists > 0))
    _, chosen = most_frequent(numbers[tracks.stated[rows]], tracks.artists[rows])
    return [tracks[row] for row in rows[chosen].tolist()]


def moods(catalogue: Catalogue, text: str | None = None) -> tuple[str, ...]:
    """Return the words, of descriptors and mood tags, that are said of some song, in order.

    Parameters
    ----------
    text : str, optional
        Only words that stand in it.
    """
    profiles = Profiles.of(catalogue.profiles)
    left = descriptors.mood_words(profiles)
    if text is not None:
        left = {word for word in left if word in text.casefold()}
    said = set[str]()
    for start in range(0, len(profiles), _CHUNK):
        part = profiles.take(slice(start, start + _CHUNK))
        now = {word for word in left if (strengths(word, part) > 0).any()}
        said, left = said | now, left - now
    return tuple(sorted(said))


def search(catalogue: Catalogue, names: Names, wanted: SongFilter, limit: int) -> list[Track]:
    """Find songs of the catalogue that are as wanted, best first, as `rows` does."""
    return [catalogue.tracks[row] for row in rows(catalogue, names, wanted)[:limit].tolist()]


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
    profiles = Profiles.of(catalogue.profiles)
    if mood and not (strengths(mood, profiles) > 0).any():
        known = moods(catalogue)
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
        found = names.holding(part, found)
        found = found[np.array([part in artist for artist in names.artists(found)], bool)]
    if wanted.text:
        found = _named(names, found, wanted.text)
    elif mood:
        found = _best(found, strengths(mood, profiles)[found], 0)
    elif instrument:
        found = _best(found, profiles.instrument(instrument)[found], 0)
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
    wanted = fold(text)
    rows = names.likeliest(wanted, COMPARED, rows)
    return _best(rows, alike(names.titles(rows), names.artists(rows), wanted), ALIKE)


def alike(titles: Sequence[str], artists: Sequence[str], wanted: str) -> NDArray[np.float32]:
    """Return how nearly each song is called as wanted, 0 to 100.1; 0 below `ALIKE`.

    Of songs that hold the words alike, the one with that very title comes first.

    Parameters
    ----------
    titles, artists, wanted : str
        Folded.
    """
    wholes = [f"{title} {artist}" for title, artist in zip(titles, artists, strict=True)]
    least = ALIKE - 1  # what is hardly alike is not compared to the end
    whole = process.cdist([wanted], wholes, scorer=fuzz.WRatio, score_cutoff=least)[0]
    alone = process.cdist([wanted], titles, scorer=fuzz.ratio, score_cutoff=least)[0]
    found = np.maximum(whole, alone)
    near = np.flatnonzero(found)
    alone = process.cdist([wanted], [titles[at] for at in near.tolist()], scorer=fuzz.ratio)[0]
    found[near] = np.maximum(found[near], alone) + alone / 1000
    return np.where(found >= ALIKE, found, 0).astype(np.float32)
