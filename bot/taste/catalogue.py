"""`/compare` and `/gallery`: songs against songs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Literal

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot import completions, policy
from bot.cards import layouts, words
from bot.press import Press
from bot.recommend import answering
from bot.recommend.answering import Question
from musrec import wording
from musrec.model import Choices, NotFound, Track

if TYPE_CHECKING:
    from bot.app import Bot
    from musrec.catalogue.model import Comparison

Context = discord.Interaction["Bot"]

PICTURE, FEATURES = "songs.png", "features.csv"
NAMED = 3
"""Features that are named in words."""

LEAST = 0.005
"""The least that a named feature adds: less would read as nothing."""


class CatalogueCommands(commands.Cog):
    """Songs against songs."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    @app_commands.command(extras=policy.COSTLY)
    @app_commands.describe(
        a="A title or a link", b="Another title or link", private="Only you see the answer"
    )
    @app_commands.autocomplete(a=completions.songs, b=completions.songs)
    async def compare(
        self,
        interaction: Context,
        a: app_commands.Range[str, 1, 400],
        b: app_commands.Range[str, 1, 400],
        private: bool = False,
    ) -> None:
        """Compare two songs: how each sounds, and what makes them alike."""
        await interaction.response.defer(thinking=True, ephemeral=private)
        ours, theirs = [
            await self._bot.service.songs.hear_track(await self._one(text)) for text in (a, b)
        ]
        _, picture = await self._bot.service.catalogue.compare(ours, theirs)
        view = layouts.page(
            layouts.text(f"### {words.song(ours.track)}\n### {words.song(theirs.track)}"),
            layouts.image(picture, PICTURE),
            layouts.row(Measures.button(ours.track, theirs.track)),
        )
        await interaction.edit_original_response(
            view=view, attachments=[layouts.file(picture, PICTURE)]
        )

    async def _one(self, text: str) -> Track:
        found = await self._bot.service.songs.find(text)
        if isinstance(found, Choices):
            raise NotFound(
                f"Several songs are called {words.short(text, 80)}.",
                "Pick one of the suggestions as you type, or send a link.",
            )
        return found

    @app_commands.command()
    @app_commands.describe(
        genre="Only this genre",
        intensity="Only the most or the least intense",
        private="Only you see the answer",
    )
    @app_commands.autocomplete(genre=completions.genres)
    async def gallery(
        self,
        interaction: Context,
        genre: app_commands.Range[str, 1, 40] = "",
        intensity: Literal["high", "low"] | None = None,
        private: bool = False,
    ) -> None:
        """See spectrograms of the most and the least intense songs heard here."""
        await interaction.response.defer(thinking=True, ephemeral=private)
        wanted = genre.strip().lower()
        rows, picture = await self._bot.service.catalogue.gallery(wanted, intensity or "")
        tracks = {track.id: track for row in rows for track, _, _ in row.songs}
        heading = f"{wanted.capitalize()} by intensity" if wanted else "Songs by intensity"
        view = layouts.page(
            layouts.text(f"### {words.plain(heading)}"),
            layouts.image(picture, PICTURE),
            layouts.text("-# Pick one for more songs like it."),
            layouts.row(
                answering.Choose.offer(list(tracks.values()), Question(interaction.user.id))
            ),
        )
        await interaction.edit_original_response(
            view=view, attachments=[layouts.file(picture, PICTURE)]
        )


class Measures(Press, template=r"measures:(?P<ours>[^:]{1,40}):(?P<theirs>[^:]{1,40})"):
    """Shows every measure of two songs that were compared, to any member."""

    @classmethod
    def button(cls, ours: Track, theirs: Track) -> Measures:
        """Return the button under a comparison."""
        custom_id = f"measures:{ours.id}:{theirs.id}"
        return cls(ui.Button(label="All measures", custom_id=custom_id))

    async def press(self, interaction: Context) -> None:
        """Compare the two again: only the member who pressed sees the table."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        service = interaction.client.service
        ours, theirs = [
            await service.songs.hear_track(await service.songs.get(self.about[side]))
            for side in ("ours", "theirs")
        ]
        found, _ = await service.catalogue.compare(ours, theirs)
        view = layouts.page(
            layouts.text(f"### {words.song(ours.track)}\n### {words.song(theirs.track)}"),
            layouts.text(_measures(found)),
            layouts.text(_alike(found)),
            layouts.text("-# Every feature of both:"),
            ui.File(f"attachment://{FEATURES}"),
        )
        table = discord.File(io.BytesIO(_table(found, ours.track, theirs.track)), FEATURES)
        await interaction.edit_original_response(view=view, attachments=[table])


def _measures(found: Comparison) -> str:
    """List the measures of both songs, the most alike first."""
    ranked = sorted(found.differences, key=lambda one: one.apart)
    return "\n".join(
        f"- {words.plain(one.name)}: {_both(words.plain(one.ours), words.plain(one.theirs))}"
        for one in ranked
    )


def _both(ours: str, theirs: str) -> str:
    """Write two values in bold; a unit that both have is written once."""
    one, other = ours.partition(" "), theirs.partition(" ")
    unit = other[2] if one[2] == other[2] else ""
    return f"**{one[0]}** and **{other[0]}** {unit}" if unit else f"**{ours}** and **{theirs}**"


def _alike(found: Comparison) -> str:
    """Say which features make two songs alike, and which set them apart."""
    heard = [one for one in found.because if abs(one[1]) >= LEAST]
    apart = [one for one in heard[::-1] if one[1] < 0]
    lines = []
    for label, parts in (("Alike in", [one for one in heard if one[1] > 0]), ("Apart in", apart)):
        if parts:
            said = ", ".join(
                f"{words.plain(name)} ({wording.signed(part)})" for name, part in parts[:NAMED]
            )
            lines.append(f"**{label}** {said}")
    near = wording.closeness(found.closeness)
    lines.append(f"-# Together: {found.alike:.2f}, where 1 is the same sound; {near}.")
    return "\n".join(lines)


def _table(found: Comparison, ours: Track, theirs: Track) -> bytes:
    """Return every feature of two songs as CSV."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(("feature", f"a ({ours.id})", f"b ({theirs.id})", "deviations apart"))
    for one in found.features:
        values = (one.ours, one.theirs, one.apart)
        writer.writerow((one.name, *("" if v is None else f"{v:.6g}" for v in values)))
    return stream.getvalue().encode()
