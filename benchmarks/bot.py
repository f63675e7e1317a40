"""How the bot feels: answers while clips are heard, cached cards, storms of thumbs, memory.

``OMP_NUM_THREADS=1 python -m benchmarks.bot [--commands N]``: prints a table in Markdown; a few
minutes. The bot runs as it does in earnest, over sockets on 127.0.0.1, against the loopback Discord
of the wire tests. That server shares the bot's process and event loop, so every number here
includes its work too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from bot.app import Bot
from musrec.demo import TUNES, write_tunes
from musrec.evaluate.report import Cell, Report
from musrec.model import FeedbackKind
from musrec.service import Service
from musrec.settings import Settings
from tests.support.fake_discord import EPHEMERAL, LOADING, FakeDiscord, connected
from tests.support.loopback import PROVIDERS_OFF
from tests.support.stores import store_of
from tests.support.world import text_of

SONG = "Boogie Nights"
THUMBS = 200
TICK = 0.005
"""Seconds between two looks at the clock of the event loop."""

MEMBERS = 20
MIXED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("recommend", {"song": SONG}),
    ("recommend", {}),
    ("recommend", {"song": SONG, "private": True}),
    ("search", {"genre": "rock"}),
    ("compare", {"a": SONG, "b": "Killing In The Name"}),
    ("playlist", {"subcommand": "add", "playlist": "mine", "song": SONG}),
    ("playlist", {"subcommand": "continue", "playlist": "mine"}),
    ("privacy", {"subcommand": "show"}),
    ("privacy", {"subcommand": "export"}),
    *((name, {}) for name in ("taste", "history", "status", "gallery", "map", "help")),
    ("show", {"song": SONG}),
)
"""Commands, and what is given to them, one after the other."""
DEFERRED = 5
"""How an interaction is answered whose message comes later."""
WORKING = "🎧 "
"""How a line begins that says what is being done."""
REACTIONS = 2
"""The bot's own under a card."""

J = dict[str, Any]


def at(times: Sequence[float], quantile: float) -> float:
    """A quantile in milliseconds."""
    ordered = sorted(times)
    return 1e3 * ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


def resident() -> float:
    """MiB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / 2**20


class Bench:
    """The loopback Discord with the bot in it."""

    def __init__(self, fake: FakeDiscord, service: Service) -> None:
        self.fake = fake
        self.service = service

    async def acknowledged(self, name: str, who: J) -> float:
        """Seconds from a command to the bot's first answer."""
        start = perf_counter()
        options: dict[str, Any] = {"song": SONG} if name == "recommend" else {}
        await self.fake.slash(who, name, **options)
        return perf_counter() - start

    async def card(self, who: J, **options: Any) -> tuple[float, J]:
        """Seconds from a question to its finished card."""
        start = perf_counter()
        asked = await self.fake.slash(who, "recommend", **options)

        def done(message: J) -> bool:
            return message["id"] == asked["original"] and "like:" in str(message["components"])

        message = self.fake.messages[asked["original"]]
        if not done(message):
            message = await self.fake.wait("followup", done, timeout=120)
        return perf_counter() - start, message

    async def done(self, name: str, who: J, **options: Any) -> None:
        """Use a command, and wait for its answer and the reactions under it."""
        asked = await self.fake.slash(who, name, **options)
        if asked["answered"] != DEFERRED:
            return

        def done(message: J) -> bool:
            mine = message["id"] == asked["original"] and not message["flags"] & LOADING
            return mine and not text_of(message["components"]).startswith(WORKING)

        message = self.fake.messages[asked["original"]]
        if not done(message):
            message = await self.fake.wait("followup", done, timeout=120)
        public_card = "'like:" in str(message["components"]) and not message["flags"] & EPHEMERAL
        if public_card and len(message.get("reactions", ())) < REACTIONS:
            await self.fake.wait(
                "reacted",
                lambda card: card is message and len(card["reactions"]) == REACTIONS,
                timeout=120,
            )

    async def hearing(self, clips: Sequence[tuple[str, str, bytes]]) -> None:
        """Hear clips through the bot, two at a time, until cancelled."""
        count = 0

        async def one(number: int) -> None:
            nonlocal count
            while True:
                count += 1
                name, kind, data = clips[count % len(clips)]
                fresh = data + bytes([number]) + count.to_bytes(4, "big")  # never heard before
                await self.card(self.fake.user("hearer"), files={"clip": (name, kind, fresh)})

        await asyncio.gather(one(0), one(1))


async def lag(stop: asyncio.Event) -> list[float]:
    """How late the event loop wakes a sleeper, in seconds, again and again."""
    late = []
    while not stop.is_set():
        start = perf_counter()
        await asyncio.sleep(TICK)
        late.append(perf_counter() - start - TICK)
    return late


async def with_lag(work: Callable[[], Awaitable[Any]]) -> list[float]:
    stop = asyncio.Event()
    watching = asyncio.create_task(lag(stop))
    await work()
    stop.set()
    return await watching


async def answers(bench: Bench, runs: int) -> list[float]:
    people = [bench.fake.user(f"asker{number}") for number in range(runs)]
    times = []
    for person in people:
        times.append(await bench.acknowledged("recommend", person))
        await asyncio.sleep(0.25)  # one after the other, as people ask
    return times


