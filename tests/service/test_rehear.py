"""A new version hears songs again: each once, and what was heard before serves meanwhile."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from sqlalchemy.engine import make_url

from musrec.audio import tagger
from musrec.demo import write_tunes
from musrec.model import ANALYSER_VERSION
from musrec.service import Service
from musrec.settings import Settings


def settings(folder: Path) -> Settings:
    return Settings.model_validate(
        {
            "paths": {"data": folder / "data"},
            "workers": {"count": 1},
            "catalogue": {"explore_per_day": 0, "starter": False},
        }
    )


def database(own: Settings) -> contextlib.closing[sqlite3.Connection]:
    name = make_url(own.store_url).database
    assert name
    return contextlib.closing(sqlite3.connect(name, isolation_level=None))


def versions(own: Settings) -> list[int]:
    with database(own) as connection:
        return sorted(one for (one,) in connection.execute("SELECT version FROM analyses"))


async def heard_by_an_older_version(folder: Path) -> tuple[Settings, list[Path]]:
    own, tunes = settings(folder), folder / "tunes"
    write_tunes(tunes)
    files = sorted(tunes.iterdir())
    for extra in files[3:]:
        extra.unlink()
    async with Service.open(own) as service:
        assert len([step async for step in service.songs.add([tunes]) if step.track]) == 3
    with database(own) as connection:
        connection.execute("UPDATE analyses SET version = ?", (ANALYSER_VERSION - 1,))
    return own, files[:3]


async def test_each_song_is_heard_again_once_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    own, _ = await heard_by_an_older_version(tmp_path)
    async with Service.open(own) as service:
        assert len(service.catalogue) == 3, "older analyses serve"
        assert len(await service.songs.waiting()) == 3
        told: list[tuple[int, int]] = []
        steps = service.songs.rehear(lambda done, of: told.append((done, of)))
        first = await anext(steps)
        assert not first.problem
        await steps.aclose()
        assert told[:2] == [(0, 3), (1, 3)]
    heard = versions(own).count(ANALYSER_VERSION)
    assert 1 <= heard < 3

    async with Service.open(own) as service:
        assert len(service.catalogue) == 3
        rest = [step async for step in service.songs.rehear()]
        assert len(rest) == 3 - heard
        assert first.track not in [step.track for step in rest]
        assert not [step async for step in service.songs.rehear()]
        assert len(service.catalogue) == 3
        # What was heard before there was a tagger of instruments waits for it, too.
        both = all(tagger.status(name=name).installed for name in tagger.NAMES)
        with database(own) as connection:
            connection.execute("UPDATE analyses SET mtt_mean = NULL")
        assert len(await service.songs.waiting()) == (3 if both else 0)
    assert versions(own) == [ANALYSER_VERSION] * 3


async def test_a_song_whose_file_has_gone_keeps_what_was_heard(tmp_path: Path) -> None:
    own, (gone, *_) = await heard_by_an_older_version(tmp_path)
    gone.unlink()
    async with Service.open(own) as service:
        steps = [step async for step in service.songs.rehear()]
        [problem] = [step for step in steps if step.problem]
        assert "No such file" in problem.problem
        assert await service.songs.heard(problem.track.id)
        assert len(service.catalogue) == 3
    assert versions(own) == [ANALYSER_VERSION - 1, *[ANALYSER_VERSION] * 2]
