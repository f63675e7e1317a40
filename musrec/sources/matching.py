"""Whether two names mean the same recording: title, artists, version and duration must agree.

Search engines rank a live take, a karaoke track or a sped-up copy as high as the song itself. What
stands in brackets or after a dash is therefore read: a version word there ("live", "remix" ...)
makes another recording, a neutral one ("remastered", "feat. ...", "official video") does not, the
title again in another script does not either, and anything else belongs to the title.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from rapidfuzz import fuzz

from musrec.model import Track, track_id

SAME_SECONDS = 3.0
"""Two durations of one recording differ by no more: services round, and trim silence."""

TITLE_AGREES = 88.0
ARTIST_AGREES = 85.0
"""Of rapidfuzz's 0 to 100, after folding: lets one slip of the pen in a short title pass."""
DETAIL_AGREES = 65.0
"""The same for whose remix it is, or where it was played: "Wembley" is "Wembley Stadium"."""

_VERSIONS = {
    "live": r"live|concert|en vivo|ao vivo|en directo|unplugged",
    "remix": r"remix(ed)?|rmx|rework(ed)?|bootleg|mash ?up|flip|vip"
    r"|edit(?<!radio edit)(?<!single edit)(?<!album edit)(?<!video edit)(?<!clean edit)",
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
# The same in Japanese, Korean, Chinese and Russian, of which the first write no spaces.
_VERSIONS_ELSEWHERE = {
    "live": "ライブ|ライヴ|라이브|现场|現場|вживую|концерт",
    "remix": "リミックス|리믹스|ремикс",
    "karaoke": "カラオケ|노래방|伴奏|караоке|минус(овка)?\\b",
    "cover": "カバー|カヴァー|歌ってみた|커버|翻唱|кавер",
    "acoustic": "アコースティック|어쿠스틱|акусти",
    "instrumental": "インストゥルメンタル|オフボーカル",
}
_VERSION = {
    name: re.compile(rf"\b(?:{words})\b|{_VERSIONS_ELSEWHERE.get(name, '(?!)')}")
    for name, words in _VERSIONS.items()
}
_EDITION = re.compile("版|バージョン|ヴァージョン|버전|верси")
_NOISE = (
    r"official|officiel|oficial|music|lyrics?|letra|video|videoclip|clip|audio|visuali[sz]er"
    r"|m ?v|hd|hq|uhd|4k|8k|1080p|720p|full|new|upgraded?|restored|in|version|explicit|clean"
    r"|mono|stereo|digital(?:ly)?|re ?master(?:ed)?|\d{4}"
)
_NEUTRAL = re.compile(
    rf"(?:(?:{_NOISE})(?: |$))+|(feat|ft|featuring|with)\b.*|prod\b.*|from .*"
    r"|((radio|single|album|video|original|clean|explicit|mono|stereo) ?)+(edit|mix|version)?"
    r"|re ?master(ed)? \d{4} edition|bonus track|deluxe( edition)?|.* anniversary edition"
)
_OPEN, _SHUT = "(\\[{【〔《「『", ")\\]}】〕》」』"
_DASH = r"\s(?:[-–—~|•]+|//)\s"
_BRACKET = re.compile(rf"[{_OPEN}]([^{_OPEN}{_SHUT}]*)[{_SHUT}]")
_TAIL = re.compile(rf"{_DASH}+((?:(?!{_DASH}).)*)$")
_BARE = re.compile(
    r"(?<=\S)\s+(?:official(?: \w+){0,2} (?:video|audio|visuali[sz]er|mv)|m/?v"
    r"|(?:with )?lyrics?(?: video)?)\s*$",
    re.IGNORECASE,
)
_PART = re.compile(r"^(?:\d+|[ivx]+)$")
_SMALL = frozenset({"at", "in", "on", "from", "the", "by", "a", "of", "version", "mix"})
_FILLER = frozenset(
    {"by", "song", "the", "a", "official", "video", "audio", "lyrics", "feat", "ft"}
)
# Scripts that are written without spaces between words.
_UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff])")


def fold(text: str) -> str:
    """Reduce a text to what is compared: lower case, no accents, words apart by one space.

    Signs that stand for letters are read as such (P!nk, Ke$ha), and a name of signs alone stays
    as it is.
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    # Marks of Latin, Greek and Cyrillic only: in Japanese they make another letter.
    bare = "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f")
    plain = unicodedata.normalize("NFC", bare).replace("&", " and ")
    plain = re.sub(r"['’‘`´]", "", plain)
    plain = re.sub(r"(?<=[a-z])!(?=[a-z])", "i", plain)
    plain = re.sub(r"\$(?=[a-z])|(?<=[a-z])\$|(?<=[a-z]\$)\$", "s", plain)
    kept = "".join(char if _spoken(char) else " " for char in plain)
    return " ".join((kept if kept.strip() else text.casefold()).split())


def _spoken(char: str) -> bool:
    """Whether a character is a letter, a digit, or a vowel sign such as those of Hindi and Thai."""
    sign = "\u0900" <= char <= "\u1cff" and unicodedata.category(char) in ("Mn", "Mc")
    return sign or char.isalnum()


def core(title: str) -> str:
    """Return the title without versions and neutral decorations, folded."""
    return fold(_read(title).core)


def versions(title: str) -> frozenset[str]:
    """Return the kinds of version that a title's brackets and its tail name."""
    return _read(title).versions


def version_detail(title: str) -> str:
    """Return whose remix a title names, or where it was played, folded; empty where it does not."""
    return _read(title).detail


@dataclass(frozen=True, slots=True)
class _Title:
    """A title, taken apart.

    Attributes
    ----------
    plain : str
        Without what is neutral.
    core : str
        Without versions too.
    versions : frozenset of str
    detail : str
        What stands beside the version's words, folded.
    """

    plain: str
    core: str
    versions: frozenset[str]
    detail: str


