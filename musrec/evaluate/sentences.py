"""``musrec evaluate sentences``: how different the sentences under picks are.

The starter songs ask for songs, with a member's likes and without, and every member asks without a
song. A shape is a sentence without what fits this pair alone: titles, artists, and the words for
their sound.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musrec.audio.descriptors import DEFINITIONS, TAG_KINDS
from musrec.evaluate.explain import COUNT, NOW, starter_deck
from musrec.evaluate.report import Cell, Report
from musrec.model import Pick
from musrec.recommend import Request
from musrec.recommend.explain import SPOKEN

REASONS = 800

SHOWN = 20
"""First words and shapes in the tables; the rest are summed up."""


class Answer(NamedTuple):
    """The picks of one question, and how it was asked."""

    asked: str
    picks: tuple[Pick, ...]


ASKED = ("a song, no likes", "a song and likes", "likes alone")


def run(data: Path, *, reasons: int = REASONS) -> tuple[Report, ...]:
    """Count first words, shapes and repetitions in the sentences of real answers.

    Parameters
    ----------
    data : Path
        Folder with ``gtzan``.
    reasons : int
        How many sentences, about.
    """
    answers = asked(data, reasons)
    picks = [pick for answer in answers for pick in answer.picks]
    sentences = [pick.explanation.sentence for pick in picks]
    first = Counter(sentence.split()[0] for sentence in sentences)
    shapes = Counter(shape(pick) for pick in picks)
    protocol = (
        f"{len(sentences)} sentences of {len(answers)} answers of {COUNT} picks: starter songs,"
        " evenly spread, ask once for nobody and once for a member with likes of one genre; every"
        " member asks without a song."
    )
    return (
        _repetitions(answers, protocol),
        _shares("First words of reasons", protocol, "first word", first),
        _shares(
            "Shapes of reasons",
            f"{protocol} X is a song, an artist or the song asked about; … is a word for its sound"
            " or its decade.",
            "shape",
            shapes,
        ),
    )


def asked(data: Path, reasons: int = REASONS) -> list[Answer]:
    """Return real answers with about so many picks in all, in equal parts with and without likes.

    Parameters
    ----------
    data : Path
        Folder with ``gtzan``.
    """
    deck = starter_deck(data / "gtzan")
    recommender = deck.recommender()
    members = sorted({event.member for event in deck.events})
    songs = max(1, (reasons // COUNT - len(members)) // 2)
    rows = np.unique(np.linspace(0, len(deck.catalogue) - 1, songs).astype(int)).tolist()
    requests = []
    for row in rows:
        member = f"likes {deck.genres[row]}"
        request = deck.request(row)
        requests.append((ASKED[0], replace(request, member=None)))
        requests.append((ASKED[1], replace(request, member=member)))
    requests += [(ASKED[2], Request(member, count=COUNT, now=NOW)) for member in members]
    return [Answer(how, tuple(recommender.recommend(each).picks)) for how, each in requests]


def shape(pick: Pick) -> str:
    """Return a pick's sentence without what fits this pair alone."""
    sentence = re.sub("“[^”]*”", "X", pick.explanation.sentence)
    sentence = sentence.replace(f"by {pick.track.artist}", "by X").replace("your song", "X")
    sentence = re.sub(r"\b[A-G][♯♭#b]?\s(major|minor)\b|\bthe \d{3}0s\b", "…", sentence)
    return re.sub(r"\ban …", "a …", _words().sub("…", sentence))


@cache
def _words() -> re.Pattern[str]:
    words = {
        *(word for one in DEFINITIONS.values() for word in (one.low, one.high)),
        *(word for one in DEFINITIONS.values() for word in (one.lower, one.higher)),
        *(tag.lower() for tag in TAG_KINDS),
        *(word.removeprefix("like ") for word in SPOKEN.values()),
    }
    longest_first = sorted(map(re.escape, words), key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(longest_first)})\b", re.IGNORECASE)


def _repetitions(answers: Sequence[Answer], protocol: str) -> Report:
    rows: list[tuple[Cell, ...]] = []
    for how in (*ASKED, "all"):
        some = [answer.picks for answer in answers if how in (answer.asked, "all")]
        sentences = [[pick.explanation.sentence for pick in picks] for picks in some]
        words = [[sentence.split()[0] for sentence in each] for each in sentences]
        count = sum(map(len, sentences))
        named = sum(bool(pick.explanation.traits) for picks in some for pick in picks)
        rows.append(
            (
                *(how, len(some), count),
                sum(len(each) - len(set(each)) for each in sentences),
                sum(len(each) - len(set(each)) for each in words) / max(count, 1),
                len({shape(pick) for picks in some for pick in picks}),
                named / max(count, 1),
            )
        )
    return Report(
        title="Repetition in reasons",
        protocol=protocol,
        columns=(
            *("asked with", "answers", "sentences", "repeated within an answer"),
            *("first word repeated within an answer", "shapes", "may name a property"),
        ),
        rows=tuple(rows),
    )


def _shares(title: str, protocol: str, what: str, counts: Counter[str]) -> Report:
    whole = counts.total()
    rows: list[tuple[Cell, ...]] = [
        (name, count, count / whole) for name, count in counts.most_common(SHOWN)
    ]
    rest = whole - sum(count for _, count in counts.most_common(SHOWN))
    if rest:
        rows.append((f"{len(counts) - SHOWN} others", rest, rest / whole))
    return Report(title, protocol, (what, "sentences", "share"), tuple(rows))
