"""Free text and page headings, compared with tracks on top of `musrec.titles`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rapidfuzz import fuzz

from musrec.model import Track, track_id
from musrec.titles import (
    fold,
    fold_artist,
    kinds_of_version,
    merge,
    names_agree,
    read_title,
    same_recording,
    song_title,
    versions_of,
    without_guests,
    without_page_words,
)

_FILLER = frozenset(
    {"by", "song", "the", "a", "official", "video", "audio", "lyrics", "feat", "ft"}
)
# Scripts that are written without spaces between words.
_SCRIPTS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_UNSPACED = re.compile(f"([{_SCRIPTS}])")
_REJOINED = re.compile(f"(?<=[{_SCRIPTS}]) (?=[{_SCRIPTS}])")
_PART = re.compile(r"^(?:\d+|[ivx]+)$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A recording to look for: as much as is known of it.

    Attributes
    ----------
    title : str
    artists : tuple of str
        Empty where unknown.
    duration : float or None
        Seconds.
    isrc, album : str or None
    """

    title: str
    artists: tuple[str, ...] = ()
    duration: float | None = None
    isrc: str | None = None
    album: str | None = None

    @classmethod
    def of(cls, track: Track) -> Wanted:
        """Return what a track says of itself."""
        return cls(track.title, track.artists, track.duration, track.isrc, track.album)

    @property
    def query(self) -> str:
        """Title and artist for a search box. Plain words find more than field syntax does."""
        title = read_title(self.title)
        artists = [without_guests(artist) for artist in self.artists[:1]]
        # Engines find a live take by "live", but a remix or a translation only by its own words.
        whole = title.versions & {"remix", "version", "short", "loop"}
        versions = [title.version_words] if whole else sorted(title.versions)
        words = [*artists, title.bare, *versions]
        return " ".join(" ".join(words).split())[:200]


def same(wanted: Wanted, track: Track) -> bool:
    """Whether a track is the recording that is wanted; what is not known agrees with anything."""
    if wanted.isrc and wanted.isrc == track.isrc:
        return True
    return names_agree(wanted, track)


def readings(title: str, author: str | None = None) -> list[Wanted]:
    """Read a page's heading, such as ``Daft Punk - One More Time (Official Video)``, as songs.

    Parameters
    ----------
    title : str
    author : str, optional
        The publisher of the page: an artist, a label or a fan.

    Returns
    -------
    list of Wanted
        The likeliest first.
    """
    title = without_page_words(unicodedata.normalize("NFKC", title))
    found: list[Wanted] = []
    if quoted := _QUOTED.fullmatch(title):
        found.append(Wanted(quoted[2] + quoted[3], (quoted[1].strip(" -"),)))
    for separator in _SEPARATORS:
        parts = [part.strip() for part in separator.split(title, maxsplit=1)]
        if len(parts) == 2 and all(fold(part) for part in parts):
            left, right = parts
            found += [Wanted(right, (left,)), Wanted(left, (right,))]
            break
    by = re.fullmatch(r"(.+?)\s+by\s+(.+)", title, re.IGNORECASE)
    stated = [Wanted(by[1], (by[2],))] if by else []
    if author:
        name = _CHANNEL.sub("", author)
        theirs = Wanted(title, (name,))
        # A channel named after its artist is believed: "Stand by Me" by "Ben E. King - Topic".
        stated = [theirs, *stated] if name != author else [*stated, theirs]
    return found + stated or [Wanted(title)]


_SEPARATORS = (
    re.compile(r"\s[-–—|~_]+\s|\s*[–—]\s*"),
    re.compile(r"-\s|\s-|:\s"),
)
_QUOTED = re.compile(r"([^「『\"“]+)[「『\"“]([^」』\"”]+)[」』\"”](.*)")
_CHANNEL = re.compile(r"\s+-\s+Topic$|\s*VEVO$|\s+(Official|Music)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a track matches free text.

    Attributes
    ----------
    score : float
        0 to 1.
    exact : bool
        The text names the whole title and the right version, and nothing that the track lacks.
    artist_named : bool
    """

    score: float
    exact: bool
    artist_named: bool


def fit(text: str, track: Track) -> Fit:
    """Compare free text with a track: words in any order, title and artist mixed."""
    title = _words(song_title(track.title))
    artists = [_words(fold_artist(name)) for name in track.artists]
    everybody = [word for name in artists for word in name]
    read = read_title(text)
    said = _words(f"{read.song} {read.version_words}")
    # Guests and neutral words count where the track has them: "Music" may be the title.
    known = {*title, *everybody} - set(said)
    said += [word for word in _words(text) if word in known]
    asked = [word for word in said if word not in _FILLER] or said
    free = " ".join(said)
    for word in [*title, *everybody]:
        free = re.sub(rf"\b{re.escape(word)}\b", " ", free, count=1)
    own_versions = versions_of(track)
    asked_versions, rest = kinds_of_version(_REJOINED.sub("", " ".join(free.split())))
    if asked_versions == {"version"} != own_versions:
        asked_versions = frozenset()  # "album version" is no other recording
    told = set(free.split()) - set(_words(rest))
    explained = _share(asked, [*title, *everybody, *_words(track.title), *told])
    covered = _share([word for word in title if word not in _FILLER] or title, said)
    artist_named = any(name and _share(name, asked) > 0.99 for name in artists)
    right = own_versions == asked_versions
    score = 0.45 * covered + 0.35 * explained + 0.2 * artist_named
    return Fit(
        score=score if right else 0.6 * score,
        exact=covered > 0.99 and explained > 0.99 and right and _parts_named(title, said),
        artist_named=artist_named,
    )


def _words(text: str) -> list[str]:
    """Return the words of a text, folded; characters where a script has no spaces between words."""
    return _UNSPACED.sub(r" \1 ", fold(text)).split()


def _parts_named(title: Sequence[str], said: Sequence[str]) -> bool:
    return all(word in said for word in title if _PART.match(word))


def _share(words: Sequence[str], among: Sequence[str]) -> float:
    """Return the share of words found among others; a longer word may have a typo."""
    if not words:
        return 0.0
    found = sum(
        any(word == other or (len(word) > 3 and fuzz.ratio(word, other) >= 80) for other in among)
        for word in words
    )
    return found / len(words)


def identified(track: Track) -> Track:
    """Return a track with the id of its ISRC, if known: every way to it then gives the same id."""
    return replace(track, id=track_id("isrc", track.isrc)) if track.isrc else track


@dataclass(slots=True)
class Recordings:
    """Tracks in order of arrival, each recording once."""

    tracks: list[Track] = field(default_factory=list)
    _by_identity: dict[tuple[str, str], int] = field(default_factory=dict)
    _by_title: dict[str, list[int]] = field(default_factory=dict)

    def add(self, track: Track) -> int:
        """Add a track, or merge it into its recording; return its row."""
        row = self.find(track)
        if row is None:
            row = len(self.tracks)
            self.tracks.append(track)
            self._by_title.setdefault(song_title(track.title), []).append(row)
        else:
            self.tracks[row] = merge(self.tracks[row], track)
        for identity in self.tracks[row].identities.items():
            self._by_identity.setdefault(identity, row)
        return row

    def find(self, track: Track) -> int | None:
        """Return the row of the same recording, or None."""
        for identity in track.identities.items():
            if (row := self._by_identity.get(identity)) is not None:
                return row
        rows = self._by_title.get(song_title(track.title), [])
        return next((row for row in rows if same_recording(self.tracks[row], track)), None)
