"""Four processes on one store, of which one or another is always being killed.

They give thumbs, ask questions, subscribe to drops, post them and do jobs, and note what was
acknowledged. On PostgreSQL their clocks are ten minutes apart, the server crashes and restarts, and
one process reaches it through a proxy that cuts it off. Afterwards nothing may be lost or doubled.

``python -m tests.attack.processes FOLDER SECONDS SEED`` prints the figures as JSON. It is a process
of its own that has imported everything and opened nothing, because it forks.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

# Imported before forking, so that no child has to.
from musrec.catalogue.model import JobKind, JobState
from musrec.drops import delivery
from musrec.drops.model import Schedule
from musrec.model import FeedbackKind, StoreError
from musrec.service import Service
from musrec.space import starter
from musrec.store import Store, schema
from tests.attack.figures import Figures
from tests.support.drop_processes import ended, forked
from tests.support.postgres import Server, Unavailable, server
from tests.support.posting import Channel, Clock, settings, subscribe
from tests.support.store_processes import SONG

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 4
PARTS = 3
"""Messages of a drop: an opening and two songs."""
JOBS = 40
LEASE = timedelta(seconds=8)
"""Of drops and jobs here, so that those of a killed process need no minutes."""
APART = timedelta(minutes=10)
ROUNDS = 60
"""Within which everything that was left is done: twice as long as a job's lease."""
AWAY = 2.0
"""Seconds for which the server or the network is away, at most."""
STEPS = 13
"""Steps of `Trouble`, and one more, that fit into a short attack."""
PROMISES = "lost", "doubled", "not heard of", "without a sentence"
DEAF_SECONDS = 30.0
"""Within which a process must know what the others were told; it usually takes less than one."""


def attack(folder: Path, seconds: int, seed: int = 0) -> list[Figures]:
    """Kill one of four processes at random for so long, on SQLite and then on PostgreSQL."""
    command = [sys.executable, "-m", "tests.attack.processes", str(folder), str(seconds), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = []
    for one in json.loads(done.stdout.splitlines()[-1]):
        figures = Figures(one["attack"])
        figures.tried.update(one["tried"])
        figures.broken.update(one["broken"])
        figures.measured.update(one["measured"])
        found.append(figures)
    return found


# One process --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where one of the processes is."""

    folder: Path
    url: str
    number: int
    ahead: timedelta = timedelta(0)

    def note(self, what: str, *words: str) -> None:
        """Write down what was acknowledged, as it happens."""
        with (self.folder / f"log {self.number} {os.getpid()}").open("a") as file:
            file.write("\t".join((what, *words)) + "\n")

    @property
    def over(self) -> bool:
        return (self.folder / "over").exists()


def noted(folder: Path) -> Iterator[list[str]]:
    for file in sorted(folder.glob("log *")):
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):  # else it was killed while it wrote that
                yield line.rstrip("\n").split("\t")


async def live(place: Place) -> None:
    """Do everything until it is over."""
    set_clock(place.ahead)
    delivery.LEASE = LEASE
    configured = settings(place.folder / "data", starter=False, url=place.url)
    while not place.over:
        try:
            async with Service.open(configured) as service:
                await service._live.recommender()
                place.note("ready")
                activities = (thumbs, questions, subscriptions, drops, jobs)
                await asyncio.gather(*(activity(place, service) for activity in activities))
                await listen(place, service)
                return
        except StoreError:
            await asyncio.sleep(0.1)  # the server is away


async def again_and_again(place: Place, each: Callable[[str], Awaitable[None]]) -> None:
    number = 0
    while not place.over:
        number += 1
        try:
            with contextlib.suppress(StoreError):  # a sentence, and nothing acknowledged
                await each(f"{place.number} {os.getpid()} {number}")
        except Exception as error:  # noqa: BLE001 - counted
            place.note("broken", " | ".join(traceback.format_exception(error)).replace("\n", " "))
        await asyncio.sleep(0.02)


async def thumbs(place: Place, service: Service) -> None:
    songs = [track.id for track in service.catalogue.songs.tracks]

    async def each(name: str) -> None:
        # A second thumb changes nothing, a second listening does.
        kinds = FeedbackKind.LIKE, FeedbackKind.PLAY
        song = songs[hash(name) % len(songs)]
        for kind in kinds:
            if await service.members.learn(f"fan {name}", song, kind):
                place.note("thumb", f"fan {name}", song, kind.value)

    await again_and_again(place, each)


async def questions(place: Place, service: Service) -> None:
    songs = [track.id for track in service.catalogue.songs.tracks]

    async def each(name: str) -> None:
        heard = await service.songs.heard(songs[hash(name) % len(songs)])
        answer = await service.answers.recommend(heard, member=f"asker {name}", online=False)
        place.note("answer", answer.id)

    await again_and_again(place, each)


