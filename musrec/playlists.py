"""Members' own lists of songs: what they may be called, how large they get, and how they leave."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from musrec.model import MusrecError, Pick, Track
from musrec.sites import pages
from musrec.titles import main_artist

MOST_PLAYLISTS = 100
"""A member's; more than anybody asked for, and few enough to be shown."""

MOST_SONGS = 10_000
"""In one playlist."""

LONGEST_NAME = 80
"""Characters."""

MOST_SEEDS = 40
"""Songs of a playlist that stand for all of it where it is continued."""

PER_ARTIST = 2
"""Songs of one artist among those that continue a playlist."""

ASKED_FOR = 6
"""Songs asked for, for each one wanted: what is left when no artist may fill the list."""

Format = Literal["m3u8", "csv", "json", "spotify"]
FORMATS: Mapping[Format, str] = {
    "m3u8": "m3u8: for players",
    "csv": "csv: for tables",
    "json": "JSON: everything, with links",
    "spotify": "Spotify: addresses to paste into a playlist of its desktop app",
}


class PlaylistError(MusrecError):
    """A playlist cannot be made or changed like that."""


@dataclass(frozen=True, slots=True)
class Export:
    """A playlist as a file.

    Attributes
    ----------
    file : str
        A name that is safe on every system.
    data : bytes
    missing : tuple of Track
        Songs that could not be written in this format: they have no address that it needs.
    """

    file: str
    data: bytes
    missing: tuple[Track, ...] = ()


def visible(text: str) -> str:
    """Return what a text shows, on one line and without its edges.

    Emoji stay whole; control and direction-changing characters go.
    """
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs", "Cn", "Co") else c
        for c in unicodedata.normalize("NFC", text)
        if unicodedata.category(c) != "Cf" or c == "\u200d"
    )
    return " ".join(kept.split()).strip("\u200d")


def clean_name(text: str) -> str:
    """Return what a playlist may be called: what is visible of a name.

    What Discord would take for a mention is harmless here: names are escaped wherever they are
    shown.

    Raises
    ------
    PlaylistError
        Nothing that shows is left, or it is too long.
    """
    name = visible(text)
    if not any(unicodedata.category(c)[0] in "LNPS" for c in name):
        raise PlaylistError("A playlist needs a name that can be seen.", "Try a word or two.")
    if len(name) > LONGEST_NAME:
        raise PlaylistError(
            f"That name has {len(name)} characters; {LONGEST_NAME} are the most.", "Shorten it."
        )
    return name


def key(name: str) -> str:
    """Return a cleaned name as it is compared: two that look alike to a reader are the same."""
    return unicodedata.normalize("NFKC", name).casefold()


def safe_file_name(name: str, ending: str) -> str:
    """Return a file name for any system: letters, digits and single dashes, never a device."""
    bare = unicodedata.normalize("NFKD", name)
    words = re.sub(r"[^0-9A-Za-z]+", "-", "".join(c for c in bare if not unicodedata.combining(c)))
    stem = words.strip("-")[:60].rstrip("-").lower()
    if not stem or re.fullmatch(r"con|prn|aux|nul|com\d|lpt\d", stem):
        stem = f"playlist-{stem}".rstrip("-")
    return f"{stem}.{ending}"


def export(
    name: str, tracks: Sequence[Track], how: Format, files: Mapping[str, str] | None = None
) -> Export:
    """Write a playlist as a file.

    Parameters
    ----------
    name : str
    tracks : sequence of Track
    how : ``"m3u8"``, ``"csv"``, ``"json"`` or ``"spotify"``
    files : mapping of str to str, optional
        Track id to a path on this machine, for m3u8: only for whoever owns the machine.

    Notes
    -----
    Spotify lets nobody write a playlist but its signed-in owner, so what leaves for it is a text
    of addresses: pasted into a playlist of its desktop app they become the songs.
    """
    if how == "csv":
        return Export(safe_file_name(name, "csv"), _csv(tracks))
    if how == "json":
        return Export(safe_file_name(name, "json"), _json(name, tracks))
    if how == "spotify":
        found = [address for track in tracks if (address := _spotify(track))]
        missing = tuple(track for track in tracks if not _spotify(track))
        body = "".join(f"{address}\n" for address in found)
        return Export(safe_file_name(name, "spotify.txt"), body.encode(), missing)
    return _m3u8(name, tracks, files or {})


