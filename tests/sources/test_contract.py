"""What `Provider` promises, asked of every provider there is, with no list of our own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import aiohttp
import pytest
from aiolimiter import AsyncLimiter

from musrec.model import Track
from musrec.sources import Deadline, SourcesSettings
from musrec.sources.gate import Refused, Unanswered, Unsupported
from musrec.sources.links import parse
from musrec.sources.provider import Link, LinkKind, Provider, Setup
from musrec.sources.providers import PROVIDERS, SITES
from musrec.sources.ytdlp import YtDlp
from tests.support.loopback import ISRC, KEYS, PROVIDERS_OFF, SPOTIFY_ID, Loopback, stock
from tests.support.misbehaviour import MISBEHAVIOUR

Ask = Callable[[Provider, Deadline], Awaitable[object]]

NAMES = {provider.name for provider in PROVIDERS} | {site.name for site in SITES}
SONG = Track(
    "x",
    "One More Time",
    ("Daft Punk",),
    isrc=ISRC,
    duration=320.0,
    identities=dict.fromkeys(NAMES, SPOTIFY_ID) | {"isrc": ISRC},
)
LINKS = [Link(name, LinkKind.TRACK, SPOTIFY_ID, f"https://{name}.example/x") for name in NAMES]
QUESTIONS: list[Ask] = [
    lambda to, by: to.by_isrc(ISRC, by),
    lambda to, by: to.search("one more time", by),
    lambda to, by: to.audio(SONG, by),
    lambda to, by: to.similar(SONG, by),
    lambda to, by: to.genre(SONG, by),
    lambda to, by: to.features(SONG, by),
    lambda to, by: to.cover(SONG, by),
    *(lambda to, by, link=link: to.open(link, by) for link in LINKS),
    *(lambda to, by, link=link: to.heading(link, by) for link in LINKS),
]

# yt-dlp is a program with a test file of its own; all others speak HTTP through their gate.
ONLINE = [provider for provider in PROVIDERS if provider is not YtDlp]
every = pytest.mark.parametrize("kind", ONLINE, ids=lambda provider: provider.name)


@pytest.fixture
async def setup(server: Loopback) -> AsyncIterator[Setup]:
    server.json("/token", {"access_token": "t", "expires_in": 3600})
    async with aiohttp.ClientSession() as session:
        yield server.setup(session, **KEYS)


async def outcome(question: Awaitable[object]) -> object:
    """Return the value, or the outcome that stands for it; anything else is raised."""
    try:
        return await question
    except Unanswered as other:
        return other


def built(kind: type[Provider], setup: Setup) -> list[Provider]:
    """Build a provider whose gates let everything through at once."""
    providers = list(kind.build(setup))
    for gate in (gate for provider in providers for gate in provider.gates):
        gate._limiter = AsyncLimiter(1_000, 1)
    return providers


def fresh(kind: type[Provider], setup: Setup) -> Iterable[tuple[Provider, Ask]]:
    """Yield each question with a new provider."""
    for ask in QUESTIONS:
        for provider in built(kind, setup):
            yield provider, ask


@every
@pytest.mark.parametrize("misbehaviour", MISBEHAVIOUR)
async def test_every_way_of_not_answering_is_a_refusal(
    server: Loopback, setup: Setup, kind: type[Provider], misbehaviour: str, soon: Deadline
) -> None:
    MISBEHAVIOUR[misbehaviour](server, "")
    said = [await outcome(ask(one, soon)) for one, ask in fresh(kind, setup)]
    refusals = [str(one) for one in said if isinstance(one, Refused)]
    assert refusals
    assert {type(one) for one in said} <= {Refused, Unsupported}
    for refusal in refusals:
        assert "http" not in refusal.lower().replace("(http ", "")
        assert "secret" not in refusal


@every
async def test_a_retry_after_of_a_day_costs_no_time_and_is_kept(
    server: Loopback, setup: Setup, kind: type[Provider], soon: Deadline
) -> None:
    # In small letters, as proxies of services write it.
    server.raw("", b'"wait"', status=429, headers={"retry-after": "81654"})
    for provider, ask in fresh(kind, setup):
        before = len(server.asked) - server.count("/token")
        said = [await outcome(ask(provider, soon)) for _ in range(3)]
        if any(isinstance(one, Unsupported) for one in said):
            continue
        assert all(
            81_000 < (one.retry_after or 0) <= 81_654 for one in said if isinstance(one, Refused)
        )
        assert len([one for one in said if isinstance(one, Refused)]) == 3
        assert len(server.asked) - server.count("/token") == before + 1
    assert soon.left > 0


@every
async def test_a_service_that_hangs_costs_at_most_half_of_the_time(
    server: Loopback, setup: Setup, kind: type[Provider]
) -> None:
    server.hang("")
    for provider, ask in fresh(kind, setup):
        deadline = Deadline.within(0.4)
        said = await outcome(ask(provider, deadline))
        if not isinstance(said, Unsupported):
            assert isinstance(said, Refused)
            assert deadline.left > 0
            break
    else:
        pytest.fail("it can do nothing")


@every
async def test_answers_of_any_shape_are_read_or_refused(
    server: Loopback, setup: Setup, kind: type[Provider]
) -> None:
    """Each path that a provider asks, once all others are answered as they should be."""
    soon, tried = Deadline.within(60), 0
    for odd in (None, "x", {"data": 7, "results": {}, "tracks": 1, "content": [[]]}):
        for ask in QUESTIONS:
            for one in built(kind, setup):
                stock(server, related=1, tops=1)
                server.asked.clear()
                await outcome(ask(one, soon))
            for path in {address.partition("?")[0] for address in server.asked}:
                if path == "/token":  # not JSON for us but for spotipy; see `test_providers`
                    continue
                stock(server, related=1, tops=1)
                server.json(path, odd)
                for one in built(kind, setup):
                    await outcome(ask(one, soon))
                    tried += 1
    assert tried


@every
async def test_an_identity_is_the_id_of_the_link(
    server: Loopback, setup: Setup, kind: type[Provider], soon: Deadline
) -> None:
    stock(server, related=1, tops=1)
    said = [await outcome(ask(one, soon)) for one, ask in fresh(kind, setup)]
    lists: list[Any] = [one if isinstance(one, tuple) else (one,) for one in said]
    for track in (one for some in lists for one in some if isinstance(one, Track)):
        assert set(track.provenance.values()) == {kind.name}
        for name, page in track.links.items():
            link = parse(page)
            assert link is None or (link.provider, link.id) == (name, track.identities[name])


def test_no_two_providers_share_a_key_a_name_or_a_host() -> None:
    keys = [key for provider in PROVIDERS for key in provider.settings]
    keys += [provider.name for provider in PROVIDERS]
    assert len(set(keys)) == len(keys)
    assert len({site.name for site in SITES}) == len(SITES)
    hosts = [host for site in SITES for host in (*site.hosts, *site.short_hosts)]
    assert len(set(hosts)) == len(hosts)


def test_switches_and_keys_are_on_off_and_secret_as_declared() -> None:
    settings = SourcesSettings(**KEYS)
    secrets = {value for key, value in KEYS.items() if value not in repr(settings)}
    assert secrets == set(settings.secrets)
    assert SourcesSettings().secrets == ()
    assert all(getattr(settings, name) is True for name in PROVIDERS_OFF)


def test_the_list_of_providers_loads_without_their_libraries() -> None:
    heavy = ("aiohttp", "spotipy", "requests", "yt_dlp")
    code = f"import musrec.settings, musrec.sites, sys; print(*sys.modules.keys() & {heavy!r})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert told.stdout.split() == []
