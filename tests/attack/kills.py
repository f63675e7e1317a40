"""Processes killed at random moments: nothing that was acknowledged is lost, nothing comes twice.

``python -m tests.attack.kills FOLDER SIZE SEED`` prints the figures as JSON. It is a process of its
own that has imported everything and opened nothing, because it forks.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

# Imported before forking, so that no child has to.
import musrec.audio.tagger
import musrec.recommend  # noqa: F401
from musrec.demo import TUNES, compose, wav
from musrec.drops.model import Issue, Post
from musrec.members.model import Card
from musrec.model import Answer, Feedback, FeedbackKind
from musrec.service import Service
from musrec.store import Store, schema
from tests.attack.figures import Figures
from tests.support import drop_processes
from tests.support.drop_processes import WEDNESDAY, ended, forked
from tests.support.posting import Channel, Clock, settings
from tests.support.store_processes import SONG

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
MESSAGES = 2 * 3
"""Of two drops, with an opening and two songs each."""
LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE
Job = Callable[[], Coroutine[Any, Any, Any]]


def attack(folder: Path, size: int, seed: int = 0) -> list[Figures]:
    """Kill as many processes: a tenth while they add music, a third of the others per other job."""
    command = [sys.executable, "-m", "tests.attack.kills", str(folder), str(size), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = []
    for one in json.loads(done.stdout):
        figures = Figures(one["attack"])
        figures.tried.update(one["tried"])
        figures.broken.update(one["broken"])
        found.append(figures)
    return found


# Dying --------------------------------------------------------------------------------------------


def mortal(job: Job, moment: int, counted: Path | None = None) -> int:
    """Run a job in a process that is killed at a statement to the database; return its exit code.

    Parameters
    ----------
    moment : int
        How many statements it lives for, both before and after each of them counting; 0 for ever.
    counted : Path, optional
        File to write down how many there were.
    """
    seen = 0

    def hit(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    async def run() -> None:
        for event in ("before_cursor_execute", "after_cursor_execute", "commit"):
            sa.event.listen(sa.Engine, event, hit)
        await job()
        if counted:
            counted.write_text(str(seen))

    return ended(forked(run))


def kills(job: Callable[[Path], Job], template: Path, folder: Path, size: int, seed: int) -> Any:
    """Yield a copy of the template per kill, in which the job was killed at a random moment."""
    rng = random.Random(seed)
    count, whole = folder / "count", folder / "whole"
    shutil.copytree(template, whole)
    assert mortal(job(whole), 0, count) == 0
    moments = int(count.read_text())
    for number in range(size):
        copy = folder / str(number)
        shutil.copytree(template, copy)
        code = mortal(job(copy), rng.randint(1, moments))
        yield copy, code
        shutil.rmtree(copy)


def rows(folder: Path, query: str) -> list[Any]:
    database = sqlite3.connect(folder / "musrec.db")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def _broken_file(folder: Path) -> bool:
    return rows(folder, "PRAGMA integrity_check") != [("ok",)] or bool(
        rows(folder, "PRAGMA foreign_key_check")
    )


# Jobs ---------------------------------------------------------------------------------------------


def url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'musrec.db'}"


async def with_cards(folder: Path) -> None:
    store = await Store.open(url(folder))
    await store.tracks.add(SONG)
    for number in range(3):
        await store.cards.keep(Card(f"message {number}", "channel", SONG.id, NOW))
    await store.close()


def thumbs(folder: Path) -> Job:
    """Return a job in which members react, some twice and some back, and what was done is noted."""

    async def react(store: Store, number: int) -> None:
        message, member = f"message {number % 3}", f"member {number}"
        await store.cards.reacted(message, Feedback(member, SONG.id, LIKE, NOW), there=True)
        state = "like"
        if number % 4 == 1:
            await store.cards.reacted(message, Feedback(member, SONG.id, LIKE, NOW), there=False)
            state = "none"
        with (folder / "done").open("a") as file:
            file.write(f"{member}\t{state}\n")

    async def job() -> None:
        store = await Store.open(url(folder))
        for start in range(0, 24, 6):
            await asyncio.gather(*(react(store, number) for number in range(start, start + 6)))
        await store.close()

    return job


def _thumbs(template: Path, folder: Path, size: int, seed: int) -> Figures:
    figures = Figures("kills: thumbs")
    for copy, _ in kills(thumbs, template, folder, size, seed):
        done = (copy / "done").read_text().splitlines() if (copy / "done").exists() else []
        kept = {member for (member,) in rows(copy, "SELECT member_id FROM feedback")}
        counted = {member for (member,) in rows(copy, "SELECT member_id FROM card_thumbs")}
        for line in done:
            member, state = line.split("\t")
            figures.tried["thumbs noted"] += 1
            figures.broken["lost"] += (member in kept) != (state == "like")
        figures.broken["wrong pairs"] += len(kept ^ counted)
        # Whoever reads the reactions back does all of it again: nothing is counted twice.
        assert ended(forked(thumbs(copy))) == 0
        members = [member for (member,) in rows(copy, "SELECT member_id FROM feedback")]
        figures.broken["doubled"] += len(members) - len(set(members))
        figures.broken["lost"] += 18 - len(set(members))
        figures.broken["damaged files"] += _broken_file(copy)
        figures.tried["kills"] += 1
    return figures


def posting(folder: Path, minutes: int = 0) -> Job:
    """Return a job that posts what is due so many minutes after Wednesday's hour."""
    clock = Clock(WEDNESDAY + timedelta(minutes=minutes))
    return lambda: drop_processes.post(folder, Channel(folder / "channel"), clock)