async def subscriptions(place: Place, service: Service) -> None:
    song = service.catalogue.songs.tracks[0].id

    async def each(name: str) -> None:
        member, hour = f"reader {name}", datetime.now(UTC) - timedelta(hours=1)
        await service.members.learn(member, song, FeedbackKind.LIKE)
        due = Schedule(hour.weekday(), hour.hour, "UTC")
        since = datetime.now(UTC) - timedelta(days=8)
        await subscribe(service, member, schedule=due, since=since, size=2)
        place.note("drop", member)
        await asyncio.sleep(0.5)

    await again_and_again(place, each)


async def drops(place: Place, service: Service) -> None:
    channel = Channel(place.folder / "channel")

    async def each(_: str) -> None:
        await service.drops.tick(channel)

    await again_and_again(place, each)


async def jobs(place: Place, service: Service) -> None:
    async def each(name: str) -> None:
        if job := await service._store.jobs.claim(name, "here", LEASE):
            await asyncio.sleep(0.1)
            await service._store.jobs.done(name)
            place.note("job", job.key)

    await again_and_again(place, each)


async def listen(place: Place, service: Service) -> None:
    """Wait until this process knows every thumb that any was given."""
    there = {words[0] for what, *words in noted(place.folder) if what == "thumb"}
    began = time.monotonic()
    while missing := there - set(service._live.members):
        if time.monotonic() - began > DEAF_SECONDS:
            place.note("deaf", str(len(missing)))
            return
        await asyncio.sleep(0.05)


def set_clock(ahead: timedelta) -> None:
    """Let every module of ours read a clock that is wrong."""

    class Meta(type):
        def __instancecheck__(cls, one: object) -> bool:
            return isinstance(one, datetime)

    class Wrong(datetime, metaclass=Meta):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + ahead

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "musrec" and getattr(module, "datetime", None) is datetime:
            module.datetime = Wrong  # type: ignore[attr-defined]


# The network --------------------------------------------------------------------------------------


