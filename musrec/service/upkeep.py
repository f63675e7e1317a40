"""The columns of the catalogue kept up to date with the store."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from musrec.catalogue import engine as engines
from musrec.catalogue.engine import Engine
from musrec.store import Store

if TYPE_CHECKING:
    from musrec.audio.encoder import Encoder
    from musrec.catalogue.blocks import Blocks
    from musrec.settings import Settings
    from musrec.space import Space

log = logging.getLogger(__name__)

BATCH = 2_048
"""Songs that are read, placed and written together."""

COMMIT_EVERY = 16
"""Batches after which a process that dies has lost nothing."""


def folder_of(settings: Settings) -> Path:
    """Return where the columns of a store lie: beside its file, or in `paths.data`."""
    address = make_url(settings.store_url)
    if address.get_backend_name() == "sqlite":
        return Path(f"{address.database}.blocks")
    digest = hashlib.blake2b(address.render_as_string().encode(), digest_size=8).hexdigest()
    return settings.paths.data / f"{digest}.blocks"


async def opened(
    settings: Settings, store: Store, encoder: Encoder | None, origins: tuple[str, ...]
) -> Engine:
    """Return an engine over all songs that the store holds; in memory if the disk is full.

    Parameters
    ----------
    origins : tuple of str
        Those whose songs are left out.
    """
    space = await asyncio.to_thread(engines.space_of)
    if encoder is not None:
        found = await store.analyses.encodings(encoder.digest)
        space = await asyncio.to_thread(engines.hearing, space, encoder, found)
    folder = folder_of(settings)
    try:
        return await _opened(store, space, encoder, origins, folder)
    except OSError as error:
        why = {"folder": str(folder), "why": str(error)}
        log.warning(
            "the catalogue is kept in memory alone, and read again at each start", extra=why
        )
        return await _opened(store, space, encoder, origins, None)


async def _opened(
    store: Store,
    space: Space,
    encoder: Encoder | None,
    origins: tuple[str, ...],
    folder: Path | None,
) -> Engine:
    blocks = await asyncio.to_thread(engines.open_blocks, folder, space, encoder, origins)
    try:
        damaged = await asyncio.to_thread(blocks.damaged, engines.NAMES)
        count, newest = await store.analyses.count(origins)
        if damaged or not engines.covers(blocks, count, newest):
            async with _writing(blocks):
                if blocks.facts.get("revision", -1) > newest or await asyncio.to_thread(
                    blocks.damaged, engines.NAMES
                ):
                    blocks.reset()
                await _take_in_changes(store, space, blocks, origins)
                if not engines.covers(blocks, *await store.analyses.count(origins)):
                    await _forget(store, space, blocks, origins)
        left = blocks.facts.get("unreadable", [])
        if left:
            store.database.set_aside["analyses"] = len(left)
        return await asyncio.to_thread(engines.view, space, blocks)
    except BaseException:
        blocks.close()
        raise


async def grown(store: Store, engine: Engine, origins: tuple[str, ...]) -> Engine | None:
    """Return an engine that knows what the store, or another process, has taken in since.

    None if rows have moved: another process has dropped songs, and all must be opened again.
    """
    blocks, space, generation = engine.blocks, engine.space, engine.generation
    async with _writing(blocks):
        if blocks.generation != generation:
            return None
        await _take_in_changes(store, space, blocks, origins, engine)
    return await asyncio.to_thread(engines.view, space, blocks, engine)


async def settled(engine: Engine) -> None:
    """Compute all scales of a large catalogue again, if it has grown by a hundredth."""
    if engines.is_settled(engine.blocks):
        return
    async with _writing(engine.blocks):
        if not engines.is_settled(engine.blocks):
            await asyncio.to_thread(engines.settle, engine.blocks, engine.space)
            await asyncio.to_thread(engine.blocks.commit)


async def checked(store: Store, engine: Engine, names: Iterable[str]) -> None:
    """Compute again what is damaged in some columns."""
    blocks, space = engine.blocks, engine.space
    if not await asyncio.to_thread(blocks.damaged, names):
        return
    async with _writing(blocks):
        damaged = await asyncio.to_thread(blocks.damaged, names)
        log.warning("damaged columns are computed again", extra={"columns": sorted(damaged)})
        rows = sorted({row for found in damaged.values() for row in found.tolist()})
        ids = {blocks.text("id", row): row for row in rows}
        revisions = {id_: int(blocks["revision"][row]) for id_, row in ids.items()}
        await _write(store, space, blocks, list(revisions.items()), ids)
        await asyncio.to_thread(engines.settle, blocks, space, again=True)
        await asyncio.to_thread(blocks.commit)


@asynccontextmanager
async def _writing(blocks: Blocks) -> AsyncIterator[None]:
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, blocks.writing())
        yield


async def _take_in_changes(
    store: Store,
    space: Space,
    blocks: Blocks,
    origins: tuple[str, ...],
    engine: Engine | None = None,
) -> None:
    since = blocks.facts.get("revision", -1)
    changed = await store.analyses.changed(since, origins)
    if not changed:
        return
    ids = [id_ for id_, _ in changed]
    rows = await asyncio.to_thread(engines.rows_of, blocks, ids, engine)
    todo = engines.unknown(blocks, changed, rows)
    await _write(store, space, blocks, todo, rows)
    blocks.facts["revision"] = max(since, *(revision for _, revision in changed))
    small = blocks.rows <= engines.AT_ONCE
    if not engines.is_settled(blocks) and (small or len(todo) > BATCH):
        await asyncio.to_thread(engines.settle, blocks, space)
    await asyncio.to_thread(blocks.commit, sync=len(todo) > BATCH)


async def _write(
    store: Store,
    space: Space,
    blocks: Blocks,
    todo: list[tuple[str, int]],
    rows: dict[str, int],
) -> None:
    for batch, start in enumerate(range(0, len(todo), BATCH)):
        revisions = dict(todo[start : start + BATCH])
        found = await store.analyses.some(sorted(revisions))
        await asyncio.to_thread(engines.take_in, blocks, space, found, revisions, rows)
        if batch % COMMIT_EVERY == COMMIT_EVERY - 1:
            await asyncio.to_thread(blocks.commit)


async def _forget(store: Store, space: Space, blocks: Blocks, origins: tuple[str, ...]) -> None:
    """Drop the songs that the store no longer holds, or that are no longer to be recommended."""
    there = {id_ for id_, _ in await store.analyses.changed(-1, origins)}
    await asyncio.to_thread(engines.forget, blocks, space, there)
    await asyncio.to_thread(blocks.commit, sync=True)