@lru_cache(maxsize=4096)
def _read(title: str) -> _Title:
    title = " ".join(unicodedata.normalize("NFKC", title).split())
    plain = _without(title, _is_neutral)
    named: list[str] = []

    def is_version(inside: str, _rest: str) -> bool:
        if any(pattern.search(inside) for pattern in _VERSION.values()):
            named.append(inside)
            return True
        return False

    kept = _without(plain, is_version)
    kinds, details = set[str](), list[str]()
    for inside in named:
        bare = inside
        for name, pattern in _VERSION.items():
            if pattern.search(inside):
                kinds.add(name)
                bare = pattern.sub(" ", bare)
        details += [word for word in bare.split() if word not in _SMALL]
    return _Title(plain, kept, frozenset(kinds), " ".join(details))


def _without(title: str, unwanted: Callable[[str, str], bool]) -> str:
    """Drop the brackets and the tails that are not wanted, unless nothing would be left.

    `unwanted` is given what stands inside, folded, and the rest of the title: empty for a tail and
    for brackets that quote, which never hold the rest once more.
    """

    def read(match: re.Match[str]) -> str:
        rest = title[: match.start()] + " " + title[match.end() :]
        return (
            " " if unwanted(fold(match[1]), fold(rest) if match[0][0] in "([" else "") else match[0]
        )

    while True:
        shorter = _BARE.sub("", _TAIL.sub(read, _BRACKET.sub(read, title)))
        if shorter == title or not fold(shorter):
            return title.strip()
        title = shorter


def _is_neutral(inside: str, rest: str) -> bool:
    if any(pattern.search(inside) for pattern in _VERSION.values()):
        return False
    return bool(_NEUTRAL.fullmatch(inside)) or _translates(inside, rest)


def _translates(inside: str, rest: str) -> bool:
    """Whether one is in Latin letters and the other has none: GANGNAM STYLE(강남스타일)."""
    if _EDITION.search(inside):  # sung in another language
        return False
    latin, other = (bool(re.search("[a-z]", text)) for text in (inside, rest))
    return latin != other and all(any(map(str.isalpha, text)) for text in (inside, rest))


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
        title = _read(self.title)
        whose = [title.detail] if "remix" in title.versions else []
        words = [*self.artists[:1], title.core, *whose, *sorted(title.versions)]
        return " ".join(" ".join(words).split())[:200]


def same(wanted: Wanted, track: Track) -> bool:
    """Whether a track is the recording that is wanted; what is not known is not held against it."""
    if wanted.isrc and wanted.isrc == track.isrc:
        return True
    if versions(wanted.title) != versions_of(track) or not _titles_agree(wanted.title, track.title):
        return False
    ours, theirs = version_detail(wanted.title), version_detail(track.title)
    if ours and theirs and fuzz.token_set_ratio(ours, theirs) < DETAIL_AGREES:
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


_NUMBER = re.compile(r"\d+")
_CREDIT = re.compile(
    r"\s*(?:[,;/&+()\[\]]|\b(?:feat|ft|featuring|with|and|x|vs)\b\.?)\s*", re.IGNORECASE
)


def artists_agree(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two credits share an artist, however each service writes it.

    "Lady Gaga & Bruno Mars" is one name at one service and two at another, while "Prince" is no
    part of "Prince Royce".
    """
    theirs = _names(other)
    return any(
        fuzz.ratio(a, b) >= ARTIST_AGREES and _NUMBER.findall(a) == _NUMBER.findall(b)
        for a in _names(one)
        for b in theirs
    )


def _names(credit: Iterable[str]) -> set[str]:
    """Every name that a credit may mean: each as it stands, and its parts."""
    found = {part for name in credit for part in (name, *_CREDIT.split(name))}
    return {name for part in found if (name := _artist(part))}


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
    title = _without(" ".join(unicodedata.normalize("NFKC", title).split()), _is_noise)
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
        # A channel that says whose it is, is believed: "Stand by Me" of "Ben E. King - Topic".
        stated = [theirs, *stated] if name != author else [*stated, theirs]
    return found + stated or [Wanted(title)]


_SEPARATORS = (
    re.compile(r"\s[-–—|~_]+\s|\s*[–—]\s*"),
    re.compile(r"-\s|\s-|:\s"),
)
_QUOTED = re.compile(r"([^「『\"“]+)[「『\"“]([^」』\"”]+)[」』\"”](.*)")
_CHANNEL = re.compile(r"\s+-\s+Topic$|\s*VEVO$|\s+(Official|Music)$", re.IGNORECASE)


def _is_noise(inside: str, _rest: str) -> bool:
    return bool(re.fullmatch(rf"(?:(?:{_NOISE})(?: |$))+", inside))


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
    said = _words(_read(text).plain)
    asked = [word for word in said if word not in _FILLER] or said
    title = _words(_read(track.title).core)
    artists = [_words(_artist(name)) for name in track.artists]
    everybody = [word for name in artists for word in name]
    own_versions = versions_of(track)
    free = " ".join(said)
    for word in [*title, *everybody]:
        free = re.sub(rf"\b{re.escape(word)}\b", " ", free, count=1)
    asked_versions = {name for name, pattern in _VERSION.items() if pattern.search(free)}
    named = [match[0] for name in asked_versions for match in _VERSION[name].finditer(free)]
    told = [word for words in named for word in words.split()]
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
    """Words of a text, folded; single characters where a script leaves no space between words."""
    return _UNSPACED.sub(r" \1 ", fold(text)).split()


def _parts_named(title: Sequence[str], said: Sequence[str]) -> bool:
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
