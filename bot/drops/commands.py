"""`/drops` and `/mixtape`, and the clock that drives them."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import discord
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from discord import app_commands
from discord.ext import commands

from bot.cards import layouts
from bot.drops.posting import Messages, panel, post_now
from bot.policy import NotAllowed
from musrec.drops.model import FRIDAY_EVENING, SIZES, WEEKDAYS, Drop, Schedule
from musrec.model import NotFound

if TYPE_CHECKING:
    from bot.app import Bot

log = logging.getLogger(__name__)

Context = discord.Interaction["Bot"]
Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
Hour = app_commands.Range[int, 0, 23]
Size = app_commands.Range[int, SIZES.start, SIZES.stop - 1]

TICK_SECONDS = 120

_WHEN = {
    "day": "The day of the week",
    "hour": "The hour of that day, 0 to 23",
    "zone": "Your time zone: type your city",
    "size": "How many songs",
}


def _schedule(
    bot: Bot, kept: Schedule, day: Day | None, hour: int | None, zone: str | None
) -> Schedule:
    return Schedule(
        kept.weekday if day is None else WEEKDAYS.index(day),
        kept.hour if hour is None else hour,
        kept.zone if zone is None else bot.service.drops.zone_named(zone),
    )


_managers = app_commands.checks.has_permissions(manage_guild=True)


async def zones(interaction: Context, typed: str) -> list[app_commands.Choice[str]]:
    """Suggest time zones."""
    found = await interaction.client.service.drops.suggest_zones(typed)
    return [app_commands.Choice(name=name.replace("_", " "), value=name) for name in found]


class DropCommands(commands.GroupCog, group_name="drops"):
    """Your weekly drop."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._ticking = AsyncIOScheduler(timezone=UTC)

    async def cog_load(self) -> None:
        """Start the clock. It remembers nothing: the database says what is due."""
        self._ticking.add_job(
            self._tick_in_quiet,
            "interval",
            seconds=TICK_SECONDS,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        self._ticking.start()

    async def cog_unload(self) -> None:
        """Stop the clock; the bot finishes or hands back a drop in progress."""
        self._ticking.shutdown(wait=False)

    async def _tick_in_quiet(self) -> None:
        """Post what is due, unless the bot is stopping or offline."""
        bot = self._bot
        if bot.stopping or not bot.is_ready():
            return
        try:
            with bot.working():
                await self.tick()
        except Exception:
            log.exception("failed in the background")

    async def tick(self) -> int:
        """Post what is due."""
        return await self._bot.service.drops.tick(Messages(self._bot))

    @app_commands.command()
    @app_commands.describe(
        **_WHEN, place="Where to post it", adventurous="0 stays close to what you like, 10 goes far"
    )
    @app_commands.autocomplete(zone=zones)
    async def on(
        self,
        interaction: Context,
        day: Day | None = None,
        hour: Hour | None = None,
        zone: app_commands.Range[str, 1, 60] | None = None,
        place: Literal["direct messages", "this channel"] | None = None,
        size: Size | None = None,
        adventurous: app_commands.Range[int, 0, 10] | None = None,
    ) -> None:
        """Get songs for you every week, or change when and where they come."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        drop = await self._bot.service.drops.wanted_by(str(interaction.user.id))
        if place is not None:
            drop = replace(drop, channel=None if place == "direct messages" else _here(interaction))
        drop = replace(
            drop,
            schedule=_schedule(self._bot, drop.schedule, day, hour, zone),
            home=_home(interaction) or drop.home,
            size=size or drop.size,
            adventurous=drop.adventurous if adventurous is None else adventurous / 10,
            since=datetime.now(UTC),
            active=True,
            trouble="",
        )
        drop = await self._bot.service.drops.keep(drop)
        await interaction.edit_original_response(view=panel(drop))

    @app_commands.command()
    async def off(self, interaction: Context) -> None:
        """Stop your weekly songs."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        drops = self._bot.service.drops
        drop = await drops.of_member(str(interaction.user.id))
        if drop is not None:
            await drops.turn_off(drop)
        await interaction.edit_original_response(
            view=layouts.notice("Your weekly drop is off.", hint="`/drops on` brings it back.")
        )

    @app_commands.command()
    async def now(self, interaction: Context) -> None:
        """Get this week's songs now."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        drops, home = self._bot.service.drops, _home(interaction)
        drop = await drops.wanted_by(str(interaction.user.id))
        if not drop.id:
            here = _here(interaction) if home else None
            drop = await drops.keep(replace(drop, home=home, channel=here, active=False))
        said = await post_now(self._bot, drop)
        await interaction.edit_original_response(view=layouts.notice(said))

    @app_commands.command()
    async def settings(self, interaction: Context) -> None:
        """See when and where your songs come."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        drop = await self._bot.service.drops.of_member(str(interaction.user.id))
        if drop is None:
            raise NotFound("You have no weekly drop.", "`/drops on` starts one.")
        await interaction.edit_original_response(view=panel(drop))


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class MixtapeCommands(commands.GroupCog, group_name="mixtape"):
    """A weekly mixtape for this server."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    @app_commands.command()
    @_managers
    @app_commands.describe(**_WHEN, channel="Where to post it; leave it out for this channel")
    @app_commands.autocomplete(zone=zones)
    async def on(
        self,
        interaction: Context,
        channel: discord.TextChannel | None = None,
        day: Day | None = None,
        hour: Hour | None = None,
        zone: app_commands.Range[str, 1, 60] | None = None,
        size: Size | None = None,
    ) -> None:
        """Post a mixtape every week, made from the likes of the members who join it."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        kept = await self._bot.service.drops.of_server(str(interaction.guild_id))
        where = str(channel.id) if channel else kept.channel if kept else None
        drop = Drop(
            None,
            str(interaction.guild_id),
            _schedule(self._bot, kept.schedule if kept else FRIDAY_EVENING, day, hour, zone),
            datetime.now(UTC),
            channel=where or _here(interaction),
            home=_home(interaction),
            size=size or (kept.size if kept else 5),
        )
        drop = await self._bot.service.drops.keep(drop)
        await interaction.edit_original_response(view=panel(drop))

    @app_commands.command()
    @_managers
    async def off(self, interaction: Context) -> None:
        """Stop the weekly mixtape."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        drop = await self._kept(interaction)
        await self._bot.service.drops.turn_off(drop)
        await interaction.edit_original_response(
            view=layouts.notice("The mixtape is off.", hint="`/mixtape on` brings it back.")
        )

    @app_commands.command()
    @_managers
    async def now(self, interaction: Context) -> None:
        """Post this week's mixtape now."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        drop = await self._kept(interaction)
        said = await post_now(self._bot, drop)
        await interaction.edit_original_response(view=layouts.notice(said))

    @app_commands.command()
    @_managers
    async def settings(self, interaction: Context) -> None:
        """See when and where the mixtape comes."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        await interaction.edit_original_response(view=panel(await self._kept(interaction)))

    async def _kept(self, interaction: Context) -> Drop:
        drop = await self._bot.service.drops.of_server(str(interaction.guild_id))
        if drop is None:
            raise NotFound("This server has no mixtape.", "`/mixtape on` starts one.")
        return drop


def _home(interaction: Context) -> str | None:
    """Return the channel for reports of trouble; None outside the bot's own servers."""
    there = interaction.guild_id and interaction.client.get_guild(interaction.guild_id)
    return str(interaction.channel_id) if there else None


def _here(interaction: Context) -> str:
    """Return this channel, if the bot and the member may both post in it.

    Raises
    ------
    NotAllowed
        One of them may not.
    """
    home = _home(interaction)
    if home is None:
        raise NotAllowed("I cannot post in this channel.", "Choose direct messages.")
    if not interaction.permissions.send_messages or not interaction.app_permissions.send_messages:
        raise NotAllowed(
            "One of us may not post in this channel.", "Choose another, or direct messages."
        )
    return home
