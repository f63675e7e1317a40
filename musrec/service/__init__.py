"""The one door: the bot, the command line and a page call this and nothing behind it.

A song goes one way through it::

    text, link or bytes -> find / hear -> Heard -> recommend -> Answer -> card

`Service` opens what there is and hands it out by area. Everything here is safe to call from an
event loop: hearing happens in worker processes, scoring and drawing in threads, the rest is input
and output.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from musrec.audio import tagger
from musrec.service.answers import Answers
from musrec.service.cards import Cards
from musrec.service.catalogue import CatalogueView
from musrec.service.drops import Drops
from musrec.service.live import Live
from musrec.service.members import Members
from musrec.service.outside import Outside
from musrec.service.playlists import Playlists
from musrec.service.servers import Servers
from musrec.service.songs import Songs
from musrec.settings import Settings
from musrec.store import Store
from musrec.store.backup import backup, restore

if TYPE_CHECKING:
    from musrec.sources import Endpoints
    from musrec.sources.model import ProviderHealth, Tool


class Service:
    """The engine, opened. Use `Service.open` as an async context manager.

    Attributes
    ----------
    songs : Songs
        Finding and hearing them.
    answers : Answers
        Recommending, and what answers are shown with.
    members : Members
        What they did and chose, their taste, and what is kept about them.
    catalogue : CatalogueView
        What can be recommended, searched, mapped and compared.
    playlists : Playlists
    drops : Drops
        Weekly drops and mixtapes.
    cards : Cards
        Messages that feature a song, and the reactions under them.
    servers : Servers
        Their settings.
    """

    def __init__(self, settings: Settings, store: Store, live: Live, outside: Outside) -> None:
        self.settings = settings
        self._store = store
        self._live = live
        self._outside = outside
        self.songs = Songs(settings, store, live, outside)
        self.servers = Servers(store)
        self.cards = Cards(store, live)
        self.members = Members(store, live)
        self.answers = Answers(settings, store, live, self.songs, self.members)
        self.catalogue = CatalogueView(store, live, self.songs)
        self.playlists = Playlists(
            settings, store, live, outside, self.songs, self.answers, self.members
        )
        self.drops = Drops(settings, store, live, self.songs, self.answers, self.members)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, *, endpoints: Endpoints | None = None
    ) -> AsyncIterator[Service]:
        """Open the store, bring it up to date, and load what can be recommended.

        Parameters
        ----------
        settings : Settings
        endpoints : Endpoints, optional
            Where the services on the network are; for tests.

        Raises
        ------
        StoreError
            The database cannot be used.
        """
        async with AsyncExitStack() as stack:
            store = await Store.open(settings.store_url)
            stack.push_async_callback(store.close)
            live = await stack.enter_async_context(Live.open(settings, store))
            outside = await stack.enter_async_context(Outside.open(settings, store, endpoints))
            # Work in the background ends before anything that it uses.
            stack.push_async_callback(live.end_background)
            service = cls(settings, store, live, outside)
            live.spawn(service.songs.fingerprint_older())
            yield service

    @property
    def store_address(self) -> str:
        """Where the database is, without its password."""
        return self._store.database.address

    def budget(self) -> AbstractContextManager[None]:
        """Let everything asked inside share one ``recommend.budget_seconds``."""
        return self._outside.budget()

    async def warm(self) -> None:
        """Start the processes that hear, so that the first clip need not wait for them."""
        await self._outside.warm()

    async def reload(self) -> None:
        """Read the catalogue and all feedback again, and swap them in."""
        await self._live.reload()

    @staticmethod
    async def backup(settings: Settings, to: Path) -> None:
        """Write everything kept into a new file, whether a service is open or not.

        Raises
        ------
        StoreError
            There is a file of that name, the store is not an SQLite file, or it is damaged.
        """
        await backup(settings.store_url, to)

    @staticmethod
    async def restore(settings: Settings, file: Path) -> None:
        """Make the store of a backup; there must be none yet.

        Raises
        ------
        StoreError
            There is a store already, or the file is not a sound backup.
        """
        await restore(settings.store_url, file)

    @property
    def set_aside(self) -> Mapping[str, int]:
        """Table to how many rows of it could not be read and are left out; empty if all is well."""
        return self._store.database.set_aside

    async def has_tagger(self) -> bool:
        """Whether the tagger is installed, looked up now."""
        return (await asyncio.to_thread(tagger.status)).installed

    async def health(self) -> tuple[ProviderHealth, ...]:
        """Return the last known state of each service on the network, without asking it."""
        return (await self._outside.sources()).health()

    async def tools(self) -> tuple[Tool, ...]:
        """Return the external programs that the services use."""
        return await (await self._outside.sources()).tools()
