"""Suggestions while a member types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import discord
from discord import app_commands

from bot.cards import words
from musrec.members.model import HistoryFilter

Context = discord.Interaction[Any]
Choices = list[app_commands.Choice[str]]

MOST = 25
"""Choices that Discord shows at most."""

ASKED = 10
"""Songs asked about in the same channel, at most, that are offered before anything is typed."""


async def songs(interaction: Context, typed: str) -> Choices:
    """Offer songs of the catalogue.

    Before anything is typed, offer what the member liked last, then what was asked about in the
    same channel, for all its members to see.
    """
    if typed.startswith("http"):
        return []
    service = interaction.client.service
    if typed.strip():
        found = await service.songs.suggest(typed, MOST)
    else:
        liked = HistoryFilter("liked")
        page = await service.members.history(str(interaction.user.id), liked, size=MOST)
        own = [track for _, track in page.events]
        asked = await service.cards.asked(str(interaction.channel_id), ASKED)
        new = [track for track in asked if track not in own]
        found = [*own[: MOST - len(new)], *new]
    return [
        app_commands.Choice(name=words.bare(str(track), 100), value=track.id) for track in found
    ]


async def genres(interaction: Context, typed: str) -> Choices:
    """Offer genres that songs of the catalogue state."""
    return names(interaction.client.service.catalogue.genres(), typed, longest=40)


async def moods(interaction: Context, typed: str) -> Choices:
    """Offer words for how songs sound, each with a song that does."""
    known = await interaction.client.service.catalogue.moods()
    return names(known, typed)


async def instruments(interaction: Context, typed: str) -> Choices:
    """Offer the instruments and voices that can be told by ear."""
    return names(interaction.client.service.catalogue.instruments(), typed)


def names(known: Iterable[str], typed: str, longest: int = 100) -> Choices:
    """Offer the names that contain what was typed."""
    wanted = typed.strip().casefold()
    fitting = [name for name in known if wanted in name.casefold()]
    return [
        app_commands.Choice(name=name[:longest], value=name[:longest]) for name in fitting[:MOST]
    ]
