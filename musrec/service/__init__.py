"""The one door: the bot, the command line and a page call this and nothing behind it.

A song goes one way through it::

    text, link or bytes -> find / hear -> Heard -> recommend -> Answer -> card

`Service` opens what there is and hands it out by area. Everything here is safe to call from an
event loop: hearing happens in worker processes, scoring and drawing in threads, the rest is input
and output.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from musrec.audio import tagger
from musrec.audio.encoder import Encoder
from musrec.members.model import Day, Week
from musrec.model import SettingsError
from musrec.service import overview
from musrec.service.answers import Answers
from musrec.service.cards import Cards
from musrec.service.catalogue import CatalogueView
from musrec.service.changes import following
from musrec.service.drops import Drops
from musrec.service.jobs import Jobs
from musrec.service.live import Live
from musrec.service.measures import Measures
from musrec.service.members import Members
from musrec.service.outside import Outside
from musrec.service.playlists import Playlists
from musrec.service.servers import Servers
from musrec.service.songs import Songs
from musrec.service.upkeep import folder_of
from musrec.service.visits import Visits
from musrec.settings import Settings
from musrec.store import Store
from musrec.store.backup import backup, restore
from musrec.store.copying import copy

if TYPE_CHECKING:
    import subprocess

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
    visits : Visits
        Who may use the local page.
    jobs : Jobs
        What is done in quiet times, by any process.
    """

    def __init__(self, settings: Settings, store: Store, live: Live, outside: Outside) -> None:
        self.settings = settings
        self._store = store
        self._live = live
        self._outside = outside
        self.songs = Songs(settings, store, live, outside)
        self.servers = Servers(store)
        self.visits = Visits(settings, store, live)
        self.cards = Cards(store, live)
        self.members = Members(store, live)
        self.catalogue = CatalogueView(store, live, self.songs)
        self.answers = Answers(settings, store, live, self.songs, self.members, self.catalogue)
        self.playlists = Playlists(
            settings, store, live, outside, self.songs, self.answers, self.members
        )
        self.drops = Drops(settings, store, live, self.songs, self.answers, self.members)
        self.jobs = Jobs(settings, store, live, outside, self.songs, self.drops)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        *,
        endpoints: Endpoints | None = None,
        worker: subprocess.Popen[bytes] | None = None,
    ) -> AsyncIterator[Service]:
        """Open the store, bring it up to date, and load what can be recommended.

        Parameters
        ----------
        settings : Settings
        endpoints : Endpoints, optional
            Where the services on the network are; for tests.
        worker : Popen, optional
            A process from `musrec.audio.worker.start`, to hear the first clip.

        Raises
        ------
        StoreError
            The database cannot be used.
        ModelMissing
            ``hearing.encoder`` cannot be used; the message says why.
        """
        async with AsyncExitStack() as stack:
            path = settings.hearing.encoder
            encoder = await asyncio.to_thread(Encoder.load, path) if path else None
            store = await Store.open(settings.store_url)
            stack.push_async_callback(store.close)
            live = await stack.enter_async_context(Live.open(settings, store, encoder))
            outside = await stack.enter_async_context(
                Outside.open(settings, store, endpoints, encoder, worker)
            )
            # Work in the background ends before anything that it uses.
            stack.push_async_callback(live.end_background)
            service = cls(settings, store, live, outside)
            live.spawn(service.songs.fingerprint_older())
            await stack.enter_async_context(following(store, live, service.members))
            yield service

    @property
    def store_address(self) -> str:
        """Where the database is, without its password."""
        return self._store.database.address

    @property
    def database(self) -> str:
        """What the database is: ``SQLite`` or ``PostgreSQL``."""
        return "PostgreSQL" if self._store.database.is_postgres else "SQLite"

    @property
    def measures(self) -> Measures:
        """What this process has done since it started."""
        return self._live.measures

    @property
    def clips(self) -> tuple[int, int]:
        """How many clips are being heard or wait for it, and how many can be heard at once."""
        return self._outside.clips, self._outside.places

    def login(self) -> AbstractAsyncContextManager[None]:
        """Log in to Discord while no other process on this store does: one at a time may."""
        return self._store.database.alone("login")

    def budget(self) -> AbstractContextManager[None]:
        """Let everything asked inside share one ``recommend.budget_seconds``."""
        return self._outside.budget()

    def promptly(self) -> AbstractAsyncContextManager[None]:
        """Share one budget, and cancel what takes much longer: for members, who wait.

        Raises
        ------
        Busy
            It was cancelled.
        """
        return self._outside.promptly()

    @property
    def seconds_left(self) -> float:
        """Of the budget of the question under way, else of one that starts now."""
        return self._outside.deadline().left

    async def warm(self) -> None:
        """Start what hears, fit the recommender and lay out the map, so that no member waits."""
        await asyncio.gather(self._outside.warm(), self._live.recommender(), self._live.atlas())

    async def ears(self) -> str:
        """Return where clips are heard, or why they cannot be, in words."""
        try:
            return (await self._outside.ears()).said
        except SettingsError as error:
            return str(error)

    @property
    def refused(self) -> tuple[str, ...]:
        """Why workers of a cluster get no work, in sentences."""
        return self._outside.refused

    async def reload(self) -> None:
        """Read the catalogue and all feedback again, and swap them in.

        What is new here to hear with, such as the tagger, is asked of a cluster's workers, too.
        """
        await self._live.reload()
        await self._outside.hear_again()

    @staticmethod
    async def backup(settings: Settings, to: Path, *, replace: bool = False) -> None:
        """Write everything kept into a file, whether a service is open or not.

        Raises
        ------
        StoreError
            There is a file of that name and `replace` is false, or the store is damaged.
        """
        await backup(settings.store_url, to, replace=replace)

    @staticmethod
    async def restore(settings: Settings, file: Path, *, replace: bool = False) -> None:
        """Make the store of a backup.

        Raises
        ------
        StoreError
            There is a store and `replace` is false, or it is in use; or the file is not a sound
            backup.
        """
        await restore(settings.store_url, file, replace=replace)
        await asyncio.to_thread(shutil.rmtree, folder_of(settings), ignore_errors=True)

    @staticmethod
    async def copy_store(
        source: str, target: str, progress: Callable[[str, int], None] | None = None
    ) -> dict[str, int]:
        """Copy everything that one store holds into another; see `musrec.store.copying.copy`."""
        return await copy(source, target, progress)

    @property
    def set_aside(self) -> Mapping[str, int]:
        """Table to how many rows of it could not be read and are left out; empty if all is well."""
        return self._store.database.set_aside

    async def warnings(self) -> tuple[str, ...]:
        """Say what those who run it should see to, in sentences; empty if all is well."""
        said = [
            f"{count} damaged row{'' if count == 1 else 's'} of {table} left out: restore a backup."
            for table, count in self.set_aside.items()
        ]
        late = Counter(drop.trouble for drop in await self.drops.troubled())
        said += [
            f"{count} weekly drop{'' if count == 1 else 's'} late or paused: {why}"
            for why, count in late.most_common()
        ]
        said += self.refused
        old = (await self._outside.sources()).old(datetime.now(UTC).date())
        return (*said, old) if old else tuple(said)

    async def checks(self) -> dict[str, list[tuple[str, str]]]:
        """Return what is on, what is off, and why: heading to lines of a label and words."""
        return await overview.checks(self)

    async def days(self) -> list[Day]:
        """Return what happened on each of the last days, the newest first."""
        return await overview.days(self._store)

    async def weeks(self) -> list[Week]:
        """Return how well the drops of each week suited those who rated them, newest first."""
        return await overview.weeks(self)

    @property
    def encoder(self) -> Encoder | None:
        """The configured encoder of the owner's own."""
        return self._live.encoder

    async def has_tagger(self) -> bool:
        """Whether both networks of the tagger are installed, looked up now."""
        both = [await asyncio.to_thread(tagger.status, name=name) for name in tagger.NAMES]
        return all(one.installed for one in both)

    async def health(self) -> tuple[ProviderHealth, ...]:
        """Return the last known state of each service on the network, without asking it."""
        return (await self._outside.sources()).health()

    async def tools(self) -> tuple[Tool, ...]:
        """Return the external programs that the services use."""
        return await (await self._outside.sources()).tools()
