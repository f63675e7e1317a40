"""The client: what it asks of Discord, who may use it, how it starts and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands, tasks

from bot import errors
from bot.admin import commands as admin
from bot.drops import posting as drops
from bot.drops.commands import Drops, Mixtape
from bot.feedback import thumbs
from bot.feedback.listening import Presence
from bot.playlists import commands as playlists
from bot.privacy import commands as privacy
from bot.recommend import answering
from bot.recommend.chat import Chat
from bot.recommend.clips import CDN_HOSTS
from bot.recommend.commands import Recommend
from bot.taste import commands as taste
from bot.taste.catalogue import Browse
from bot.turns import Refused, Turns
from musrec.model import Busy

if TYPE_CHECKING:
    from musrec.service import Service
    from musrec.settings import Settings

log = logging.getLogger(__name__)

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
    attach_files=True,
    add_reactions=True,
)
"""All that is asked for, each needed for a card with its reactions."""

GRACE = 10.0
"""Seconds that answers have to finish when the bot stops."""

# Whoever wants to know what is kept of them, or how to ask, is never turned away.
_FOR_EVERYBODY = ("privacy", "listening", "help", "setup")
_COSTLY = ("recommend", "Find similar", "search", "compare")


def intents(settings: Settings, *, privileged: bool = True) -> discord.Intents:
    """Return the fewest events that the configuration needs."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.guild_reactions = wanted.dm_reactions = True
    wanted.message_content = privileged and settings.discord.message_content
    wanted.presences = privileged and settings.discord.presences
    return wanted


def invitation(application: int) -> str:
    """Return the address where a server's owner lets the bot in."""
    return discord.utils.oauth_url(
        application, permissions=PERMISSIONS, scopes=("bot", "applications.commands")
    )


class Tree(app_commands.CommandTree["Bot"]):
    """Commands, each admitted or turned away with a sentence."""

    async def interaction_check(self, interaction: discord.Interaction[Bot], /) -> bool:
        """Let a command through when it is the member's turn."""
        if interaction.type is not discord.InteractionType.application_command:
            return True
        data: Any = interaction.data
        try:
            await self._admit(interaction, data["name"])
        except Exception as error:  # noqa: BLE001 - the one handler tells them apart
            await errors.report(interaction, error)
            return False
        return True

    async def _admit(self, interaction: discord.Interaction[Bot], name: str) -> None:
        if name not in _FOR_EVERYBODY:
            await self.client.admit(interaction.user, interaction.guild)
        if name in _COSTLY:
            asker = interaction.user.id, interaction.guild_id
            self.client.turns.take(*asker, interaction.created_at)

    async def on_error(
        self, interaction: discord.Interaction[Bot], error: app_commands.AppCommandError, /
    ) -> None:
        """Answer for whatever goes wrong in a command."""
        await errors.report(interaction, error)


