"""Whether two names mean the same recording: title, artists, version and duration must agree.

Search engines rank a live take, a karaoke track or a sped-up copy as high as the song itself. What
stands in brackets or after a dash is therefore read: a version word there ("live", "remix" ...)
makes another recording, a neutral one ("remastered", "feat. ...", "official video") does not, and
anything else belongs to the title.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from rapidfuzz import fuzz

from musrec.model import Track, track_id

SAME_SECONDS = 3.0
"""Two durations of one recording differ by no more: services round, and trim silence."""

TITLE_AGREES = 88.0
ARTIST_AGREES = 85.0
"""Of rapidfuzz's 0 to 100, after folding: lets one slip of the pen in a short title pass."""

_VERSIONS = {
    "live": r"live|concert|en vivo|ao vivo|en directo|unplugged",
    "remix": r"remix(ed)?|rmx|rework(ed)?|bootleg|mash ?up|flip|vip|edit(?<!radio edit)",
    "mixed": r"mixed|dj mix|continuous mix|megamix",
    "karaoke": r"karaoke|in the style of|originally performed|made famous|backing track",
    "cover": r"cover(ed)?( version)?|tribute|lullaby|8 ?bit|piano version|string quartet",
    "sped up": r"sped ?up|speed ?up|nightcore|fast(er)?( version)?",
    "slowed": r"slowed|reverb|daycore|chopped",
    "acoustic": r"acoustic|stripped",
    "instrumental": r"instrumental|no vocals",
    "a cappella": r"a ?cappella|acapella",
    "demo": r"demo|rough mix|outtake|alternate take|rehearsal",
    "extended": r"extended|club mix|12( inch)?( mix| version)?|long version|dub( mix)?",
    "8d": r"8d|3d audio|binaural",
}
_VERSION = {name: re.compile(rf"\b(?:{words})\b") for name, words in _VERSIONS.items()}
_NEUTRAL = re.compile(
    r"(\d{4} )?(digital(ly)? )?re ?master(ed)?( \d{4})?( version| edition)?|mono|stereo"
    r"|(feat|ft|featuring|with)\b.*|prod\b.*"
    r"|(official )?(music |lyrics? )?(video|audio|visuali[sz]er)|official|lyrics?|hd|hq|4k"
    r"|explicit|clean|album version|single( version| edit)?|radio (edit|mix)|\d{4}( version)?"
    r"|original( mix| version)?|bonus track|deluxe( edition)?|.* anniversary edition|from .*"
)
_DECORATION = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]|\s[-–—]\s+(.*)$")
_PART = re.compile(r"^(?:\d+|[ivx]+)$")
_FILLER = frozenset(
    {"by", "song", "the", "a", "official", "video", "audio", "lyrics", "feat", "ft"}
)


def fold(text: str) -> str:
    """Reduce a text to what is compared: lower case, no accents, words apart by one space."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    # Marks of Latin, Greek and Cyrillic only: in Japanese they make another letter.
    bare = "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f")
    plain = unicodedata.normalize("NFC", bare).replace("&", " and ")
    plain = re.sub(r"['’‘`´]", "", plain)
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())


def core(title: str) -> str:
    """Return the title without versions and neutral decorations, folded."""
    return fold(_split(title)[0])


def versions(title: str) -> frozenset[str]:
    """Return the kinds of version that a title's brackets and its tail name."""
    return _split(title)[1]


