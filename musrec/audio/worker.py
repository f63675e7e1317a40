"""A process that hears: questions come in on standard input, what is heard goes out.

`musrec.audio.workers` starts it as a program of its own. Nothing of the script that asks runs here,
so that needs no ``if __name__ == "__main__":``, and may as well be a notebook. Workers of a Dask
cluster run `load`, `hear` and `take_tagger` (`musrec.audio.cluster`).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from musrec.audio.encoder import Encoder
    from musrec.audio.listen import Listened

Question = tuple[bytes, float, float]
"""A clip, how much of it to hear at most, and what decoding may take, both in seconds."""


def start() -> subprocess.Popen[bytes]:
    """Start a process that hears, with one thread, as another clip is heard beside it.

    It loads what it needs at once. An encoder comes first, or None; then each `Question` has its
    answer: whether it worked, and the outcome or the exception.
    """
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # It finds what this process finds, and after it this package, wherever it was imported from.
    path = [*(entry for entry in sys.path if entry), str(Path(__file__).resolve().parents[2])]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "musrec.audio.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **one, "PYTHONPATH": os.pathsep.join(path)},
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that is spoken with by pipes, even in the middle of a clip."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def hear(data: bytes, seconds: float, limit: float, encoder: Encoder | None) -> Listened:
    """Hear a clip in this process."""
    import hashlib

    from musrec.audio.listen import listen

    digest = hashlib.sha256(data).hexdigest()
    return listen(data, digest=digest, seconds=seconds, limit=limit, encoder=encoder)


def load(encoder: Encoder | None) -> None:
    """Load what `hear` needs."""
    from musrec.audio.listen import prepare

    prepare(encoder)


def take_tagger(files: Mapping[str, bytes]) -> None:
    """Install the tagger of another machine on this one, a worker of its cluster.

    Raises
    ------
    ModelMissing
        It cannot be written here.
    """
    from musrec.audio import tagger

    tagger.unpack(files)


def _serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Load everything, then what an encoder needs, which comes first, and hear clip after clip."""
    waiting: SimpleQueue[Any] = SimpleQueue()

    def read() -> None:
        try:
            while True:
                waiting.put(pickle.load(questions))  # noqa: S301 - from our parent alone
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)  # the parent is gone: nobody waits for the clip under way

    threading.Thread(target=read, daemon=True).start()
    reply = _outcome(load, None)
    encoder: Encoder | None = waiting.get()
    if encoder is not None:
        reply = _outcome(load, encoder)
    while True:
        pickle.dump(reply, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
        data, seconds, limit = waiting.get()
        reply = _outcome(hear, data, seconds, limit, encoder)
        del data


def _outcome(job: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:
    try:
        return True, job(*arguments)
    except Exception as error:  # noqa: BLE001 - the parent raises it
        return False, _portable(error)


def _portable(error: Exception) -> Exception:
    """Return an exception that survives the way to the parent, with where it was raised."""
    error.add_note("".join(traceback.format_tb(error.__traceback__)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - whatever its class does there
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    # What a library prints must not get between the answers.
    outlet = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _serve(sys.stdin.buffer, outlet)
