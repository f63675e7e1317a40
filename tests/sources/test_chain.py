from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from benchmarks.provider_table import SONG, STAGES, table
from musrec.evaluate.report import Report
from musrec.model import StoreError
from musrec.sources import Deadline, Endpoints, Found, Missing, Sources, SourcesSettings
from musrec.sources.provider import Heading, Link, Provider
from musrec.sources.resolve import Resolver
from tests.support.loopback import ISRC, PROVIDERS_OFF, VIDEO_ID, Loopback


@pytest.fixture(scope="module")
def report() -> Report:
    return asyncio.run(table())


def cells(report: Report, row: str) -> dict[str, object]:
    found = next(one for one in report.rows if one[0] == row)
    return dict(zip(report.columns, found, strict=True))


@pytest.mark.parametrize("provider", PROVIDERS_OFF)
def test_no_single_provider_is_needed_by_any_stage(report: Report, provider: str) -> None:
    row = cells(report, f"{provider} off")
    needed = [stage for stage in STAGES if stage != "features to show"]
    assert [stage for stage in needed if row[stage] == "-"] == []
    assert provider not in str(row["candidates"])
    assert provider not in (row["title"], row["preview"], row["genre"])


def test_keys_help_and_none_is_needed(report: Report) -> None:
    assert "-" not in cells(report, "nothing off").values()
    keyed = cells(report, "nothing off, with keys")
    assert keyed["Spotify link"] == "spotify"
    assert "lastfm" in str(keyed["candidates"])


def test_with_everything_off_every_stage_says_so_and_nothing_breaks(report: Report) -> None:
    row = cells(report, "everything off")
    assert {row[stage] for stage in STAGES} == {"-"}


async def test_everything_off_asks_no_service_and_says_what_to_send(server: Loopback) -> None:
    off = SourcesSettings(**PROVIDERS_OFF)
    soon = Deadline.within(10)
    async with Sources(off, endpoints=server.endpoints()) as sources:
        answers = [
            await sources.resolve("daft punk one more time", deadline=soon),
            await sources.resolve("https://www.deezer.com/track/1", deadline=soon),
            await sources.resolve("https://www.deezer.com/album/1", deadline=soon),
            await sources.preview(SONG, deadline=soon),
        ]
        assert await sources.candidates(SONG, deadline=soon) == []
        assert not any(one.on for one in sources.health())
    for answer in answers:
        assert isinstance(answer, Missing)
        assert answer.sentence.endswith(".")
        assert "clip" in answer.hint or "song" in answer.hint
        assert "minute" not in answer.hint  # waiting would not help
    assert server.asked == []


async def test_the_health_report_says_which_services_are_on_and_why_not(
    server: Loopback, soon: Deadline
) -> None:
    settings = SourcesSettings(itunes=False, ytdlp=False)
    server.json(
        "/listenbrainz/metadata/lookup/", {}, status=401, headers={"x-ratelimit-remaining": "29"}
    )
    server.raw("/deezer/search/artist", b"", status=429, headers={"Retry-After": "81654"})
    async with Sources(settings, endpoints=server.endpoints()) as sources:
        await sources.candidates(SONG, deadline=soon)
        health = {one.name: one for one in sources.health()}
        tools = {tool.name: tool for tool in await sources.tools()}
    assert (health["Apple Music"].on, health["Apple Music"].why) == (
        False,
        "sources.itunes is false",
    )
    assert health["Last.fm"].why == "sources.lastfm_key is not set"
    assert health["Spotify"].why == (
        "sources.spotify_client_id and sources.spotify_client_secret are not set"
    )
    assert (health["Deezer"].on, health["Deezer"].breaker) == (True, "open")
    assert "HTTP 429" in health["Deezer"].last_error
    assert health["ListenBrainz"].remaining == 29
    assert "asks for a key" in health["ListenBrainz"].why
    assert {"YouTube's pages", "SoundCloud's pages", "Spotify's pages"} <= health.keys()
    assert set(tools) == {"ffmpeg", "deno", "node"}
    for tool in tools.values():
        assert bool(tool.wrong) == (tool.path is None) or "too old" in tool.wrong
        assert tool.used_for


