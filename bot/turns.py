"""Whose turn it is: cool-downs for members and servers, and who may use the bot at all."""

from __future__ import annotations

from datetime import datetime

from discord.ext import commands

from musrec.model import Busy, MusrecError
from musrec.settings import DiscordSettings


class Refused(MusrecError):
    """A member may not do that here."""


Asker = tuple[int, int | None]
"""Member and server; None in direct messages."""


class Turns:
    """Counts questions; what is over is forgotten, so memory stays flat."""

    def __init__(self, settings: DiscordSettings) -> None:
        self._member = (
            commands.CooldownMapping.from_cooldown(1, settings.member_cooldown_seconds, _member)
            if settings.member_cooldown_seconds
            else None
        )
        self._guild = commands.CooldownMapping.from_cooldown(
            settings.guild_commands_per_minute, 60, _guild
        )

    def take(self, member: int, guild: int | None, at: datetime) -> None:
        """Count one question of a member.

        Raises
        ------
        Busy
            It is too early for another one; the message says when.
        """
        asker, now = (member, guild), at.timestamp()
        if self._member and (wait := self._member.update_rate_limit(asker, now)):
            raise Busy(
                "One song at a time.", f"You can ask again in {_seconds(wait)}; I am still here."
            )
        if guild is not None and (wait := self._guild.update_rate_limit(asker, now)):
            raise Busy(
                "Everybody here is asking at once.", f"Please try again in {_seconds(wait)}."
            )


def _member(asker: Asker) -> int:
    return asker[0]


def _guild(asker: Asker) -> int | None:
    return asker[1]


def _seconds(wait: float) -> str:
    whole = max(1, round(wait))
    return "a second" if whole == 1 else f"{whole} seconds"
