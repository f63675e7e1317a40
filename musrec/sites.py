"""Where a song can be heard: its pages, and their sites' names for people."""

from __future__ import annotations

from urllib.parse import urlsplit

from musrec.model import Track
from musrec.sources.providers import LABELS


def label(provider: str) -> str:
    """Return a provider's or a site's name for people."""
    return LABELS.get(provider, provider.title())


def is_service(origin: str) -> bool:
    """Whether a provenance names a service, rather than a file's tags or the starter catalogue."""
    return origin in LABELS


def pages(track: Track) -> list[tuple[str, str]]:
    """Return provider and address of every page of a track, where it is best heard first.

    Unknown providers come last, and anything but a web address is left out. An address is as its
    provider gave it: escape it for wherever it is written.
    """
    order = {name: place for place, name in enumerate(LABELS)}
    ranked = sorted(track.links.items(), key=lambda link: order.get(link[0], len(order)))
    return [(provider, page) for provider, page in ranked if _on_the_web(page)]


def _on_the_web(page: str) -> bool:
    try:
        parts = urlsplit(page)
    except ValueError:  # half an IPv6 address
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)
