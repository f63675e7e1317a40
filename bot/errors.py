"""Errors are answers: the one place where an exception becomes a sentence."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
from discord import app_commands, ui

from bot.cards import layouts, words
from musrec.model import MusrecError

log = logging.getLogger(__name__)

UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION, INVALID_WEBHOOK = 10008, 10015, 10062, 50027
# The message was deleted, or the 15 minutes to answer it are over.
_GONE = (UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION, INVALID_WEBHOOK)
_INVALID_FORM = 50035

LONGEST = 1000
"""Characters of a sentence."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What to say about an error."""

    sentence: str
    hint: str = ""


# In this order: the first that fits is said.
_FORESEEN: tuple[tuple[type[BaseException], Trouble], ...] = (
    *(
        (kind, Trouble("That command has changed.", "Reload Discord and try again."))
        for kind in (app_commands.CommandNotFound, app_commands.CommandSignatureMismatch)
    ),
    (
        app_commands.MissingPermissions,
        Trouble("That takes the Manage Server permission."),
    ),
    (app_commands.NoPrivateMessage, Trouble("That works only in a server.")),
    (
        app_commands.TransformerError,
        Trouble("I cannot read that.", "Pick one of the suggestions."),
    ),
    (
        discord.Forbidden,
        Trouble(
            "I am not allowed to do that here.",
            "I need to see the channel, send messages, attach files and add reactions.",
        ),
    ),
    (
        discord.NotFound,
        Trouble("That is no longer there.", "Ask again with /recommend."),
    ),
    *(
        (kind, Trouble("A service I need did not answer.", "Try again in a moment."))
        for kind in (discord.DiscordServerError, aiohttp.ClientError, TimeoutError)
    ),
)


def foreseen(error: MusrecError) -> Trouble:
    """Return the words of our own error, escaped: titles from anywhere stand in its sentence."""
    return Trouble(words.plain(str(error), LONGEST), error.hint)


def explain(error: BaseException) -> Trouble | None:
    """Return what happened and what to try; None if the question is gone.

    An unforeseen error is logged under a reference that the member is given.
    """
    while isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    if isinstance(error, MusrecError):
        return foreseen(error)
    if isinstance(error, discord.HTTPException) and _question_gone(error):
        log.info("the question is gone", extra={"code": error.code})
        return None
    for kind, trouble in _FORESEEN:
        if isinstance(error, kind):
            log.info("foreseen error", extra={"kind": type(error).__name__})
            return trouble
    reference = secrets.token_hex(3)
    log.error("unforeseen error", exc_info=error, extra={"reference": reference})
    return Trouble(
        "Something broke on my side.",
        f"Try again: nothing of yours is lost. For whoever runs me: `{reference}` in the log.",
    )


def _question_gone(error: discord.HTTPException) -> bool:
    """Whether the question is gone; a reply to a deleted message fails as an invalid form."""
    gone = error.code == _INVALID_FORM and "message_reference" in error.text
    return gone or error.code in _GONE


async def report(interaction: discord.Interaction[Any], error: BaseException) -> None:
    """Tell only the member who pressed or asked."""
    trouble = explain(error)
    if trouble is None:
        return
    view = layouts.trouble(trouble.sentence, trouble.hint)
    try:
        if not interaction.response.is_done():
            await interaction.response.send_message(view=view, ephemeral=True)
        elif interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
            await tell_instead(interaction, view)
        else:
            await interaction.followup.send(view=view, ephemeral=True)
    except discord.HTTPException as gone:
        log.info("trouble not told", extra={"code": gone.code})


async def tell_instead(interaction: discord.Interaction[Any], view: ui.LayoutView) -> None:
    """Tell the member who asked in place of the answer that they wait for.

    Discord fixes who sees an answer when it is deferred, and takes the first message after that for
    the answer. A public answer is therefore written, and deleted once the member is told.
    """
    waiting = await interaction.original_response()
    if waiting.flags.ephemeral:
        await waiting.edit(view=view, attachments=[])
        return
    if waiting.flags.loading:
        await waiting.edit(view=layouts.notice("…"))
    await interaction.followup.send(view=view, ephemeral=True)
    await waiting.delete()
