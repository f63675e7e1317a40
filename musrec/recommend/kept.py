"""A fit as bytes: made by one process, read by all that recommend from the same songs.

It holds what takes long, the inverse of `collaborative.Ease`, and the likes that it was made from;
the rest is computed from the reader's own songs. Tracks stand in it by their ids, since a process
may have them in another order, or know a few more; members under a number, without their names. The
bytes are a NumPy archive, which keeps a checksum of each array.
"""

from __future__ import annotations

import hashlib
import io
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from musrec import archives, columns
from musrec.recommend.collaborative import LARGEST_SOLVE, Ease
from musrec.recommend.scoring import Fitted, Songs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from musrec.model import FloatArray

LARGEST = 128 * 2**20
"""Bytes of the largest fit that is handed on. The inverse takes 72 MB at most; likes of more than
some ten million tracks and members come to more, and so do neighbours, which follow EASE beyond
`LARGEST_SOLVE`: each process then makes its own."""

_MADE_BY = ("collaborative.py", "evidence.py", "hybrid.py", "kept.py", "scoring.py")


class Unreadable(Exception):
    """The bytes are damaged, or of another form."""


@cache
def form() -> str:
    """Return what changes with the code that makes and reads fits."""
    digest = hashlib.blake2b(digest_size=8)
    for name in _MADE_BY:
        digest.update(files("musrec.recommend").joinpath(name).read_bytes())
    return digest.hexdigest()


def is_small_enough(fitted: Fitted) -> bool:
    """Whether a fit can be handed on: see `LARGEST`."""
    model = fitted.model
    if not isinstance(model, Ease):
        return False
    return bool(model.inverse.nbytes // 2 + 8 * model.likes.nnz <= LARGEST)


def pack(fitted: Fitted, songs: Songs) -> bytes | None:
    """Return a fit to the first rows of some songs as bytes.

    None if no member likes anything, or it is too large.
    """
    model = fitted.model
    if not fitted.active or not isinstance(model, Ease) or not is_small_enough(fitted):
        return None
    likes, n = model.likes, model.likes.shape[1]
    rows = np.unique(likes.indices) if model.by_members else np.arange(n)
    ids = (songs.tracks[row].id for row in rows.tolist())
    place = np.zeros(n, np.int32)
    place[rows] = np.arange(len(rows))
    into = io.BytesIO()
    np.savez(
        into,
        tracks=np.frombuffer("\0".join(ids).encode(), np.uint8),
        members=_numbers(fitted.members),
        starts=likes.indptr.astype(np.int64),
        columns=place[likes.indices],
        values=likes.data,
        by_members=np.array([model.by_members]),
        inverse=_lower(model.inverse),
    )
    return into.getvalue()


def unpack(data: bytes, songs: Songs, members: Iterable[str]) -> Fitted:
    """Return the fit that `pack` made bytes of, for some songs.

    Parameters
    ----------
    members : iterable of str
        All that are known; the likes of others are left out.

    Raises
    ------
    Unreadable
        The bytes are damaged, or these are other songs.
    """
    try:
        return _unpack(data, songs, members)
    except (ValueError, TypeError, LookupError, OSError) as error:
        raise Unreadable(str(error)) from error


def _unpack(data: bytes, songs: Songs, members: Iterable[str]) -> Fitted:
    kept = archives.read(io.BytesIO(data))
    (by_members,) = map(bool, kept["by_members"])
    ids = kept["tracks"].tobytes().decode().split("\0")
    rows = np.array([songs.row_of.get(id_, -1) for id_ in ids], np.int64)
    n, d = songs.content.shape
    names = {columns.number(_PREFIX + name): name for name in members}
    known = tuple(names.get(number, "") for number in kept["members"].tolist())
    likes = scipy.sparse.csr_matrix(
        (_finite(kept["values"]), kept["columns"], kept["starts"]), shape=(len(known), len(ids))
    )
    likes.check_format(full_check=True)
    inverse = _whole(_finite(kept["inverse"]), len(known) + d if by_members else len(ids))
    if not by_members:
        inverse = _moved(inverse, rows, n)
    model = Ease.solved(_to_rows(likes, rows, n), songs.content, inverse, by_members=by_members)
    strangers = np.array([at for at, name in enumerate(known) if not name], np.intp)
    return Fitted.with_model(known, model.without(strangers) if len(strangers) else model)


_PREFIX = "fit of "


def _numbers(members: Sequence[str]) -> NDArray[np.uint64]:
    return columns.numbers(_PREFIX + name for name in members)


def _finite(values: FloatArray) -> FloatArray:
    if values.dtype != np.float32 or not np.isfinite(values).all():
        raise ValueError("a number is not finite")
    return values


def _lower(symmetric: FloatArray) -> FloatArray:
    """Return the lower triangle of a matrix (k, k), row by row."""
    out = np.empty(len(symmetric) * (len(symmetric) + 1) // 2, np.float32)
    at = 0
    for row, values in enumerate(symmetric):
        out[at : at + row + 1] = values[: row + 1]
        at += row + 1
    return out


def _whole(lower: FloatArray, k: int) -> FloatArray:
    """Return the symmetric matrix (k, k) of a lower triangle."""
    if len(lower) != k * (k + 1) // 2:
        raise ValueError("the inverse has another size")
    out, at = np.empty((k, k), np.float32), 0
    for row in range(k):
        out[row, : row + 1] = out[: row + 1, row] = lower[at : at + row + 1]
        at += row + 1
    return out


def _moved(inverse: FloatArray, rows: NDArray[np.int64], n: int) -> FloatArray:
    """Return (n, n): an inverse of tracks that stand in these rows now, -1 for those that do not.

    Tracks that are gone leave the system, by their Schur complement; one that is new stands alone,
    as if no member liked it and it sounded like no other.
    """
    if n > LARGEST_SOLVE:
        raise ValueError("there are many more songs now")
    if len(rows) == n and (rows == np.arange(n)).all():
        return inverse
    here, gone = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    left = inverse[np.ix_(here, here)]
    if len(gone):
        beside = inverse[np.ix_(gone, here)]
        left -= beside.T @ np.linalg.solve(inverse[np.ix_(gone, gone)], beside)
    out = np.eye(n, dtype=np.float32)
    out[np.ix_(rows[here], rows[here])] = left
    return out


def _to_rows(likes: Any, rows: NDArray[np.int64], n: int) -> Any:
    """Return likes (m, n) of tracks that stand in these rows, -1 for those that do not."""
    entries = likes.tocoo()
    at = rows[entries.col]
    here = at >= 0
    moved = scipy.sparse.csr_matrix(
        (entries.data[here], (entries.row[here], at[here])), shape=(likes.shape[0], n)
    )
    moved.sort_indices()
    return moved
