"""Mixed commands over a loopback Discord: all answered, no card deaf, no byte left once deleted."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from musrec.model import FeedbackKind
from musrec.service import Service
from tests.attack.figures import PATIENCE, Figures
from tests.support.fake_discord import LOADING, FakeDiscord, connected
from tests.support.wire import Wire, is_final
from tests.support.world import featured_in, settings_for

J = dict[str, Any]
MEMBERS, AT_ONCE, TICK = 12, 3, 0.01
LEFT_ALONE = 4
"""One card in so many gets no 👍: noted only once a member reacts, it would seem never deaf."""
UNDER_WAY = 50
"""Messages that commands under way, and reactions to them, may still need."""


async def attack(folder: Path, size: int, seed: int = 0) -> Figures:
    """Let a dozen members use as many commands, react to every card, and delete everything."""
    figures, rng = Figures("commands"), random.Random(seed)
    fake = FakeDiscord()
    fake.answered_within = PATIENCE
    await fake.start()
    async with Service.open(settings_for(folder)) as service:
        with connected(fake):
            wire = Wire(fake, service)
            await wire.start()
            members = [fake.user(f"member {number}") for number in range(MEMBERS)]
            lags = array("d")
            watching = asyncio.create_task(_watch(lags))
            thumbs, alone = await _use(wire, members, size, rng, figures)
            watching.cancel()
            await _read_back(service, thumbs, alone, figures)
            await _delete(wire, members, figures)
            await wire.end()
    await fake.stop()
    figures.measured["lag of the loop, p99, ms"] = round(float(np.quantile(lags, 0.99)) * 1000, 1)
    figures.measured["longest lag, ms"] = round(max(lags) * 1000)
    kept = [file for file in folder.rglob("*") if file.is_file()]
    written = b"".join(file.read_bytes() for file in kept)
    figures.broken["bytes left"] = sum(
        len(member["id"]) * written.count(member["id"].encode()) for member in members
    )
    return figures


async def _watch(lags: array[float]) -> None:
    """Note by how much the event loop is late, again and again."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK
        await asyncio.sleep(TICK)
        lags.append(max(0.0, loop.time() - due))


async def _use(
    wire: Wire, members: list[J], size: int, rng: random.Random, figures: Figures
) -> tuple[set[tuple[str, str]], set[str]]:
    """Use commands; return whose 👍 is under a card of which song, and the cards without any."""
    songs = [track.id for track in wire.service.catalogue.songs.tracks[:100]]
    thumbs: set[tuple[str, str]] = set()
    alone: set[str] = set()
    pages: list[int] = []
    commands = iter(range(size))

    async def use() -> None:
        for number in commands:
            who = rng.choice(members)
            name, subcommand, options = _command(rng, songs)
            began = time.monotonic()
            try:
                async with asyncio.timeout(2 * PATIENCE):
                    asked = await wire.fake.slash(who, name, subcommand=subcommand, **options)
                    answer = await _finished(wire, asked)
            except TimeoutError:
                figures.broken["unanswered"] += 1
                continue
            figures.tried["commands"] += 1
            figures.took(time.monotonic() - began)
            figures.broken["errors"] += "broke" in str(answer["components"])
            if is_final(answer) and number % LEFT_ALONE == 0:
                alone.add(answer["id"])
            elif is_final(answer):
                await wire.fake.react_as(who, answer, "👍")
                thumbs.add((who["id"], featured_in(answer["components"])))
                figures.tried["thumbs"] += 1
            wire.fake.forget(but_last=UNDER_WAY)  # its memory is this process's too
            if number in (size // 10, size - 1):
                gc.collect()
                pages.append(int(Path("/proc/self/statm").read_text("ascii").split()[1]))

    figures.broken.update({"unanswered": 0, "errors": 0})
    await asyncio.gather(*(use() for _ in range(AT_ONCE)))
    figures.measured["growth of memory, %"] = round(100 * (pages[-1] / pages[0] - 1), 1)
    return thumbs, alone


def _command(rng: random.Random, songs: list[str]) -> tuple[str, str | None, J]:
    choices: tuple[tuple[str, str | None, J], ...] = (
        ("recommend", None, {"song": rng.choice(songs)}),
        ("recommend", None, {"song": rng.choice(songs), "count": rng.randint(1, 5)}),
        ("show", None, {"song": rng.choice(songs)}),
        ("taste", None, {}),
        ("history", None, {}),
        ("map", None, {}),
        ("search", None, {"mood": "calm"}),
        ("help", None, {}),
        ("status", None, {}),
        ("privacy", "show", {}),
        ("playlist", "show", {}),
        ("drops", "settings", {}),
    )
    return rng.choice(choices[:2] * 4 + choices)


async def _finished(wire: Wire, interaction: J) -> J:
    def done(message: J) -> bool:
        if message["id"] != interaction["original"] or message["flags"] & LOADING:
            return False
        return is_final(message) or "Looking for" not in str(message["components"])

    message: J | None = wire.fake.messages.get(interaction["original"])
    if message and done(message):
        return message
    finished: J = await wire.fake.wait("followup", done, timeout=2 * PATIENCE)
    return finished


async def _read_back(
    service: Service, thumbs: set[tuple[str, str]], alone: set[str], figures: Figures
) -> None:
    """Wait until every 👍 has arrived and every card is known; the others are deaf for good."""
    try:
        async with asyncio.timeout(PATIENCE):
            while thumbs or alone:
                thumbs = {
                    (member, track)
                    for member, track in thumbs
                    if await service.members.thumb(member, track) is not FeedbackKind.LIKE
                }
                alone = {card for card in alone if await service.cards.get(card) is None}
    except TimeoutError:
        pass
    figures.broken["deaf"] = len(thumbs) + len(alone)


async def _delete(wire: Wire, members: list[J], figures: Figures) -> None:
    figures.broken["not deleted"] += 0
    for who in members:
        asked = await wire.fake.slash(who, "privacy", subcommand="delete")
        answer = await _finished(wire, asked)
        await wire.fake.click(who, answer, f"erase:{who['id']}")

        async def gone(id_: str = who["id"]) -> bool:
            return not any((await wire.service.members.about(id_)).values())

        try:
            async with asyncio.timeout(PATIENCE):
                while not await gone():
                    await asyncio.sleep(TICK)
        except TimeoutError:
            figures.broken["not deleted"] += 1
        figures.tried["members deleted"] += 1
