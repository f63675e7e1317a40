"""Where a song can be heard: its pages, and their sites' names for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from musrec.model import Track
from musrec.sources.providers import LABELS

_PAGES = {
    "spotify": ("spotify", "https://open.spotify.com/track/{}"),
    "deezer": ("deezer", "https://www.deezer.com/track/{}"),
    "itunes": ("itunes", "https://music.apple.com/us/song/{}"),
    "youtube": ("youtube", "https://www.youtube.com/watch?v={}"),
    "mbid": ("musicbrainz", "https://musicbrainz.org/recording/{}"),
}
"""Scheme of an identity to the provider and the page that its value is enough for."""


def label(provider: str) -> str:
    """Return a provider's or a site's name for people."""
    return LABELS.get(provider, provider.title())


def is_service(origin: str) -> bool:
    """Whether a provenance names a service, rather than a file's tags or the starter catalogue."""
    return origin in LABELS


def pages(track: Track) -> list[tuple[str, str]]:
    """Return provider and address of every page of a track, where it is best heard first.

    A service that gave no page has one if the song's id there is known. Unknown providers come
    last, and anything but a web address is left out. An address is as its provider gave it: escape
    it for wherever it is written.
    """
    order = {name: place for place, name in enumerate(LABELS)}
    links = dict(_known_by_id(track)) | dict(track.links)
    ranked = sorted(links.items(), key=lambda link: order.get(link[0], len(order)))
    return [(provider, page) for provider, page in ranked if _on_the_web(page)]


def _known_by_id(track: Track) -> Iterator[tuple[str, str]]:
    for scheme, (provider, page) in _PAGES.items():
        number = track.identities.get(scheme, "")
        address = page.format(number)
        if re.fullmatch(r"[0-9A-Za-z_\-]{1,64}", number) and address not in track.links.values():
            yield provider, address


def _on_the_web(page: str) -> bool:
    try:
        parts = urlsplit(page)
    except ValueError:  # half an IPv6 address
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)
