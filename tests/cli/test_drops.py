"""The weekly drop asks where to start, and is the same when it is asked for again."""

from __future__ import annotations

from musrec.model import NotFound
from tests.support.running import Run


def test_the_drop_asks_which_artists_one_likes_and_shows_the_week_again(run: Run) -> None:
    drop = ("drop", "--as", "ann")
    asked = run(*drop)
    assert asked.code == NotFound.exit_code
    assert "--artist '" in asked.err
    assert "No song by nobody of that name" in run(*drop, "--artist", "nobody of that name").err
    ran = run(*drop, "--artist", "Heatwave", "-n", "3", "--json")
    first = ran.json
    assert ran.code == 0
    assert [pick["part"] for pick in first["picks"]][-1] == "brave"
    assert len(first["picks"]) == 3
    again = run(*drop, "--json").json
    assert again["again"] is True
    assert [pick["id"] for pick in again["picks"]] == [pick["id"] for pick in first["picks"]]
    shown = run(*drop).out
    assert "This week's drop again" in shown
    assert first["picks"][0]["title"] in shown
