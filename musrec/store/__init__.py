"""What is kept: one SQL database, one file per area over `musrec.store.database`."""

from __future__ import annotations

from musrec.store.analyses import Analyses
from musrec.store.answers import Answers
from musrec.store.cards import Cards
from musrec.store.changes import Changes
from musrec.store.database import Database
from musrec.store.drops import Drops
from musrec.store.feedback import FeedbackLog
from musrec.store.files import Files
from musrec.store.fits import Fits
from musrec.store.jobs import Jobs
from musrec.store.lookups import ForeignFeatures, Lookups
from musrec.store.members import Members
from musrec.store.playlists import Playlists
from musrec.store.servers import Servers
from musrec.store.tracks import Tracks
from musrec.store.visits import Visits


class Store:
    """Everything that is kept, by area."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tracks = Tracks(database)
        self.analyses = Analyses(database)
        self.files = Files(database)
        self.feedback = FeedbackLog(database)
        self.members = Members(database)
        self.answers = Answers(database)
        self.cards = Cards(database)
        self.servers = Servers(database)
        self.drops = Drops(database)
        self.playlists = Playlists(database)
        self.lookups = Lookups(database)
        self.changes = Changes(database)
        self.foreign = ForeignFeatures(database)
        self.visits = Visits(database)
        self.jobs = Jobs(database)
        self.fits = Fits(database)

    @classmethod
    async def open(cls, url: str) -> Store:
        """Open the database at an SQLAlchemy address, upgrading an older one first.

        Raises
        ------
        StoreError
            It cannot be opened or written, is damaged, or was written by a newer version.
        """
        return cls(await Database.open(url))

    async def close(self) -> None:
        """Give back every connection."""
        await self.database.close()