async def mixed(bench: Bench, commands: int, track: str, memory: list[float]) -> None:
    """Use `MIXED` commands; note the memory after a tenth of them and after all."""
    members = [bench.fake.user(f"member{number}") for number in range(MEMBERS)]
    for member in members:
        await bench.service.playlists.create(member["id"], "mine")
        await bench.service.members.learn(member["id"], track, FeedbackKind.LIKE)
    for number in range(commands):
        if number in (commands // 10, commands - 1):
            gc.collect()
            memory.append(resident())
        name, options = MIXED[number % len(MIXED)]
        await bench.done(name, members[number % MEMBERS], **options)
        bench.fake.forget()


async def measure(bench: Bench, clips: list[tuple[str, str, bytes]], commands: int) -> Report:
    rows: list[tuple[Cell, ...]] = []

    def row(what: str, value: float, unit: str, baseline: str, base: float) -> None:
        ratio = value / base if base else None
        rows.append((what, f"{value:.1f} {unit}", baseline, f"{base:.1f} {unit}", ratio))

    await bench.card(bench.fake.user("first"), song=SONG)

    cached = [(await bench.card(bench.fake.user(f"c{n}"), song=SONG))[0] for n in range(40)]
    empty = [await bench.acknowledged("help", bench.fake.user(f"h{n}")) for n in range(40)]
    row("cached song to card, p50", at(cached, 0.5), "ms", "/help, p50", at(empty, 0.5))
    row("cached song to card, p99", at(cached, 0.99), "ms", "/help, p99", at(empty, 0.99))

    quiet_times: list[float] = []
    busy_times: list[float] = []

    async def quiet() -> None:
        quiet_times.extend(await answers(bench, 60))

    async def busy() -> None:
        hearing = asyncio.create_task(bench.hearing(clips))
        await asyncio.sleep(1)
        busy_times.extend(await answers(bench, 60))
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)

    quiet_lag = await with_lag(quiet)
    busy_lag = await with_lag(busy)
    row(
        "acknowledged while two clips are heard, p99",
        at(busy_times, 0.99),
        "ms",
        "nothing heard",
        at(quiet_times, 0.99),
    )
    row(
        "event loop late while two clips are heard, p99",
        at(busy_lag, 0.99),
        "ms",
        "nothing heard",
        at(quiet_lag, 0.99),
    )

    _, card = await bench.card(bench.fake.user("host"), song=SONG)
    people = [bench.fake.user(f"fan{number}") for number in range(THUMBS)]
    track = str(next(part for part in _ids(card["components"]) if part.startswith("like:")))[5:]
    start = perf_counter()
    for number in range(THUMBS):
        await bench.service.members.learn(f"bare{number}", track, FeedbackKind.LIKE)
    bare = perf_counter() - start
    start = perf_counter()
    for person in people:
        await bench.fake.react_as(person, card, "👍")
    stored = 0
    async with store_of(bench.service) as store:
        while stored < THUMBS and perf_counter() - start < 60:
            await asyncio.sleep(0.05)
            thumbs = {event.member for event in await store.feedback.events()}
            stored = sum(person["id"] in thumbs for person in people)
    took = perf_counter() - start
    row(f"{stored} of {THUMBS} thumbs stored, all at once", took, "s", "learned one by one", bare)

    memory: list[float] = []
    mixed_lag = await with_lag(lambda: mixed(bench, commands, track, memory))
    row(
        f"event loop late during {commands} mixed commands, p99",
        at(mixed_lag, 0.99),
        "ms",
        "one question after the other",
        at(quiet_lag, 0.99),
    )
    row(
        f"memory after {commands} mixed commands of {MEMBERS} members",
        memory[1],
        "MiB",
        f"after {commands // 10}",
        memory[0],
    )
    return Report(
        "The bot on loopback",
        __doc__.split("\n\n", 1)[1].replace("\n", " ") if __doc__ else "",
        ("what", "measured", "baseline", "of it", "ratio"),
        tuple(rows),
        (f"median acknowledgement while hearing {statistics.median(busy_times) * 1e3:.0f} ms",),
    )


def _ids(components: Sequence[J]) -> list[str]:
    inner = [id_ for part in components for id_ in _ids(part.get("components", []))]
    return [*(part["custom_id"] for part in components if "custom_id" in part), *inner]


async def run(commands: int) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        tunes = Path(folder, "tunes")
        write_tunes(tunes)
        names = [tune.file for tune in TUNES]
        clips = [(name, "audio/wav", (tunes / name).read_bytes()) for name in names]
        settings = Settings.model_validate(
            {
                "paths": {"data": Path(folder, "data")},
                "sources": PROVIDERS_OFF,
                "discord": {
                    "shard_count": 1,
                    "member_cooldown_seconds": 0,
                    "guild_commands_per_minute": 1_000_000,
                },
            }
        )
        fake = FakeDiscord()
        fake.usual_rate = (1_000_000, 1.0)  # waiting would be Discord's time, not the bot's
        await fake.start()
        try:
            async with Service.open(settings) as service:
                await service.warm()
                with connected(fake):
                    hosts = frozenset(("127.0.0.1",))
                    bot = Bot(settings, service, cdn_hosts=hosts, guild_ready_timeout=0.05)
                    running = asyncio.create_task(bot.start(FakeDiscord.TOKEN))
                    await fake.wait("ready", timeout=30)
                    await bot.wait_until_ready()
                    try:
                        return await measure(Bench(fake, service), clips, commands)
                    finally:
                        await bot.close()
                        await asyncio.gather(running, return_exceptions=True)
        finally:
            await fake.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--commands", type=int, default=2000)
    print(asyncio.run(run(parser.parse_args().commands)).markdown())


if __name__ == "__main__":
    main()
