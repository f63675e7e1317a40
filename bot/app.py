"""The client: what it asks of Discord, who may use it, how it starts and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot import errors, policy
from bot.areas import SETUPS
from musrec.members.model import Shards
from musrec.model import Busy, StoreError

if TYPE_CHECKING:
    from musrec.members.model import Card
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
"""All that the bot asks for; a card with its reactions needs each."""

CDN_HOSTS = frozenset(("cdn.discordapp.com", "media.discordapp.net"))
"""Where Discord keeps attachments; nothing else is ever fetched as one."""

WRITERS = 64
"""Cards that are edited side by side, at most."""

LOGIN_SECONDS = 5.0
"""Discord wants this long between two shards that log in, in whatever processes."""

GRACE = 10.0
"""Seconds that answers have to finish when the bot stops."""


def intents(settings: Settings, *, privileged: bool = True) -> discord.Intents:
    """Return the fewest events that the configuration needs."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.guild_reactions = wanted.dm_reactions = True
    wanted.message_content = privileged and settings.discord.message_content
    wanted.presences = privileged and settings.discord.presences
    return wanted


def invitation(application: int) -> str:
    """Return the address that adds the bot to a server."""
    return discord.utils.oauth_url(
        application, permissions=PERMISSIONS, scopes=("bot", "applications.commands")
    )


class Tree(app_commands.CommandTree["Bot"]):
    """Commands, each admitted or turned away with a sentence."""

    async def interaction_check(self, interaction: discord.Interaction[Bot], /) -> bool:
        """Let a command through if the member may use it and it is their turn."""
        if interaction.type is not discord.InteractionType.application_command:
            return True
        try:
            await self._admit(interaction)
        except Exception as error:  # noqa: BLE001 - the one handler tells them apart
            await errors.report(interaction, error)
            return False
        return True

    async def _admit(self, interaction: discord.Interaction[Bot]) -> None:
        if not policy.holds(policy.FOR_EVERYBODY, interaction.command):
            await self.client.admit(interaction.user, interaction.guild)
        if policy.holds(policy.COSTLY, interaction.command):
            asker = interaction.user.id, interaction.guild_id
            self.client.turns.take(*asker, interaction.created_at)

    async def _call(self, interaction: discord.Interaction[Bot]) -> None:
        """Run a command, and say so where it takes too long."""
        if interaction.type is not discord.InteractionType.application_command:
            await super()._call(interaction)
            return
        try:
            async with self.client.service.promptly():
                await super()._call(interaction)
        except Busy as late:
            await errors.report(interaction, late)

    async def on_error(
        self, interaction: discord.Interaction[Bot], error: app_commands.AppCommandError, /
    ) -> None:
        """Report whatever goes wrong in a command."""
        await errors.report(interaction, error)


class Bot(commands.AutoShardedBot):
    """The bot.

    Parameters
    ----------
    settings : Settings
    service : Service
        Open; its opener closes it.
    privileged : bool
        False after Discord refused the privileged intents.
    cdn_hosts : frozenset of str
        Hosts that attachments may be fetched from.
    grace : float
        Seconds that answers have to finish when the bot stops.
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
        if settings.discord.shards is not None:
            options["shard_ids"] = list(settings.discord.shards)
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
            # Nothing here looks up members or old messages: memory stays flat.
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
        self.turns = policy.Turns(settings.discord)
        self._login: asyncio.Task[None] | None = None
        self._writing = tuple(asyncio.Lock() for _ in range(WRITERS))
        self.at_work: set[asyncio.Task[Any]] = set()
        self.stopping = False

    @property
    def own_shards(self) -> Shards | None:
        """The shards that this process runs; None for all."""
        own, count = self.settings.discord.shards, self.settings.discord.shard_count
        return None if own is None or count is None else Shards(tuple(own), count)

    async def setup_hook(self) -> None:
        """Set up every area and tell Discord the commands."""
        for setup in SETUPS:
            await setup(self)
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:  # noqa: ARG002
        """Wait until no shard, of this process or another, has logged in a moment ago."""
        its_turn = asyncio.Event()
        if self._login is not None:
            await asyncio.wait([self._login])
        self._login = asyncio.create_task(self._log_in(its_turn))
        await its_turn.wait()

    async def _log_in(self, its_turn: asyncio.Event) -> None:
        """Keep the others from logging in for as long as Discord wants."""
        try:
            async with self.service.login():
                its_turn.set()
                await asyncio.sleep(LOGIN_SECONDS)
        except StoreError as error:
            log.warning("logging in without waiting for others", extra={"why": str(error)})
        finally:
            its_turn.set()

    async def on_ready(self) -> None:
        """Log that the bot is ready, and the address that invites it."""
        assert self.user is not None
        log.info(
            "ready",
            extra={
                "guilds": len(self.guilds),
                "shards": len(self.shards),
                "songs": len(self.service.catalogue.songs),
                "invite": invitation(self.user.id),
            },
        )

    async def on_message(self, message: discord.Message, /) -> None:
        """Do nothing: there are no prefix commands, and areas listen for themselves."""

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        """Log an event that went wrong; no member waits for an answer."""
        error = sys.exc_info()[1]
        log.error("event failed", exc_info=error, extra={"event_name": event_method})

    async def admit(self, member: discord.abc.User, guild: discord.Guild | None) -> None:
        """Let a member use the bot.

        Raises
        ------
        Busy
            The bot is about to stop.
        NotAllowed
            The server keeps the bot to roles that the member has none of.
        """
        if self.stopping:
            raise Busy("I am restarting.", "Ask again in a minute.")
        if guild is None or not isinstance(member, discord.Member):
            return
        settings = await self.service.servers.get(str(guild.id))
        # `member.roles` leaves out roles that are not cached; the ids come with every event.
        # Members who manage the server are never locked out.
        held = {str(id_) for id_ in member._roles}
        may = member.resolved_permissions or member.guild_permissions
        if settings.roles and not may.manage_guild and not settings.roles & held:
            raise policy.NotAllowed(
                "Only certain roles may use me here.", "Ask a server manager for one of them."
            )

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Make the bot wait a while for this task before it stops."""
        task = asyncio.current_task()
        assert task is not None
        within = task in self.at_work
        self.at_work.add(task)
        try:
            yield
        finally:
            if not within:
                self.at_work.discard(task)

    def writing(self, card: Card) -> asyncio.Lock:
        """Return the lock to hold while a posted card is edited, so that no edit undoes another."""
        return self._writing[hash(card.message) % WRITERS]

    @staticmethod
    async def end(task: asyncio.Task[Any] | None) -> None:
        """Cancel a task and wait until it has released what it held.

        A task that the closing event loop cancels a second time, while it returns a database
        connection, never ends: SQLAlchemy stops the connection's thread under it.
        """
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Finish the work in progress, hand back what takes too long, and leave."""
        if not self.stopping:
            self.stopping = True
            await self._finish()
        await self.end(self._login)
        await super().close()

    async def _finish(self) -> None:
        """Wait for the work in progress, with thumbs that arrive meanwhile; cancel what is late."""
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