def _split(title: str) -> tuple[str, frozenset[str]]:
    named: set[str] = set()

    def read(match: re.Match[str]) -> str:
        inside = fold(match[1] if match[1] is not None else match[2])
        found = {name for name, pattern in _VERSION.items() if pattern.search(inside)}
        named.update(found)
        return " " if found or _NEUTRAL.fullmatch(inside) else match[0]

    kept = _DECORATION.sub(read, title)
    return (kept if fold(kept) else title), frozenset(named)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: as much as is known of one recording.

    Attributes
    ----------
    title : str
    artists : tuple of str
        Empty where unknown.
    duration : float or None
        Seconds.
    isrc : str or None
    """

    title: str
    artists: tuple[str, ...] = ()
    duration: float | None = None
    isrc: str | None = None

    @classmethod
    def of(cls, track: Track) -> Wanted:
        """Take over what a track says of itself."""
        return cls(track.title, track.artists, track.duration, track.isrc)

    @property
    def query(self) -> str:
        """Title and artist for a search box. Plain words find more than field syntax does."""
        kept, named = _split(self.title)
        words = [*self.artists[:1], kept.strip(), *sorted(named)]
        return " ".join(" ".join(words).split())[:200]


def same(wanted: Wanted, track: Track) -> bool:
    """Whether a track is the recording that is wanted; what is not known is not held against it."""
    if wanted.isrc and wanted.isrc == track.isrc:
        return True
    if versions(wanted.title) != versions_of(track) or not _titles_agree(wanted.title, track.title):
        return False
    if wanted.artists and track.artists and not artists_agree(wanted.artists, track.artists):
        return False
    if wanted.duration is None or track.duration is None:
        return True
    return abs(wanted.duration - track.duration) <= SAME_SECONDS


def same_recording(one: Track, other: Track) -> bool:
    """Whether two tracks are one recording: a shared identity, or names and duration that agree."""
    if any(other.identities.get(key) == value for key, value in one.identities.items()):
        return True
    return bool(one.artists and other.artists) and same(Wanted.of(one), other)


def versions_of(track: Track) -> frozenset[str]:
    """Versions by the title, and by an artist or album that only makes copies."""
    around = fold(f"{track.artist} {track.album or ''}")
    copies = {name for name in ("karaoke", "cover") if _COPIER[name].search(around)}
    return versions(track.title) | copies


_COPIER = {
    "karaoke": re.compile(r"\bkaraoke\b|\bin the style of\b|\bbacking tracks?\b"),
    "cover": re.compile(r"\btribute\b|\bcover (band|version|nation)\b|\blullab(y|ies)\b"),
}


def _titles_agree(one: str, other: str) -> bool:
    a, b = core(one), core(other)
    if _parts(a) != _parts(b):
        return False
    return max(fuzz.ratio(a, b), fuzz.token_sort_ratio(a, b)) >= TITLE_AGREES


def _parts(folded: str) -> list[str]:
    """Numbers tell one movement, part or year from the next, however alike the rest is."""
    return sorted(word for word in folded.split()[1:] if _PART.match(word))


def artists_agree(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two credits share an artist, however each service writes it."""
    ours, theirs = [_artist(name) for name in one], [_artist(name) for name in other]
    pairs = ((a, b) for a in ours for b in theirs if a and b)
    if any(fuzz.ratio(a, b) >= ARTIST_AGREES for a, b in pairs):
        return True
    # "Lady Gaga & Bruno Mars" is one name at one service and two at another.
    return fuzz.token_set_ratio(" ".join(ours), " ".join(theirs)) >= 95


def _artist(name: str) -> str:
    return fold(name).removeprefix("the ")


