"""What is kept of a member, area by area: the list behind `/privacy`.

A table that names a member belongs to exactly one area, and goes with the member when they ask:
deleting the row in ``members`` deletes them all. No audio and no signed address is ever kept.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from musrec.model import Picture, Track


@dataclass(frozen=True, slots=True)
class Area:
    """One kind of thing kept of members.

    Attributes
    ----------
    name : str
        As members read it.
    table : str
        Of `musrec.store.schema`.
    what : str
        What is kept, and what for, in one sentence.
    until : str
        When it goes by itself.
    """

    name: str
    table: str
    what: str
    until: str = "until you delete it"


AREAS = (
    Area(
        "choices",
        "members",
        "Your id here, the name you use, whether listening is on and whether you paused.",
    ),
    Area(
        "feedback",
        "feedback",
        "Your thumbs, and what you played, skipped or finished: answers are fitted to them.",
    ),
    Area(
        "recommendations",
        "recommendations",
        "Which songs were recommended to you and what they were chosen by, so that they do not "
        "come back too soon and your thumbs teach what to choose by.",
    ),
    Area(
        "answers",
        "answers",
        "The answers you asked for, so that their buttons go on working.",
        "30 days",
    ),
    Area(
        "reactions",
        "card_thumbs",
        "Under which cards your reactions have been counted, so that none counts twice.",
        "90 days",
    ),
    Area(
        "drops",
        "drops",
        "When and where your weekly drop comes, and how you like it; which songs were in it.",
    ),
    Area(
        "mixtapes",
        "mixtape_members",
        "Which servers' mixtapes may be made from what you like.",
    ),
    Area(
        "mixtape songs",
        "drop_listeners",
        "Which songs of a mixtape were said to be for you.",
    ),
    Area("playlists", "playlists", "The playlists you made, by name."),
    Area("playlist songs", "playlist_songs", "The songs in your playlists, and since when."),
)
"""Every area; a table that names members and is missing here fails the tests."""


def songs_in(kept: object) -> set[str]:
    """Return the ids of the songs that stand anywhere in what is kept."""
    if isinstance(kept, Mapping):
        own = {str(value) for name, value in kept.items() if name in _SONGS and value}
        return own.union(*map(songs_in, kept.values()))
    if isinstance(kept, Sequence) and not isinstance(kept, str):
        return set().union(*map(songs_in, kept))
    return set()


_SONGS = ("track_id", "query_id", "track", "query")


def archive(
    kept: Mapping[str, Sequence[Mapping[str, Any]]],
    songs: Mapping[str, Track],
    pictures: Mapping[str, Picture],
) -> bytes:
    """Return everything kept about a member as a zip.

    Parameters
    ----------
    kept : mapping of str to sequence of mapping
        Area to its rows, as they are kept.
    songs : mapping of str to Track
        Those that the rows name by their ids.
    pictures : mapping of str to Picture
        Drawn from them, by name; each comes with its description as text.
    """
    files = {name.replace(" ", "-"): [dict(row) for row in rows] for name, rows in kept.items()}
    files["songs"] = [
        {"id": track.id, "title": track.title, "artists": list(track.artists)}
        for track in songs.values()
    ]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        said = "".join(f"{area.name}: {area.what} Kept {area.until}.\n" for area in AREAS)
        said += "songs: What the songs are called that stand in the others by their ids.\n"
        file.writestr("README.txt", f"Everything that is kept about you.\n\n{said}")
        for name, rows in files.items():
            body = json.dumps(rows, ensure_ascii=False, indent=1, default=str)
            file.writestr(f"{name}.json", body)
        for name, picture in pictures.items():
            file.writestr(f"{name}.png", picture.png)
            file.writestr(f"{name}.txt", picture.alt)
    return stream.getvalue()
