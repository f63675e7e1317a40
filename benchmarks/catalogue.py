"""What a catalogue of many songs costs: to start with, to search, to like, to recommend, to grow.

``python -m benchmarks.catalogue --songs N`` builds a made-up catalogue of N songs through the
store's own codec and prints one row of its table. ``--folder`` keeps the store for another run:
pass a folder that does not exist yet, or one from a run with as many songs. ``--repeat 10`` repeats
the songs of such a folder, and so makes a million of a hundred thousand.

Songs are drawn around those of the starter catalogue: their tags are mixed in pairs and every
statistic gets noise. None has a spectrogram. Each command runs in a process of its own. All times
are CPU seconds (user and system), which hold on a busy machine too; those of commands stand beside
wall-clock seconds and count their children. ``read`` is the CPU time to read the database, and the
columns beside it, once: the baseline of the ratios. ``product`` is one NumPy product of a vector
with each of the three columns that a song is compared by: the baseline of a warm answer.

``--answers FILE`` writes 400 answers of the catalogue in ``--folder``: no member and members with
0, 3 and 100 likes, five wishes, twenty songs. Written before and after a change that is meant to
change no answer, ``diff`` finds none.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from musrec import space
from musrec.audio import descriptors
from musrec.catalogue.engine import TEXTS
from musrec.catalogue.model import SongFilter
from musrec.demo import write_tunes
from musrec.evaluate.report import Cell, Report
from musrec.model import (
    ANALYSER_VERSION,
    PITCH_CLASSES,
    Analysis,
    Constraints,
    Feedback,
    FeedbackKind,
    Harmony,
    Rhythm,
    SoundKind,
    Track,
    track_id,
)
from musrec.recommend import Request, Seed
from musrec.service import Service
from musrec.settings import Settings
from musrec.space.index import Rows
from musrec.store import Store, schema

SEED = 2026
BATCH = 2_000
MEMBERS = 100
LIKES = 20
WORDS = "amber blue cold dawn ember fall glass heart iron jade kite low moon night ocean paper"


class Cost(NamedTuple):
    """What a process took: wall-clock and CPU seconds, and its largest memory in MiB."""

    seconds: float
    cpu: float
    memory: float


class Songs:
    """Made-up songs, drawn in order from one seed."""

    def __init__(self, seed: int = SEED) -> None:
        self._rng = np.random.default_rng(seed)
        known = [song for song in space.starter().analyses if song.tag_mean is not None]
        statistics = np.stack([song.statistics for song in known]).astype(np.float64)
        there = np.isfinite(statistics).all(axis=0)
        self._statistics = np.where(there, statistics, 0.5)
        self._spread = np.where(there, self._statistics.std(axis=0), 0.1)
        self._tags = np.stack([np.asarray(song.tag_mean) for song in known])
        directions = np.random.default_rng(0).normal(size=(self._tags.shape[1], 200))
        self._directions = directions
        self._still = np.full(self._tags.shape[1], 0.1, np.float32)

    def draw(self, first: int, count: int) -> list[tuple[Track, Analysis]]:
        """Return more songs, numbered from `first`."""
        rng = self._rng
        pairs = rng.integers(len(self._tags), size=(2, count))
        share = rng.uniform(0.5, 1, (count, 1))
        noise = rng.normal(size=(count, len(self._spread))) * 0.5 * self._spread
        statistics = (self._statistics[pairs[0]] + noise).astype(np.float32)
        mixed = share * self._tags[pairs[0]] + (1 - share) * self._tags[pairs[1]]
        tags = np.clip(mixed + rng.normal(0, 0.02, mixed.shape), 0.001, 1).astype(np.float32)
        embeddings = tags @ self._directions + rng.normal(0, 0.5, (count, 200))
        numbers = rng.uniform(size=(count, 4)).tolist()
        words, names = rng.integers(16, size=(count, 3)).tolist(), WORDS.split()
        found = []
        for row in range(count):
            number, (tempo, sure, steady, other) = first + row, numbers[row]
            rhythm = Rhythm(60 + 120 * tempo, sure, 30 + 60 * tempo, 0.3 + 0.7 * steady, ())
            mode = "major" if other < 0.5 else "minor"
            harmony = Harmony(PITCH_CLASSES[int(12 * steady)], mode, other, 0.0)
            loudness = -18 + 12 * sure
            track = Track(
                id=track_id("made-up", str(number)),
                title=" ".join(names[word] for word in words[row]).title() + f" {number}",
                artists=(f"{names[number // 8 % 16]} {number // 8}".title(),),
                genre=("rock", "jazz", "pop", "metal", "blues", "disco", "reggae")[number % 7],
                year=1960 + int(66 * other),
                popularity=other,
                identities={"made-up": str(number)},
                provenance={"title": "made-up"},
            )
            analysis = Analysis(
                version=ANALYSER_VERSION,
                digest=f"{number:064x}",
                seconds=30.0,
                kind=SoundKind.MUSIC,
                statistics=statistics[row],
                tag_mean=tags[row],
                tag_std=self._still,
                embedding=embeddings[row].astype(np.float32),
                rhythm=rhythm,
                harmony=harmony,
                loudness=loudness,
                descriptors=descriptors.describe(
                    statistics[row], tag_mean=tags[row], rhythm=rhythm, loudness=loudness
                ),
            )
            found.append((track, analysis))
        return found


def settings_for(folder: Path) -> Settings:
    return Settings.model_validate(
        {"paths": {"data": folder}, "workers": {"count": 1}, "log": {"level": "ERROR"}}
    )


async def build(folder: Path, songs: int) -> None:
    """Fill a store with made-up songs, and with members who like some of them."""
    store = await Store.open(settings_for(folder).store_url)
    try:
        drawn, ids = Songs(), list[str]()
        for start in range(0, songs, BATCH):
            batch = drawn.draw(start, min(BATCH, songs - start))
            await store.analyses.add_many(batch, "file")
            ids += [track.id for track, _ in batch]
        rng = np.random.default_rng(SEED)
        now = datetime.now(UTC)
        for member in range(min(MEMBERS, songs // 8)):
            # Likes come in runs, so that members share some.
            first = int(rng.integers(max(1, songs - 400)))
            rows = first + rng.choice(min(400, songs - first), min(LIKES, songs // 4), False)
            await store.feedback.add_all(
                [
                    Feedback(f"m{member}", ids[r], FeedbackKind.LIKE, now - timedelta(days=int(d)))
                    for r, d in zip(rows, rng.integers(1, 60, len(rows)), strict=True)
                ]
            )
    finally:
        await store.close()


async def repeat(folder: Path, times: int) -> None:
    """Repeat every song of a store, each time a little elsewhere, without placing it again.

    A catalogue of a million songs is made of a smaller one in minutes this way. The rows of the
    database are copied without what only a song that is asked about needs, and the moments and
    scales of the index are those of the original.
    """
    settings = settings_for(folder)
    async with Service.open(settings) as service:
        blocks, store, n = service._live.engine.blocks, service._store, len(service.catalogue)
        width, rng = service.catalogue.space.dimensions, np.random.default_rng(SEED)
        spread = 0.1 * blocks["vector"].std(axis=0)
        texts = {name: blocks.texts(name) for name in TEXTS}
        with blocks.writing():
            for copy in range(1, times):
                for start in range(0, n, 10_000):
                    part = slice(start, min(start + 10_000, n))
                    values = {
                        name: blocks[name][part]
                        for name in blocks.names
                        if name.partition(".")[0] not in TEXTS
                    }
                    values["vector"] = values["vector"] + spread * rng.normal(
                        size=values["vector"].shape
                    ).astype(np.float32)
                    rows = Rows.of(values["vector"], values["fine"], values["key"][:, width:])
                    values |= {"key": rows.keys, "direction": rows.keys[:, :width]}
                    ids = [f"{copy}x{id_}" for id_ in texts["id"][part]]
                    named = {name: of[part] for name, of in texts.items()} | {"id": ids}
                    named["track"] = [
                        json.dumps(json.loads(text) | {"id": id_})
                        for text, id_ in zip(texts["track"][part], ids, strict=True)
                    ]
                    blocks.append(values, named)
            blocks.arrays = {name: times * sums for name, sums in blocks.arrays.items()}
            for fact in ("counts", "settled"):
                blocks.facts[fact] = [times * count for count in blocks.facts[fact]]
            async with store.database.write() as connection:
                for table in (schema.tracks, schema.analyses):
                    await connection.exec_driver_sql(_copied(table, times))
            blocks.commit()


def _copied(table: sa.Table, times: int) -> str:
    """Return SQL that repeats the rows of a table, without what only a song asked about needs."""
    emptied = {
        **dict.fromkeys(("statistics", "tag_mean", "tag_std", "embedding"), "x''"),
        "detail": "NULL",
        "facts": "'{}'",
        "digest": "''",
    }
    key = "id" if table is schema.tracks else "track_id"
    values = {name: emptied.get(name, name) for name in (column.name for column in table.c)}
    values[key] = f"copies.n || 'x' || {key}"
    counts = " UNION ALL ".join(f"SELECT {copy} AS n" for copy in range(1, times))
    return (
        f"INSERT INTO {table.name} ({', '.join(values)}) SELECT {', '.join(values.values())} "
        f"FROM (SELECT * FROM {table.name}), ({counts}) AS copies"
    )


# Each of these runs in a process of its own -------------------------------------------------------


async def ready(folder: Path) -> dict[str, float]:
    """Open, answer, grow by a song; return seconds, and memory in MiB when ready."""
    begun = time.process_time()
    async with Service.open(settings_for(folder)) as service:
        await service.warm()
        live = service._live
        heard = await service.songs.heard(track_id("made-up", "1"))
        assert heard is not None
        await service.answers.recommend(heard, online=False)
        opened = time.process_time() - begun
        memory = _memory()
        columns = [live.engine.blocks[name] for name in ("key", "fine", "direction")]
        directions = [np.nan_to_num(column[0]) for column in columns]
        warm, product = [], []
        for member in (None, "m1", "m2") * 3:
            since = time.process_time()
            await service.answers.recommend(heard, member=member, online=False)
            warm.append(time.process_time() - since)
            since = time.process_time()
            for column, direction in zip(columns, directions, strict=True):
                column @ direction
            product.append(time.process_time() - since)
        grown = []
        more = Songs(SEED + 1)
        for number in range(5):
            [(track, analysis)] = more.draw(10**9 + int(time.time() * 1e3) + number, 1)
            await service._store.analyses.add(track, analysis, "file")
            since = time.process_time()
            await live.grow()
            grown.append(time.process_time() - since)
        return {
            "ready": opened,
            "memory": memory,
            "answer": float(np.median(warm)),
            "product": float(np.median(product)),
            "grow": float(np.median(grown)),
        }


QUESTIONS: dict[str, Callable[[Service], Awaitable[object]]] = {
    "nothing (baseline)": lambda service: asyncio.sleep(0.2),  # noqa: ARG005
    "complete a beginning": lambda service: service.songs.suggest("amber blu"),
    "complete a name with slips": lambda service: service.songs.suggest("ambre bleu colt"),
    "find an exact title": lambda service: service.songs.find("Gypsy", online=False),
    "search by name": lambda service: service.catalogue.search(SongFilter("amber blue cold")),
    "search by artist": lambda service: service.catalogue.search(SongFilter(artist="moon 28")),
    "search by mood and tempo": lambda service: service.catalogue.search(
        SongFilter(mood="calm", tempo=(90, 120))
    ),
    "read a wish": lambda service: service.catalogue.wish("calm jazz"),
    "list the moods": lambda service: service.catalogue.moods(),
    "list artists": lambda service: service.catalogue.artists("moon"),
    "songs to start from": lambda service: service.catalogue.first_steps(),
    "questions for a newcomer": lambda service: service.drops.questions(),
    "like an artist's songs": lambda service: service.drops.like_artists("m9", ["Moon 28"]),
}


async def asked(service: Service) -> dict[str, tuple[float, float]]:
    """Return the CPU time of each question, and how long the event loop waited at most, in ms.

    What is found once in all songs, and then known, is found again each time.
    """
    waits: list[float] = []

    async def watch() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            waits.append(now - last)
            last = now

    found = {}
    watching = asyncio.create_task(watch())
    for name, ask in QUESTIONS.items():
        tries = []
        for _ in range(3):
            await asyncio.sleep(0.02)
            waits.clear()
            service._live._found.clear()
            since = time.process_time()
            await ask(service)
            spent = time.process_time() - since
            await asyncio.sleep(0.005)
            tries.append((1e3 * spent, 1e3 * max(waits)))
        found[name] = (min(cpu for cpu, _ in tries), min(wait for _, wait in tries))
    watching.cancel()
    return found


async def ask(folder: Path) -> dict[str, tuple[float, float]]:
    """Open, and ask what goes through all songs."""
    async with Service.open(settings_for(folder)) as service:
        await service.warm()
        return await asked(service)


WISHES = {
    "nothing": Constraints(),
    "tempo": Constraints(tempo=(90, 120)),
    "genre": Constraints(only_genres=frozenset({"jazz"})),
    "mood": Constraints(only_moods=frozenset({"calm"})),
    "key": Constraints(keys=frozenset({"A minor"})),
}
TASTES = {None: 0, "asks without a like": 0, "has 3 likes": 3, "has 100 likes": 100}
ASKED = 20


async def answers(folder: Path) -> list[dict[str, object]]:
    """Return what each member is recommended for each song and wish, with every reason.

    Nothing of it is kept, and it is asked at one moment, so that it can be asked again.
    """
    now = datetime(2026, 11, 27, tzinfo=UTC)
    found: list[dict[str, object]] = []
    async with Service.open(settings_for(folder)) as service:
        recommender = await service._live.recommender()
        asked = [await service.songs.heard(track_id("made-up", str(7 * n))) for n in range(ASKED)]
        for member, likes in TASTES.items():
            for like in range(likes if member else 0):
                song = track_id("made-up", str(1_000 + 13 * like))
                at = now - timedelta(days=1 + like % 50)
                recommender.learn(Feedback(str(member), song, FeedbackKind.LIKE, at))
        recommender.refit()
        for member, (wish, constraints), heard in itertools.product(TASTES, WISHES.items(), asked):
            assert heard is not None
            seed = Seed(heard.place, heard.track, heard.profile)
            request = Request(member, (seed,), 10, constraints=constraints, now=now)
            picks = recommender.recommend(request)
            found.append(
                {
                    "song": heard.track.id,
                    "member": member,
                    "wish": wish,
                    "notes": picks.notes,
                    "picks": [
                        {
                            "song": pick.track.id,
                            "closeness": pick.closeness,
                            "terms": {term.name: term.because for term in pick.terms},
                            "explanation": {
                                **asdict(pick.explanation),
                                "traits": [(t.kind, t.name) for t in pick.explanation.traits],
                            },
                        }
                        for pick in picks.picks
                    ],
                }
            )
    return found


def _memory() -> float:
    """MiB of this process's own memory, without what is mapped from files."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    (own,) = (line.split()[1] for line in lines if line.startswith("RssAnon"))
    return int(own) / 1024


