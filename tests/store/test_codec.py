"""Answers come back from the store as they were kept, whichever version kept them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from musrec.model import Answer, Closeness, Explanation, Pick, Profile, Term, Track, Trait
from musrec.store.codec import pack_answer, unpack_answer

ASKED, FOUND = Track("asked", "Blue", ("A",)), Track("found", "Green", ("B",))
TRAITS = (Trait("tag", "jazz", 0.2), Trait("tempo", "", 0.1))


def kept(closeness: Closeness | None) -> dict[str, Any]:
    said = Explanation("It sounds alike.", causes=("sound",), traits=TRAITS)
    pick = Pick(FOUND, 0.5, closeness, (Term("sound", 0.5, "it sounds alike"),), said, Profile())
    body: dict[str, Any] = json.loads(json.dumps(pack_answer(Answer(ASKED, None, None, (pick,)))))
    return body


def read(body: dict[str, Any]) -> Pick:
    [pick] = unpack_answer("an id", body, {"asked": ASKED, "found": FOUND}).picks
    return pick


@pytest.mark.parametrize("closeness", [*Closeness, None])
def test_the_word_of_a_kept_pick_comes_back(closeness: Closeness | None) -> None:
    assert read(kept(closeness)).closeness is closeness


def test_what_was_shared_comes_back() -> None:
    assert read(kept(Closeness.CLOSE)).explanation.traits == TRAITS


def test_an_answer_kept_before_there_were_traits_is_read_and_names_none() -> None:
    body = kept(Closeness.CLOSE)
    del body["picks"][0]["explanation"]["traits"]
    assert read(body).explanation.traits == ()


def test_an_answer_kept_with_a_percentage_is_read_and_claims_nothing() -> None:
    body = kept(Closeness.CLOSE)
    del body["picks"][0]["closeness"]
    body["picks"][0]["match"] = 98
    pick = read(body)
    assert (pick.track, pick.score, pick.closeness) == (FOUND, 0.5, None)
