from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musrec.model import Feedback, FeedbackKind
from musrec.recommend.evidence import IMPLICIT_LIMIT, SIGNALS, Ledger

NOW = datetime(2026, 3, 2, tzinfo=UTC)
KINDS = st.sampled_from(list(FeedbackKind))


def opinion(events: Iterable[Feedback], now: datetime = NOW) -> dict[str, float]:
    ledger = Ledger()
    for event in events:
        ledger.learn([event])
    tracks, opinions = ledger.of("m").opinions(now.timestamp())
    return dict(zip([ledger.names[t] for t in tracks], opinions, strict=True))


def did(kind: FeedbackKind | str, days: float = 0.0, track: str = "a") -> Feedback:
    return Feedback("m", track, FeedbackKind(kind), NOW - timedelta(days=days))


def test_every_kind_of_feedback_has_its_weight() -> None:
    assert set(SIGNALS) == set(FeedbackKind)
    assert SIGNALS[FeedbackKind.LIKE].weight > 0 > SIGNALS[FeedbackKind.SKIP].weight


def test_the_later_of_two_contradictory_thumbs_counts() -> None:
    assert opinion([did("like", 2), did("dislike", 1)])["a"] < 0
    assert opinion([did("dislike", 1), did("like", 2)])["a"] < 0, "whatever the order of arrival"


def test_a_thumb_outweighs_any_amount_of_skipping() -> None:
    assert opinion([did("like", 30)] + [did("skip")] * 50)["a"] > 0.9
    assert opinion([did("skip")] * 50)["a"] == pytest.approx(-IMPLICIT_LIMIT)


def test_a_half_life_halves() -> None:
    half = SIGNALS[FeedbackKind.FINISH].half_life
    assert opinion([did("finish", half)])["a"] == pytest.approx(opinion([did("finish")])["a"] / 2)


@given(st.lists(st.tuples(KINDS, st.integers(0, 300), st.sampled_from("abc")), max_size=12))
def test_order_of_arrival_does_not_matter(events: list[tuple[FeedbackKind, int, str]]) -> None:
    made = [did(kind, days + 0.01 * i, track) for i, (kind, days, track) in enumerate(events)]
    forwards, backwards = opinion(made), opinion(made[::-1])
    assert forwards.keys() == backwards.keys()
    assert all(forwards[name] == pytest.approx(backwards[name], abs=1e-9) for name in forwards)
    assert all(-1 <= value <= 1 for value in forwards.values())


def test_forgetting_takes_back_one_kind_on_one_track() -> None:
    ledger = Ledger()
    ledger.learn([did("like"), did("play"), did("like", track="b")])
    assert ledger.forget("m", "a", FeedbackKind.LIKE)
    assert not ledger.forget("m", "a", FeedbackKind.LIKE)
    assert not ledger.forget("stranger", "z", FeedbackKind.LIKE)
    history = ledger.of("m")
    assert len(history) == 2
    assert ledger.forget_member("m")
    assert len(ledger.of("m")) == 0


def test_thumbs_down_do_not_fade() -> None:
    ledger = Ledger()
    ledger.learn([did("dislike", 9000), did("like", 1, "b"), did("dislike", 2, "b")])
    down = ledger.of("m").thumbs_down()
    assert [ledger.names[t] for t in down] == ["a"]
    assert np.all(np.abs(ledger.of("m").opinions(NOW.timestamp())[1]) < 1)
