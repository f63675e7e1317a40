"""The command line run in the tests' own process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musrec import cli
from tests.support.running import Ran, Run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folder of the store: an empty one, unless a module of tests has its own."""
    return tmp_path / "data"


@pytest.fixture
def run(
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    """Run the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSREC_PATHS__DATA", str(data))
    monkeypatch.setenv("MUSREC_LOG__LEVEL", "WARNING")
    monkeypatch.setenv("MUSREC_WORKERS__COUNT", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Ran:
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        return Ran(int(stopped.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def answer(run: Run) -> Callable[..., Any]:
    """Run a command that succeeds, and return the JSON that it prints."""

    def answer(*arguments: str | Path) -> Any:
        ran = run(*arguments, "--json")
        assert ran.code == 0, ran.err
        return ran.json

    return answer


@pytest.fixture(scope="session")
def starter_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds the starter songs and in which Ann likes metal and Ben rock."""
    import asyncio

    from musrec.model import FeedbackKind
    from musrec.service import Service
    from musrec.settings import Settings

    folder = tmp_path_factory.mktemp("starter")

    async def like() -> None:
        settings = Settings.model_validate({"paths": {"data": folder}})
        async with Service.open(settings) as service:
            for member, genre in (("ann", "metal"), ("ben", "rock")):
                for track in [t for t in service.catalogue.songs.tracks if t.genre == genre][:4]:
                    await service.members.learn(member, track.id, FeedbackKind.LIKE)

    asyncio.run(like())
    return folder
