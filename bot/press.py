"""Buttons and selects that still work after a restart: their custom id holds all they need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import discord
from discord import ui

from bot import errors

if TYPE_CHECKING:
    from bot.app import Bot

P = TypeVar("P", bound="Press")


class Press(ui.DynamicItem[ui.Item[Any]], template="(?!)"):
    """A button or select whose template's groups say what it is about.

    Attributes
    ----------
    for_everybody : bool
        Whether it is open even to members without the roles that a server asks for.
    """

    for_everybody: ClassVar[bool] = False

    def __init__(self, item: ui.Item[Any], **about: str) -> None:
        super().__init__(item)
        self.about = about

    @classmethod
    async def from_custom_id(
        cls: type[P],
        interaction: discord.Interaction[Any],
        item: ui.Item[Any],
        match: re.Match[str],
        /,
    ) -> P:
        """Rebuild it from the custom id that Discord sends back."""
        return cls(item, **match.groupdict())

    @property
    def values(self) -> list[Any]:
        """The options chosen in a select."""
        return list(getattr(self.item, "values", []))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Act, and report whatever goes wrong."""
        try:
            bot = interaction.client
            with bot.working():
                async with bot.service.promptly():
                    if not self.for_everybody:
                        await bot.admit(interaction.user, interaction.guild)
                    await self.press(interaction)
        except Exception as error:  # noqa: BLE001 - the one handler tells them apart
            await errors.report(interaction, error)

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Do what the member wants."""
        raise NotImplementedError


def custom_ids(message: discord.Message) -> Iterator[str]:
    """Yield the custom ids of all buttons and selects of a message."""
    waiting: list[Any] = list(message.components)
    while waiting:
        part = waiting.pop()
        waiting += getattr(part, "children", ())
        if name := getattr(part, "custom_id", None):
            yield name


def is_private(interaction: discord.Interaction[Any]) -> bool:
    """Whether only one member sees the message that was pressed."""
    return interaction.message is not None and interaction.message.flags.ephemeral
