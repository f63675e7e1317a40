"""Suggestions while a member types."""

from __future__ import annotations

import asyncio
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


async def songs(interaction: Context, typed: str) -> Choices:
    """Offer songs of the catalogue; before anything is typed, what the member liked last."""
    if typed.startswith("http"):
        return []
    service = interaction.client.service
    if typed.strip():
        found = await asyncio.to_thread(service.songs.suggest, typed, MOST)
    else:
        liked = HistoryFilter("liked")
        page = await service.members.history(str(interaction.user.id), liked, size=MOST)
        found = [track for _, track in page.events]
    return [
        app_commands.Choice(name=words.bare(str(track), 100), value=track.id) for track in found
    ]


async def genres(interaction: Context, typed: str) -> Choices:
    """Offer genres that songs of the catalogue state."""
    return names(interaction.client.service.catalogue.genres(), typed, longest=40)


async def moods(interaction: Context, typed: str) -> Choices:
    """Offer words for how songs sound, each with a song that does."""
    known = await asyncio.to_thread(interaction.client.service.catalogue.moods)
    return names(known, typed)


def names(known: Iterable[str], typed: str, longest: int = 100) -> Choices:
    """Offer the names that contain what was typed."""
    wanted = typed.strip().casefold()
    fitting = [name for name in known if wanted in name.casefold()]
    return [
        app_commands.Choice(name=name[:longest], value=name[:longest]) for name in fitting[:MOST]
    ]
