"""Health and metrics over a real socket, and what the dashboard and the alerts ask of them."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml
from prometheus_client.parser import text_string_to_metric_families

from musrec.model import FeedbackKind, NotFound
from musrec.service import Service, metrics
from musrec.service.measures import STAGES, Measures
from musrec.service.metrics import watched
from musrec.settings import MetricsSettings, Settings
from tests.support.postgres import Server, Unavailable, server
from tests.support.posting import settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def on(folder: Path, *, url: str | None = None, port: int = 0) -> Settings:
    watching = MetricsSettings(port=port)
    return settings(folder, url=url).model_copy(update={"metrics": watching})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with Service.open(on(tmp_path_factory.mktemp("store"))) as service:
        yield service


@pytest.fixture
def service(opened: Service) -> Service:
    """One service for all tests, each with counts of its own."""
    opened._live.measures = Measures()
    return opened


def refused(what: str) -> None:
    raise AssertionError(what)


async def get(port: int | None, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.text()


def samples(text: str) -> Samples:
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def at(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


async def test_metrics_count_what_happened_and_name_nobody(service: Service) -> None:
    songs = service.catalogue.songs.tracks
    with service.measures.answer("bot", "taste"):
        answer = await service.answers.recommend(None, member="4711", online=False)
    await service.answers.card(answer, answer.picks[0])
    with pytest.raises(NotFound), service.measures.answer("page", "text"):
        await service.songs.find("no such song at all", online=False)
    with pytest.raises(ZeroDivisionError), service.measures.answer("api", "song"):
        _ = 1 / 0
    await service.members.learn("4711", songs[0].id, FeedbackKind.LIKE)
    await service.members.learn("4711", songs[0].id, FeedbackKind.LIKE)  # no news
    async with watched(service, "bot", tell=refused) as port:
        assert await get(port, "/healthz") == (200, "alive\n")
        assert await get(port, "/readyz") == (200, "ready\n")
        status, text = await get(port, "/metrics")
    assert status == 200
    found = samples(text)
    assert at(found, "musrec_answers_total", door="bot", kind="taste", outcome="songs") == 1
    assert at(found, "musrec_answers_total", door="page", kind="text", outcome="notfound") == 1
    assert at(found, "musrec_answers_total", door="api", kind="song", outcome="failed") == 1
    assert at(found, "musrec_thumbs_total", kind="like") == 1
    assert at(found, "musrec_songs") == len(songs)
    assert at(found, "musrec_stored", what="likers") == 1
    assert at(found, "musrec_provider", provider="Deezer", state="off") == 1
    for stage in ("resolve", "recommend", "draw"):
        assert at(found, "musrec_stage_seconds_count", stage=stage) == 1
        assert at(found, "musrec_stage_seconds_bucket", stage=stage, le="+Inf") == 1
    assert at(found, "process_resident_memory_bytes") > 0
    assert "4711" not in text
    assert songs[0].title not in text
    assert {dict(labels)["stage"] for name, labels in found if "stage_seconds" in name} == {*STAGES}


async def test_what_is_watched_begins_at_zero(service: Service) -> None:
    async with watched(service, "bot", tell=refused) as port:
        found = samples((await get(port, "/metrics"))[1])
    assert at(found, "musrec_answers_total", door="page", kind="wish", outcome="failed") == 0
    assert at(found, "musrec_thumbs_total", kind="dislike") == 0
    assert at(found, "musrec_ratings_total", stars="1") == 0


async def test_health_tells_alive_from_ready(service: Service) -> None:
    why = "Discord is not connected"
    async with watched(service, "bot", ready=lambda: why, tell=refused) as port:
        assert (await get(port, "/healthz"))[0] == 200
        assert await get(port, "/readyz") == (503, f"{why}\n")
        assert at(samples((await get(port, "/metrics"))[1]), "musrec_ready") == 0
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(port, "/healthz")


async def test_metrics_are_off_unless_a_port_is_set(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = service.settings.model_copy(update={"metrics": MetricsSettings()})
    monkeypatch.setattr(service, "settings", off)
    async with watched(service, "bot", tell=refused) as port:
        assert port is None


async def test_a_port_that_is_taken_is_named_and_the_block_runs_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        there = service.settings.model_copy(update={"metrics": MetricsSettings(port=port)})
        monkeypatch.setattr(service, "settings", there)
        async with watched(service, "page", tell=said.append) as served:
            assert served is None
    where = f"127.0.0.1, port {port}"
    (sentence,) = said
    what = f"Metrics cannot be served at {where}: Address already in use."
    assert sentence == f"{what} Set another metrics.port."


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A PostgreSQL of this test's own."""
    try:
        with server() as one:
            yield one
    except Unavailable as why:
        pytest.skip(f"PostgreSQL cannot run here: {why}")


async def test_a_database_that_is_gone_shows_and_hides_nothing_else(
    mortal: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SECONDS", 0.5)
    url = await asyncio.to_thread(mortal.empty)
    async with Service.open(on(tmp_path, url=url)) as service:
        async with watched(service, "work", tell=refused) as port:
            there = samples((await get(port, "/metrics"))[1])
            assert at(there, "musrec_store_up") == 1
            await asyncio.to_thread(mortal.stop)
            assert (await get(port, "/healthz"))[0] == 200
            assert await get(port, "/readyz") == (503, "the database does not answer\n")
            found = samples((await get(port, "/metrics"))[1])
        assert at(found, "musrec_store_up") == 0
        assert at(found, "musrec_songs") == at(there, "musrec_songs")
        assert "musrec_stored" not in {name for name, _ in found}


async def test_the_dashboard_and_the_alerts_ask_for_metrics_that_exist(service: Service) -> None:
    board = json.loads((DEPLOY / "grafana.json").read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
    asked += [rule["expr"] for rule in rules]
    async with watched(service, "bot", tell=refused) as port:
        found = samples((await get(port, "/metrics"))[1])
    labels: dict[str, set[str]] = {"up": set()}
    for name, pairs in found:
        labels.setdefault(name, {"job", "instance"}).update(key for key, _ in pairs)
    labels["up"] |= {"job", "instance"}
    names = set()
    for query in asked:
        for name in re.findall(r"\b(?:musrec|process)_\w+|\bup\b", query):
            assert name in labels, query
            names.add(name)
            used = re.findall(r"(\w+)\s*=~?\"", query)
            used += [key for by in re.findall(r"by \(([\w, ]+)\)", query) for key in by.split(", ")]
            assert set(used) <= labels[name], query
    own = {name for name in labels if name.startswith("musrec_") and not name.endswith("_created")}
    assert own - names == set(), "nobody looks at it"
