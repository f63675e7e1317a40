"""Cover art: shown by its address, from the service that has it, beside a link to its page there.

The terms of Spotify, Deezer and Apple let a cover be shown from their own servers with a link to
the song, not be copied. So neither picture nor address is kept: the address stays in memory and
goes to Discord, once it has been seen to lead to a small picture on one of the service's hosts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from musrec.model import Track
from musrec.sources.fetch import Endpoints, fetch, permitted, raise_for_status
from musrec.sources.gate import Deadline, Gate, Unanswered
from musrec.sources.model import Cover

if TYPE_CHECKING:
    import aiohttp

    from musrec.sources.provider import Provider

COVER_BYTES = 1_000_000
"""A cover of 300 pixels takes about 30 kB."""

LARGEST_SIDE = 3_000
"""Pixels: no cover is wider or higher. A small file that claims more is a decompression bomb."""

# Markers of JPEG that begin with C, but state no size: Huffman tables, an extension, arithmetic.
_SIZELESS = (0xC4, 0xC8, 0xCC)


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
        if min(sides := _sides(reply.body)) > 0 and max(sides) <= LARGEST_SIDE:
            return Cover(url, provider.name)
    return None


def _sides(data: bytes) -> tuple[int, int]:
    """Return the width and height that a picture claims, undecoded; zeros if Discord shows none.

    From the headers of PNG, GIF, WebP (lossy, lossless, extended) and JPEG.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _number(data[16:20], "big"), _number(data[20:24], "big")
    if data.startswith(b"GIF8"):
        return _number(data[6:8]), _number(data[8:10])
    if data[:4] == b"RIFF" and data[8:15] == b"WEBPVP8":
        if data[15:16] == b"X":
            return 1 + _number(data[24:27]), 1 + _number(data[27:30])
        if data[15:16] == b"L":
            both = _number(data[21:25])
            return 1 + (both & 0x3FFF), 1 + (both >> 14 & 0x3FFF)
        return _number(data[26:28]) & 0x3FFF, _number(data[28:30]) & 0x3FFF
    return _jpeg_sides(data) if data.startswith(b"\xff\xd8\xff") else (0, 0)


def _jpeg_sides(data: bytes) -> tuple[int, int]:
    """Return the width and height in the first frame header of a JPEG; zeros if there is none."""
    at = 2
    while data[at : at + 1] == b"\xff" and len(data) >= at + 9:
        kind, length = data[at + 1], _number(data[at + 2 : at + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in _SIZELESS:
            return _number(data[at + 7 : at + 9], "big"), _number(data[at + 5 : at + 7], "big")
        at += 1 if kind == 0xFF else 2 + length
    return 0, 0


def _number(data: bytes, order: Literal["big", "little"] = "little") -> int:
    return int.from_bytes(data, order)
