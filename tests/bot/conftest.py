"""The real bot on the real service, in a simulated Discord: a clock of its own, no network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
import pytest_asyncio
import simcord
import sqlalchemy as sa

from bot.app import Bot
from bot.feedback import counts
from musrec.demo import TUNES, write_tunes
from musrec.model import MusrecError
from musrec.service import Service
from musrec.store import schema
from tests.support.stores import store_of
from tests.support.world import CDN, World, settings_for


@pytest.fixture(scope="session")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """Names and bytes of music composed here."""
    folder = tmp_path_factory.mktemp("tunes")
    write_tunes(folder)
    return [(tune.file, (folder / tune.file).read_bytes()) for tune in TUNES[:3]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def opened(
    tmp_path_factory: pytest.TempPathFactory, tunes: list[tuple[str, bytes]]
) -> AsyncIterator[Service]:
    """One service for all tests, that has heard the tunes before: most tests need no second ear."""
    async with Service.open(settings_for(tmp_path_factory.mktemp("store"))) as service:
        for name, data in tunes:
            await service.songs.hear_clip(data, name)
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def service(opened: Service) -> AsyncIterator[Service]:
    """The service, with nothing left of other tests' members, cards and servers."""
    yield opened
    async with store_of(opened) as store, store.database.write() as connection:
        members = (await connection.execute(sa.select(schema.members.c.id))).scalars().all()
        for table in (schema.cards, schema.answers, schema.guilds):
            await connection.execute(table.delete())
    for member in members:
        await opened.members.delete(member)


@pytest.fixture(autouse=True)
def _counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edit the counts of a card as soon as they change: SimCord waits for it in real time."""
    monkeypatch.setattr(counts, "EVERY", 0.0)


@pytest.fixture
def simcord_bot(service: Service, request: pytest.FixtureRequest) -> Bot:
    """The bot; a test's `discord_settings` marker changes its configuration."""
    marker = request.node.get_closest_marker("discord_settings")
    changed = marker.kwargs if marker else {}
    settings = settings_for(Path("unused"), **changed)
    return Bot(settings, service, cdn_hosts=CDN, guild_ready_timeout=0.01)


@pytest_asyncio.fixture(loop_scope="session")
async def env(simcord_bot: Bot) -> AsyncIterator[simcord.Env]:
    """The simulated Discord with the bot in it."""
    # It waits for timers that are due within this time, so it stays below the tick of the drops.
    env = simcord.Env(simcord_bot, shard_count=1, settle_timeout=60)
    await env.start()
    try:
        yield env
    finally:
        await env.shutdown()
    # What was answered with a sentence is no error; anything else fails the test.
    unforeseen = [error for error in env.errors if not _foreseen(error)]
    assert not unforeseen, unforeseen


def _foreseen(error: BaseException) -> bool:
    return isinstance(getattr(error, "original", error), (MusrecError, discord.Forbidden))


@pytest_asyncio.fixture(loop_scope="session")
async def world(env: simcord.Env, service: Service) -> World:
    """A server with a channel, Alice and Bob."""
    guild = env.create_guild()
    return World(
        env=env,
        service=service,
        bot=env.bot,
        guild=guild,
        channel=guild.create_text_channel("music"),
        alice=guild.add_member(env.create_user("alice")),
        bob=guild.add_member(env.create_user("bob")),
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker that changes the bot's configuration for one test."""
    config.addinivalue_line("markers", "discord_settings(**values): discord.* settings of a test")
