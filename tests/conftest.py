"""What holds for every test: no network beyond this machine, and real music where it is at hand."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import aiohttp.connector
import pytest

from musrec.sources import ytdlp
from tests.support import guard
from tests.support.postgres import Server, running_server

ROOT = Path(__file__).resolve().parents[1]

# A shell leaves Ctrl-C ignored in what it runs in the background, and programs inherit that: the
# tests of stopping would then wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# aiohttp's usual resolver asks name servers by itself, where no audit event tells of it.
aiohttp.connector.DefaultResolver = aiohttp.ThreadedResolver  # type: ignore[attr-defined]
sys.addaudithook(guard.guard)


# numba names what it keeps of a function by counting, and keeps no count across processes: two that
# compile it for other types at once mix up their machine code, and every later call crashes.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["NUMBA_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "numba" / _worker)

CHILD = """
import runpy, sys
noting = runpy.run_path({guard!r})["noting"]
sys.addaudithook(lambda event, args: noting(event, args, {log!r}))
runpy.run_path({child!r}, run_name="__main__")
"""


@pytest.fixture(scope="session")
def refused_in_child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """File that names what yt-dlp's process was refused, one per line."""
    folder = tmp_path_factory.mktemp("guard")
    log, child = folder / "refused.txt", folder / "guarded_ytdlp_child.py"
    child.write_text(CHILD.format(guard=guard.__file__, log=str(log), child=str(ytdlp._CHILD)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ytdlp, "_CHILD", child)
        yield log


@pytest.fixture(autouse=True)
def _no_network(refused_in_child: Path) -> Iterator[None]:
    """Refuse every connection and look-up beyond this machine, and fail the test that tried."""
    yield
    tried = guard.refused.copy()
    guard.refused.clear()
    if refused_in_child.exists():
        tried += refused_in_child.read_text().splitlines()
        refused_in_child.unlink()
    assert not tried, f"this test tried to leave the machine: {', '.join(tried)}"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real music and tables: MUSREC_SHARED_DATA, by default ../shared/data."""
    folder = Path(os.environ.get("MUSREC_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real music at {folder}: set MUSREC_SHARED_DATA to run this test")
    return folder.resolve()


@pytest.fixture(scope="session")
def music(shared_data: Path) -> Path:
    """Folder of excerpts of real music by 22 artists in seven formats, with tracks.csv."""
    return shared_data / "music"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL with pgvector, running for the whole session."""
    yield from running_server()


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """Address of an empty store on PostgreSQL."""
    url = postgres.prepared()
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of an empty store of its own, once on each database."""
    yield from _address(request, tmp_path, Server.prepared)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a database without any table, once on each database."""
    yield from _address(request, tmp_path, Server.empty)


def _address(
    request: pytest.FixtureRequest, folder: Path, create: Callable[[Server], str]
) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{folder / 'musrec.db'}"
        return
    running: Server = request.getfixturevalue("postgres")
    url = create(running)
    yield url
    running.drop(url)