def _run(arguments: list[str], folder: Path) -> tuple[Cost, str]:
    """Run a process, and return what it took and what it printed."""
    environment = {
        **{name: of for name, of in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "MUSREC_PATHS__DATA": str(folder),
        "MUSREC_WORKERS__COUNT": "1",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
    }
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        cwd=Path(__file__).resolve().parents[1],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    printed = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), printed


def read_once(folder: Path) -> float:
    """Seconds to read every byte that is kept, once."""
    begun = time.process_time()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "tunes" not in file.parts:
            with file.open("rb", buffering=0) as stream:
                while stream.read(1 << 20):
                    pass
    return time.process_time() - begun


def measure(folder: Path, songs: int) -> tuple[Cell, ...]:
    id_ = track_id("made-up", "1")
    card = str(folder / "card.png")
    tune = folder / "asked.wav"  # one that was never heard
    tune.write_bytes(min((folder / "tunes").iterdir()).read_bytes()[:-8] + os.urandom(8))
    _, found = _run(["-m", "benchmarks.catalogue", "--child", str(folder)], folder)
    own: dict[str, float] = json.loads(found)
    commands = {
        "search": ["-m", "musrec", "search", "amber blue cold"],
        "like": ["-m", "musrec", "like", id_, "--as", "m1"],
        "recommend": ["-m", "musrec", "recommend", str(tune), "--offline", "--card", card],
    }
    costs = {name: _run(command, folder)[0] for name, command in commands.items()}
    again = json.loads(_run(["-m", "benchmarks.catalogue", "--child", str(folder)], folder)[1])
    own = {name: min(value, again[name]) for name, value in own.items()}
    baseline = read_once(folder)
    return (
        songs,
        baseline,
        own["ready"],
        own["ready"] / baseline,
        own["memory"],
        *(cell for cost in costs.values() for cell in (cost.seconds, cost.cpu)),
        max(cost.memory for cost in costs.values()),
        1e3 * own["answer"],
        own["answer"] / own["product"],
        1e3 * own["grow"],
    )


