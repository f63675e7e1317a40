"""Links to songs, parsed by our own code and without any request.

Every form that people paste is reduced to a provider, a kind and an id; the address that is used
from then on is written by us from those three, never the one that was sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, parse_qs, urlsplit


class LinkKind(StrEnum):
    """What a link points at."""

    TRACK = "track"
    ALBUM = "album"
    PLAYLIST = "playlist"
    ARTIST = "artist"
    PODCAST = "podcast"
    SHORT = "short"
    """Says nothing by itself: it must be expanded first."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a service that we know.

    Attributes
    ----------
    provider : str
        ``spotify``, ``deezer``, ``itunes`` (Apple Music too), ``youtube``, ``soundcloud``,
        ``bandcamp`` or ``tidal``.
    kind : LinkKind
    id : str
        As the provider writes it; ``user/song`` at SoundCloud, ``artist/song`` at Bandcamp.
    url : str
        The canonical public page.
    """

    provider: str
    kind: LinkKind
    id: str
    url: str

    def __str__(self) -> str:
        return self.url


WORKS = "song links of Spotify, Deezer, Apple Music, YouTube, SoundCloud, Bandcamp and Tidal"
"""What a person may send, for sentences that refuse something else."""

SHORT_HOSTS = frozenset(
    {
        "spotify.link",
        "spotify.app.link",
        "deezer.page.link",
        "dzr.page.link",
        "link.deezer.com",
        "on.soundcloud.com",
    }
)
"""Hosts whose links only lead elsewhere."""

# Where one short link may lead on the way to a page that `parse` knows.
HOP_HOSTS = SHORT_HOSTS | {
    "open.spotify.com",
    "www.deezer.com",
    "deezer.com",
    "soundcloud.com",
    "m.soundcloud.com",
}

_SPOTIFY_ID = re.compile(r"[0-9A-Za-z]{22}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_YOUTUBE_ID = re.compile(r"[0-9A-Za-z_-]{11}")
_SLUG = re.compile(r"[0-9A-Za-z_\-]{1,200}")
_LIST_ID = re.compile(r"[0-9A-Za-z_.\-]{1,100}")
_LONGEST = 2_000

_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_BARE_ADDRESS = re.compile(
    r"www\.\S|[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|tv|fm|be|link)/\S", re.IGNORECASE
)
_WORD = re.compile(r"[^\s<>()\[\]{}\"'`|*,]+")


def parse(text: str) -> Link | None:
    """Find the first link that we know in a text.

    Parameters
    ----------
    text : str
        A link, or a message that holds one; without a scheme, in ``<...>`` or in Markdown too,
        and right between words of a language without spaces.

    Returns
    -------
    Link or None
        None where the text holds no link of a service in `WORKS`.
    """
    for word in _words(text):
        bare = word.rstrip(".,;:!?")
        if link := _known(bare) or _known(re.split(r"[^\x21-\x7e]", bare)[0]):
            return link
    return None


def host(text: str) -> str | None:
    """Return the host of the first web address in a text; None where it must be a title.

    An address without a scheme counts where it stands alone; Spotify's own scheme is an address.
    """
    for word in _words(text):
        if word.lower().startswith("spotify:"):
            return "open.spotify.com"
        alone = len(text.split()) == 1 and _BARE_ADDRESS.match(word)
        if alone or _SCHEME.match(word):
            try:
                return urlsplit(word if _SCHEME.match(word) else f"https://{word}").hostname or ""
            except ValueError:
                return ""
    return None


def is_known(host: str) -> bool:
    """Whether some pages of a host can be read here."""
    bare = host.removeprefix("www.")
    return bare in _READERS or bare in SHORT_HOSTS or f".{bare}".endswith(".bandcamp.com")


def _words(text: str) -> Iterator[str]:
    """Words that may be links, without what is written right before a scheme."""
    for word in _WORD.findall(text):
        scheme = _SCHEME.search(word)
        start = scheme.start() if scheme else 0
        link = word[start:]
        if word[:start].endswith(("_", "~")):  # Discord's italics
            link = link.removesuffix(word[start - 1])
        if len(link) <= _LONGEST:
            yield link


def _known(word: str) -> Link | None:
    if word.lower().startswith("spotify:"):
        return _spotify_uri(word.split(":")[1:])
    if "." not in word or "/" not in word:
        return None
    try:
        parts = urlsplit(word if "://" in word else f"https://{word}")
        strange = parts.username is not None or parts.port not in (None, 80, 443)
    except ValueError:
        return None
    if strange or parts.scheme.lower() not in ("http", "https"):
        return None
    return _read(parts)


def _read(parts: SplitResult) -> Link | None:
    host = (parts.hostname or "").removeprefix("www.")
    path = [segment for segment in parts.path.split("/") if segment]
    if host in SHORT_HOSTS:
        return _short(host, path)
    if host.endswith(".bandcamp.com"):
        return _bandcamp(host, path)
    reader = _READERS.get(host)
    return reader(path, parts) if reader else None


def _short(host: str, path: list[str]) -> Link | None:
    if not path or not all(_LIST_ID.fullmatch(segment) for segment in path[:3]):
        return None
    provider = next(name for name in ("spotify", "deezer", "soundcloud", "dzr") if name in host)
    where = "/".join(path[:3])
    provider = "deezer" if provider == "dzr" else provider
    return Link(provider, LinkKind.SHORT, f"{host}/{where}", f"https://{host}/{where}")


def _spotify_uri(parts: list[str]) -> Link | None:
    if len(parts) == 4 and parts[0] == "user":  # spotify:user:NAME:playlist:ID, the old form
        parts = parts[2:]
    return _spotify([part.strip() for part in parts], urlsplit(""))


_KINDS = {
    "track": LinkKind.TRACK,
    "album": LinkKind.ALBUM,
    "playlist": LinkKind.PLAYLIST,
    "artist": LinkKind.ARTIST,
    "episode": LinkKind.PODCAST,
    "show": LinkKind.PODCAST,
}
"""What Spotify and Deezer call things in an address."""


def _spotify(path: list[str], _: SplitResult) -> Link | None:
    if path and re.fullmatch(r"intl-[A-Za-z]{2,3}(-[A-Za-z]{2,4})?", path[0]):
        path = path[1:]
    if path and path[0] in ("embed", "embed-podcast"):
        path = path[1:]
    if len(path) >= 4 and path[0] == "user" and path[2] == "playlist":
        path = path[2:]
    if len(path) < 2 or not _SPOTIFY_ID.fullmatch(path[1]):
        return None
    kind = _KINDS.get(path[0])
    if kind is None:
        return None
    return Link("spotify", kind, path[1], f"https://open.spotify.com/{path[0]}/{path[1]}")


def _deezer(path: list[str], _: SplitResult) -> Link | None:
    if path and re.fullmatch(r"[A-Za-z]{2}(-[A-Za-z]{2})?", path[0]):
        path = path[1:]
    if len(path) < 2 or not _NUMBER.fullmatch(path[1]):
        return None
    kind = _KINDS.get(path[0])
    if kind is None:
        return None
    return Link("deezer", kind, path[1], f"https://www.deezer.com/{path[0]}/{path[1]}")


def _apple(path: list[str], parts: SplitResult) -> Link | None:
    country = "us"
    if path and re.fullmatch(r"[A-Za-z]{2}", path[0]):
        country, path = path[0].lower(), path[1:]
    if len(path) < 2:
        return None
    what, last = path[0], path[-1].removeprefix("id")
    song = parse_qs(parts.query).get("i", [""])[0]
    base = f"https://music.apple.com/{country}"
    if what == "album" and _NUMBER.fullmatch(song):
        return Link("itunes", LinkKind.TRACK, song, f"{base}/song/{song}")
    if what == "playlist" and _LIST_ID.fullmatch(last):
        return Link("itunes", LinkKind.PLAYLIST, last, f"{base}/playlist/{last}")
    kind = {"song": LinkKind.TRACK, "album": LinkKind.ALBUM, "artist": LinkKind.ARTIST}.get(what)
    if kind is None or not _NUMBER.fullmatch(last):
        return None
    return Link("itunes", kind, last, f"{base}/{what}/{last}")


def _apple_podcast(path: list[str], _: SplitResult) -> Link | None:
    last = path[-1].removeprefix("id") if path else ""
    if not _NUMBER.fullmatch(last):
        return None
    return Link("itunes", LinkKind.PODCAST, last, f"https://podcasts.apple.com/podcast/id{last}")


def _youtube(path: list[str], parts: SplitResult) -> Link | None:
    query = parse_qs(parts.query)
    first = path[0] if path else ""
    if first == "watch":
        return _video(query.get("v", [""])[0])
    if first in ("shorts", "live", "embed", "v") and len(path) > 1:
        return _video(path[1])
    if first == "playlist" and _LIST_ID.fullmatch(listed := query.get("list", [""])[0]):
        url = f"https://www.youtube.com/playlist?list={listed}"
        return Link("youtube", LinkKind.PLAYLIST, listed, url)
    if first in ("channel", "c", "user") and len(path) > 1 and _SLUG.fullmatch(path[1]):
        url = f"https://www.youtube.com/{first}/{path[1]}"
        return Link("youtube", LinkKind.ARTIST, path[1], url)
    if re.fullmatch(r"@[\w.\-]{1,60}", first):
        return Link("youtube", LinkKind.ARTIST, first, f"https://www.youtube.com/{first}")
    return None


def _youtu_be(path: list[str], _: SplitResult) -> Link | None:
    return _video(path[0]) if path else None


def _video(identifier: str) -> Link | None:
    if not _YOUTUBE_ID.fullmatch(identifier) or identifier == "videoseries":  # an embedded list
        return None
    url = f"https://www.youtube.com/watch?v={identifier}"
    return Link("youtube", LinkKind.TRACK, identifier, url)


# Pages of SoundCloud itself, and shelves of a user, that look like users and songs.
_SOUNDCLOUD_PAGES = re.compile(
    r"discover|stream|you|search|upload|charts|pages|people|settings|terms-of-use|jobs|feed|"
    r"messages|notifications|oembed|player"
)
_SOUNDCLOUD_SHELVES = re.compile(
    r"tracks|popular-tracks|albums|reposts|likes|followers|following|comments|spotlight"
)


def _soundcloud(path: list[str], _: SplitResult) -> Link | None:
    if not path or _SOUNDCLOUD_PAGES.fullmatch(path[0]):
        return None
    if not all(_SLUG.fullmatch(segment) for segment in path[:3]):
        return None
    if len(path) == 1 or _SOUNDCLOUD_SHELVES.fullmatch(path[1]) or path[1:] == ["sets"]:
        return Link("soundcloud", LinkKind.ARTIST, path[0], f"https://soundcloud.com/{path[0]}")
    if path[1] == "sets":
        where = "/".join(path[:3])
        return Link("soundcloud", LinkKind.PLAYLIST, where, f"https://soundcloud.com/{where}")
    # A private song carries a secret third part; without it the page does not open.
    kept = path[:3] if len(path) > 2 and path[2].startswith("s-") else path[:2]
    where = "/".join(kept)
    return Link("soundcloud", LinkKind.TRACK, where, f"https://soundcloud.com/{where}")


def _bandcamp(host: str, path: list[str]) -> Link | None:
    artist = host.removesuffix(".bandcamp.com")
    if not re.fullmatch(r"[0-9a-z-]{1,80}", artist) or artist in ("www", "daily"):
        return None
    base = f"https://{artist}.bandcamp.com"
    if len(path) >= 2 and path[0] in ("track", "album") and _SLUG.fullmatch(path[1]):
        kind = LinkKind.TRACK if path[0] == "track" else LinkKind.ALBUM
        return Link("bandcamp", kind, f"{artist}/{path[1]}", f"{base}/{path[0]}/{path[1]}")
    return Link("bandcamp", LinkKind.ARTIST, artist, f"{base}/music")


def _tidal(path: list[str], _: SplitResult) -> Link | None:
    if path and path[0] == "browse":
        path = path[1:]
    if len(path) >= 4 and (path[0], path[2]) == ("album", "track"):
        path = path[2:]
    if len(path) < 2:
        return None
    kind = {
        "track": LinkKind.TRACK,
        "album": LinkKind.ALBUM,
        "artist": LinkKind.ARTIST,
        "playlist": LinkKind.PLAYLIST,
    }.get(path[0])
    wanted = _LIST_ID if kind is LinkKind.PLAYLIST else _NUMBER
    if kind is None or not wanted.fullmatch(path[1]):
        return None
    return Link("tidal", kind, path[1], f"https://tidal.com/{path[0]}/{path[1]}")


_READERS: dict[str, Callable[[list[str], SplitResult], Link | None]] = {
    "open.spotify.com": _spotify,
    "play.spotify.com": _spotify,
    "deezer.com": _deezer,
    "music.apple.com": _apple,
    "geo.music.apple.com": _apple,
    "embed.music.apple.com": _apple,
    "itunes.apple.com": _apple,
    "podcasts.apple.com": _apple_podcast,
    "youtube.com": _youtube,
    "m.youtube.com": _youtube,
    "music.youtube.com": _youtube,
    "youtube-nocookie.com": _youtube,
    "youtu.be": _youtu_be,
    "soundcloud.com": _soundcloud,
    "m.soundcloud.com": _soundcloud,
    "tidal.com": _tidal,
    "listen.tidal.com": _tidal,
}
