"""What a member did is listed, and narrowed to one kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import Run


@pytest.fixture
def data(starter_store: Path) -> Path:
    return starter_store


def test_likes_are_listed(answer: Callable[..., Any]) -> None:
    assert answer("history", "--as", "ann", "--kind", "liked")["total"] == 4
    assert answer("history", "--as", "ann", "--kind", "skipped")["total"] == 0


def test_a_kind_that_is_none_is_said(run: Run) -> None:
    ran = run("history", "--as", "nobody", "--kind", "sung")
    assert (ran.code, ran.out) == (4, "")
    assert "no kind called 'sung'" in ran.err
