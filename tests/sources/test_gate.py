from __future__ import annotations

import asyncio
import logging

import pytest

from musrec.sources.deezer import Deezer
from musrec.sources.fetch import permitted
from musrec.sources.gate import (
    Absent,
    Breaker,
    Deadline,
    Gate,
    Refused,
    Unsupported,
    retry_after,
)
from musrec.sources.itunes import ITunes


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_three_failures_in_a_row_open_the_breaker_and_one_trial_closes_it() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(3):
        assert breaker.state == "closed"
        breaker.admit("X")
        breaker.failed()
    assert breaker.state == "open"
    with pytest.raises(Refused, match="30 s"):
        breaker.admit("X")
    clock.now += 31
    assert breaker.state == "half-open"
    breaker.admit("X")
    with pytest.raises(Refused, match="tried again"):
        breaker.admit("X")
    breaker.failed()
    assert breaker.closed_for == 60
    clock.now += 61
    breaker.admit("X")
    breaker.succeeded()
    assert breaker.state == "closed"


def test_a_trial_that_is_cut_short_leaves_room_for_another() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(retry_after=5)
    clock.now += 6
    breaker.admit("X")
    with pytest.raises(Refused):
        breaker.admit("X")  # one trial at a time
    breaker.abandoned()
    breaker.admit("X")
    assert breaker.state == "half-open"


def test_a_late_answer_does_not_close_a_breaker_that_opened_meanwhile() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.admit("X")
    breaker.admit("X")
    breaker.failed(retry_after=81_654)
    breaker.succeeded()  # asked before the first was told to go away
    assert (breaker.state, breaker.closed_for) == ("open", 81_654)
    clock.now += 81_655
    breaker.admit("X")
    breaker.succeeded()
    assert breaker.state == "closed"


def test_a_short_retry_after_does_not_keep_a_failing_service_busy() -> None:
    breaker = Breaker(Clock())
    waits = []
    for _ in range(6):
        breaker.failed(retry_after=1)
        waits.append(breaker.closed_for)
    assert waits == [1, 1, 30, 60, 120, 240]


async def test_retry_after_is_honoured_without_sleeping_on_it() -> None:
    clock = Clock()
    gate = Gate("Spotify", rate=10, seconds=1, clock=clock)
    with pytest.raises(Refused):
        async with gate.turn(Deadline.within(5)):
            raise Refused("throttled", retry_after({"Retry-After": "81654"}))
    for hours in (0, 22):
        clock.now = 1_000.0 + hours * 3600
        with pytest.raises(Refused, match=r"\d (h|min)$"):
            async with gate.turn(Deadline.within(5)):
                pytest.fail("it was asked again")
    clock.now += 3600
    async with gate.turn(Deadline.within(5)):
        pass
    assert gate.breaker.state == "closed"


def test_retry_after_is_read_as_a_number_or_a_date() -> None:
    assert retry_after({"Retry-After": "81654"}) == 81_654
    assert retry_after({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}) == 1
    assert retry_after({"Retry-After": "99999999999"}) == 7 * 86_400
    for nonsense in ("soon", "nan", "inf", ""):
        assert retry_after({"Retry-After": nonsense}) in (None, 7 * 86_400)
    assert retry_after({}) is None


async def test_the_outcomes_are_kept_apart() -> None:
    gate = Gate("X", rate=100, seconds=1)
    for _ in range(5):
        with pytest.raises(Absent):
            async with gate.turn(Deadline.within(5)):
                raise Absent("no such thing")
    assert gate.breaker.state == "closed"
    with pytest.raises(Unsupported):
        async with gate.turn(Deadline.within(5), "features"):
            raise Unsupported("not with this key")
    with pytest.raises(Unsupported, match="not with this key"):
        async with gate.turn(Deadline.within(5), "features"):
            pytest.fail("it was asked again")
    async with gate.turn(Deadline.within(5), "search"):
        pass
    assert gate.cannot == ("not with this key",)
    for _ in range(3):
        with pytest.raises(Refused):
            async with gate.turn(Deadline.within(5)):
                raise Refused("broken")
    assert (gate.breaker.state, gate.last_error) == ("open", "broken")


