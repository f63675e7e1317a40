"""What those who run musrec want to see: what works here, and what happened lately."""

from __future__ import annotations

import asyncio
import platform
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from musrec import __version__
from musrec.audio import tagger
from musrec.catalogue.model import JobState
from musrec.members.model import Day, Week
from musrec.store import Store

if TYPE_CHECKING:
    from musrec.audio.tagger import weights
    from musrec.service import Service
    from musrec.sources.model import ProviderHealth

DAYS = 30

_JOBS = {
    JobState.WAITING: "waiting",
    JobState.RUNNING: "under way",
    JobState.DONE: "done since yesterday",
    JobState.DEAD: "given up",
}


async def checks(service: Service) -> dict[str, list[tuple[str, str]]]:
    """Return what is on, what is off, and why: heading to lines of a label and words."""
    ears = await service.ears()  # first: it finds out which workers of a cluster must not hear
    counts = await service.members.counts()
    said = enumerate(await service.warnings(), start=1)
    warnings = [(f"{number}.", warning) for number, warning in said]
    return {
        "musrec": [("version", __version__), ("Python", platform.python_version())],
        "Store": [
            ("address", service.store_address),
            *((name, f"{count:,}") for name, count in counts.items()),
        ],
        "Ears": [
            ("workers", ears),
            ("tagger", await asyncio.to_thread(tagger_line)),
            ("instruments", await asyncio.to_thread(tagger_line, "musicnn-mtt")),
            ("encoder", _encoder(service)),
        ],
        "Catalogue": [
            ("songs", f"{len(service.catalogue):,}"),
            ("space", service.catalogue.space.name),
            ("dimensions", str(service.catalogue.space.dimensions)),
            ("to hear again", f"{len(await service.songs.waiting()):,}"),
        ],
        "Jobs": [
            (kind.value, ", ".join(f"{count:,} {_JOBS[state]}" for state, count in some.items()))
            for kind, some in (await service.jobs.counts()).items()
        ],
        "Services": [(one.name, _health(one)) for one in await service.health()],
        "Programs": [
            (tool.name, f"{tool.wrong or tool.version} (for {tool.used_for})")
            for tool in await service.tools()
        ],
        **({"To see to": warnings} if warnings else {}),
    }


def tagger_line(name: weights.Name = "musicnn") -> str:
    """Return which tagger is installed and where, or why none can be used and what to do."""
    found = tagger.status(name=name)
    if found.problem:
        without = tagger.INSTALL if name == "musicnn" else "Run `musrec models install`."
        return f"{found.problem} {without}"
    return f"{found.version}, at {found.path}"


def _encoder(service: Service) -> str:
    if (encoder := service.encoder) is None:
        return "none of your own (hearing.encoder)"
    encoded = service.catalogue.encoded
    return (
        f"{encoder.path.name}, version {encoder.digest}: {encoder.dimensions} numbers, "
        f"{len(encoder.labels)} labels; it heard {encoded:,} song{'' if encoded == 1 else 's'}"
    )


def _health(provider: ProviderHealth) -> str:
    words = "on" if provider.on else f"off: {provider.why}"
    if provider.on and provider.why:
        words += f"; {provider.why}"
    if provider.remaining is not None:
        words += f"; {provider.remaining} requests left"
    if provider.breaker != "closed":
        words += f"; left alone for now (breaker {provider.breaker})"
    return words + (f"; last error: {provider.last_error}" if provider.last_error else "")


async def days(store: Store, *, now: datetime | None = None) -> list[Day]:
    """Return what happened on each of the last `DAYS` days (UTC), the newest first."""
    today = (now or datetime.now(UTC)).date()
    first = today - timedelta(days=DAYS - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    added = await store.analyses.added_by_day(since)
    feedback = await store.feedback.by_day(since)
    every = [today - timedelta(days=back) for back in range(DAYS)]
    return [Day(day, added.get(day, 0), feedback.get(day, {})) for day in every]


async def weeks(service: Service) -> list[Week]:
    """Return how well the drops of each ISO week suited those who rated them, the newest first."""
    ratings = sorted(await service.drops.ratings(), key=lambda one: one.week, reverse=True)
    found = []
    for week, some in groupby(ratings, key=lambda one: one.week):
        stars = {(one.member, one.mixtape): one.stars for one in some}
        members = len({member for member, _ in stars})
        found.append(Week(week, sum(stars.values()) / len(stars), len(stars), members))
    return found
