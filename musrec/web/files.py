"""The owner's files: served as they are, in ranges, and only those of the catalogue."""

from __future__ import annotations

import asyncio
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse

from musrec.model import NotFound
from musrec.web.sessions import NotAllowed

if TYPE_CHECKING:
    from musrec.members.model import Visit
    from musrec.service import Service

OTHER_TYPES = {
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
}
"""Media types that systems know by other names, or not at all."""


def media_type(file: Path) -> str:
    """Return the media type of a sound file by its name."""
    suffix = file.suffix.lower()
    return OTHER_TYPES.get(suffix) or guess_type(f"x{suffix}")[0] or "application/octet-stream"


async def song_file(service: Service, who: Visit, song: str) -> FileResponse:
    """Answer with the file of a song; ranges of bytes are honoured.

    Parameters
    ----------
    song : str
        An id of the catalogue. No part of an address ever becomes a path.

    Raises
    ------
    NotAllowed
        The member may not play files of this machine.
    NotFound
        There is no such song, it came from no file, or its file has gone.
    """
    if not who.may_play_files:
        raise NotAllowed("Only people invited by the owner can play the files of this machine.")
    await service.songs.shown_to(song, who.member)
    file = await service.songs.file_of(song)
    try:
        stamp = await asyncio.to_thread(file.stat)
    except OSError:
        raise NotFound("The file of this song has gone.") from None
    return FileResponse(
        file,
        media_type=media_type(file),
        stat_result=stamp,
        headers={"cache-control": "private, max-age=600"},
    )
