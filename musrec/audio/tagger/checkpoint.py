"""Reader of TensorFlow checkpoints (the V2 "tensor bundle"), with NumPy alone.

A bundle is two files. The index is a sorted table in LevelDB's format: blocks of prefix-compressed
keys and values, an index block that says where they are, and a footer of 48 bytes that says where
the index block is. Its values are protocol buffers with each tensor's type, shape and place in the
data file, which holds nothing but the raw little-endian values.

Formats: tensorflow/core/protobuf/tensor_bundle.proto and LevelDB's doc/table_format.md. Checksums
inside the bundle are not verified: the caller has verified the archive that it came in. Every
offset is checked all the same, so that a damaged file ends in an error with a clear message.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musrec.model import ModelMissing

if TYPE_CHECKING:
    from musrec.model import FloatArray

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5
_FLOAT32 = 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a tensor lies in the data file."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int


def read(index: bytes, data: bytes) -> dict[str, FloatArray]:
    """Return the float32 tensors of a one-file bundle by name, without the optimiser's.

    Parameters
    ----------
    index : bytes
        The ``.index`` file, with uncompressed blocks as TensorFlow writes them.
    data : bytes
        The ``.data-00000-of-00001`` file.

    Raises
    ------
    ModelMissing
        The bytes are not such a bundle, or are damaged.
    """
    tensors = {}
    for key, value in _table(index):
        name = key.decode("utf-8", "replace")
        if not name:  # the header: number of files, byte order, version
            header = dict(_fields(value))
            if header.get(1, 1) != 1 or header.get(2, 0) != 0:
                raise _damaged("it is split over several files, or big-endian")
            continue
        if name.rsplit("/", 1)[-1].startswith("Adam"):
            continue
        entry = _entry(value)
        if entry.dtype != _FLOAT32:
            continue
        count = math.prod(entry.shape)
        inside = entry.offset >= 0 and entry.offset + entry.size <= len(data)
        if entry.shard != 0 or entry.size != 4 * count or not inside:
            raise _damaged(f"the tensor {name!r} lies outside its data")
        values = np.frombuffer(data, "<f4", count, entry.offset).astype(np.float32)
        tensors[name] = values.reshape(entry.shape)
    return tensors


def _damaged(what: str) -> ModelMissing:
    return ModelMissing(f"The tagger's checkpoint cannot be read: {what}.")


def _table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield all keys and values of a LevelDB table in order."""
    if len(index) < _FOOTER or struct.unpack_from("<Q", index, len(index) - 8)[0] != _MAGIC:
        raise _damaged("its index does not end as such a table does")
    footer = index[-_FOOTER:]
    _, at = _handle(footer, 0)  # the meta index, not needed here
    blocks, _ = _handle(footer, at)
    for _, value in _block(index, *blocks):
        place, _ = _handle(value, 0)
        yield from _block(index, *place)


def _block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of one block; each key shares a prefix with the one before it."""
    if offset + size + _TRAILER > len(index) - _FOOTER or size < 4:
        raise _damaged("a block lies outside its index")
    if index[offset + size] != 0:
        raise _damaged("its index is compressed")
    block = index[offset : offset + size]
    restarts = struct.unpack_from("<I", block, size - 4)[0]
    end = size - 4 * (restarts + 1)
    if end < 0:
        raise _damaged("a block of its index is cut short")
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + fresh + length > end:
            raise _damaged("an entry runs over the end of its block")
        key = key[:shared] + block[at : at + fresh]
        yield key, block[at + fresh : at + fresh + length]
        at += fresh + length


def _handle(blob: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(blob, at)
    size, at = _varint(blob, at)
    return (offset, size), at


def _varint(blob: bytes, at: int) -> tuple[int, int]:
    """Return the base-128 number at `at`, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(blob):
            break
        byte = blob[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _damaged("a number in it does not end")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a protocol buffer: number, and value as an integer or bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(message, at)
        else:
            if wire == 2:
                size, at = _varint(message, at)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise _damaged("it holds a field of an unknown kind")
            if at + size > len(message):
                raise _damaged("a field runs over the end of its entry")
            value, at = message[at : at + size], at + size
        yield tag >> 3, value


def _entry(message: bytes) -> _Entry:
    number = {1: 0, 3: 0, 4: 0, 5: 0}
    shape: tuple[int, ...] = ()
    for key, value in _fields(message):
        if key == 2 and isinstance(value, bytes):
            dims = (dim for tag, dim in _fields(value) if tag == 2 and isinstance(dim, bytes))
            sizes = (dict(_fields(dim)).get(1, 0) for dim in dims)
            shape = tuple(size for size in sizes if isinstance(size, int))
        elif key in number and isinstance(value, int):
            number[key] = value
    return _Entry(number[1], shape, number[3], number[4], number[5])
