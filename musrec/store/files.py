"""Files of this machine: which were heard, which gave no song, and which have gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from musrec.catalogue.model import FileStamp
from musrec.model import ANALYSER_VERSION
from musrec.store.database import IN_CHUNK, Database
from musrec.store.schema import analyses, files, refused_files


class Files:
    """Files as they were when they were last looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, stamps: Sequence[FileStamp], encoder: str | None = None) -> set[str]:
        """Return the paths whose file was analysed, by this encoder too, and has not changed."""
        current = [analyses.c.version == ANALYSER_VERSION]
        if encoder is not None:
            current.append(analyses.c.encoder == encoder)
        joined = files.join(analyses, files.c.track_id == analyses.c.track_id)
        found = set()
        async with self._database.read() as connection:
            for part in _parts(stamps):
                query = sa.select(files.c.path, files.c.size, files.c.modified_ns)
                query = query.select_from(joined).where(files.c.path.in_(part), *current)
                for row in await connection.execute(query):
                    if FileStamp(*row) == part[row.path]:
                        found.add(row.path)
        return found

    async def refused(self, stamps: Sequence[FileStamp], ears: str) -> dict[str, str]:
        """Return why files gave no song, by path: those that have not changed since.

        Parameters
        ----------
        ears : str
            What would hear them now: others may hear something in them.
        """
        found = {}
        async with self._database.read() as connection:
            for part in _parts(stamps):
                query = sa.select(refused_files).where(
                    refused_files.c.path.in_(part), refused_files.c.ears == ears
                )
                for row in await connection.execute(query):
                    if FileStamp(row.path, row.size, row.modified_ns) == part[row.path]:
                        found[row.path] = row.problem
        return found

    async def refuse(self, stamp: FileStamp, ears: str, problem: str) -> None:
        """Note that a file gave no song."""
        row = {**asdict(stamp), "ears": ears, "problem": problem}
        insert = self._database.insert(refused_files).values(row)
        async with self._database.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(index_elements=["path"], set_=row)
            )

    async def below(self, folder: str) -> dict[str, str]:
        """Return the files that were heard in a folder and below it, or that file: path to song."""
        inside = folder if folder.endswith(("/", "\\")) else folder + _separator(folder)
        # No LIKE: SQLite's takes A for a. No range: PostgreSQL's order depends on the locale.
        within = sa.func.substr(files.c.path, 1, len(inside)) == inside
        query = sa.select(files.c.path, files.c.track_id).where(within | (files.c.path == folder))
        async with self._database.read() as connection:
            return {row.path: row.track_id for row in await connection.execute(query)}

    async def songs(self, paths: Collection[str]) -> dict[str, str]:
        """Return the song that was heard in each of some files."""
        found = dict[str, str]()
        async with self._database.read() as connection:
            for part in _chunks(paths):
                query = sa.select(files.c.path, files.c.track_id).where(files.c.path.in_(part))
                found |= {row.path: row.track_id for row in await connection.execute(query)}
        return found

    async def forget(self, paths: Collection[str]) -> None:
        """Forget files that have gone."""
        async with self._database.write() as connection:
            for part in _chunks(paths):
                for table in (files, refused_files):
                    await connection.execute(table.delete().where(table.c.path.in_(part)))

    async def without_file(self, songs: Collection[str]) -> set[str]:
        """Return those of some songs that came from a file and have none any more."""
        there = sa.exists().where(files.c.track_id == analyses.c.track_id)
        found: set[str] = set()
        async with self._database.read() as connection:
            for part in _chunks(songs):
                query = sa.select(analyses.c.track_id).where(
                    analyses.c.track_id.in_(part), analyses.c.origin == "file", ~there
                )
                found |= set((await connection.execute(query)).scalars())
        return found


def _separator(folder: str) -> str:
    return "\\" if "\\" in folder and "/" not in folder else "/"


def _chunks(values: Iterable[str]) -> Iterable[list[str]]:
    listed = list(values)
    return (listed[start : start + IN_CHUNK] for start in range(0, len(listed), IN_CHUNK))


def _parts(stamps: Sequence[FileStamp]) -> Iterable[Mapping[str, FileStamp]]:
    for start in range(0, len(stamps), IN_CHUNK):
        yield {stamp.path: stamp for stamp in stamps[start : start + IN_CHUNK]}
