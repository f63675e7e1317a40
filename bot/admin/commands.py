"""`/setup`, `/status` and `/help`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot import policy
from bot.admin.help import welcome
from bot.cards import layouts, words
from bot.press import Press
from musrec import __version__
from musrec.drops.model import STARS
from musrec.members.model import ServerSettings

if TYPE_CHECKING:
    from bot.app import Bot
    from musrec.sources.model import ProviderHealth

Context = discord.Interaction["Bot"]
MOST_CHANNELS = 20
MOST_ROLES = 10


def panel(settings: ServerSettings, *, content: bool) -> ui.LayoutView:
    """Show the settings of a server; each choice is kept as soon as it is made."""
    listening = "I answer clips posted there without being asked."
    if not content:
        listening += (
            "\n-# ⚠️ I may not read messages here yet: whoever runs me must switch on the "
            "message content intent. Mentions, commands and direct messages work without it."
        )
    return layouts.page(
        layouts.text(f"### Server settings\n**Listening channels**\n{listening}"),
        layouts.row(Channels.offer(settings)),
        layouts.text("**Who may use me** — leave it empty for everyone."),
        layouts.row(Roles.offer(settings)),
        layouts.text("**Dates**"),
        layouts.row(Dates.offer(settings)),
    )


class _Choice(Press, template="(?!)"):
    """A select of the panel."""

    async def press(self, interaction: Context) -> None:
        """Keep what was chosen and show it."""
        if interaction.guild_id is None or not interaction.permissions.manage_guild:
            raise policy.NotAllowed("That takes the Manage Server permission.")
        await interaction.response.defer()
        servers, guild = interaction.client.service.servers, str(interaction.guild_id)
        settings = self.changed(await servers.get(guild))
        await servers.keep(guild, settings)
        view = panel(settings, content=interaction.client.intents.message_content)
        await interaction.edit_original_response(view=view)

    def changed(self, settings: ServerSettings) -> ServerSettings:
        """Return the settings with what was chosen."""
        raise NotImplementedError


class Channels(_Choice, template="setup:channels"):
    """Listening channels."""

    @classmethod
    def offer(cls, settings: ServerSettings) -> Channels:
        """Return the select with what is chosen now."""
        chosen = [
            discord.SelectDefaultValue(id=int(id_), type=discord.SelectDefaultValueType.channel)
            for id_ in sorted(settings.channels)
        ]
        return cls(
            ui.ChannelSelect(
                custom_id="setup:channels",
                channel_types=[discord.ChannelType.text, discord.ChannelType.forum],
                placeholder="None",
                min_values=0,
                max_values=MOST_CHANNELS,
                default_values=chosen[:MOST_CHANNELS],
            )
        )

    def changed(self, settings: ServerSettings) -> ServerSettings:
        """Take the channels."""
        return replace(settings, channels=frozenset(str(channel.id) for channel in self.values))


class Roles(_Choice, template="setup:roles"):
    """Who may use the bot."""

    @classmethod
    def offer(cls, settings: ServerSettings) -> Roles:
        """Return the select with what is chosen now."""
        chosen = [
            discord.SelectDefaultValue(id=int(id_), type=discord.SelectDefaultValueType.role)
            for id_ in sorted(settings.roles)
        ]
        return cls(
            ui.RoleSelect(
                custom_id="setup:roles",
                placeholder="Everyone",
                min_values=0,
                max_values=MOST_ROLES,
                default_values=chosen[:MOST_ROLES],
            )
        )

    def changed(self, settings: ServerSettings) -> ServerSettings:
        """Take the roles."""
        return replace(settings, roles=frozenset(str(role.id) for role in self.values))


class Dates(_Choice, template="setup:dates"):
    """How dates are written."""

    @classmethod
    def offer(cls, settings: ServerSettings) -> Dates:
        """Return the select with what is chosen now."""
        options = [
            discord.SelectOption(label=seen, value=style, default=style == settings.dates)
            for style, seen in words.DATES.items()
        ]
        return cls(ui.Select(custom_id="setup:dates", options=options))

    def changed(self, settings: ServerSettings) -> ServerSettings:
        """Take the way of writing."""
        return replace(settings, dates=str(self.values[0]))


class AdminCommands(commands.Cog):
    """Help, the state of the bot, and the settings of a server."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    @app_commands.command(extras=policy.FOR_EVERYBODY)
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.checks.has_permissions(manage_guild=True)
    async def setup(self, interaction: Context) -> None:
        """Choose where I listen, who may use me and how dates are written."""
        settings = await self._bot.service.servers.get(str(interaction.guild_id))
        view = panel(settings, content=self._bot.intents.message_content)
        await interaction.response.send_message(view=view, ephemeral=True)

    @app_commands.command(extras=policy.FOR_EVERYBODY)
    async def help(self, interaction: Context) -> None:
        """See what you can ask me."""
        await interaction.response.send_message(view=welcome(), ephemeral=True)

    @app_commands.command()
    async def status(self, interaction: Context) -> None:
        """See how I am doing, and what is switched off."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        service, bot = self._bot.service, self._bot
        kept = await service.members.counts()
        weights = await service.answers.weights(str(interaction.user.id))
        all_health = await service.health()
        counted = " · ".join(
            f"{name} {weight:.0%}" for name, weight in weights.items() if weight >= 0.005
        )
        blocks: list[layouts.Control] = [
            layouts.text(
                f"### {_summary(all_health)}\n**{len(service.catalogue):,}** songs to recommend · "
                f"**{kept['feedback']:,}** thumbs and listens by **{kept['members']:,}** members"
            ),
            layouts.text(f"**What counts in your answers**\n{counted}"),
            layouts.text(_services(all_health)),
        ]
        if off := [*limits(bot), *service.answers.notes]:
            lines = "\n".join(f"- {words.plain(line, 300)}" for line in off)
            blocks.append(layouts.text(f"**Off**\n{lines}"))
        if interaction.permissions.manage_guild:
            said = [*await service.warnings(), *await _rated(bot), *details(bot)]
            lines = "\n".join(f"-# {words.plain(line, 300)}" for line in said)
            blocks.append(layouts.text(lines))
        await interaction.edit_original_response(view=layouts.page(*blocks))

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: Any) -> None:
        """Forget a server that removed the bot."""
        await self._bot.service.servers.remove(str(guild.id))


def limits(bot: Bot) -> list[str]:
    """Say what members cannot do now, and what they can do instead."""
    lines = []
    if not bot.intents.message_content:
        lines.append("Clips in listening channels: mention me along with the clip.")
    if not bot.intents.presences:
        lines.append("/listening: your thumbs teach me all the same.")
    return lines


def details(bot: Bot) -> list[str]:
    """Say for those who run the bot what runs, and how to switch on what is off."""
    count, here = bot.shard_count or 1, bot.settings.discord.shard_ids
    shards = f"{count} shard{'s' if count > 1 else ''}"
    if here is not None:
        shards = f"shard{'s' if '-' in here else ''} {here} of {count}"
    running = f"{shards} · version {__version__}"
    lines = [f"{bot.latency * 1000:.0f} ms to Discord · {running}"]
    for intent, label in (("message_content", "message content"), ("presences", "presence")):
        if getattr(bot.intents, intent):
            continue
        if getattr(bot.settings.discord, intent):
            lines.append(
                f"Discord refused the {label} intent: switch it on in the developer portal, under "
                "Bot."
            )
        else:
            lines.append(f"The {label} intent is off: set discord.{intent} = true to ask for it.")
    if bot.service.answers.notes:
        lines.append("musrec models install fetches the tagger.")
    return lines


async def _rated(bot: Bot) -> list[str]:
    """Say how well drops suit members on average, once any was rated."""
    ratings = await bot.service.drops.ratings()
    if not ratings:
        return []
    mean = sum(one.stars for one in ratings) / len(ratings)
    members = len({one.member for one in ratings})
    by = f"{members} member{'' if members == 1 else 's'}, {len(ratings)} in all"
    return [f"Weeks were rated {mean:.1f} of {STARS[-1]} on average (by {by})."]


def _summary(all_health: Sequence[ProviderHealth]) -> str:
    troubled = any(health.on and health.breaker != "closed" for health in all_health)
    return "Some services do not answer" if troubled else "All systems normal"


def _services(all_health: Sequence[ProviderHealth]) -> str:
    """Name the services that answer, those in trouble with the reason, and those that are off."""
    groups: dict[str, list[str]] = {"🟢 asked": [], "🟠 in trouble": [], "⚪ off": []}
    for health in all_health:
        if not health.on:
            groups["⚪ off"].append(health.name)
        elif health.breaker == "closed":
            groups["🟢 asked"].append(health.name)
        else:
            groups["🟠 in trouble"].append(f"{health.name} ({words.plain(health.last_error, 80)})")
    named = [f"{sign}: {', '.join(names)}" for sign, names in groups.items() if names]
    return "**Services**\n" + "\n".join(named)
