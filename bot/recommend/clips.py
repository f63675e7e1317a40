"""Clips that members send: which attachment is one, and how to fetch it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from urllib.parse import urlsplit

import discord

from musrec.formats import ENDINGS
from musrec.model import Busy, NotAudio, NotFound

LARGEST_CLIP = 25 * 2**20
"""Bytes: a long song fits, and several at once fit in memory."""

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
    """Return the file name with the spaces that Discord removes from it."""
    if attachment.is_voice_message():
        return "Voice message.ogg"
    suffix = PurePath(attachment.filename).suffix
    return f"{attachment.title}{suffix}" if attachment.title else attachment.filename


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
