"""`/show`: everything heard in one song, and beside it what other services say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot import completions, policy
from bot.cards import layouts, words
from bot.press import Press, is_private
from bot.recommend import answering
from bot.recommend.answering import Question
from musrec import wording
from musrec.model import Analysis, Choices, Heard, NotAudio, NotFound, Picture, SoundKind, Track

if TYPE_CHECKING:
    from bot.app import Bot
    from musrec.service.songs import Description

Context = discord.Interaction["Bot"]

PICTURE = "song.png"
TAGS, UNSURE = 8, 3
SURE = 0.5
"""Confidence from which a tempo or a key is stated without "perhaps"."""
MOST_LINKS = 10
LINES = (
    "-# White: 85% of the power lies below. Blue: half the zero crossings per second, estimated; "
    "for a pure tone, its pitch."
)
"""What the two lines over the spectrogram are."""


class ShowCommands(commands.Cog):
    """One song, in detail."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    @app_commands.command(extras=policy.COSTLY)
    @app_commands.describe(
        song="A link or a title",
        clip="A file to listen to: music, a video or a voice message",
        private="Only you see the answer",
    )
    @app_commands.autocomplete(song=completions.songs)
    async def show(
        self,
        interaction: Context,
        song: app_commands.Range[str, 1, 400] | None = None,
        clip: discord.Attachment | None = None,
        private: bool = False,
    ) -> None:
        """See what I hear in a song: tempo, key, genre, instruments, voice and a picture."""
        if song is None and clip is None:
            raise NotFound("What should I show you?", "Give me a title, a link or a clip.")
        await interaction.response.defer(thinking=True, ephemeral=private)
        question = Question(interaction.user.id, clip=clip, text=song)
        await _answer(self._bot, answering.slate_of(interaction, private=private), question)


class Show(Press, template=r"show:(?P<member>\d+)"):
    """Shows the song that the member meant."""

    @classmethod
    def offer(cls, tracks: Sequence[Track], member: int) -> Show:
        """Return the select of songs that share a name."""
        select: ui.Select[ui.LayoutView] = ui.Select(
            custom_id=f"show:{member}",
            placeholder="Pick a song",
            options=[answering.described(track) for track in tracks[: completions.MOST]],
        )
        return cls(select)

    async def press(self, interaction: Context) -> None:
        """Answer in the same message."""
        if interaction.user.id != int(self.about["member"]):
            raise NotFound("Only the member who asked can pick.", "Ask me with /show.")
        await interaction.response.defer()
        question = Question(interaction.user.id, track=str(self.values[0]))
        private = is_private(interaction)
        slate = answering.slate_of(interaction, private=private)
        await _answer(interaction.client, slate, question)


async def _answer(bot: Bot, slate: answering.Slate, question: Question) -> None:
    """Show a song at once, and again when other services have said something of it."""
    songs = bot.service.songs
    alone: tuple[Heard, Picture | None] | None = None
    async with answering.at_work(bot, slate):
        heard = await answering.hear(bot, slate, question)
        if heard is None:
            return
        if isinstance(heard, Choices):
            await slate.show(
                layouts.notice(words.which(heard), Show.offer(heard.tracks, question.member))
            )
            return
        if heard.analysis.kind is not SoundKind.MUSIC:
            raise NotAudio(wording.no_music(heard.analysis.kind), "Send a clip with music in it.")
        picture = await songs.sheet(heard)
        known = await songs.foreign(heard.track, online=False)
        await _put(bot, slate, heard, picture, known)
        alone = None if known else (heard, picture)
    # Outside: whatever happens now must not overwrite the answer.
    if alone and (found := await songs.foreign(alone[0].track)):
        await _put(bot, slate, *alone, found)


async def _put(
    bot: Bot,
    slate: answering.Slate,
    heard: Heard,
    picture: Picture | None,
    features: Mapping[str, Mapping[str, float]],
) -> None:
    mood = bot.service.answers.mood(heard.profile)
    said = _heard(heard, bot.service.songs.describe(heard), mood)
    blocks: list[layouts.Control] = [layouts.text(f"### {words.song(heard.track)}")]
    blocks += [layouts.image(picture, PICTURE), layouts.text(LINES)] if picture else []
    blocks.append(layouts.text(said))
    if elsewhere := words.elsewhere(heard.track, features):
        blocks.append(layouts.line())
        blocks.append(layouts.text("\n".join([*elsewhere, layouts.NOT_COUNTED])))
    files = [layouts.file(picture, PICTURE)] if picture else []
    await slate.show(layouts.page(*blocks, *_links(heard.track)), files)


def _heard(heard: Heard, description: Description, mood: Sequence[str]) -> str:
    """Say everything that was heard."""
    analysis, profile = heard.analysis, heard.profile
    lines = [f"**{label}** {fact}" for label, fact in _pulse_and_key(analysis)]
    if description.genre:
        lines.append(f"**Genre** {description.genre}")
    elif description.genres:
        lines.append(f"**Genre** not sure: {_shares(description.genres, UNSURE)}")
    elif heard.track.genre:
        lines.append(f"**Genre** {words.plain(heard.track.genre, 40)}, as stated")
    said = {
        "Mood": ", ".join(mood),
        "Tags": _shares(description.tags, TAGS),
        "Instruments": wording.instruments(profile.instruments),
        "Voice": wording.voice(analysis.voice) if analysis.voice else "",
    }
    lines += [f"**{label}** {fact}" for label, fact in said.items() if fact]
    if analysis.loudness is not None:
        lines.append(f"**Loudness** {wording.loudness(analysis.loudness)}")
    if analysis.spectrogram is None:
        lines.append("-# I have not heard this song itself: a clip of it would tell more.")
    if sound := [word for word in description.sound if word.split()[-1] not in mood]:
        lines.append(f"**Sound** {wording.sound(sound)}")
    return "\n".join(lines)


def _pulse_and_key(analysis: Analysis) -> list[tuple[str, str]]:
    said = []
    if (rhythm := analysis.rhythm) and rhythm.tempo:
        tempo = wording.tempo(rhythm.tempo, rhythm.alternative)
        said.append(("Tempo", _sure(tempo, rhythm.confidence)))
    if analysis.harmony:
        key = wording.key(analysis.harmony)
        said.append(("Key", _sure(key, analysis.harmony.confidence)))
    return said


def _sure(fact: str, confidence: float) -> str:
    return fact if confidence >= SURE else f"perhaps {fact}"


def _shares(values: Mapping[str, float], most: int) -> str:
    best = sorted(values.items(), key=lambda item: -item[1])[:most]
    return " · ".join(f"{name.lower()}\u00a0{share:.0%}" for name, share in best)


def _links(track: Track) -> list[layouts.Control]:
    """Return a link button for every page of a song, in rows."""
    buttons = layouts.links(track, MOST_LINKS)
    size = layouts.IN_A_ROW
    return [layouts.row(*buttons[start : start + size]) for start in range(0, len(buttons), size)]
