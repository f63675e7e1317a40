"""Text for Discord: whatever comes from outside is made harmless before it is shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from musrec import wording
from musrec.model import Choices, Heard, Profile, Track
from musrec.sites import is_service, label, pages

LONGEST_TITLE = 120
"""Characters; longer titles end in an ellipsis."""

LONGEST_LINK = 200
"""Characters; ten songs with their links fit into one message."""

_JOINERS = "\u200c\u200d"
_NO_BREAK = "\u00a0"
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Characters that look like nothing, though Unicode counts them among letters and symbols."""

_CALENDAR = """\
en January February March April May June July August September October November December
de Januar Februar März April Mai Juni Juli August September Oktober November Dezember
fr janvier février mars avril mai juin juillet août septembre octobre novembre décembre
es enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
"""
MONTHS: Mapping[str, list[str]] = {line[:2]: line[3:].split() for line in _CALENDAR.splitlines()}
DATES: Mapping[str, str] = {
    "reader": "Each reader's own language",
    "iso": "2026-11-21",
    "en": "21 November 2026",
    "de": "21. November 2026",
    "fr": "21 novembre 2026",
    "es": "21 de noviembre de 2026",
}
"""Ways to write dates in a server, each with what members see."""


def short(text: str, most: int) -> str:
    """Cut a text to at most so many characters; an ellipsis marks the cut."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def bare(text: str, most: int = LONGEST_TITLE) -> str:
    """Clean a text for places without markdown, such as options of a select.

    Control and direction-changing characters go, white space and fillers become single spaces.
    A single no-break space stays; so do joiners between characters, where emoji and some scripts
    need them.
    """
    visible = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in _FILLERS else c
        for c in text
        if unicodedata.category(c) not in ("Cf", "Cs") or c in _JOINERS
    )
    spaced = re.sub(r"\s+", lambda run: run[0] if run[0] == _NO_BREAK else " ", visible)
    kept = (word.strip(_JOINERS + _NO_BREAK) for word in spaced.split(" "))
    return short(" ".join(filter(None, kept)), most)


def plain(text: str, most: int = LONGEST_TITLE) -> str:
    """Escape a text so that Discord shows it as it is: no markdown, no link, no mention."""
    text = bare(text, most).replace("@", "@\u200b").replace("://", ":\u200b//")
    text = re.sub(r"([\\*_~`|<>\[\]#])", r"\\\1", text)
    return re.sub(r"^([-+])", r"\\\1", text)


def address(track: Track) -> str | None:
    """Return a page where a track can be heard, safe inside a markdown link.

    For a song that no service has named yet, that is a search for it; a clip whose artist is not
    known has none.
    """
    known = next((url for _, url in addresses(track)), None)
    if known is not None or not track.artists or "sha256" in track.identities:
        return known
    wanted = f"{track.title} {track.artist}".encode(errors="ignore")[:60]
    query = quote(wanted.decode(errors="ignore"))
    return f"https://www.youtube.com/results?search_query={query}"


def addresses(track: Track) -> list[tuple[str, str]]:
    """Return provider and page for every place where a track can be heard, best first."""
    return [
        (label(provider), quote(url, safe=":/?&=%#+,;@~!$*'.-_"))
        for provider, url in pages(track)
        if len(url) <= LONGEST_LINK
    ]


def song(track: Track) -> str:
    """Name a track in markdown: its title, linked to where it can be heard, and its artists."""
    return f"{title(track)} — {plain(track.artist, 80)}" if track.artists else title(track)


def which(choices: Choices) -> str:
    """Ask which of several songs is meant."""
    ask = "" if choices.why.endswith("?") else " Which one?"
    return f"**{plain(choices.why, 300)}**{ask}"


def title(track: Track) -> str:
    """Return the title alone, in bold, linked to where it can be heard."""
    return _linked(f"**{plain(track.title, 80) or 'untitled'}**", address(track))


_FAME = ((0.8, "a hit on"), (0.5, "well known on"))
"""Popularity from which a song is called so; see `Track.popularity`."""


def known(track: Track, genres: Sequence[str] = ()) -> str:
    """Return release year, genre and fame in one line, without those that are not known.

    The genres of the artist, if there are any, stand in place of the song's own.
    """
    said = [str(track.year)] if track.year else []
    stated = genres or ([track.genre] if track.genre else [])
    said += [", ".join(plain(genre, 40).lower() for genre in stated)] if stated else []
    fame = next((word for least, word in _FAME if (track.popularity or 0) >= least), None)
    if fame and is_service(origin := track.provenance.get("popularity", "")):
        said.append(f"{fame} {label(origin)}")
    return " · ".join(said)


def facts(profile: Profile, mood: tuple[str, ...]) -> str:
    """Return tempo, key and mood side by side, without those that are not known."""
    return "\u2003".join(
        part.replace(" ", _NO_BREAK)  # a line breaks between facts, not inside "E minor"
        for part in (
            f"🥁 {wording.tempo(profile.tempo, profile.other_tempo)}" if profile.tempo else "",
            f"🎹 {profile.key}" if profile.key else "",
            f"🌗 {', '.join(mood)}" if mood else "",
        )
        if part
    )


def elsewhere(
    track: Track, features: Mapping[str, Mapping[str, float]], *, named: bool = False
) -> list[str]:
    """Return a line for each service that knows a song: what it says of it, linked to its page.

    Parameters
    ----------
    features : mapping of str to mapping
        From `musrec.service.songs.Songs.foreign`.
    named : bool
        Name the song in each line, where it is not the one that the message is about.
    """
    said = {origin: list(wording.features(values)) for origin, values in features.items()}
    stated = {
        "popularity": f"popularity {track.popularity:.0%}" if track.popularity else "",
        "year": str(track.year or ""),
        "genre": plain(track.genre or "", 40),
    }
    for name, fact in stated.items():
        origin = track.provenance.get(name, "")
        if fact and is_service(origin):
            said.setdefault(origin, []).append(fact.replace(" ", _NO_BREAK))
    linked = dict(addresses(track))
    of = f" of {plain(track.title, 60)}" if named else ""
    return [
        f"**{_linked(label(origin), linked.get(label(origin)))} says{of}** {' · '.join(facts)}"
        for origin, facts in said.items()
        if facts
    ]


def playing(songs: Sequence[tuple[str, Heard | None]]) -> list[str]:
    """Say which instruments and voices are heard in songs, given their titles."""
    return [
        f"**Heard in {plain(title, 60)}** {wording.instruments(heard.profile.instruments)}"
        for title, heard in songs
        if heard and heard.profile.instruments
    ]


def _linked(name: str, page: str | None) -> str:
    return f"[{name}]({page})" if page else name


def date(at: datetime, style: str) -> str:
    """Return a day as a server writes it; see `DATES`."""
    if style in MONTHS:
        month = MONTHS[style][at.month - 1]
        between = {"de": ". ", "es": " de "}.get(style, " ")
        return f"{at.day}{between}{month}{' de ' if style == 'es' else ' '}{at.year}"
    return f"{at:%Y-%m-%d}" if style == "iso" else f"<t:{int(at.timestamp())}:D>"
