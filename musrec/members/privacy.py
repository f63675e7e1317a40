"""What is kept about a member, area by area: the list behind `/privacy`.

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
    """One kind of record kept about members.

    Attributes
    ----------
    name : str
        As members read it.
    table : str
        Of `musrec.store.schema`.
    what : str
        What is kept and why, in one sentence.
    until : str
        How long it is kept.
    """

    name: str
    table: str
    what: str
    until: str = "until you delete it"


AREAS = (
    Area(
        "choices",
        "members",
        "Your id, your name, whether listening is on, whether you paused learning, and whether "
        "others may ask to see your taste.",
    ),
    Area(
        "feedback",
        "feedback",
        "Your thumbs, and what you played, skipped or finished, so that answers suit you.",
    ),
    Area(
        "recommendations",
        "recommendations",
        "Which songs I recommended to you and why I chose them, so that they do not come back too "
        "soon and your thumbs teach me how to choose.",
    ),
    Area(
        "answers",
        "answers",
        "The answers you asked for, so that their buttons keep working.",
        "for 30\u00a0days",
    ),
    Area(
        "reactions",
        "card_thumbs",
        "Under which cards I counted your reactions, so that none counts twice.",
        "for 90\u00a0days",
    ),
    Area(
        "presses",
        "card_presses",
        "Under which cards you pressed a thumb, so that the buttons show how many members did.",
        "for 90\u00a0days",
    ),
    Area(
        "drops",
        "drops",
        "When and where your weekly drop comes, how you like it, and which songs were in it.",
    ),
    Area(
        "mixtapes",
        "mixtape_members",
        "Which servers' mixtapes may be made from your likes.",
    ),
    Area(
        "mixtape songs",
        "drop_listeners",
        "Which songs of a mixtape were for you.",
    ),
    Area(
        "ratings",
        "drop_ratings",
        "How well you said a week's songs suited you, so that I know how well I choose.",
    ),
    Area("playlists", "playlists", "The playlists you made, by name."),
    Area(
        "playlist songs", "playlist_songs", "The songs in your playlists, and when you added them."
    ),
    Area(
        "shared playlists",
        "playlist_shares",
        "The links under which you share playlists.",
        "until you withdraw them",
    ),
    Area(
        "account",
        "accounts",
        "The name that you sign in to the page with, and a hash of your password.",
    ),
    Area(
        "sessions",
        "sessions",
        "Where you are signed in to the page.",
        "for 30\u00a0days, or until you sign out",
    ),
    Area(
        "links",
        "sign_in_links",
        "Links that sign you in to the page once.",
        "for a day at most",
    ),
    Area(
        "keys",
        "api_keys",
        "The keys with which your programs ask in your name, by the names you gave them.",
        "until you withdraw them",
    ),
)
"""Every area; a table that names members but is missing here fails the tests."""


def songs_in(kept: object) -> set[str]:
    """Return the ids of all songs named anywhere in what is kept."""
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
        Drawn from them, by name; each is written with its description as text.
    """
    files = {name.replace(" ", "-"): [dict(row) for row in rows] for name, rows in kept.items()}
    files["songs"] = [
        {"id": track.id, "title": track.title, "artists": list(track.artists)}
        for track in songs.values()
    ]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        said = "".join(f"{area.name}: {area.what} Kept {area.until}.\n" for area in AREAS)
        said += "songs: The titles and artists of the songs that the other files name by id.\n"
        file.writestr("README.txt", f"Everything I keep about you.\n\n{said}")
        for name, rows in files.items():
            body = json.dumps(rows, ensure_ascii=False, indent=1, default=str)
            file.writestr(f"{name}.json", body)
        for name, picture in pictures.items():
            file.writestr(f"{name}.png", picture.png)
            file.writestr(f"{name}.txt", picture.alt)
    return stream.getvalue()
