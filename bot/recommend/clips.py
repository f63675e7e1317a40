"""Clips that members send: which attachment is one, and how to fetch it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from urllib.parse import urlsplit

import discord

from bot.cards import words
from musrec.formats import ENDINGS
from musrec.model import Busy, NotAudio, NotFound, Track

LARGEST_CLIP = 25 * 2**20
"""Bytes: a long song fits, and several at once fit in memory."""

CLIP, VOICE = "Clip", "Voice message"
"""What clips are called that have no name of their own."""

# Whole names such as "unknown", "audio_2026-11-27", "VID-20261127-WA0001" and "1764230400".
_MEANINGLESS = re.compile(
    r"(audio|clip|dsc|file|image|img|media|mvi|new recording|ptt|pxl|rec|recording|track|unknown"
    r"|untitled|vid|video|whatsapp (audio|ptt|video))[\W_\d]*((wa|at )[\W\d]*)?"
    r"|[\W_]*\d[\W_\d]{5,}|[\W_]*",
    re.IGNORECASE,
)

_LINK = re.compile(r"https?://[^\s<>|)\]]+")


def clip_in(message: discord.Message) -> discord.Attachment | None:
    """Return the first attachment that may hold sound, forwarded ones included."""
    return next((part for part in _attachments(message) if _may_be_heard(part)), None)


def link_in(message: discord.Message) -> str | None:
    """Return the first link of a message."""
    texts = [message.content, *(snapshot.content for snapshot in message.message_snapshots)]
    found = next((match for text in texts if (match := _LINK.search(text))), None)
    if found:
        return found[0]
    return next((embed.url for embed in message.embeds if embed.url), None)


def name_of(attachment: discord.Attachment) -> str:
    """Return the file name with the spaces that Discord removes from it.

    A name that a phone or a program gave says nothing: such a clip is called `CLIP`.
    """
    if attachment.is_voice_message():
        return f"{VOICE}.ogg"
    name = PurePath(attachment.filename)
    stem = attachment.title or name.stem
    return f"{CLIP if _MEANINGLESS.fullmatch(stem) else stem}{name.suffix}"


def nameless(track: Track) -> bool:
    """Whether a clip said nothing of who it is."""
    return not track.artists and track.title in (CLIP, VOICE)


def file_name(track: Track, data: bytes) -> str:
    """Return a name for the audio of a track, with the ending of its format."""
    ending = "m4a" if data[4:8] == b"ftyp" else "mp3"
    said = f"{track.title} - {track.artist}" if track.artists else track.title
    bare = re.sub(r"[^\w .()'-]+", " ", words.bare(said, 80)).strip(" .")
    return f"{' '.join(bare.split()) or 'preview'}.{ending}"


async def read(attachment: discord.Attachment, hosts: frozenset[str], seconds: float) -> bytes:
    """Fetch the bytes of an attachment within some seconds, now: its address expires.

    Raises
    ------
    NotAudio
        It is empty or too large.
    NotFound
        Discord no longer has it.
    Busy
        Discord has trouble of its own, or is too slow.
    """
    if attachment.size == 0:
        raise NotAudio("That file is empty.", "Send a clip with music in it.")
    if attachment.size > LARGEST_CLIP:
        raise NotAudio(
            f"That file is {attachment.size / 2**20:.0f} MiB; "
            f"I listen to files up to {LARGEST_CLIP // 2**20} MiB.",
            "Half a minute of the song is enough.",
        )
    if urlsplit(attachment.url).hostname not in hosts:
        raise NotFound("That file is not on Discord.", "Upload it here.")
    try:
        async with asyncio.timeout(seconds):
            return await attachment.read()
    except TimeoutError:
        raise Busy(
            "Discord is too slow in sending me that file.",
            "Try again in a minute, or send a shorter clip.",
        ) from None
    except (discord.NotFound, discord.Forbidden):
        raise NotFound("Discord no longer has that file.", "Upload it again.") from None
    except discord.HTTPException:
        raise Busy("Discord did not send me that file.", "Try again in a moment.") from None


def _attachments(message: discord.Message) -> Iterator[discord.Attachment]:
    yield from message.attachments
    for snapshot in message.message_snapshots:
        yield from snapshot.attachments


def _may_be_heard(attachment: discord.Attachment) -> bool:
    """Guess from the name and type that the sender chose; only decoding it tells."""
    kind = attachment.content_type or ""
    return kind.startswith(("audio/", "video/")) or _ends_with(attachment.filename, ENDINGS)


def _ends_with(name: str, suffixes: Iterable[str]) -> bool:
    return PurePath(name).suffix.lower() in suffixes