def readings(title: str, author: str | None = None) -> list[Wanted]:
    """Read a page's heading, such as ``Daft Punk - One More Time (Official Video)``, as songs.

    Parameters
    ----------
    title : str
    author : str, optional
        Who published the page: an artist, a label or a fan.

    Returns
    -------
    list of Wanted
        The likeliest first.
    """
    found: list[Wanted] = []
    parts = re.split(r"\s+[-–—|:]\s+|\s*[–—]\s*", title, maxsplit=1)
    if len(parts) == 2 and all(fold(part) for part in parts):
        left, right = (part.strip() for part in parts)
        found += [Wanted(right, (left,)), Wanted(left, (right,))]
    if by := re.fullmatch(r"(.+?)\s+by\s+(.+)", title, re.IGNORECASE):
        found.append(Wanted(by[1], (by[2],)))
    if author:
        name = re.sub(
            r"\s+-\s+Topic$|\s*VEVO$|\s+(Official|Music)$", "", author, flags=re.IGNORECASE
        )
        found.append(Wanted(title, (name,)))
    return found or [Wanted(title)]


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a track answers to free text.

    Attributes
    ----------
    score : float
        0 to 1.
    exact : bool
        The text names the whole title, the right version, and nothing that is not there.
    artist_named : bool
    """

    score: float
    exact: bool
    artist_named: bool


def fit(text: str, track: Track) -> Fit:
    """Compare free text with a track: words in any order, title and artist mixed."""
    asked = [word for word in fold(text).split() if word not in _FILLER] or fold(text).split()
    title = core(track.title).split()
    artists = [_artist(name).split() for name in track.artists]
    everybody = [word for name in artists for word in name]
    own_versions = versions_of(track)
    free = fold(text)
    for word in title:
        free = re.sub(rf"\b{re.escape(word)}\b", " ", free, count=1)
    asked_versions = {name for name, pattern in _VERSION.items() if pattern.search(free)}
    named = [word for name in asked_versions for word in _VERSION[name].findall(free)]
    explained = _share(asked, [*title, *everybody, *fold(track.title).split(), *map(str, named)])
    covered = _share([word for word in title if word not in _FILLER] or title, fold(text).split())
    artist_named = any(name and _share(name, asked) > 0.99 for name in artists)
    right = own_versions == asked_versions
    score = 0.45 * covered + 0.35 * explained + 0.2 * artist_named
    return Fit(
        score=score if right else 0.6 * score,
        exact=covered > 0.99 and explained > 0.99 and right and _parts_named(title, text),
        artist_named=artist_named,
    )


def _parts_named(title: Sequence[str], text: str) -> bool:
    said = fold(text).split()
    return all(word in said for word in title if _PART.match(word))


def _share(words: Sequence[str], among: Sequence[str]) -> float:
    """Share of words that stand among others, one slip of the pen in a longer word allowed."""
    if not words:
        return 0.0
    found = sum(
        any(word == other or (len(word) > 3 and fuzz.ratio(word, other) >= 80) for other in among)
        for word in words
    )
    return found / len(words)


def merge(kept: Track, other: Track) -> Track:
    """Fill what `kept` does not know from another track of the same recording.

    Each field taken over keeps the name of the provider that said so.
    """
    fields = ("album", "genre", "year", "isrc", "duration", "popularity")
    new = {name: getattr(other, name) for name in fields if getattr(kept, name) is None}
    new = {name: value for name, value in new.items() if value is not None}
    if not kept.artists and other.artists:
        new["artists"] = other.artists
    said = {name: other.provenance[name] for name in new if name in other.provenance}
    return replace(
        kept,
        **new,
        identities={**other.identities, **kept.identities},
        links={**other.links, **kept.links},
        provenance={**kept.provenance, **said},
    )


def identified(track: Track) -> Track:
    """Name a track by its ISRC once that is known, so that every way to it gives one id."""
    return replace(track, id=track_id("isrc", track.isrc)) if track.isrc else track


@dataclass(slots=True)
class Recordings:
    """Tracks without a second one of the same recording, in the order of their arrival."""

    tracks: list[Track] = field(default_factory=list)
    _by_identity: dict[tuple[str, str], int] = field(default_factory=dict)
    _by_title: dict[str, list[int]] = field(default_factory=dict)

    def add(self, track: Track) -> int:
        """Add a track, or merge it into the one that is there; return its row."""
        row = self.find(track)
        if row is None:
            row = len(self.tracks)
            self.tracks.append(track)
            self._by_title.setdefault(core(track.title), []).append(row)
        else:
            self.tracks[row] = merge(self.tracks[row], track)
        for identity in self.tracks[row].identities.items():
            self._by_identity.setdefault(identity, row)
        return row

    def find(self, track: Track) -> int | None:
        """Row of the same recording, or None."""
        for identity in track.identities.items():
            if (row := self._by_identity.get(identity)) is not None:
                return row
        rows = self._by_title.get(core(track.title), [])
        return next((row for row in rows if same_recording(self.tracks[row], track)), None)
