"""Who may use the bot, and how often: each command's policy, and cool-downs.

A policy stands beside its command, as the command's `extras`; a group's holds for all of the group.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from discord import app_commands
from discord.ext import commands

from musrec.model import Busy, MusrecError
from musrec.settings import DiscordSettings

FOR_EVERYBODY = {"for everybody": True}
"""Open even to members without the roles that a server asks for."""

COSTLY = {"costly": True}
"""A question: it counts against the turns of its member and of its server."""

Command = app_commands.Command[Any, ..., Any] | app_commands.ContextMenu


def holds(policy: Mapping[str, bool], command: Command | None) -> bool:
    """Whether a command, or the group that it is in, declares a policy."""
    if command is None:
        return False
    declared = dict(command.extras)
    if isinstance(command, app_commands.Command) and command.root_parent:
        declared |= command.root_parent.extras
    return policy.items() <= declared.items()


class NotAllowed(MusrecError):
    """A member may not do that here."""


Asker = tuple[int, int | None]
"""Member and server; None in direct messages."""


class Turns:
    """Counts questions, and forgets those that no longer count: memory stays flat."""

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
            It is too early for another one; the hint says when.
        """
        asker, now = (member, guild), at.timestamp()
        if self._member and (wait := self._member.update_rate_limit(asker, now)):
            raise Busy("One song at a time.", f"You can ask again in {_seconds(wait)}.")
        if guild is not None and (wait := self._guild.update_rate_limit(asker, now)):
            raise Busy("Everyone here is asking at once.", f"Try again in {_seconds(wait)}.")


def _member(asker: Asker) -> int:
    return asker[0]


def _guild(asker: Asker) -> int | None:
    return asker[1]


def _seconds(wait: float) -> str:
    whole = max(1, round(wait))
    return "a second" if whole == 1 else f"{whole} seconds"
