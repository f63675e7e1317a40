"""Cover art: shown by its address, from the service that has it, beside a link to its page there.

The terms of Spotify, Deezer and Apple let a cover be shown from their own servers with a link to
the song, not be copied. So neither picture nor address is kept: the address stays in memory and
goes to Discord, once it has been seen to lead to a small picture on one of the service's hosts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from musrec.model import Track
from musrec.sources.fetch import Endpoints, fetch, permitted, raise_for_status
from musrec.sources.gate import Deadline, Gate, Unanswered
from musrec.sources.model import Cover

if TYPE_CHECKING:
    import aiohttp

    from musrec.sources.provider import Provider

COVER_BYTES = 1_000_000
"""A cover of 300 pixels takes about 30 kB."""

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")


async def cover(
    providers: Sequence[Provider],
    track: Track,
    deadline: Deadline,
    *,
    session: aiohttp.ClientSession,
    endpoints: Endpoints,
    gates: Mapping[str, Gate],
) -> Cover | None:
    """Return the first cover that opens, or None.

    Parameters
    ----------
    gates : mapping of str to Gate
        In front of the covers of each provider that has any.
    """
    for provider in providers:
        if provider.name not in gates or provider.name not in track.identities:
            continue
        gate = gates[provider.name]
        try:
            url = await provider.cover(track, deadline)
            origins = endpoints.origins(provider.covers)
            if not permitted(url, origins):
                continue
            async with gate.turn(deadline):
                reply = await fetch(
                    session, url, origins=origins, who=gate.name, max_bytes=COVER_BYTES
                )
            raise_for_status(gate.name, reply)
        except Unanswered:
            continue
        if _is_picture(reply.body):
            return Cover(url, provider.name)
    return None


def _is_picture(data: bytes) -> bool:
    """Whether these are the first bytes of a picture that Discord shows."""
    return data.startswith(_PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