async def test_no_question_may_take_more_than_half_of_the_time_that_is_left() -> None:
    gate = Gate("X", rate=100, seconds=1)
    deadline = Deadline.within(0.4)
    with pytest.raises(Refused, match=r"within 0\.2 s"):
        async with gate.turn(deadline):
            await asyncio.Event().wait()
    assert deadline.left > 0
    assert gate.breaker.state == "closed"
    with pytest.raises(Refused, match="no turn"):
        async with gate.turn(Deadline.within(0)):
            pytest.fail("there is no time left")


async def test_rate_and_places_bound_what_is_asked_at_once() -> None:
    gate = Gate("X", rate=5, seconds=60, places=2)
    inside = most = passed = 0

    async def ask() -> None:
        nonlocal inside, most, passed
        try:
            async with gate.turn(Deadline.within(0.5)):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                passed += 1
        except Refused:
            pass

    await asyncio.gather(*(ask() for _ in range(9)))
    assert (most, passed) == (2, 5)


async def test_a_cancelled_question_gives_its_place_back() -> None:
    gate = Gate("X", rate=100, seconds=1, places=1)
    entered = asyncio.Event()

    async def ask() -> None:
        async with gate.turn(Deadline.within(30)):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(ask())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with gate.turn(Deadline.within(1)):
        pass
    assert gate.breaker.state == "closed"


async def test_a_trial_cancelled_while_it_waits_for_its_turn_leaves_room_for_another() -> None:
    clock = Clock()
    gate = Gate("X", rate=1, seconds=0.2, clock=clock)
    async with gate.turn(Deadline.within(5)):  # the only turn for a while
        pass
    gate.breaker.failed(retry_after=5)
    clock.now += 6

    async def ask() -> None:
        async with gate.turn(Deadline.within(30)):
            pytest.fail("it had no turn yet")

    task = asyncio.create_task(ask())
    await asyncio.sleep(0)
    assert gate.breaker.state == "half-open"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with gate.turn(Deadline.within(5)):
        pass
    assert gate.breaker.state == "closed"


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("https://cdnt-preview.dzcdn.net/api/1/x.mp3?hdnea=exp=1~acl=/*", True),
        ("https://a.b.dzcdn.net/x.mp3", True),
        ("https://audio-ssl.itunes.apple.com/x.m4a", True),
        ("https://dzcdn.net/x.mp3", False),
        ("https://evildzcdn.net/x.mp3", False),
        ("https://x.dzcdn.net.evil.example/x.mp3", False),
        ("https://x.dzcdn.net@evil.example/x.mp3", False),
        ("https://user:secret@x.dzcdn.net/x.mp3", False),
        ("https://x.dzcdn.net:8443/x.mp3", False),
        ("http://x.dzcdn.net/x.mp3", False),
        ("file:///etc/passwd", False),
        ("https://127.0.0.1/x.mp3", False),
        ("https://2130706433/x.mp3", False),
        ("https://0x7f.1/x.mp3", False),
        ("https://[::1]/x.mp3", False),
        ("https://169.254.169.254/latest", False),
        ("//x.dzcdn.net/x.mp3", False),
        ("https://", False),
        ("", False),
        ("not an address", False),
    ],
)
def test_audio_is_downloaded_from_listed_hosts_over_https_only(address: str, verdict: bool) -> None:
    assert permitted(address, Deezer.origins | ITunes.origins) is verdict


async def test_a_failure_is_logged_once_with_the_breakers_state(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate("X", rate=10, seconds=1)
    with caplog.at_level(logging.WARNING), pytest.raises(Refused):
        async with gate.turn(Deadline.within(5)):
            raise Refused("X asks for patience", 60.0)
    assert [record.getMessage() for record in caplog.records] == [
        "X asks for patience (breaker open)"
    ]
