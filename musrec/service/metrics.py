"""For those who watch: whether the process lives and is ready, and metrics for Prometheus.

``/healthz`` answers as long as the event loop turns, ``/readyz`` once questions can be answered,
``/metrics`` in Prometheus's text format. They are off unless ``metrics.port`` is set, and meant for
this machine or a private network: nobody signs in. No label names a member or a song.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

from musrec import __version__
from musrec.catalogue.model import JobKind, JobState
from musrec.model import StoreError
from musrec.service.measures import BOUNDS, Lengths

if TYPE_CHECKING:
    from aiohttp import web
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    from musrec.service import Service
    from musrec.sources.model import ProviderHealth

_log = logging.getLogger(__name__)

STATES = ("closed", "half-open", "open", "off")
"""Of a provider: asked, on trial, left alone, switched off."""

SECONDS = 5.0
"""How long the database may take; without it, what comes from it is left out."""

Key = TypeVar("Key", bound=tuple[str, ...])

Ready = Callable[[], str]
"""Says why the process cannot answer yet; empty if it can."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the database counts."""

    counts: dict[str, int]
    troubled: int
    jobs: dict[tuple[str, str], int]


@asynccontextmanager
async def watched(
    service: Service, process: str, *, ready: Ready = lambda: "", tell: Callable[[str], None]
) -> AsyncIterator[int | None]:
    """Serve health and metrics while the block runs, if ``metrics.port`` is set.

    Parameters
    ----------
    process : str
        What runs here: ``bot``, ``page`` or ``work``.
    ready : callable, optional
        Why the process cannot answer yet, beside a database that does not.
    tell : callable
        Called with a sentence if the port cannot be listened at; the block runs all the same.

    Yields
    ------
    int or None
        The port; None where nothing is served.
    """
    settings = service.settings.metrics
    if settings.port is None:
        yield None
        return
    from aiohttp import web

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readiness(_: web.Request) -> web.Response:
        why = ready()
        if not why and await _kept(service) is None:
            why = "the database does not answer"
        return web.Response(text=f"{why or 'ready'}\n", status=503 if why else 200)

    async def metrics(_: web.Request) -> web.Response:
        text = await _exposed(service, process, ready=not ready())
        return web.Response(body=text, headers={"content-type": "text/plain; version=0.0.4"})

    app = web.Application()
    paths = {"/healthz": alive, "/readyz": readiness, "/metrics": metrics}
    app.add_routes([web.get(path, handler) for path, handler in paths.items()])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    port = None
    try:
        try:
            family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
            listener = socket.create_server((settings.host, settings.port), family=family)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            where = f"{settings.host}, port {settings.port}"
            tell(f"Metrics cannot be served at {where}: {why}. Set another metrics.port.")
        else:
            await web.SockSite(runner, listener).start()
            port = listener.getsockname()[1]
        yield port
    finally:
        await runner.cleanup()


async def _exposed(service: Service, process: str, *, ready: bool) -> bytes:
    """Return all metrics in Prometheus's text format."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    kept, health = await _kept(service), await service.health()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)  # memory, processor time, open files
    families = list(_families(service, process, kept, health, ready=ready))

    class Now:
        """What is known at this moment."""

        def collect(self) -> list[Any]:
            return families

    registry.register(Now())
    return await asyncio.to_thread(generate_latest, registry)


async def _kept(service: Service) -> _Kept | None:
    try:
        async with asyncio.timeout(SECONDS):
            counts = await service.members.counts()
            jobs = await service.jobs.counts()
            return _Kept(
                counts=dict(counts),
                troubled=len(await service.drops.troubled()),
                jobs={
                    (kind.value, state.value): jobs.get(kind, {}).get(state, 0)
                    for kind in JobKind
                    for state in JobState
                },
            )
    except (StoreError, TimeoutError) as error:
        _log.debug("no metrics from the database", extra={"why": str(error)})
        return None


def _families(
    service: Service,
    process: str,
    kept: _Kept | None,
    health: tuple[ProviderHealth, ...],
    *,
    ready: bool,
) -> Iterator[Any]:
    measures, (clips, places) = service.measures, service.clips
    about = {(__version__, process, service.database): 1}
    yield _gauge("info", "1; what runs.", about, "version", "process", "database")
    yield _gauge("ready", "1 if questions can be answered.", {(): ready and kept is not None})
    yield _gauge("store_up", "1 if the database answers.", {(): kept is not None})
    yield _gauge("songs", "Songs that can be recommended.", {(): len(service.catalogue)})
    yield _gauge("hearing_places", "Clips that can be heard side by side.", {(): places})
    yield _gauge("hearing_clips", "Clips being heard, or waiting for it.", {(): clips})
    yield _counter(
        "answers", "Answers by how they ended.", measures.answers, "door", "kind", "outcome"
    )
    yield _stages(measures.stages)
    thumbs = {(kind,): count for kind, count in measures.thumbs.items()}
    yield _counter("thumbs", "Thumbs and other feedback that members gave.", thumbs, "kind")
    ratings = {(str(stars),): count for stars, count in measures.ratings.items()}
    yield _counter("ratings", "Ratings of a week's songs, by stars.", ratings, "stars")
    yield _counter("drops", "Weekly drops and mixtapes posted.", {(): measures.drops})
    states = {
        (one.name, state): state == (one.breaker if one.on else "off")
        for one in health
        for state in STATES
    }
    yield _gauge("provider", "1 for the state that it is in.", states, "provider", "state")
    if kept is not None:
        yield _gauge("drops_late", "Weekly drops late or paused.", {(): kept.troubled})
        yield _gauge("jobs", "Jobs for quiet times.", kept.jobs, "kind", "state")
        rows = {(what,): count for what, count in kept.counts.items()}
        yield _gauge("stored", "What the database holds.", rows, "what")


def _gauge(name: str, meaning: str, values: Mapping[Key, float], *labels: str) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"musrec_{name}", meaning, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family


def _counter(
    name: str, meaning: str, values: Mapping[Key, float], *labels: str
) -> CounterMetricFamily:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"musrec_{name}", meaning, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _stages(stages: Mapping[str, Lengths]) -> HistogramMetricFamily:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(
        "musrec_stage_seconds", "Seconds that a stage of an answer took.", labels=("stage",)
    )
    bounds = (*map(str, BOUNDS), "+Inf")
    for name, lengths in stages.items():
        below = list(zip(bounds, accumulate(lengths.counts), strict=True))
        family.add_metric((name,), below, lengths.total)
    return family


def started(service: Service, **more: object) -> None:
    """Log in one line what has started."""
    about = {"version": __version__, "database": service.store_address}
    _log.info("started", extra={**about, "songs": len(service.catalogue), **more})
