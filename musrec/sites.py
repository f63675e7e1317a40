"""Sites with pages of songs: their names, and where a song is best heard."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from musrec.model import Track

SITES: Mapping[str, str] = MappingProxyType(
    {
        "spotify": "Spotify",
        "deezer": "Deezer",
        "itunes": "Apple Music",
        "youtube": "YouTube",
        "soundcloud": "SoundCloud",
        "bandcamp": "Bandcamp",
        "tidal": "Tidal",
        "lastfm": "Last.fm",
        "musicbrainz": "MusicBrainz",
        "listenbrainz": "ListenBrainz",
    }
)
"""Provider to its name for people, where a song is best heard first."""


def pages(track: Track) -> list[tuple[str, str]]:
    """Return provider and address of every page of a track, where it is best heard first.

    Providers without a place in `SITES` come last, and what is no web address is left out. An
    address is as its provider gave it: whoever writes it somewhere escapes it for there.
    """
    order = {name: place for place, name in enumerate(SITES)}
    ranked = sorted(track.links.items(), key=lambda link: order.get(link[0], len(order)))
    return [(provider, page) for provider, page in ranked if _on_the_web(page)]


def _on_the_web(page: str) -> bool:
    try:
        parts = urlsplit(page)
    except ValueError:  # half an IPv6 address
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)
