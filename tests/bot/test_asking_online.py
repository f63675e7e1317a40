"""Asking where songs are found and heard on the way, by services that stand on 127.0.0.1 here."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
from aiohttp import web
from discord import ui

from bot.app import Bot
from bot.cards import layouts
from bot.recommend import answering
from bot.recommend.answering import Question, Slate
from musrec.demo import TUNES, compose, wav, write_tunes
from musrec.model import NotFound
from musrec.service import Service
from musrec.settings import Settings
from musrec.sources.matching import Wanted
from tests.support.loopback import PROVIDERS_OFF, cover, deezer_track, serving, stock
from tests.support.world import parts_of, settings_for, text_of

SECTION, THUMBNAIL, GALLERY = 9, 11, 12
"""Types of components."""

SONG, CANDIDATE, SECOND = (f"/cdn/deezer-{n}.mp3" for n in (3135553, 10_000, 10_001))


def slate_on(written: list[str]) -> Slate:
    """A slate that keeps every text that is written on it."""

    async def put(view: ui.LayoutView, files: Sequence[discord.File]) -> Any:
        written.append(text_of(view.to_components()))

    return Slate(put, 1, 1, private=True, reactions=False)


async def test_what_is_being_done_is_said_until_the_card_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "EVERY", 0.0)  # every line, however fast they come
    write_tunes(tmp_path / "tunes")
    settings = Settings.model_validate(
        {
            "paths": {"data": tmp_path / "data"},
            "catalogue": {"starter": False},
            "workers": {"count": 1},
            "recommend": {"budget_seconds": 300},
        }
    )
    asked = "one more time daft punk"
    written: list[str] = []
    async with serving() as server:
        stock(server, related=1, tops=2)
        clips = sorted((tmp_path / "tunes").iterdir())
        for path, clip in zip((SONG, CANDIDATE, SECOND), clips, strict=False):
            server.raw(path, clip.read_bytes(), kind="audio/mpeg")
        async with Service.open(settings, endpoints=server.endpoints()) as service:
            question = Question(1, text=asked)
            await answering.answer(Bot(settings, service), slate_on(written), question)

    *working, card = [re.sub(r"^\W+", "", text) for text in written]
    assert "found for [**One More Time**]" in card, "nothing is written over the card"
    assert working[0] == f"Looking for {asked}…"
    assert working[1].startswith("Listening to [**One More Time**]")
    assert working[2] == "Choosing songs…"
    counted = [re.fullmatch(r"Heard (\d+) of (\d+) songs…", line) for line in working[3:]]
    assert counted
    assert all(counted), working
    done = [(int(found[1]), int(found[2])) for found in counted if found]
    assert [number for number, _ in done] == list(range(1, len(done) + 1))
    assert len({of for _, of in done}) == 1
    assert len(done) <= done[0][1], "fewer where the time is up"


async def test_a_card_is_there_at_once_and_completed_when_song_and_cover_arrive(
    tmp_path: Path,
) -> None:
    settings = Settings.model_validate(
        {
            "paths": {"data": tmp_path / "data"},
            "workers": {"count": 1},
            "sources": PROVIDERS_OFF | {"deezer": True},
        }
    )
    cards: list[tuple[list[dict[str, Any]], int]] = []

    async def put(view: ui.LayoutView, files: Sequence[discord.File]) -> Any:
        if files:
            cards.append((view.to_components(), server.count("/cdn/")))

    async with (
        serving() as server,
        Service.open(settings, endpoints=server.endpoints()) as service,
    ):
        songs = service.catalogue.songs.tracks
        album = {"id": 1, "title": "An Album", "cover_medium": f"{server.address}/cover.jpg"}

        async def search(request: web.Request) -> web.Response:
            found = [
                deezer_track(n, t.title, t.artist, preview=f"{server.address}/cdn/{n}.mp3")
                | {"album": album}
                for n, t in enumerate(songs, start=1)
                if request.query["q"] == Wanted.of(t).query
            ]
            return web.json_response({"data": found})

        async def audio(request: web.Request) -> web.Response:
            number = int(request.path.rpartition("/")[2].removesuffix(".mp3"))
            tune = replace(TUNES[number % len(TUNES)], title=str(number), bpm=80 + number % 97)
            return web.Response(body=wav(compose(tune)), content_type="audio/mpeg")

        server.set("/deezer/search", search)
        for number in range(1, 1 + len(songs)):
            server.set(f"/cdn/{number}.mp3", audio)
        server.raw("/cover.jpg", cover(), kind="image/jpeg")
        bot, slate = Bot(settings, service), Slate(put, 1, 1, private=True, reactions=False)
        asked = await service.songs.hear_track(songs[0])
        answer = await service.answers.recommend(asked, count=2, online=False)
        shown = await answering.feature(bot, slate, answer.id, answer, answer.picks[0])
        await answering.complete(bot, slate, shown)
        again = await answering.feature(
            bot,
            slate,
            answer.id,
            *await service.answers.kept_pick(answer.id, answer.picks[0].track.id),
        )
        server.raw("/cover.jpg", b"<html>", kind="image/jpeg")
        await answering.complete(bot, slate, again)

    (first, heard_by_then), (second, both_heard), *rest = cards
    assert heard_by_then == 0, "the card does not wait"
    assert both_heard == 2, "the song asked about, and the one that is featured"
    assert not [part for part in parts_of(first) if part["type"] == THUMBNAIL]
    (thumbnail,) = [part["accessory"] for part in parts_of(second) if part["type"] == SECTION]
    assert thumbnail["media"]["url"].endswith("/cover.jpg")
    assert "deezer.com/track/" in str([part.get("url") for part in parts_of(second)])
    pictures = [
        next(part for part in parts_of(card) if part["type"] == GALLERY)["items"][0]["description"]
        for card in (first, second)
    ]
    assert "Mel spectrogram" not in pictures[0]
    assert "Mel spectrogram" in pictures[1]
    assert len(rest) == 1, "nothing is left to add, and a bad cover is none"


async def test_lines_come_no_faster_than_discord_takes_them() -> None:
    written: list[str] = []
    slate = slate_on(written)
    for number in range(1, 6):
        slate.counted(number, 5)
    await slate.show(layouts.notice("Done."))
    line, last = written
    assert "Heard 1 of 5 songs…" in line
    assert last == "Done."


async def test_no_line_of_progress_comes_over_what_went_wrong(tmp_path: Path) -> None:
    slow, written = asyncio.Event(), list[str]()

    async def put(view: ui.LayoutView, files: Sequence[discord.File]) -> Any:
        text = text_of(view.to_components())
        if "Heard" in text:
            await slow.wait()
        written.append(text)

    slate = Slate(put, 1, 1, private=True, reactions=False)

    settings = settings_for(tmp_path)
    async with (
        Service.open(settings) as service,
        answering.at_work(Bot(settings, service), slate),
    ):
        slate.counted(1, 5)
        asyncio.get_running_loop().call_later(0.01, slow.set)
        raise NotFound("Nothing fits.")
    assert ["Heard" in text for text in written] == [True, False]
    assert "Nothing fits." in written[-1]


async def test_an_answer_that_waits_for_a_line_is_handed_back_when_the_bot_stops(
    tmp_path: Path,
) -> None:
    slow, written = asyncio.Event(), list[str]()

    async def put(view: ui.LayoutView, files: Sequence[discord.File]) -> Any:
        text = text_of(view.to_components())
        if "Looking" in text:
            await slow.wait()
        written.append(text)

    slate = Slate(put, 1, 1, private=True, reactions=False)
    settings = settings_for(tmp_path)
    async with Service.open(settings) as service, Bot(settings, service, grace=0) as bot:

        async def answering_something() -> None:
            async with answering.at_work(bot, slate):
                slate.say("Looking…")
                await slate.show(layouts.notice("Done."))

        task = asyncio.create_task(answering_something())
        while not slate._lines:
            await asyncio.sleep(0)
        closing = asyncio.create_task(bot.close())
        asyncio.get_running_loop().call_later(0.01, slow.set)
        await asyncio.gather(task, closing)
    assert len(written) == 2
    assert "restarting" in written[-1]


async def test_an_answer_survives_a_line_that_cannot_be_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    written: list[str] = []

    async def put(view: ui.LayoutView, files: Sequence[discord.File]) -> Any:
        text = text_of(view.to_components())
        if "Looking" in text:
            raise aiohttp.ServerDisconnectedError
        written.append(text)

    slate = Slate(put, 1, 1, private=True, reactions=False)
    slate.say("Looking…")
    await slate.show(layouts.notice("Done."))
    assert written == ["Done."]
    gc.collect()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