HEADER = (
    "songs",
    "read once (CPU s)",
    "ready (CPU s)",
    "/ read",
    "memory (MiB)",
    "search (s)",
    "CPU",
    "like (s)",
    "CPU",
    "recommend FILE (s)",
    "CPU",
    "peak (MiB)",
    "warm answer (CPU ms)",
    "/ product",
    "one song more (CPU ms)",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, help="keep the store here")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ask", type=Path, metavar="FOLDER", help="only ask, in this process")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="only write answers")
    parser.add_argument("--repeat", type=int, help="repeat the songs of --folder so many times")
    parser.add_argument("--build", action="store_true", help="only build the store")
    given = parser.parse_args()
    if given.child:
        print(json.dumps(asyncio.run(ready(given.child))))
        return
    if given.ask:
        found = asyncio.run(ask(given.ask))
        rows = tuple((name, cpu, wait) for name, (cpu, wait) in found.items())
        columns = ("what is asked", "CPU (ms)", "longest wait of the event loop (ms)")
        print(Report("Questions to all songs", "The best of three.", columns, rows).markdown())
        return
    if given.answers:
        if given.folder is None:
            parser.error("--answers needs --folder")
        text = json.dumps(asyncio.run(answers(given.folder)), indent=1, ensure_ascii=False)
        given.answers.write_text(text + "\n", "utf-8")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        if not (folder / "musrec.db").exists():
            folder.mkdir(parents=True, exist_ok=True)
            asyncio.run(build(folder, given.songs))
            write_tunes(folder / "tunes")
        if given.repeat:
            asyncio.run(repeat(folder, given.repeat))
        if not given.build:
            row = measure(folder, given.songs)
            print(Report("Many songs", __doc__.partition("\n\n")[0], HEADER, (row,)).markdown())


if __name__ == "__main__":
    main()
