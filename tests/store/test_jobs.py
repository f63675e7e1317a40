"""Jobs: each is done by one process at a time, tried again, and given up with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest

from musrec.catalogue.model import JobKind, JobState
from musrec.store import Store
from musrec.store import jobs as module
from tests.support.store_processes import SONG

HEAR, AGAIN, EXPLORE = JobKind.HEAR, JobKind.AGAIN, JobKind.EXPLORE
MINUTE, OVER = timedelta(minutes=1), timedelta(0)


@pytest.fixture
async def stores(store_url: str) -> AsyncIterator[list[Store]]:
    """One store, opened by three."""
    async with several(store_url, 3) as opened:
        yield opened


@asynccontextmanager
async def several(url: str, count: int) -> AsyncIterator[list[Store]]:
    opened = [await Store.open(url) for _ in range(count)]
    yield opened
    for store in opened:
        await store.close()


async def states(store: Store, kind: JobKind) -> dict[JobState, int]:
    counts = (await store.jobs.counts())[kind]
    return {state: count for state, count in counts.items() if count}


async def test_a_job_that_several_want_is_done_by_one(stores: list[Store]) -> None:
    keys = [f"song {number}" for number in range(12)]
    await asyncio.gather(
        *(store.jobs.add(HEAR, [(key, SONG) for key in keys], urgency=1) for store in stores)
    )
    claims = [store.jobs.claim(f"token {n}", "here", MINUTE) for n, store in enumerate(stores * 8)]
    jobs = [job for job in await asyncio.gather(*claims) if job]
    assert sorted(job.key for job in jobs) == sorted(keys)
    assert all(job.track == SONG for job in jobs)
    await asyncio.gather(*(stores[0].jobs.done(job.token, [job.key]) for job in jobs))
    assert await states(stores[1], HEAR) == {JobState.DONE: 12}
    await stores[1].jobs.add(HEAR, [(keys[0], SONG)], urgency=1)
    assert await stores[2].jobs.claim("late", "here", MINUTE) is None, "it was done a moment ago"


async def all_claimed(store: Store, token: str) -> list[str]:
    """Claim one job after the other, end every second of them; return the keys of all."""
    keys = list[str]()
    while job := await store.jobs.claim(token, "here", MINUTE):
        keys.append(job.key)
        if len(keys) % 2:
            await store.jobs.done(token, [job.key])
    await store.jobs.renew(token, MINUTE)
    return keys


async def test_four_claim_five_hundred_jobs_each_once(store_url: str) -> None:
    async with several(store_url, 5) as (other, *stores):
        keys = [f"song {number}" for number in range(500)]
        await other.jobs.add(HEAR, [(key, SONG) for key in keys], urgency=1)
        async with AsyncExitStack() as stack:
            if other.database.is_postgres:  # whose jobs wait for no other writer
                await stack.enter_async_context(other.database.write())
            each = [all_claimed(store, f"token {n}") for n, store in enumerate(stores)]
            claimed = await asyncio.gather(*each)
        assert sorted(key for some in claimed for key in some) == sorted(keys)
        assert all(claimed)


async def test_two_who_take_the_same_songs_in_another_order_take_each_once(
    stores: list[Store],
) -> None:
    wanted = [(f"song {number}", SONG) for number in range(40)]
    taken = await asyncio.gather(
        *(
            store.jobs.take(HEAR, wanted[::step], f"token {n}", MINUTE)
            for n, (store, step) in enumerate(zip(stores * 4, (1, -1) * 6, strict=True))
        )
    )
    assert sorted(key for some in taken for key in some) == sorted(key for key, _ in wanted)


async def test_the_most_urgent_comes_first_and_a_file_is_heard_where_it_lies(
    stores: list[Store],
) -> None:
    store, other, _ = stores
    await store.jobs.add(EXPLORE, [("now", None)], urgency=2)
    await store.jobs.add(AGAIN, [("file", SONG)], urgency=1, place="here")
    jobs = [await other.jobs.claim("a", "elsewhere", MINUTE) for _ in range(2)]
    assert [job and (job.kind, job.track) for job in jobs] == [(EXPLORE, None), None]
    job = await store.jobs.claim("b", "here", MINUTE)
    assert job is not None
    assert job.key == "file"


async def test_a_job_of_a_process_that_died_is_done_by_another_and_then_given_up(
    stores: list[Store],
) -> None:
    store = stores[0]
    await store.jobs.add(HEAR, [("deadly", SONG)], urgency=1)
    for number in range(module.TRIES):
        job = await stores[number % 3].jobs.claim(f"process {number}", "here", OVER)
        assert job is not None
    assert await store.jobs.claim("another", "here", MINUTE) is None
    [dead] = await store.jobs.dead()
    assert (dead.kind, dead.track, dead.tries) == (HEAR, SONG, module.TRIES)
    assert "died" in dead.why
    # Whoever was only late changes nothing any more.
    await store.jobs.done("process 0")
    assert await states(store, HEAR) == {JobState.DEAD: 1}


async def test_a_lease_that_is_renewed_is_not_over(stores: list[Store]) -> None:
    store = stores[0]
    await store.jobs.add(HEAR, [("long", SONG)], urgency=1)
    job = await store.jobs.claim("mine", "here", OVER)
    assert job is not None
    await store.jobs.renew("mine", MINUTE)
    assert await stores[1].jobs.claim("yours", "here", MINUTE) is None
    await store.jobs.failed(job, "It was silent.")
    assert await stores[1].jobs.claim("yours", "here", MINUTE) is None, "it pauses first"
    assert await states(store, HEAR) == {JobState.WAITING: 1}


async def test_a_question_takes_what_nobody_does_and_leaves_what_it_did_not_finish(
    stores: list[Store],
) -> None:
    one, other, _ = stores
    wanted = [(f"song {number}", SONG) for number in range(3)]
    assert await one.jobs.take(HEAR, wanted[:2], "one", MINUTE) == {"song 0", "song 1"}
    assert await other.jobs.take(HEAR, wanted, "other", MINUTE) == {"song 2"}
    assert await other.jobs.is_running(HEAR, "song 0")
    await one.jobs.done("one", ["song 0"])
    await one.jobs.release("one")
    assert await other.jobs.take(HEAR, wanted, "again", MINUTE) == {"song 0", "song 1"}
    await other.jobs.release("again")
    job = await one.jobs.claim("worker", "here", MINUTE)
    assert job is not None
    assert await other.jobs.take(HEAR, [(job.key, SONG)], "late", MINUTE) == set()


async def test_old_jobs_are_forgotten(stores: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    store = stores[0]
    await store.jobs.take(HEAR, [("done", SONG), ("left", SONG)], "one", MINUTE)
    await store.jobs.done("one", ["done"])
    await store.jobs.release("one")
    monkeypatch.setattr(
        module, "_STALE", dict.fromkeys((JobState.DONE, JobState.WAITING), timedelta(0))
    )
    await store.jobs.add(EXPLORE, [("now", None)], urgency=1)
    assert await states(store, HEAR) == {}
    assert await states(store, EXPLORE) == {JobState.WAITING: 1}