class Bot(commands.AutoShardedBot):
    """The bot.

    Parameters
    ----------
    settings : Settings
    service : Service
        Opened, and closed by whoever opened it.
    privileged : bool
        False where Discord refused the privileged intents.
    cdn_hosts : frozenset of str
        Where attachments may be fetched from.
    grace : float
        Seconds that answers have to finish when it stops.
    """

    def __init__(
        self,
        settings: Settings,
        service: Service,
        *,
        privileged: bool = True,
        cdn_hosts: frozenset[str] = CDN_HOSTS,
        grace: float = GRACE,
        **options: Any,
    ) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=Tree,
            intents=intents(settings, privileged=privileged),
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
            # Nothing here looks members or old messages up: memory stays flat.
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            enable_raw_presences=settings.discord.presences,
            shard_count=settings.discord.shard_count,
            **options,
        )
        self.settings = settings
        self.service = service
        self.privileged = privileged
        self.cdn_hosts = cdn_hosts
        self.grace = grace
        self.turns = Turns(settings.discord)
        self.at_work: set[asyncio.Task[Any]] = set()
        self.stopping = False
        self._presence = Presence(self)

    async def setup_hook(self) -> None:
        """Put the areas together and tell Discord the commands."""
        for cog in (
            Recommend(self),
            Chat(self),
            thumbs.Reactions(self),
            self._presence,
            taste.Taste(self),
            Browse(self),
            playlists.Playlists(self),
            Drops(self),
            Mixtape(self),
            privacy.Privacy(self),
            admin.Admin(self),
        ):
            await self.add_cog(cog)
        self.add_dynamic_items(
            *answering.PRESSES,
            *thumbs.PRESSES,
            *drops.PRESSES,
            *taste.PRESSES,
            *playlists.PRESSES,
            *privacy.PRESSES,
            *admin.PRESSES,
        )
        await self.tree.sync()
        self._sweep.start()

    async def on_ready(self) -> None:
        """Say that it is there, and how to let it in elsewhere."""
        assert self.user is not None
        log.info(
            "ready",
            extra={
                "guilds": len(self.guilds),
                "shards": self.shard_count,
                "songs": len(self.service.catalogue.songs),
                "invite": invitation(self.user.id),
            },
        )

    async def on_message(self, message: discord.Message, /) -> None:
        """Leave messages to `bot.recommend.chat`: there are no prefix commands."""

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        """Note an event that went wrong; nobody asked, so nobody is told."""
        error = sys.exc_info()[1]
        log.error("event failed", exc_info=error, extra={"event_name": event_method})

    async def admit(self, member: discord.abc.User, guild: discord.Guild | None) -> None:
        """Let a member use the bot.

        Raises
        ------
        Busy
            The bot is about to stop.
        Refused
            The server wants it used by certain roles only.
        """
        if self.stopping:
            raise Busy("I am being restarted.", "Please ask again in a minute.")
        if guild is None or not isinstance(member, discord.Member):
            return
        wishes = await self.service.servers.get(str(guild.id))
        # `member.roles` leaves out roles that are not cached; the ids come with every event.
        # Who manages the server is never locked out.
        held = {str(id_) for id_ in member._roles}
        may = member.resolved_permissions or member.guild_permissions
        if wishes.roles and not may.manage_guild and not wishes.roles & held:
            raise Refused(
                "This server keeps me to certain roles.", "Ask those who manage it for one."
            )

    def limits(self) -> list[str]:
        """Say what is switched off, and what that costs."""
        lines = []
        if not self.intents.message_content:
            lines.append(
                "Clips in listening channels: the message content intent is off"
                + self._why("message_content")
            )
        if not self.intents.presences:
            lines.append("/listening: the presence intent is off" + self._why("presences"))
        return lines

    def _why(self, intent: str) -> str:
        if getattr(self.settings.discord, intent) and not self.privileged:
            return "; Discord refused it: switch it on in the developer portal, under Bot."
        return f"; set discord.{intent} = true to switch it on."

    async def refresh_listeners(self) -> None:
        """Read again who may be listened to."""
        await self._presence.refresh()

    def forget_listener(self, member: str) -> None:
        """Stop listening to a member now."""
        self._presence.forget(member)

    @tasks.loop(hours=24)
    async def _sweep(self) -> None:
        now = datetime.now(UTC)
        await self.service.cards.sweep(now)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Have the bot wait for this task, for a while, before it stops."""
        task = asyncio.current_task()
        assert task is not None
        within = task in self.at_work
        self.at_work.add(task)
        try:
            yield
        finally:
            if not within:
                self.at_work.discard(task)

    @staticmethod
    async def end(task: asyncio.Task[Any] | None) -> None:
        """Cancel a task and wait until it has given back what it held.

        One that the end of the event loop cancels a second time, while it gives back a connection
        to the database, never ends: SQLAlchemy stops the connection's thread under it.
        """
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Finish what is at work, hand back what takes too long, and leave."""
        if not self.stopping:
            self.stopping = True
            await self.end(self._sweep.get_task())
            await self._finish()
        await super().close()

    async def _finish(self) -> None:
        """Wait for what is at work, a thumb that comes meanwhile included; cancel what is late."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.grace
        while self.at_work:
            log.info("finishing", extra={"tasks": len(self.at_work)})
            left = max(0.0, until - loop.time())
            _, late = await asyncio.wait(self.at_work.copy(), timeout=left)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            if late:
                break
