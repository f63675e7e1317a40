"""What members see: every kind of message, rendered by chromium and looked at for gaps.

``MUSREC_PICTURES=docs/pictures python -m pytest tests/bot/test_pictures.py`` writes the pictures.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import simcord
from aiohttp import web
from PIL import Image, ImageDraw

from bot.app import Bot
from bot.drops import commands as drop_commands
from musrec.model import FeedbackKind
from musrec.service import Service
from musrec.settings import Settings
from musrec.sources.matching import Wanted
from tests.support.loopback import PROVIDERS_OFF, Loopback, deezer_track, serving, spotify_track
from tests.support.world import CDN, World, parts, pressable, said, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHROMIUM = Path("/usr/bin/chromium")
HEARD = ("cynicmusic--waterworks.opus", "mateus-reis-kzr--citychill.ogg", "tim-beek--pink-blue.mp3")
FOLDER = os.environ.get("MUSREC_PICTURES")
"""Where pictures are kept; those of the documents are drawn then, from a larger catalogue."""
DOCUMENTED = (
    *("card", "card-phone", "why", "spotify", "day-one", "show", "thumb", "taste", "blend", "map"),
    *("compare", "gallery", "playlist", "drop-opening", "drop", "mixtape-opening", "mixtape"),
    *("privacy-show", "setup", "help", "status", "trouble"),
)
QUICK = ("card", "why", "setup")
PHONE = 400
"""Pixels across."""
SPOTIFY = "4uLU6hMCjMI75M1A2tKU{:02}"
NUMBERS = {"tempo": 124.0, "energy": 0.81, "danceability": 0.62, "valence": 0.35}
SECTION, THUMBNAIL = 9, 11
"""Types of components."""
ASKED = "los-rombos--fantasma.flac"
STARTER = "Boogie Nights"
COMPARED = ("Pistachio Ice Cream Ragtime", "Ain't Misbehavin'")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser that draws."""
    if not CHROMIUM.is_file():
        pytest.skip(f"there is no {CHROMIUM}: install chromium to render messages")
    for name in ("playwright", "linkify_it", "regex"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: it is one of the dev dependencies")
    return CHROMIUM


@pytest_asyncio.fixture(loop_scope="session")
async def services() -> AsyncIterator[Loopback]:
    """Deezer and ReccoBeats on 127.0.0.1."""
    async with serving() as server:
        server.keeps_alive = False  # SimCord would wait for every connection to time out
        server.json("", {"data": []})
        server.raw("/cover.png", cover(), kind="image/png")
        yield server


def cover() -> bytes:
    """Draw a cover of no album: a low sun over water."""
    drawn = Image.new("RGB", (250, 250), (38, 70, 83))
    pen = ImageDraw.Draw(drawn)
    pen.ellipse((65, 50, 185, 170), fill=(233, 162, 59))
    pen.rectangle((0, 130, 250, 250), fill=(42, 157, 143))
    for y in range(140, 250, 22):
        pen.line((0, y, 250, y), fill=(38, 70, 83), width=5)
    file = io.BytesIO()
    drawn.save(file, "PNG")
    return file.getvalue()


def settings_of(folder: Path, *, starter: bool = False, **sources: Any) -> Settings:
    """Return settings under which some services are asked."""
    settings = settings_for(folder)
    asked = settings.sources.model_validate(PROVIDERS_OFF | {"deezer": True} | sources)
    songs = settings.catalogue.model_copy(update={"starter": starter})
    return settings.model_copy(update={"catalogue": songs, "sources": asked})


@pytest_asyncio.fixture(loop_scope="session")
async def service_of_music(
    chromium: Path, music: Path, tmp_path: Path, services: Loopback
) -> AsyncIterator[Service]:
    """A service that has heard real music, and nothing else; other services know all of it."""
    settings = settings_of(tmp_path / "data", reccobeats=True)
    async with Service.open(settings, endpoints=services.endpoints()) as service:
        heard = [music] if FOLDER else [music / name for name in HEARD]
        async for step in service.songs.add(heard):
            assert not step.problem
        tracks = [await service.songs.get(track.id) for track in service.catalogue.songs.tracks]
        named = []
        for number, track in enumerate(tracks, start=1):
            ids = {"deezer": str(number), "spotify": SPOTIFY.format(number)}
            named.append(replace(track, identities=ids, year=2010 + number % 12))
            heard_at = f"{services.address}/clip/{number}"
            row = deezer_track(number, track.title, track.artist, preview=heard_at)
            services.raw(f"/clip/{number}", (music / HEARD[2]).read_bytes(), kind="audio/mpeg")
            album = {"id": 1, "title": "An Album", "cover_medium": f"{services.address}/cover.png"}
            services.json(f"/deezer/track/{number}", row | {"album": album})
            page = f"https://open.spotify.com/track/{ids['spotify']}"
            services.json(
                f"/reccobeats/audio-features?ids={ids['spotify']}",
                {"content": [{"href": page} | NUMBERS]},
            )
            known = spotify_track(ids["spotify"], track.title, track.artist)
            services.json(f"/spotify/tracks/{ids['spotify']}", known)
        await service.songs.keep(named)
    if FOLDER:
        shutil.copytree(tmp_path / "data", tmp_path / "with access")
    # The catalogue is read when a service opens.
    async with Service.open(settings, endpoints=services.endpoints()) as service:
        yield service


@pytest.fixture
def _launched_here(chromium: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SimCord use Debian's chromium, where it would download one of its own."""
    from playwright.async_api import BrowserType

    launch = BrowserType.launch

    async def here(self: BrowserType, **given: Any) -> Any:
        return await launch(self, executable_path=str(chromium), args=["--no-sandbox"], **given)

    monkeypatch.setattr(BrowserType, "launch", here)


@pytest.fixture
def _never_ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no drop come due: SimCord would wait for the tick, in real time, after every action."""
    monkeypatch.setattr(drop_commands, "TICK_SECONDS", 86_400)


async def tastes(room: World) -> dict[str, Any]:
    """Two members with likes of their own: their tastes, songs side by side, lists and drops."""
    alice, bob, channel, service = room.alice, room.bob, room.channel, room.service
    tracks = sorted(service.catalogue.songs.tracks, key=lambda track: track.title.lower())
    for who, liked in ((alice, tracks[::5]), (bob, tracks[2::6] + tracks[:11:5])):
        for track in liked:
            await service.members.learn(str(who.id), track.id, FeedbackKind.LIKE)
    shown: dict[str, Any] = {}
    for name in ("taste", "map", "gallery"):
        shown[name] = (await alice.slash(channel, name)).response.message
    asked = await alice.slash(channel, "blend", member=bob)
    await bob.click(asked.response.message, custom_id=pressable(asked.response, "agree:"))
    shown["blend"] = asked.response.message
    compared = await alice.slash(channel, "compare", a=COMPARED[0], b=COMPARED[1])
    shown["compare"] = compared.response.message
    table = pressable(compared.response, "measures:")
    shown["measures"] = (await alice.click(shown["compare"], custom_id=table)).response.message
    await alice.slash(channel, "playlist create", name="Late at night")
    for track in tracks[1:25:4]:
        await alice.slash(channel, "playlist add", playlist="Late at night", song=track.id)
    listed = await alice.slash(channel, "playlist show", playlist="Late at night")
    shown["playlist"] = listed.response.message
    await alice.slash(channel, "drops on", day="Friday", hour=18, place="this channel", size=3)
    await alice.slash(channel, "drops now")
    opening, first, *_ = posted_from(room, "your weekly drop")
    shown |= {"drop-opening": opening, "drop": first}
    owner = room.guild_owner()
    await owner.slash(channel, "mixtape on", day="Friday", hour=18, size=3)
    mixtape = await service.drops.of_server(str(room.guild.id))
    assert mixtape is not None
    for who in (alice, bob):
        await service.drops.join_mixtape(mixtape, str(who.id), there=True)
    await owner.slash(channel, "mixtape now")
    opening, first, *_ = posted_from(room, "This week's mixtape")
    return shown | {"mixtape-opening": opening, "mixtape": first}


def posted_from(room: World, words: str) -> list[Any]:
    """What everybody sees in the channel, from the message on that says this."""
    public = [m for m in room.channel.history(viewer=room.alice) if not m.flags.ephemeral]
    [start] = [place for place, message in enumerate(public) if words in said(message)]
    return public[start:]


def small(picture: Path) -> None:
    """Rewrite a picture with 256 colours, a thin line's own among them."""
    with Image.open(picture) as drawn:
        few = drawn.convert("RGB").quantize(
            256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
    few.save(picture, optimize=True)


@contextlib.asynccontextmanager
async def opened(service: Service) -> AsyncIterator[World]:
    """The bot on a service, in a server of its own."""
    bot = Bot(service.settings, service, cdn_hosts=CDN, guild_ready_timeout=0.01)
    async with simcord.run(bot, shard_count=1, settle_timeout=120, check_errors=False) as env:
        env.backend.bot_user.name = "musrec"
        guild = env.create_guild()
        channel = guild.create_text_channel("music")
        alice, bob = (guild.add_member(env.create_user(name)) for name in ("alice", "bob"))
        yield World(env, service, bot, guild, channel, alice, bob)


async def draw(
    room: World, services: Loopback, messages: dict[str, Any], folder: Path, *, width: int = 640
) -> None:
    """Draw messages as Alice sees them, the settings of the server as its owner does."""
    owner = room.guild_owner()
    async with room.env.preview(
        room.channel,
        viewers=[room.alice, owner],
        layout="message",
        width=width,
        height=1200,
        assets={f"{services.address}/cover.png": ("cover.png", cover())},
    ) as preview:
        for name, message in messages.items():
            capture = await preview.screenshot(
                folder / f"{name}.png",
                target=message,
                viewer=owner if name == "setup" else room.alice,
            )
            assert capture.complete, (name, capture.diagnostics)
            assert capture.output_height > 80


async def tasted(services: Loopback, data: Path, folder: Path) -> None:
    """Draw what members' tastes make: pictures, lists, drops."""
    # ReccoBeats is asked at a pace, whose pauses SimCord would take for its own.
    async with (
        Service.open(settings_of(data), endpoints=services.endpoints()) as service,
        opened(service) as room,
    ):
        shown = await tastes(room)
        await draw(room, services, {n: shown[n] for n in DOCUMENTED if n in shown}, folder)


async def with_access(services: Loopback, data: Path, folder: Path) -> None:
    """Draw why a song was found for a Spotify link, with a key that has audio features."""
    services.json(
        "/token", {"access_token": "loopback", "expires_in": 3600, "token_type": "Bearer"}
    )
    services.json("/spotify/audio-features/", {"audio_features": [NUMBERS | {"key": 9, "mode": 0}]})
    key: dict[str, Any] = {"spotify_client_id": "id", "spotify_client_secret": "secret"}
    async with (
        Service.open(settings_of(data, **key), endpoints=services.endpoints()) as service,
        opened(service) as room,
    ):
        page = f"https://open.spotify.com/track/{SPOTIFY.format(3)}"
        card = await room.ask(song=page)
        why = await room.alice.click(card.message, custom_id=pressable(card, "why:"))
        assert "Spotify](https://open.spotify.com/" in said(why.response)
        await draw(room, services, {"spotify": why.response.message}, folder)


async def day_one(services: Loopback, music: Path, data: Path, folder: Path) -> None:
    """Draw a new bot's first card, of a starter song whose preview is heard there and then."""
    clips = [(music / name).read_bytes() for name in HEARD]
    async with Service.open(
        settings_of(data, starter=True), endpoints=services.endpoints()
    ) as service:
        songs = service.catalogue.songs.tracks
        album = {"id": 1, "title": "An Album", "cover_medium": f"{services.address}/cover.png"}

        async def search(request: web.Request) -> web.Response:
            found = [
                deezer_track(n, track.title, track.artist, preview=f"{services.address}/clip/{n}")
                | {"album": album}
                for n, track in enumerate(songs)
                if request.query["q"] == Wanted.of(track).query
            ]
            return web.json_response({"data": found})

        services.set("/deezer/search", search)
        for number, track in enumerate(songs):
            clip = clips[0 if track.title == STARTER else 1 + number % (len(clips) - 1)]
            services.raw(f"/clip/{number}", clip, kind="audio/mpeg")
        async with opened(service) as room:
            card = await room.ask(song=STARTER, count=3)
            await draw(room, services, {"day-one": card.message}, folder)


@pytest.mark.usefixtures("_launched_here", "_never_ticking")
async def test_every_kind_of_message_can_be_looked_at(
    service_of_music: Service, services: Loopback, music: Path, tmp_path: Path
) -> None:
    folder = Path(FOLDER or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    async with opened(service_of_music) as room:
        alice, bob, channel = room.alice, room.bob, room.channel
        owner = room.guild_owner()
        shown = {"first-step": (await alice.slash(channel, "recommend")).response}
        card = await room.ask(clip=(ASKED, (music / ASKED).read_bytes()))
        await bob.react(card.message, "👍")
        shown["card"] = card
        for name, start in (
            ("why", "why:"),
            ("thumb", "like:"),
            ("preview", "play:"),
            ("keep", "keep:"),
        ):
            result = await alice.click(card.message, custom_id=pressable(card, start))
            shown[name] = result.response
        for command in ("help", "status", "history", "privacy show", "privacy delete"):
            result = await alice.slash(channel, command)
            shown[command.replace(" ", "-")] = result.response
        further = await alice.click(card.message, custom_id=pressable(card, "next:"))
        shown["next"] = further.response
        posted = await alice.click(
            further.response.message, custom_id=pressable(further.response, "post:")
        )
        shown["shared"] = posted.response
        heard = await alice.slash(channel, "show", clip=(ASKED, (music / ASKED).read_bytes()))
        shown["show"] = heard.response
        found = await alice.slash(channel, "search", song="city")
        shown["search"] = found.response
        title = max((song.title for song in service_of_music.catalogue.songs.tracks), key=len)
        shown["did-you-mean"] = await room.ask(song=title[:4] + title[6:])
        assert "Did you mean" in said(shown["did-you-mean"])
        shown["trouble"] = await room.ask(clip=("notes.txt", b"only words"))
        shown["setup"] = (await owner.slash(channel, "setup")).response
        assert not [name for name, response in shown.items() if response is None]
        messages = {name: response.message for name, response in shown.items()}
        (heading,) = [part for part in parts(card) if part["type"] == SECTION]
        assert heading["accessory"]["type"] == THUMBNAIL
        pages = [part["label"] for part in parts(card) if part.get("url")]
        assert pages == ["Open in Spotify", "Deezer"]
        kept = DOCUMENTED if FOLDER else QUICK
        await draw(room, services, {n: messages[n] for n in kept if n in messages}, folder)
        if FOLDER:
            await draw(room, services, {"card-phone": card.message}, folder, width=PHONE)
    if FOLDER:
        await tasted(services, tmp_path / "data", folder)
        await with_access(services, tmp_path / "with access", folder)
        await day_one(services, music, tmp_path / "day one", folder)
        for name in DOCUMENTED:
            small(folder / f"{name}.png")
