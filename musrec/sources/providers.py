"""Every provider, in the order in which they are asked, and what derives from that list."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import ConfigDict, Field, SecretStr, create_model

from musrec.sources.deezer import Deezer
from musrec.sources.itunes import ITunes
from musrec.sources.lastfm import LastFm
from musrec.sources.listenbrainz import ListenBrainz
from musrec.sources.musicbrainz import MusicBrainz
from musrec.sources.oembed import OEmbed
from musrec.sources.provider import Provider, Site
from musrec.sources.reccobeats import ReccoBeats
from musrec.sources.spotify import Spotify
from musrec.sources.ytdlp import YtDlp

PROVIDERS: tuple[type[Provider], ...] = (
    Deezer,
    ITunes,
    Spotify,
    ReccoBeats,
    MusicBrainz,
    ListenBrainz,
    LastFm,
    OEmbed,
    YtDlp,
)

# Where a song is best heard first; a site that is not named comes after these.
_HEARD_BEST = (
    "spotify",
    "deezer",
    "itunes",
    "youtube",
    "soundcloud",
    "bandcamp",
    "tidal",
    "lastfm",
)


def _best_first(name: str) -> int:
    return _HEARD_BEST.index(name) if name in _HEARD_BEST else len(_HEARD_BEST)


SITES: tuple[Site, ...] = tuple(
    sorted(
        (site for provider in PROVIDERS for site in provider.sites),
        key=lambda site: _best_first(site.name),
    )
)
"""Sites whose links are read, where a song is best heard first."""

_labels = {provider.name: provider.label for provider in PROVIDERS}
_labels |= {site.name: site.label for site in SITES}
LABELS: Mapping[str, str] = MappingProxyType(
    {name: _labels[name] for name in sorted(_labels, key=_best_first)}
)
"""Provider or site to its name for people, in the order of `SITES`."""


def _keys() -> dict[str, Any]:
    """Every provider's keys, each with its type and its default."""
    keys: dict[str, bool | str | SecretStr] = {}
    for provider in PROVIDERS:
        if provider.key_free:
            keys[provider.name] = True
        keys |= provider.settings
    return {name: (type(default), default) for name, default in keys.items()}


# mypy cannot see the fields of a class that is made at run time, and pydantic checks them.
class SourcesSettings(create_model("_Keys", **_keys())):  # type: ignore[misc]
    """Services asked about songs: the providers' own keys, and what several of them read.

    Attributes
    ----------
    country : str
        Of the shops, two capital letters.
    contact : str
        The owner's e-mail address or page, sent with every request; MusicBrainz asks for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "US"
    contact: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys and tokens that are set, which must never be logged or shown."""
        values = (value for _, value in self)
        return tuple(one.get_secret_value() for one in values if isinstance(one, SecretStr) and one)
