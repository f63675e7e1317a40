"""*＋ Playlist*: puts the song of a card into one of the member's playlists, and takes it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import discord
from discord import ui

from bot import errors
from bot.cards import layouts, words
from bot.policy import NotAllowed
from bot.press import Press
from musrec.model import NotFound, Track
from musrec.playlists.model import LONGEST_NAME

if TYPE_CHECKING:
    from bot.app import Bot
    from musrec.playlists.model import Playlist

NEW = "new"
"""Value of the option that asks for a name; playlists have numbers."""
MOST = 24
"""Playlists offered: a select holds 25 options."""


class Keep(Press, template=r"keep:(?P<track>[^:]{1,40})"):
    """Asks which playlist a song is for."""

    @classmethod
    def button(cls, track: str) -> Keep:
        """Return the button under a card."""
        return cls(ui.Button(label="Playlist", emoji="➕", custom_id=f"keep:{track}"))

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Offer the member's playlists, and a new one."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        service = interaction.client.service
        track = await service.songs.get(self.about["track"])
        own = await service.playlists.of(str(interaction.user.id))
        hint = "`/playlist add` knows the others too." if len(own) > MOST else ""
        view = layouts.notice(
            f"Which playlist is {words.title(track)} for?", Which.offer(own, track), hint=hint
        )
        await interaction.edit_original_response(view=view)


class Which(Press, template=r"which:(?P<track>[^:]{1,40})"):
    """Puts a song into the playlist that was chosen."""

    @classmethod
    def offer(cls, own: Sequence[Playlist], track: Track) -> Which:
        """Return the select of playlists, a new one first."""
        options = [discord.SelectOption(label="New playlist…", value=NEW, emoji="➕")]
        options += [
            discord.SelectOption(
                label=words.bare(one.name, 100) or "untitled",
                value=str(one.id),
                description=songs(one.songs),
            )
            for one in own[:MOST]
        ]
        return cls(
            ui.Select(custom_id=f"which:{track.id}", placeholder="Pick a playlist", options=options)
        )

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Add it, or ask for the name of a new playlist first."""
        if self.values[0] == NEW:
            await interaction.response.send_modal(NewPlaylist(self.about["track"]))
            return
        await interaction.response.defer()
        playlist = await own_playlist(interaction, str(self.values[0]))
        track = await interaction.client.service.songs.get(self.about["track"])
        view = await added(interaction, playlist, [track])
        await interaction.edit_original_response(view=view)


class NewPlaylist(ui.Modal, title="New playlist"):
    """Asks for a name, makes the playlist, and puts the song into it."""

    name: ui.TextInput[Any] = ui.TextInput(label="Name", max_length=LONGEST_NAME, custom_id="name")

    def __init__(self, track: str) -> None:
        super().__init__(timeout=900)
        self._track = track

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Make it, in place of the question."""
        await interaction.response.defer()
        service = interaction.client.service
        track = await service.songs.get(self._track)
        made = await service.playlists.create(str(interaction.user.id), self.name.value, track)
        await interaction.edit_original_response(view=_added(made, [track], 1, made.songs))

    async def on_error(  # type: ignore[override]  # a modal has no item, unlike its base
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """Tell the member what went wrong."""
        await errors.report(interaction, error)


class TakeOut(Press, template=r"out:(?P<playlist>\d{1,18}):(?P<track>[^:]{1,40})"):
    """Takes a song out of the playlist that it was just put into."""

    @classmethod
    def button(cls, playlist: Playlist, track: Track) -> TakeOut:
        """Return the button under a song that was added."""
        return cls(ui.Button(label="Take it out", custom_id=f"out:{playlist.id}:{track.id}"))

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Take it out, and say so."""
        await interaction.response.defer()
        playlist = await own_playlist(interaction, self.about["playlist"])
        service = interaction.client.service
        track = await service.playlists.remove_song(playlist, self.about["track"])
        await interaction.edit_original_response(view=removed(playlist, track))


async def own_playlist(
    interaction: discord.Interaction[Bot], id_: str, *, shared: bool = False
) -> Playlist:
    """Return a playlist that the member may change, or only see if it is `shared`.

    Raises
    ------
    NotFound
        It was deleted.
    NotAllowed
        It belongs to another member.
    """
    playlist = await interaction.client.service.playlists.get(int(id_))
    if playlist is None:
        raise NotFound("That playlist is no longer there.", "`/playlist show` lists yours.")
    if not shared and playlist.member != str(interaction.user.id):
        raise NotAllowed("That playlist belongs to another member.")
    return playlist


async def added(
    interaction: discord.Interaction[Bot], playlist: Playlist, tracks: Sequence[Track]
) -> ui.LayoutView:
    """Put songs into a playlist; return the message that says so, with undo for a single one."""
    count = await interaction.client.service.playlists.add(playlist, [one.id for one in tracks])
    return _added(playlist, tracks, count, playlist.songs + count)


def _added(playlist: Playlist, tracks: Sequence[Track], count: int, holds: int) -> ui.LayoutView:
    what = words.title(tracks[0]) if len(tracks) == 1 else songs(count)
    name = f"**{words.plain(playlist.name)}**"
    if not count:
        has = what if len(tracks) == 1 else "all of them"
        return layouts.notice(f"📃 {name} has {has} already.")
    undo = [TakeOut.button(playlist, tracks[0])] if len(tracks) == 1 else []
    return layouts.notice(f"📃 Added {what} to {name}; it holds {songs(holds)} now.", *undo)


def removed(playlist: Playlist, track: Track) -> ui.LayoutView:
    """Return the message that a song was taken out of a playlist."""
    left = songs(playlist.songs - 1)
    name = words.plain(playlist.name)
    return layouts.notice(f"🗑️ Removed {words.title(track)} from **{name}**; {left} left.")


def songs(count: int) -> str:
    """Return a number of songs in words."""
    return "1 song" if count == 1 else f"{count:,} songs"
