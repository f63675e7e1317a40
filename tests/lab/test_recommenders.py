"""Ways to recommend are compared on members whose tastes are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from musrec.lab import recommenders
from musrec.lab.page import Section


@pytest.fixture(scope="module")
def server() -> tuple[Section, ...]:
    return recommenders.compared(recommenders.simulated(40), (0,))


def test_members_with_a_taste_get_more_from_content_than_from_charts(
    server: tuple[Section, ...],
) -> None:
    value = {row[0]: float(row[1] or 0) for row in server[0].report.rows}
    assert value["content"] > value["popular"]
    assert value["hybrid"] > value["popular"]


def test_every_system_answers_and_is_told_likes(server: tuple[Section, ...]) -> None:
    speed = {row[0]: row for row in server[1].report.rows}
    assert set(speed) == set(recommenders.SYSTEMS)
    assert speed["content"][4] is None
    assert all(speed[name][4] is not None for name in ("user-based", "item-based", "hybrid"))


def test_each_kind_of_feedback_is_set_against_none(server: tuple[Section, ...]) -> None:
    rows = server[2].report.rows
    assert {(row[0], row[1]) for row in rows} == {
        (system, kind) for system in recommenders.SYSTEMS for kind in recommenders.FEEDBACK
    }
    assert all((row[3] is None) == (row[1] == "none") for row in rows)


def test_the_same_seed_gives_the_same_server() -> None:
    one, other = recommenders.simulated(20, 3), recommenders.simulated(20, 3)
    assert (one.plays != other.plays).nnz == 0


def test_tags_of_a_member_for_what_is_held_out_are_not_used(shared_data: Path) -> None:
    town = recommenders.last_fm(shared_data, 30)
    held = [town.plays[row].indices for row in range(30)]
    assert town.plays.shape[0] == len(town.members) == 30
    assert (town.vectors(held) != town.vectors([row[:0] for row in held])).any()
