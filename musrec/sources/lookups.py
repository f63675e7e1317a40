"""The lookup cache: which song a link or text means, what is like it, and what does not exist.

Only parsed values are kept, never an answer's own text, which may hold a signed address.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from musrec.model import MusrecError, Track
from musrec.sources.gate import Absent

DAY = 86_400.0
IDENTITY = 30 * DAY
SIMILAR = 7 * DAY
NOTHING = 1 * DAY
"""Seconds for which an answer is kept."""

_log = logging.getLogger(__name__)
_TRACKS = TypeAdapter(tuple[Track, ...])
_VERSION = "1"


class LookupCache(Protocol):
    """Where answers are kept."""

    async def get(self, key: str) -> str | None:
        """Return what was put under a key, or None once it has expired."""

    async def put(self, key: str, body: str, ttl_seconds: float) -> None:
        """Keep a text under a key for this many seconds."""


class Lookups:
    """A `LookupCache` of tracks; without a cache, every question is asked again.

    A cache that fails costs a question to a provider, never the answer.
    """

    def __init__(self, cache: LookupCache | None) -> None:
        self._cache = cache

    async def tracks(
        self,
        key: str,
        ask: Callable[[], Awaitable[Sequence[Track]]],
        *,
        keep: float = IDENTITY,
    ) -> tuple[Track, ...]:
        """Return what is kept under a key, or ask and keep it.

        Raises
        ------
        Absent
            Nothing was found, now or recently.
        Refused, Unsupported
            As `ask` raises them; not kept.
        """
        kept = await self._get(key)
        if kept is None:
            try:
                kept = tuple(await ask())
            except Absent as absent:
                if absent.lasting:
                    await self._put(key, (), NOTHING)
                raise
            await self._put(key, kept, keep if kept else NOTHING)
        if not kept:
            raise Absent("it is empty, private or gone")
        return kept

    async def nothing(self, key: str) -> bool:
        """Whether nothing was found under a key recently."""
        return await self._get(key) == ()

    async def keep_nothing(self, key: str) -> None:
        """Remember that nothing was found under a key."""
        await self._put(key, (), NOTHING)

    async def _get(self, key: str) -> tuple[Track, ...] | None:
        if self._cache is None:
            return None
        try:
            body = await self._cache.get(f"{_VERSION}:{key}")
            return None if body is None else _TRACKS.validate_json(body)
        except (MusrecError, ValidationError):
            _log.warning("what was kept under %r cannot be read", key)
            return None

    async def _put(self, key: str, tracks: tuple[Track, ...], seconds: float) -> None:
        if self._cache is None:
            return
        try:
            body = _TRACKS.dump_json(tracks).decode()
            await self._cache.put(f"{_VERSION}:{key}", body, seconds)
        except MusrecError as error:
            _log.warning("an answer could not be kept: %s", error)