class Halting(Channel):
    """A channel that tells its parent of one message once posted, and waits to be killed."""

    def __init__(self, file: Path, halt_after: int, told: int) -> None:
        super().__init__(file)
        self._left, self._told = halt_after, told

    async def post(self, issue: Issue, post: Post, answer: Answer | None, *, again: bool) -> str:
        message = await super().post(issue, post, answer, again=again)
        self._left -= 1
        if not self._left:
            os.write(self._told, b"posted")
            await asyncio.Event().wait()
        return message


def killed_once_posted(folder: Path, halt_after: int) -> None:
    """Kill a process right after it posted a message, before it can note that."""
    posted, told = os.pipe()
    channel = Halting(folder / "channel", halt_after, told)
    child = forked(lambda: drop_processes.post(folder, channel, Clock(WEDNESDAY)))
    os.close(told)
    assert os.read(posted, 6) == b"posted"  # nothing, if the child died by itself
    os.close(posted)
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL


def _drops(template: Path, folder: Path, size: int, seed: int) -> Figures:
    """Kill at random statements, and a third between a message and the note that it is posted."""
    figures = Figures("kills: drops")
    rng, once_posted = random.Random(seed), max(1, size // 3)

    def copies() -> Iterator[Path]:
        for copy, _ in kills(posting, template, folder, size - once_posted, seed):
            yield copy
        for number in range(once_posted):
            copy = folder / f"once posted {number}"
            shutil.copytree(template, copy)
            killed_once_posted(copy, rng.randint(1, MESSAGES))
            yield copy
            shutil.rmtree(copy)

    for copy in copies():
        channel = Channel(copy / "channel")
        assert ended(forked(posting(copy, minutes=10))) == 0
        times = channel.times()
        figures.broken["lost"] += MESSAGES - len(times)
        figures.broken["doubled"] += sum(times.values()) - len(times)
        figures.broken["damaged files"] += _broken_file(copy)
        figures.tried["messages"] += len(times)
        figures.tried["kills"] += 1
    return figures


def adding(folder: Path) -> Job:
    """Return a job that adds a folder of music."""

    async def job() -> None:
        async with Service.open(settings(folder, starter=False)) as service:
            problems = [step.problem async for step in service.songs.add([folder / "music"])]
            assert not any(problems), problems

    return job


def _add(template: Path, folder: Path, size: int, seed: int) -> Figures:
    figures = Figures("kills: add")
    files = len(list((template / "music").iterdir()))
    for copy, _ in kills(adding, template, folder, size, seed):
        assert ended(forked(adding(copy))) == 0
        songs = len(rows(copy, "SELECT track_id FROM analyses"))
        known = len(rows(copy, "SELECT path FROM files"))
        figures.broken["lost"] += max(0, files - known) + max(0, files - songs)
        figures.broken["doubled"] += max(0, songs - files)
        figures.broken["damaged files"] += _broken_file(copy)
        figures.tried["files"] += files
        figures.tried["kills"] += 1
    return figures


def opening(folder: Path) -> Job:
    async def job() -> None:
        await (await Store.open(url(folder))).close()

    return job


def _old_store(folder: Path) -> None:
    """Write a store of the first version with a member's thumb in it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "musrec.store:migrations")
    config.set_main_option("path_separator", "os")
    with sa.create_engine(f"sqlite:///{folder / 'musrec.db'}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO tracks (id, title, artists, links, provenance, added_at) "
            "VALUES ('old', 'An old song', '[]', '{}', '{}', '2026-01-01 00:00:00')"
        )
        connection.exec_driver_sql(
            "INSERT INTO members VALUES ('ann', NULL, 0, 0, '2026-01-01 00:00:00')"
        )
        connection.exec_driver_sql(
            "INSERT INTO feedback VALUES (1, 'ann', 'old', 'like', '2026-01-01 00:00:00')"
        )


def _migrations(template: Path, folder: Path, size: int, seed: int) -> Figures:
    figures = Figures("kills: migrations")
    for copy, _ in kills(opening, template, folder, size, seed):
        assert ended(forked(opening(copy))) == 0
        figures.broken["lost"] += rows(copy, "SELECT kind FROM feedback") != [("like",)]
        version = rows(copy, "SELECT version_num FROM alembic_version")
        figures.broken["half migrated"] += version != [(schema.HEAD,)]
        figures.broken["damaged files"] += _broken_file(copy)
        figures.tried["kills"] += 1
    return figures


def main(folder: Path, size: int, seed: int) -> None:
    adds = max(1, size // 10)  # each starts processes that hear
    share = max(1, (size - adds) // 3)
    cards, songs, music, old = (folder / name for name in ("cards", "songs", "new", "old"))
    for made in (cards, music, old):
        made.mkdir(parents=True)
    assert not ended(forked(lambda: with_cards(cards)))
    assert not ended(forked(lambda: drop_processes.prepare(songs)))
    assert not ended(forked(lambda: drop_processes.subscribed(songs, 2, 2)))
    (music / "music").mkdir()
    for tune in TUNES[:3]:
        clip = wav(compose(tune, 8.0))
        (music / "music" / tune.file).write_bytes(clip)
    assert not ended(forked(lambda: asyncio.to_thread(_old_store, old)))
    found = []
    for number, (job, template) in enumerate(
        ((_thumbs, cards), (_drops, songs), (_add, music), (_migrations, old))
    ):
        place = folder / f"kills {number}"
        place.mkdir()
        kills_of_it = adds if job is _add else share
        found.append(job(template, place, kills_of_it, seed + number))
    print(json.dumps([vars(figures) for figures in found]))  # noqa: T201 - for the parent


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
