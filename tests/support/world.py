"""A server with people in it, and reading what they read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import simcord

from bot.app import Bot
from musrec.service import Service
from musrec.settings import Settings
from tests.support.loopback import PROVIDERS_OFF

CDN = frozenset(("cdn.simcord.invalid",))


def settings_for(
    folder: Path, *, web: dict[str, Any] | None = None, **discord_settings: Any
) -> Settings:
    """Settings without any network."""
    unlimited = {"member_cooldown_seconds": 0, "guild_commands_per_minute": 10_000}
    return Settings.model_validate(
        {
            "paths": {"data": folder},
            "sources": PROVIDERS_OFF,
            "workers": {"count": 1},
            "web": web or {},
            "discord": {"shard_count": 1, **unlimited, **discord_settings},
        }
    )


@dataclass
class World:
    """A server with a channel and people in it."""

    env: simcord.Env
    service: Service
    bot: Bot
    guild: Any
    channel: Any
    alice: Any
    bob: Any
    owner: Any = None

    def guild_owner(self) -> Any:
        """Somebody who manages the server."""
        if self.owner is None:
            role = self.guild.create_role(
                "managers", permissions=discord.Permissions(manage_guild=True)
            )
            self.owner = self.guild.add_member(self.env.create_user("olivia"), roles=[role])
        return self.owner

    async def ask(self, who: Any | None = None, **options: Any) -> Any:
        """Ask with /recommend, and return the message of the answer."""
        return shown(await (who or self.alice).slash(self.channel, "recommend", **options))


def shown(result: Any) -> Any:
    """Return the answer to a member, or what went wrong in its place."""
    return result.response or result.followups[-1]


# Reading messages as members do ------------------------------------------------------------------


def parts_of(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every component, from the outside in."""
    return [
        part
        for component in components
        for part in (component, *parts_of(component.get("components", [])))
    ]


def text_of(components: list[dict[str, Any]]) -> str:
    """Return all the text in components."""
    return "\n".join(part["content"] for part in parts_of(components) if part["type"] == 10)


def featured_in(components: list[dict[str, Any]]) -> str:
    """Return the track that a card features: what its thumbs mean."""
    ids: list[str] = [part.get("custom_id", "") for part in parts_of(components)]
    return next(id_ for id_ in ids if id_.startswith("like:")).partition(":")[2]


def parts(message: Any) -> list[dict[str, Any]]:
    """Return every component of a message."""
    components: list[Any] = message.components
    return parts_of([_as_dict(c) for c in components])


def _as_dict(component: Any) -> Any:
    return component.to_dict() if isinstance(component, discord.Component) else component


def said(message: Any) -> str:
    """Return all the text of a message."""
    return text_of(parts(message)[:1])


def pressable(message: Any, start: str) -> str:
    """Return the custom id that starts so."""
    ids: list[str] = [part.get("custom_id", "") for part in parts(message)]
    return next(id_ for id_ in ids if id_.startswith(start))


def featured(message: Any) -> str:
    """Return the track that a card features."""
    return featured_in(parts(message)[:1])


def labels(message: Any) -> list[str]:
    """Return what the select of a message offers."""
    select = next(part for part in parts(message) if part["type"] == 3)
    return [option["label"] for option in select["options"]]


def options(message: Any) -> list[str]:
    """Return the values of what the select of a message offers."""
    select = next(part for part in parts(message) if part["type"] == 3)
    return [option["value"] for option in select["options"]]


def is_card(message: Any) -> bool:
    """Whether a message features a track."""
    return any(part.get("custom_id", "").startswith("like:") for part in parts(message))