def _m3u8(name: str, tracks: Sequence[Track], files: Mapping[str, str]) -> Export:
    lines = ["#EXTM3U", "#EXTENC:UTF-8", f"#PLAYLIST:{_line(name)}"]
    missing = []
    for track in tracks:
        where = files.get(track.id) or link(track)
        if where is None or "\n" in where or "\r" in where:
            missing.append(track)
            lines.append(f"# not found anywhere: {_line(f'{track.artist} - {track.title}')}")
            continue
        seconds = round(track.duration) if track.duration else -1
        lines += [f"#EXTINF:{seconds},{_line(f'{track.artist} - {track.title}')}", where]
    data = "".join(f"{line}\n" for line in lines).encode()
    return Export(safe_file_name(name, "m3u8"), data, tuple(missing))


def _line(text: str) -> str:
    """Return a text as one line: whatever would begin another becomes a space."""
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    return " ".join(plain.split())


def _csv(tracks: Sequence[Track]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    columns = ("title", "artists", "album", "year", "genre", "isrc", "seconds", "link", "id")
    writer.writerow(columns)
    for track in tracks:
        values = (
            track.title,
            track.artist if track.artists else "",
            track.album,
            track.year,
            track.genre,
            track.isrc,
            round(track.duration) if track.duration else None,
            link(track),
            track.id,
        )
        writer.writerow("" if value is None else _cell(str(value)) for value in values)
    # The mark makes spreadsheets read it as UTF-8.
    return stream.getvalue().encode("utf-8-sig")


# Where a cell begins for a spreadsheet: some split at semicolons, whatever the file says.
_FORMULA = re.compile("(^|;) *(?=[=+\\-@＝＋－＠])")


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    An apostrophe in front says "text", as OWASP's advice on CSV injection has it.
    """
    return _FORMULA.sub(r"\1'", _line(text))


def _json(name: str, tracks: Sequence[Track]) -> bytes:
    body = {
        "name": name,
        "songs": [
            {
                "id": track.id,
                "title": track.title,
                "artists": list(track.artists),
                "album": track.album,
                "year": track.year,
                "isrc": track.isrc,
                "seconds": track.duration,
                "links": dict(track.links),
            }
            for track in tracks
        ],
    }
    return json.dumps(body, ensure_ascii=False, indent=1).encode()


def link(track: Track) -> str | None:
    """Return the page where a song is best heard."""
    return next((page for _, page in pages(track) if re.fullmatch(r"[^\s\x00-\x1f]+", page)), None)


def _spotify(track: Track) -> str | None:
    """Return a song's address in Spotify, where its id there is known."""
    number = track.identities.get("spotify", "")
    return f"spotify:track:{number}" if re.fullmatch(r"[0-9A-Za-z]{22}", number) else None


def spread(tracks: Sequence[Track], most: int = MOST_SEEDS) -> list[Track]:
    """Return at most so many songs, evenly from the whole list, its last one included."""
    if len(tracks) <= most:
        return list(tracks)
    step = len(tracks) / most
    return [tracks[round((place + 1) * step) - 1] for place in range(most)]


def varied(picks: Sequence[Pick], count: int, most: int = PER_ARTIST) -> tuple[Pick, ...]:
    """Return the first `count` picks, of each artist at most `most`."""
    songs: dict[str, int] = {}
    chosen = []
    for pick in picks:
        artist = main_artist(pick.track)
        songs[artist] = songs.get(artist, 0) + 1
        if not artist or songs[artist] <= most:
            chosen.append(pick)
    return tuple(chosen[:count])
