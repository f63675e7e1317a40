"""Thumbs: what buttons and reactions under a card mean, and the buttons."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import aiohttp
import discord
from discord import ui

from bot.cards import layouts, words
from bot.press import Press, custom_ids
from musrec.model import FeedbackKind

if TYPE_CHECKING:
    from bot.app import Bot
    from musrec.members.model import Card

log = logging.getLogger(__name__)

EMOJI = {FeedbackKind.LIKE: "👍", FeedbackKind.DISLIKE: "👎"}
_KIND = {emoji: kind for kind, emoji in EMOJI.items()}
# Skin tones and the emoji variation selector do not change what a thumb says.
_SHADES = dict.fromkeys([*range(0x1F3FB, 0x1F400), 0xFE0F])


def kind_of(emoji: str) -> FeedbackKind | None:
    """Return what a reaction says about a song; None for any other emoji."""
    return _KIND.get(emoji.translate(_SHADES))


async def offer_reactions(message: discord.Message) -> bool:
    """Put both thumbs under a card, if the bot may; return False if it failed on the way."""
    try:
        for emoji in EMOJI.values():
            await message.add_reaction(emoji)
    except (discord.DiscordServerError, aiohttp.ClientError, OSError, TimeoutError) as error:
        log.warning("reactions not offered", extra={"error": repr(error)})
        return False
    except discord.HTTPException as error:
        log.info("no reactions here", extra={"code": error.code})
    return True


def featured_in(message: discord.Message) -> str | None:
    """Return the track that a message features: what its thumbs mean; None if it is no card."""
    for name in custom_ids(message):
        kind, _, track = name.partition(":")
        if kind == FeedbackKind.LIKE.value:
            return track
    return None


def kind_in(custom_id: str) -> FeedbackKind | None:
    """Return what a thumb button says; None for any other button."""
    return next((kind for kind in EMOJI if custom_id.startswith(f"{kind.value}:")), None)


def label(count: int) -> str | None:
    """Return what stands beside the emoji on a thumb button that some members pressed."""
    return f"{count:,}" if count else None


async def recount(bot: Bot, member: str, track: str, *cards: Card) -> None:
    """Have the counts shown again on these cards, and on all of a track that a member touched."""
    bot.dispatch("recount", [*cards, *await bot.service.cards.touched(member, track)])


class Thumb(Press, template=r"(?P<kind>like|dislike):(?P<track>[^:]{1,40})"):
    """A thumb: pressed twice it is still one. As with reactions, every member's counts."""

    for_everybody = True

    @classmethod
    def button(cls, kind: FeedbackKind, track: str, count: int = 0) -> Thumb:
        """Return the button under a card that so many members pressed or reacted to."""
        return cls(
            ui.Button(emoji=EMOJI[kind], label=label(count), custom_id=f"{kind.value}:{track}")
        )

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Keep the thumb, and offer to take it back."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        service, member = interaction.client.service, str(interaction.user.id)
        kind, id_ = FeedbackKind(self.about["kind"]), self.about["track"]
        track = await service.songs.get(id_)
        message = str(interaction.message.id) if interaction.message else ""
        news = await service.cards.press(message, member, id_, kind)
        await recount(interaction.client, member, id_)
        if not news and await service.members.paused(member):
            view = layouts.notice(
                "You paused learning, so nothing was kept.",
                hint="`/privacy pause` starts it again.",
            )
        else:
            said = "noted" if news else "was noted already"
            view = layouts.notice(
                f"{EMOJI[kind]} {words.title(track)} {said}.",
                TakeBack.button(kind, id_),
                hint="It counts from your next answer on.",
            )
        await interaction.edit_original_response(view=view)


class TakeBack(Press, template=r"undo:(?P<kind>like|dislike):(?P<track>[^:]{1,40})"):
    """Takes a thumb back."""

    for_everybody = True

    @classmethod
    def button(cls, kind: FeedbackKind, track: str) -> TakeBack:
        """Return the button under a thumb that was noted."""
        return cls(ui.Button(label="Take it back", custom_id=f"undo:{kind.value}:{track}"))

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Forget the thumb."""
        await interaction.response.defer()
        kind = FeedbackKind(self.about["kind"])
        bot, member, track = interaction.client, str(interaction.user.id), self.about["track"]
        gone = await bot.service.members.forget(member, track, kind)
        await recount(bot, member, track)
        said = "taken back." if gone else "was already gone."
        await interaction.edit_original_response(view=layouts.notice(f"{EMOJI[kind]} {said}"))
