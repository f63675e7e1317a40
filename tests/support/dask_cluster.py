"""A real Dask cluster on loopback: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class DaskCluster:
    """Processes that are started, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        self.scheduler = self._start("scheduler", "--port", "0")
        self.address = self._said(self.scheduler, "Scheduler at:").rpartition(" ")[2].strip()

    def restart_scheduler(self) -> None:
        """Start one at the same address."""
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start("scheduler", "--port", port)
        self._said(self.scheduler, "Scheduler at:")

    def worker(
        self, *, threads: int = 1, preload: str = "", cache: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start a worker, which runs a program first, and return once it is registered.

        `cache` holds the cache folder of its user, where the tagger is.
        """
        options = ["--nthreads", str(threads), "--no-nanny", "--local-directory", str(self.folder)]
        if preload:
            script = self.folder / f"preload{len(self.processes)}.py"
            script.write_text(preload)
            options += ["--preload", str(script)]
        environment = {"XDG_CACHE_HOME": str(cache)} if cache else {}
        one = self._start("worker", self.address, *options, environment=environment)
        self._said(one, "Registered to:")
        return one

    def _start(
        self, what: str, *options: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        one = subprocess.Popen(
            [
                *(sys.executable, "-m", "dask", what, *options),
                *("--host", "127.0.0.1", "--no-dashboard"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "OMP_NUM_THREADS": "1",
                **(environment or {}),
            },
            start_new_session=True,
        )
        self.processes.append(one)
        return one

    @staticmethod
    def _said(one: subprocess.Popen[str], what: str) -> str:
        """Return the line in which a process says something; the rest is read and dropped."""
        assert one.stderr is not None
        lines = []
        for line in one.stderr:
            lines.append(line)
            if what in line:
                threading.Thread(target=one.stderr.read, daemon=True).start()
                return line
        raise AssertionError("".join(lines))

    @staticmethod
    def kill(one: subprocess.Popen[str]) -> None:
        """Kill a process and those that it started."""
        os.killpg(one.pid, signal.SIGKILL)
        one.wait()


@contextmanager
def dask_cluster(folder: Path) -> Iterator[DaskCluster]:
    """Run a scheduler, and what is started at it, until the block ends."""
    cluster = DaskCluster(folder)
    try:
        yield cluster
    finally:
        for one in cluster.processes:
            if one.poll() is None:
                DaskCluster.kill(one)
            if one.stderr is not None:
                one.stderr.close()
