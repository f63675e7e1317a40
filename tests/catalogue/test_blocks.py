"""Columns in files survive what happens to files: death, damage, a full disk, other writers."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from musrec.catalogue.blocks import MANIFEST, STRETCH, Blocks
from tests.support.block_processes import append, opened


def process(how: str, folder: Path, *rest: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.block_processes", how, str(folder), *rest]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def whole(blocks: Blocks) -> bool:
    """Whether every row is as it was written."""
    numbers = blocks["number"]
    names = [int(name.rsplit(" ", 1)[1]) for name in blocks.texts("name")]
    vectors = numbers[:, None] * np.array([1, 2, 3], np.float32)
    return names == numbers.tolist() and np.array_equal(blocks["vector"], vectors)


def filled(folder: Path, count: int) -> Blocks:
    blocks = opened(folder)
    with blocks.writing():
        append(blocks, "song", 0, count)
        blocks.facts["seen"] = count
        blocks.arrays["sums"] = np.arange(3.0)
        blocks.commit(sync=True)
    return blocks


def test_rows_facts_and_arrays_are_there_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path, STRETCH + 10).close()
    again = opened(tmp_path)
    assert again.rows == STRETCH + 10
    assert again.facts == {"seen": STRETCH + 10}
    np.testing.assert_array_equal(again.arrays["sums"], np.arange(3.0))
    assert again.text("name", 7) == "song 7"
    assert again.texts("name", STRETCH + 8) == [f"song {STRETCH + 8}", f"song {STRETCH + 9}"]
    assert whole(again)
    assert again.damaged() == {}


def test_views_stay_while_rows_are_added_and_files_grow(tmp_path: Path) -> None:
    blocks = filled(tmp_path, 10)
    before, texts = blocks["vector"], blocks.bound()
    with blocks.writing():
        for start in range(10, 9_010, 1_000):
            append(blocks, "song", start, 1_000)
        blocks.commit()
    assert len(before) == 10
    np.testing.assert_array_equal(before, blocks["vector"][:10])
    with blocks.writing():
        blocks.keep(np.arange(5, blocks.rows))
        blocks.commit()
    assert texts.one("name", 3) == "song 3", "the texts of a generation stay with it"
    assert blocks.texts("name")[:2] == ["song 5", "song 6"]
    assert whole(blocks)
    assert opened(tmp_path).rows == 9_005


def test_rows_are_written_over_in_place(tmp_path: Path) -> None:
    blocks = filled(tmp_path, STRETCH + 5)
    for row in (0, STRETCH - 1, STRETCH + 4):
        with blocks.writing():
            blocks.replace(row, {"number": np.array([-7])}, {"name": ["another"]})
            blocks.commit()
        assert (blocks["number"][row], blocks.text("name", row)) == (-7, "another")
    assert opened(tmp_path).damaged() == {}


def test_what_is_not_committed_has_not_been(tmp_path: Path) -> None:
    blocks = filled(tmp_path, 10)
    with pytest.raises(RuntimeError), blocks.writing():  # noqa: PT012 - the block is what fails
        append(blocks, "lost", 10, 5)
        raise RuntimeError
    assert blocks.rows == 10
    assert whole(blocks)


def test_a_process_that_is_killed_while_it_writes_leaves_whole_rows(tmp_path: Path) -> None:
    filled(tmp_path, 100)
    assert process("torn", tmp_path).wait() == -signal.SIGKILL
    assert opened(tmp_path).rows == 100
    for _ in range(3):
        writer = process("many", tmp_path)
        assert writer.stdout is not None
        written = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        blocks = opened(tmp_path)
        assert blocks.rows >= written
        assert whole(blocks)
        assert blocks.damaged() == {}
        with blocks.writing():  # the lock went with the process
            append(blocks, "after", blocks.rows, 1)
            blocks.commit()


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    mine = filled(tmp_path, 10)
    writers = [process("add", tmp_path, name, "40") for name in ("one", "other")]
    for number in range(20):
        with mine.writing():
            append(mine, "mine", number, 1)
            mine.commit()
    assert [writer.wait() for writer in writers] == [0, 0]
    with mine.writing():
        pass
    assert mine.rows == 10 + 40 + 40 + 20
    for name, count in (("one", 40), ("other", 40), ("mine", 20)):
        found = [text for text in mine.texts("name") if text.startswith(f"{name} ")]
        assert found == [f"{name} {number}" for number in range(count)]
    assert whole(mine)
    assert mine.damaged() == {}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a full disk does not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_loses_only_what_did_not_fit(tmp_path: Path) -> None:
    blocks = filled(tmp_path, 100)
    with largest_file(20_000), pytest.raises(OSError), blocks.writing():  # noqa: PT011, PT012
        append(blocks, "song", 100, 10_000)
        blocks.commit()
    assert blocks.rows == 100
    assert whole(blocks)
    with blocks.writing():
        append(blocks, "song", 100, 10_000)
        blocks.commit()
    assert whole(opened(tmp_path))


def test_damage_is_found_where_it_is(tmp_path: Path) -> None:
    blocks = filled(tmp_path, 2 * STRETCH + 10)
    folder = tmp_path / "recipe" / blocks.generation
    for name, at in (("vector", STRETCH * 12 + 1), ("name", 3)):
        with (folder / name).open("r+b") as file:
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 1]))
    found = opened(tmp_path).damaged()
    assert found.keys() == {"vector", "name"}
    np.testing.assert_array_equal(found["vector"], np.arange(STRETCH, 2 * STRETCH))
    assert 0 in found["name"]


@pytest.mark.parametrize("damage", ["torn", "flipped", "empty", "gone", "short file"])
def test_a_manifest_that_cannot_be_trusted_begins_anew(tmp_path: Path, damage: str) -> None:
    blocks = filled(tmp_path, 3_000)
    file = tmp_path / "recipe" / MANIFEST
    written = file.read_bytes()
    if damage == "gone":
        file.unlink()
    elif damage == "short file":
        with (tmp_path / "recipe" / blocks.generation / "vector").open("r+b") as column:
            column.truncate(100)
    else:
        flipped = bytes([*written[:-1], written[-1] ^ 1])
        file.write_bytes({"torn": written[:200], "flipped": flipped, "empty": b""}[damage])
    again = opened(tmp_path)
    assert again.rows == 0
    with again.writing():
        append(again, "song", 0, 5)
        again.commit()
    assert opened(tmp_path).rows == 5


def test_folders_of_other_recipes_go_once_nobody_has_them_open(tmp_path: Path) -> None:
    kept, gone = (Blocks(tmp_path / name, {}, ("name",)) for name in ("kept", "gone"))
    for blocks in (kept, gone):
        with blocks.writing():
            blocks.append({}, {"name": ["a song"]})
            blocks.commit()
    gone.close()
    now = Blocks(tmp_path / "now", {}, ("name",))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept", "now"]
    kept.close()
    now.close()
