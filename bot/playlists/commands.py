"""`/playlist`: creating, filling, showing, sharing, exporting and continuing lists of songs."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot import completions
from bot.cards import layouts, words
from bot.press import Press
from bot.recommend import answering, keeping
from musrec.model import Choices, NotFound, Pick, Track
from musrec.playlists.model import FORMATS, LONGEST_NAME, Format

if TYPE_CHECKING:
    from bot.app import Bot
    from musrec.playlists.model import Playlist

Context = discord.Interaction["Bot"]
Name = app_commands.Range[str, 1, LONGEST_NAME]

ON_A_PAGE = 10
ROOM = 3500
"""Characters of a list in one message, which holds 4,000 in all."""

MOST_MISSING = 5
"""Songs named among those that an export had to leave out."""


async def _names(interaction: Context, typed: str) -> completions.Choices:
    own = await interaction.client.service.playlists.of(str(interaction.user.id))
    return completions.names((playlist.name for playlist in own), typed)


async def _own_songs(interaction: Context, typed: str) -> completions.Choices:
    """Offer songs of the playlist that the command names already."""
    service, name = interaction.client.service, interaction.namespace.playlist
    if not name:
        return []
    try:
        playlist = await service.playlists.named(str(interaction.user.id), name)
    except NotFound:
        return []
    wanted = typed.strip().casefold()
    tracks = await service.playlists.songs(playlist)
    fitting = [track for track in tracks if wanted in str(track).casefold()]
    return [
        app_commands.Choice(name=words.bare(str(track), 100), value=track.id)
        for track in fitting[: completions.MOST]
    ]


class PlaylistCommands(commands.GroupCog, group_name="playlist"):
    """Your own lists of songs."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def _playlist(self, interaction: Context, name: str) -> Playlist:
        return await self._bot.service.playlists.named(str(interaction.user.id), name)

    @app_commands.command()
    @app_commands.describe(name="Its name")
    async def create(self, interaction: Context, name: Name) -> None:
        """Create a playlist."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        made = await self._bot.service.playlists.create(str(interaction.user.id), name)
        await interaction.edit_original_response(
            view=layouts.notice(
                f"📃 Created **{words.plain(made.name)}**.",
                hint="`/playlist add` puts songs in it, `/playlist continue` finds more like them.",
            )
        )

    @app_commands.command()
    @app_commands.describe(playlist="Which playlist", song="A title or a link")
    @app_commands.autocomplete(playlist=_names, song=completions.songs)
    async def add(
        self, interaction: Context, playlist: Name, song: app_commands.Range[str, 1, 400]
    ) -> None:
        """Add a song to a playlist."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        kept = await self._playlist(interaction, playlist)
        found = await self._bot.service.songs.find(song)
        if isinstance(found, Choices):
            view = layouts.notice(
                words.which(found),
                Into.offer(kept, found.tracks, most=1),
            )
        else:
            view = await keeping.added(interaction, kept, [found])
        await interaction.edit_original_response(view=view)

    @app_commands.command()
    @app_commands.describe(playlist="Which playlist", song="A song in it")
    @app_commands.autocomplete(playlist=_names, song=_own_songs)
    async def remove(
        self, interaction: Context, playlist: Name, song: app_commands.Range[str, 1, 400]
    ) -> None:
        """Remove a song from a playlist."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        kept = await self._playlist(interaction, playlist)
        track = await self._bot.service.playlists.remove_song(kept, song)
        await interaction.edit_original_response(view=keeping.removed(kept, track))

    @app_commands.command()
    @app_commands.describe(playlist="Which playlist")
    @app_commands.autocomplete(playlist=_names)
    async def delete(self, interaction: Context, playlist: Name) -> None:
        """Delete a playlist."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        kept = await self._playlist(interaction, playlist)
        await self._bot.service.playlists.delete(kept)
        await interaction.edit_original_response(
            view=layouts.notice(f"🗑️ Deleted **{words.plain(kept.name)}**.")
        )

    @app_commands.command()
    @app_commands.describe(playlist="Which playlist; leave it out to list them all")
    @app_commands.autocomplete(playlist=_names)
    async def show(self, interaction: Context, playlist: Name | None = None) -> None:
        """See a playlist, or list yours."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        if playlist is None:
            own = await self._bot.service.playlists.of(str(interaction.user.id))
            view = _all(own)
        else:
            kept = await self._playlist(interaction, playlist)
            view = await _page(self._bot, kept, 0, shared=False)
        await interaction.edit_original_response(view=view)

    @app_commands.command()
    @app_commands.describe(playlist="Which playlist")
    @app_commands.autocomplete(playlist=_names)
    async def share(self, interaction: Context, playlist: Name) -> None:
        """Show a playlist to everyone in this channel."""
        # Looked up first, so that only the asker is told of a wrong name.
        kept = await self._playlist(interaction, playlist)
        await interaction.response.defer(thinking=True)
        view = await _page(self._bot, kept, 0, shared=True)
        await interaction.edit_original_response(view=view)

    @app_commands.command()
    @app_commands.describe(playlist="Which playlist", form="Which kind of file")
    @app_commands.rename(form="format")
    @app_commands.choices(
        form=[app_commands.Choice(name=said, value=name) for name, said in FORMATS.items()]
    )
    @app_commands.autocomplete(playlist=_names)
    async def export(
        self, interaction: Context, playlist: Name, form: app_commands.Choice[str]
    ) -> None:
        """Get a playlist as a file."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        kept = await self._playlist(interaction, playlist)
        how = cast("Format", form.value)
        made = await self._bot.service.playlists.export(kept, how)
        blocks: list[layouts.Control] = [
            layouts.text(f"📃 **{words.plain(kept.name)}**, {keeping.songs(kept.songs)}")
        ]
        if made.missing:
            blocks.append(layouts.text(_missing(made.missing)))
        files = []
        if made.data:
            if how == "spotify":
                blocks.append(layouts.text(_SPOTIFY))
            blocks.append(ui.File(f"attachment://{made.file}"))
            files = [discord.File(io.BytesIO(made.data), made.file)]
        await interaction.edit_original_response(view=layouts.page(*blocks), attachments=files)

    @app_commands.command(name="continue")
    @app_commands.describe(playlist="Which playlist", count="How many songs")
    @app_commands.autocomplete(playlist=_names)
    async def go_on(
        self, interaction: Context, playlist: Name, count: app_commands.Range[int, 1, 20] = 10
    ) -> None:
        """Find songs that continue a playlist."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        kept = await self._playlist(interaction, playlist)
        answer = await self._bot.service.playlists.continued(kept, count=count)
        if not answer.picks:
            raise NotFound(" ".join(answer.notes) or "I found nothing that fits.")
        blocks: list[layouts.Control] = [
            layouts.text(f"### To continue {words.plain(kept.name)}\n{_picked(answer.picks)}"),
            layouts.row(Into.offer(kept, [pick.track for pick in answer.picks])),
            layouts.row(answering.Feature.offer(answer.id, answer.picks, self._bot)),
        ]
        if answer.notes:
            blocks.append(
                layouts.text("\n".join(f"-# {words.plain(n, 300)}" for n in answer.notes))
            )
        await interaction.edit_original_response(view=layouts.page(*blocks))


_SPOTIFY = (
    "-# Only you can fill your playlists on Spotify: open the file, copy all of it, and paste it "
    "into a playlist in Spotify's desktop app."
)


def _missing(missing: Sequence[Track]) -> str:
    named = ", ".join(words.plain(str(track), 80) for track in missing[:MOST_MISSING])
    more = f" and {len(missing) - MOST_MISSING:,} more" if len(missing) > MOST_MISSING else ""
    return f"-# I have no link for {keeping.songs(len(missing))}: {named}{more}."


def _picked(picks: Sequence[Pick]) -> str:
    return "\n".join(
        f"{place}. {words.song(pick.track)}\n-# {words.plain(pick.explanation.sentence, 160)}"
        for place, pick in enumerate(picks, start=1)
    )


def _all(own: Sequence[Playlist]) -> ui.LayoutView:
    if not own:
        return layouts.notice("You have no playlist yet.", hint="`/playlist create` makes one.")
    lines = [f"📃 **{words.plain(one.name, 60)}** · {keeping.songs(one.songs)}" for one in own]
    # A message holds 4,000 characters.
    heading = "Your playlist" if len(own) == 1 else f"Your {len(own):,} playlists"
    fitting = list(itertools.accumulate(len(line) + 1 for line in lines))
    shown = sum(length <= ROOM for length in fitting)
    more = [layouts.text(f"-# and {len(own) - shown:,} more")] if shown < len(own) else []
    return layouts.page(layouts.text(f"### {heading}\n" + "\n".join(lines[:shown])), *more)


async def _page(bot: Bot, playlist: Playlist, page: int, *, shared: bool) -> ui.LayoutView:
    tracks = await bot.service.playlists.songs(playlist)
    pages = max(1, -(-len(tracks) // ON_A_PAGE))
    page = min(max(page, 0), pages - 1)
    start = page * ON_A_PAGE
    lines = [
        f"{place}. {words.song(track)}"
        for place, track in enumerate(tracks[start : start + ON_A_PAGE], start=start + 1)
    ]
    blocks: list[Any] = [
        layouts.text(
            f"### 📃 {words.plain(playlist.name)}\n" + ("\n".join(lines) or "Nothing in it yet.")
        )
    ]
    if pages > 1:
        blocks += [
            layouts.text(f"-# page {page + 1:,} of {pages:,}, {keeping.songs(len(tracks))} in all"),
            layouts.row(
                *(
                    Leaf.button(label, playlist.id, to, shared=shared, pages=pages)
                    for label, to in (("Previous", page - 1), ("Next", page + 1))
                )
            ),
        ]
    return layouts.page(*blocks)


class Leaf(Press, template=r"leaf:(?P<whose>own|shared):(?P<playlist>\d+):(?P<page>\d+)"):
    """Turns a page of a playlist: any member in a shared one, else only its own."""

    @classmethod
    def button(cls, label: str, playlist: int, page: int, *, shared: bool, pages: int) -> Leaf:
        """Return the button to a page; disabled if there is no such page."""
        whose = "shared" if shared else "own"
        return cls(
            ui.Button(
                label=label,
                custom_id=f"leaf:{whose}:{playlist}:{max(page, 0)}",
                disabled=not 0 <= page < pages,
            )
        )

    async def press(self, interaction: Context) -> None:
        """Show the page in place of this one."""
        await interaction.response.defer()
        shared = self.about["whose"] == "shared"
        playlist = await keeping.own_playlist(interaction, self.about["playlist"], shared=shared)
        view = await _page(interaction.client, playlist, int(self.about["page"]), shared=shared)
        await interaction.edit_original_response(view=view)


class Into(Press, template=r"into:(?P<playlist>\d+)"):
    """Puts chosen songs into a playlist."""

    @classmethod
    def offer(cls, playlist: Playlist, tracks: Sequence[Track], most: int | None = None) -> Into:
        """Return the select of songs."""
        options = [layouts.option(track) for track in tracks[:25]]
        return cls(
            ui.Select(
                custom_id=f"into:{playlist.id}",
                placeholder=words.bare(f"Add to {playlist.name}", 100),
                options=options,
                max_values=most or len(options),
            )
        )

    async def press(self, interaction: Context) -> None:
        """Add them, and say so."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        playlist = await keeping.own_playlist(interaction, self.about["playlist"], shared=False)
        found = await interaction.client.service.songs.many(map(str, self.values))
        if not found:
            raise NotFound("I no longer have that song.", "`/playlist add` looks for another one.")
        view = await keeping.added(interaction, playlist, list(found.values()))
        await interaction.edit_original_response(view=view)
