"""Plays, skips, finishes and repeats, told from what a player shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from musrec.members.listening import Listening
from musrec.members.model import Playing
from musrec.model import FeedbackKind, Track

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAY, SKIP, FINISH, REPEAT = (
    FeedbackKind.PLAY,
    FeedbackKind.SKIP,
    FeedbackKind.FINISH,
    FeedbackKind.REPEAT,
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def on(name: str, since: float, lasts: float = 200) -> Playing:
    return Playing(Track(name, name), at(since), timedelta(seconds=lasts))


def told(*states: tuple[float, Playing | None]) -> list[tuple[str, FeedbackKind]]:
    listening = Listening()
    return [
        (track.id, kind)
        for seconds, playing in states
        for track, kind in listening.heard("member", playing, at(seconds))
    ]


def test_a_state_reported_by_several_servers_is_one_play() -> None:
    assert told((0, on("a", 0)), (0, on("a", 0)), (30, on("a", 0))) == [("a", PLAY)]


def test_less_than_half_is_a_skip_and_the_end_is_a_finish() -> None:
    assert told((0, on("a", 0)), (90, on("b", 90))) == [("a", PLAY), ("a", SKIP), ("b", PLAY)]
    assert told((0, on("a", 0)), (195, on("b", 195)))[1] == ("a", FINISH)
    assert told((0, on("a", 0)), (130, on("b", 130))) == [("a", PLAY), ("b", PLAY)]


def test_a_song_on_for_seconds_says_nothing() -> None:
    assert told((0, on("a", 0)), (3, on("b", 3))) == [("a", PLAY), ("b", PLAY)]


def test_a_pause_is_not_a_skip() -> None:
    assert told((0, on("a", 0)), (40, None), (100, on("a", 60)), (255, None)) == [
        ("a", PLAY),
        ("a", FINISH),
    ]


def test_a_pause_before_another_song_counts_what_was_heard_until_then() -> None:
    assert told((0, on("a", 0)), (40, None), (400, on("b", 400)))[1] == ("a", SKIP)


def test_silence_after_the_end_finishes_once() -> None:
    assert told((0, on("a", 0)), (198, None), (300, on("b", 300))) == [
        ("a", PLAY),
        ("a", FINISH),
        ("b", PLAY),
    ]


def test_a_song_before_a_long_gap_was_not_finished() -> None:
    assert told((0, on("a", 0)), (3600, on("b", 3590))) == [("a", PLAY), ("b", PLAY)]
    assert told((0, on("a", 0)), (3600, None)) == [("a", PLAY)]
    assert told((0, on("a", 0)), (3600, on("a", 3590))) == [("a", PLAY), ("a", PLAY)]
    assert told((0, on("a", 0)), (3600, on("a", 0)), (3700, on("a", 0))) == [("a", PLAY)]


def test_the_same_song_again_is_a_repeat_and_rewinding_is_not() -> None:
    assert told((0, on("a", 0)), (200, on("a", 200))) == [
        ("a", PLAY),
        ("a", FINISH),
        ("a", REPEAT),
    ]
    assert told((0, on("a", 0)), (60, on("a", 50)), (70, on("a", 0))) == [("a", PLAY)]


def test_members_do_not_mix_and_are_forgotten_on_request() -> None:
    listening = Listening()
    listening.heard("a", on("x", 0), at(0))
    assert listening.heard("b", on("x", 0), at(1)) == [(Track("x", "x"), PLAY)]
    listening.forget("a")
    assert listening.heard("a", on("y", 50), at(50)) == [(Track("y", "y"), PLAY)]