class Memory:
    """A lookup cache in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.broken = False

    async def get(self, key: str) -> str | None:
        if self.broken:
            raise StoreError("the disk is full")
        return self.kept.get(key)

    async def put(self, key: str, body: str, ttl_seconds: float) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        self.kept[key] = body
        self.seconds[key] = ttl_seconds


async def test_answers_and_misses_are_cached_but_never_refusals_or_addresses(
    stocked: Loopback, soon: Deadline
) -> None:
    memory = Memory()
    settings = SourcesSettings(itunes=False, musicbrainz=False, ytdlp=False)
    at = stocked.endpoints()
    stocked.json("/deezer/track/404", {"error": {"code": 800}})
    for _ in range(2):
        async with Sources(settings, cache=memory, endpoints=at) as sources:
            found = await sources.resolve("daft punk one more time", deadline=soon)
            assert isinstance(found, Found)
            assert found.track.isrc == ISRC
            await sources.resolve("deezer.com/track/404", deadline=soon)
            await sources.candidates(found.track, deadline=soon)
    assert stocked.count("/deezer/search?") == 1
    assert stocked.count("/deezer/track/404") == 1
    assert stocked.count("/artist/1003/top") == 1
    assert not any("cdn" in body or "http://" in body for body in memory.kept.values())
    assert memory.seconds["1:deezer:/track/404"] < memory.seconds["1:deezer:filed:3135553"]
    stocked.raw("/deezer/track/5", b"", status=503)
    stocked.json("/deezer/playlist/6/tracks", {"error": {"code": 200}})
    async with Sources(settings, cache=memory, endpoints=at) as sources:
        private = await sources.resolve("deezer.com/playlist/6", deadline=soon)
        await sources.resolve("deezer.com/track/5", deadline=soon)
    assert isinstance(private, Missing)
    assert "Deezer keeps this private" in private.sentence
    assert "1:deezer:/track/5" not in memory.kept
    assert "1:deezer:/playlist/6/tracks" not in memory.kept  # it may be opened any minute


async def test_a_service_that_says_tomorrow_is_left_alone_by_the_next_process_too(
    stocked: Loopback, soon: Deadline
) -> None:
    memory = Memory()
    settings = SourcesSettings(ytdlp=False, musicbrainz=False)
    at = stocked.endpoints()
    stocked.raw("/deezer/search", b"", status=429, headers={"Retry-After": "81654"})
    for _ in range(2):
        async with Sources(settings, cache=memory, endpoints=at) as sources:
            for title in ("daft punk one more time", "one more time daft punk"):
                found = await sources.resolve(title, deadline=soon)
                assert isinstance(found, Found)
                assert found.track.provenance["title"] == "itunes"
            health = {one.name: one for one in sources.health()}["Deezer"]
        assert health.breaker == "open"
        assert health.last_error == "Deezer asks for patience (HTTP 429), 0 s ago"
    assert stocked.count("/deezer") == 1
    stocked.raw("/itunes/search", b"oops", status=500)
    async with Sources(settings, cache=memory, endpoints=at) as sources:
        for title in ("one", "two", "three"):
            await sources.resolve(title, deadline=soon)
        assert {one.name: one for one in sources.health()}["Apple Music"].breaker == "open"
    async with Sources(settings, cache=memory, endpoints=at) as sources:
        again = {one.name: one for one in sources.health()}["Apple Music"]
        assert (again.breaker, "HTTP 500" in again.last_error) == ("closed", True)
    memory.kept["gate:Deezer"] = '{"error": 7}'
    async with Sources(settings, cache=memory, endpoints=at) as sources:
        assert {one.name: one for one in sources.health()}["Deezer"].breaker == "closed"


async def test_the_health_report_names_programs_that_hang_or_do_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, body in (("deno", "#!/bin/sh\nexec sleep 60"), ("node", "no program")):
        (tmp_path / name).write_text(body)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("musrec.sources.chain.TOOL_SECONDS", 0.3)
    async with Sources(SourcesSettings()) as sources:
        tools = {tool.name: tool.wrong for tool in await sources.tools()}
    assert (tools["deno"], tools["node"]) == ("does not run", "does not run")


async def test_no_preview_anywhere_is_remembered_and_no_answer_anywhere_is_not(
    stocked: Loopback, soon: Deadline
) -> None:
    memory = Memory()
    settings = SourcesSettings(ytdlp=False)
    at = stocked.endpoints()
    unheard = replace(SONG, id="unheard", title="Unheard Of")
    for _ in range(2):
        async with Sources(settings, cache=memory, endpoints=at) as sources:
            missing = await sources.preview(unheard, deadline=soon)
            assert isinstance(missing, Missing)
            assert missing.sentence == "No service has a preview of “Unheard Of”."
    assert stocked.count("/deezer/search?") == stocked.count("/itunes/search?") == 1
    stocked.raw("/deezer/search", b"", status=503)
    late = replace(unheard, id="late")
    async with Sources(settings, cache=memory, endpoints=at) as sources:
        missing = await sources.preview(late, deadline=soon)
    assert isinstance(missing, Missing)
    assert "HTTP 503" in missing.sentence
    kept = [key for key in memory.kept if ":preview:" in key]
    assert len(kept) == 1
    assert "unheard" in kept[0]


async def test_a_cache_that_fails_or_lies_costs_a_question_only(
    stocked: Loopback, soon: Deadline
) -> None:
    memory = Memory()
    settings = SourcesSettings(itunes=False, musicbrainz=False, ytdlp=False)
    for body in ('[{"id": 7}]', "not JSON", '{"a": 1}'):
        memory.kept["1:deezer:/track/3135553"] = body
        async with Sources(settings, cache=memory, endpoints=stocked.endpoints()) as sources:
            found = await sources.resolve("deezer.com/track/3135553", deadline=soon)
            assert isinstance(found, Found)
    memory.broken = True
    async with Sources(settings, cache=memory, endpoints=stocked.endpoints()) as sources:
        found = await sources.resolve("deezer.com/track/3135553", deadline=soon)
        assert isinstance(found, Found)


class Page(Provider):
    """A site whose pages can be told here."""

    name = "page"
    label = "A site"

    def __init__(self, heading: Heading) -> None:
        self._heading = heading

    async def heading(self, link: Link, deadline: Deadline) -> Heading:
        assert deadline.left
        return (
            self._heading if link.provider == "youtube" else await super().heading(link, deadline)
        )


@pytest.mark.parametrize("hours", [0.5, 3])
async def test_a_video_of_hours_is_refused_with_its_length(hours: float, soon: Deadline) -> None:
    page = Page(Heading("Deep House Mix 2024", "A Channel", hours * 3600))
    async with aiohttp.ClientSession() as session:
        resolver = Resolver([page], session, Endpoints())
        answer = await resolver.resolve(f"https://youtu.be/{VIDEO_ID}", soon)
    assert isinstance(answer, Missing)
    assert ("3.0 h" if hours == 3 else "30 min") in answer.sentence
    assert "clip" in answer.hint


async def test_a_hanging_first_provider_leaves_time_for_the_second(stocked: Loopback) -> None:
    stocked.hang("/deezer/search")
    deadline = Deadline.within(3.0)
    settings = SourcesSettings(ytdlp=False, musicbrainz=False)
    async with Sources(settings, endpoints=stocked.endpoints()) as sources:
        found = await sources.resolve("daft punk one more time", deadline=deadline)
    assert isinstance(found, Found)
    assert found.track.provenance["title"] == "itunes"
    assert deadline.left > 0
