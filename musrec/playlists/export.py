"""Playlists as files: for players, for tables, for other services."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence

from musrec.model import Track
from musrec.playlists.model import Export, Format
from musrec.sites import pages


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
        Track id to a local path, for m3u8: only for the owner of the machine.

    Notes
    -----
    Only a playlist's signed-in owner may write it on Spotify, so the export for Spotify is a text
    of addresses: pasted into a playlist of its desktop app, they become the songs.
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


def safe_file_name(name: str, ending: str) -> str:
    """Return a file name for any system: letters, digits and single dashes, never a device.

    Examples
    --------
    >>> safe_file_name("Été à Paris / 2", "m3u8")
    'ete-a-paris-2.m3u8'
    >>> safe_file_name("CON", "csv")
    'playlist-con.csv'
    """
    bare = unicodedata.normalize("NFKD", name)
    words = re.sub(r"[^0-9A-Za-z]+", "-", "".join(c for c in bare if not unicodedata.combining(c)))
    stem = words.strip("-")[:60].rstrip("-").lower()
    if not stem or re.fullmatch(r"con|prn|aux|nul|com\d|lpt\d", stem):
        stem = f"playlist-{stem}".rstrip("-")
    return f"{stem}.{ending}"


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
    # A file's name may hold bytes that are not UTF-8: a player needs them as they are.
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
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
    """Return the preferred page to hear a song on."""
    return next((page for _, page in pages(track) if re.fullmatch(r"[^\s\x00-\x1f]+", page)), None)


def _spotify(track: Track) -> str | None:
    """Return a song's address in Spotify, where its id there is known."""
    number = track.identities.get("spotify", "")
    return f"spotify:track:{number}" if re.fullmatch(r"[0-9A-Za-z]{22}", number) else None
