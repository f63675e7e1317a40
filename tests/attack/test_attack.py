"""Every attack of `python -m tests.attack`, smaller: no promise may break."""

from __future__ import annotations

from pathlib import Path

from tests.attack import commands, kills, outages, processes, texts, uploads
from tests.attack.figures import Figures


def held(figures: Figures) -> bool:
    """Whether something was tried and every promise held; seconds vary with the machine."""
    counted = {what: count for what, count in figures.broken.items() if what != "above 10 s"}
    return bool(figures.tried and counted) and not sum(counted.values())


def test_mutated_uploads_are_heard_or_refused() -> None:
    figures = uploads.attack(150)
    assert held(figures), figures


async def test_hostile_texts_have_an_answer_and_reach_no_other_place(tmp_path: Path) -> None:
    figures = await texts.attack(tmp_path, 150)
    assert figures.tried["requests"]
    assert held(figures), figures


def test_nothing_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    for figures in kills.attack(tmp_path, 12):
        assert held(figures), figures


def test_nothing_is_lost_or_doubled_by_kills_of_processes_that_share_a_store(
    tmp_path: Path,
) -> None:
    for figures in processes.attack(tmp_path, 6):
        assert figures.tried["kills"]
        assert held(figures), figures


async def test_mixed_commands_are_answered_and_no_byte_is_left(tmp_path: Path) -> None:
    figures = await commands.attack(tmp_path, 40)
    assert figures.tried["thumbs"]
    assert held(figures), figures


async def test_no_drop_is_lost_or_doubled_by_an_outage(tmp_path: Path) -> None:
    figures = await outages.outages(tmp_path, 1)
    assert held(figures), figures


async def test_no_drop_is_lost_or_doubled_when_clocks_change(tmp_path: Path) -> None:
    figures = await outages.changes(tmp_path, 1)
    assert held(figures), figures