class Proxy:
    """Passes connections to a port on, unless it is told to cut them off or to swallow them."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        read, self._say = os.pipe()
        self._child = forked(lambda: self._run(read))

    def say(self, what: bytes) -> None:
        """`c` cuts every connection off, `s` swallows what is sent, `p` passes it on again."""
        os.write(self._say, what)

    def close(self) -> None:
        os.kill(self._child, signal.SIGKILL)
        ended(self._child)

    async def _run(self, told: int) -> None:
        passing = asyncio.Event()
        passing.set()
        writers: set[asyncio.StreamWriter] = set()
        state = b"p"

        def hear() -> None:
            nonlocal state
            state = os.read(told, 1)
            if state == b"c":
                for writer in writers:
                    writer.transport.abort()
            (passing.clear if state == b"s" else passing.set)()

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(1 << 16):
                    await passing.wait()
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if state == b"c":
                    raise ConnectionResetError
                there, back = await asyncio.open_connection("127.0.0.1", self._to)
            except OSError:
                writer.transport.abort()
                return
            writers.update((writer, back))
            await asyncio.gather(pump(reader, back), pump(there, writer))
            writers.difference_update((writer, back))

        asyncio.get_running_loop().add_reader(told, hear)
        async with await asyncio.start_server(serve, sock=self._listener) as listening:
            await listening.serve_forever()


class Trouble:
    """Trouble with the server and the network, step by step."""

    def __init__(self, running: Server, proxy: Proxy) -> None:
        self._running, self._proxy = running, proxy
        steps: tuple[Callable[[], object], ...] = (
            lambda: None,
            lambda: running.stop(signal.SIGQUIT),
            running.start,
            lambda: None,
            lambda: proxy.say(b"c"),
            lambda: proxy.say(b"p"),
            lambda: None,
            lambda: running.stop(signal.SIGINT),
            running.start,
            lambda: None,
            lambda: proxy.say(b"s"),
            lambda: proxy.say(b"p"),
        )
        self._steps = itertools.cycle(steps)

    def step(self) -> None:
        """Make some, or end what the last step made."""
        next(self._steps)()

    def end(self) -> None:
        """End all of it."""
        self._running.stop()
        self._running.start()
        self._proxy.say(b"p")


# All of them --------------------------------------------------------------------------------------


async def prepare(folder: Path, url: str) -> None:
    songs = starter()
    async with Service.open(settings(folder / "data", starter=False, url=url)) as service:
        for track, analysis in list(zip(songs.tracks, songs.analyses, strict=True))[::40]:
            await service._store.analyses.add(track, analysis, "file")
        wanted = [(f"job {number}", SONG) for number in range(JOBS)]
        await service._store.jobs.add(JobKind.HEAR, wanted, urgency=1)


def begun(place: Place) -> int:
    return forked(lambda: live(place))


def kill(places: list[Place], seconds: float, rng: random.Random, trouble: Trouble | None) -> int:
    """Kill one process after the other, and start another in its place; return how many."""
    alive = {place: begun(place) for place in places}
    away = min(AWAY, seconds / STEPS)
    began, kills, step = time.monotonic(), 0, away
    while (passed := time.monotonic() - began) < seconds:
        time.sleep(rng.uniform(0.5, 1.0) * away)
        if trouble and passed > step:
            trouble.step()
            step += away
        if rng.random() < 0.5:
            continue
        place = rng.choice(places)
        os.kill(alive[place], signal.SIGKILL)
        if (code := ended(alive[place])) != -signal.SIGKILL:
            place.note("broken", f"it ended by itself with {code}")
        kills += 1
        alive[place] = begun(place)
    if trouble:
        trouble.end()
    (places[0].folder / "over").touch()
    for place in places:
        if code := ended(alive[place]):
            place.note("broken", f"it ended with {code}")
    return kills


async def finish(place: Place) -> None:
    """Do what was left by those that were killed last."""
    channel = Channel(place.folder / "channel")
    configured = settings(place.folder / "data", starter=False, url=place.url)
    clock = Clock(datetime.now(UTC) + APART)
    async with Service.open(configured) as service:
        for _ in range(ROUNDS):
            # Drops that failed while the server was away pause for longer each time.
            await service.drops.tick(channel, clock.forward(minutes=10))
            if job := await service._store.jobs.claim("last", "here", LEASE):
                await service._store.jobs.done("last", [job.key])
            counts = (await service._store.jobs.counts())[JobKind.HEAR]
            open_jobs = counts[JobState.WAITING] + counts[JobState.RUNNING]
            if not open_jobs and not await _open_issues(service._store):
                return
            await asyncio.sleep(0.2)


async def _open_issues(store: Store) -> int:
    there = schema.drops.outerjoin(schema.drop_issues)
    query = sa.select(sa.func.count()).select_from(there)
    query = query.where(sa.func.coalesce(schema.drop_issues.c.state, "open") == "open")
    async with store.database.read() as connection:
        return await connection.scalar(query) or 0


async def count(figures: Figures, place: Place) -> None:
    """Compare what was acknowledged with what is kept."""
    said = list(noted(place.folder))
    store = await Store.open(place.url)
    states = (await store.jobs.counts())[JobKind.HEAR]
    async with store.database.read() as connection:
        kept = Counter(
            (event.member_id, event.track_id, event.kind)
            for event in await connection.execute(sa.select(schema.feedback))
        )
        answers = set((await connection.execute(sa.select(schema.answers.c.id))).scalars())
        owners = set((await connection.execute(sa.select(schema.drops.c.member_id))).scalars())
    await store.close()
    for what, *words in said:
        if what == "thumb":
            figures.tried["thumbs"] += 1
            figures.broken["lost"] += tuple(words) not in kept
        elif what == "answer":
            figures.tried["answers"] += 1
            figures.broken["lost"] += words[0] not in answers
        elif what == "drop":
            figures.broken["lost"] += words[0] not in owners
        elif what == "deaf":
            figures.broken["not heard of"] += int(words[0])
        elif what == "broken":
            figures.broken["without a sentence"] += 1
            print(words[0], file=sys.stderr)  # noqa: T201 - for whoever reads the log
    figures.broken["doubled"] += sum(number - 1 for number in kept.values())
    times = Channel(place.folder / "channel").times()
    figures.tried["drops"] += len(owners)
    figures.broken["lost"] += PARTS * len(owners) - len(times)
    figures.broken["doubled"] += times.total() - len(times)
    figures.tried["jobs"] += JOBS
    figures.broken["lost"] += JOBS - states[JobState.DONE]


def on(
    name: str, places: list[Place], seconds: int, seed: int, trouble: Trouble | None = None
) -> Figures:
    figures = Figures(f"processes: {name}")
    figures.broken.update(dict.fromkeys(PROMISES, 0))
    first = places[0]
    first.folder.mkdir(parents=True)
    assert not ended(forked(lambda: prepare(first.folder, first.url)))
    figures.tried["kills"] = kill(places, seconds, random.Random(seed), trouble)
    assert not ended(forked(lambda: finish(first)))
    asyncio.run(count(figures, first))
    return figures


@contextmanager
def apart(folder: Path, running: Server) -> Iterator[tuple[list[Place], Trouble]]:
    """Give four processes whose clocks differ, the last of them behind a proxy, and the trouble."""
    proxy = Proxy(running.port)
    try:
        url = running.empty()
        other = url.replace(f":{running.port}/", f":{proxy.port}/")
        skews = timedelta(0), APART, -APART, timedelta(0)
        places = [
            Place(folder, other if number == PROCESSES - 1 else url, number, ahead)
            for number, ahead in enumerate(skews)
        ]
        yield places, Trouble(running, proxy)
    finally:
        proxy.close()


def main(folder: Path, seconds: int, seed: int) -> None:
    file = folder / "sqlite"
    places = [
        Place(file, f"sqlite+aiosqlite:///{file / 'musrec.db'}", number)
        for number in range(PROCESSES)
    ]
    found = [on("SQLite", places, seconds, seed)]
    with (
        contextlib.suppress(Unavailable),
        server() as running,
        apart(folder / "postgresql", running) as (places, trouble),
    ):
        found.append(on("PostgreSQL", places, seconds, seed, trouble))
    print(json.dumps([vars(figures) for figures in found]))  # noqa: T201 - for the parent


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
