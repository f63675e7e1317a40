"""A tag is said from the share that labelled clips allow, and real songs are not miscalled."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from musrec.audio import tagger
from musrec.audio.decode import decode
from musrec.audio.descriptors import said_tags
from musrec.audio.listen import listen
from musrec.audio.tagger import TAGS
from musrec.evaluate.tags import FEWEST, SPOKEN, SUNG, UNCHECKED, Labelled, thresholds
from musrec.model import Closeness, Track
from musrec.recommend import explain
from musrec.space import profile

SCHUBERT = tuple(f"classical.{number:05}.flac" for number in range(63, 68))
"""Piano sonata D 960 and the Wanderer fantasy."""

CHIPTUNES = (
    "alexandre-almeida-m374lx--speed.ogg",
    "colin-beard-silverstepp--gimacian.mp3",
    "johan-brodd-jobromedia--boss.wav",
    "johan-brodd-jobromedia--menu.opus",
)


@pytest.fixture
def ears() -> tagger.Tagger:
    found = tagger.status()
    if not found.installed:
        pytest.skip(f"{found.problem} Run `musrec models install` to run this test")
    return tagger.load()


def clips(**shares: Iterable[tuple[str, float]]) -> Labelled:
    """Clips of which each has a share of one tag."""
    rows = [(tag, label, share) for tag, some in shares.items() for label, share in some]
    table = np.zeros((len(rows), len(TAGS)), np.float32)
    for row, (tag, _, share) in enumerate(rows):
        table[row, TAGS.index(tag)] = share
    return Labelled(np.array([label for _, label, _ in rows]), table)


def test_a_tag_is_said_above_every_wrong_clip_if_enough_right_ones_remain() -> None:
    right = [("jazz", 0.8)] * FEWEST
    found = thresholds(clips(jazz=[*right, ("classical", 0.68), ("jazz", 0.5)]))
    assert found["jazz"] == (0.69, FEWEST)
    found = thresholds(clips(jazz=[*right[1:], ("classical", 0.3)]))
    assert found["jazz"] == (UNCHECKED, 0)
    found = thresholds(clips(jazz=[*right[1:], ("classical", 0.705)]))
    assert found["jazz"] == (0.71, 0)


def test_singing_decides_what_is_instrumental_and_no_genre() -> None:
    right = [("classical", 0.8)] * FEWEST
    sung = thresholds(clips(instrumental=[*right, (SUNG, 0.4)], jazz=[(SUNG, 0.9)]))
    assert sung["instrumental"] == (0.41, FEWEST)
    assert sung["jazz"][0] == UNCHECKED
    spoken = thresholds(clips(instrumental=[*right, (SPOKEN, 0.2)]))
    assert spoken["instrumental"] == (0.21, FEWEST)


def test_no_label_decides_the_tag_of_a_decade() -> None:
    assert thresholds(clips(**{"80s": [("pop", 0.9)] * 20}))["80s"] == (UNCHECKED, 0)


def told(path: Path) -> str:
    """Everything that could be said of a song beside another that sounds the same."""
    data = path.read_bytes()
    song = profile(listen(data, digest=path.name).analysis)
    pair = explain.Pair(
        track=Track("a", "Song", ("Artist",)),
        asked="your song",
        like=None,
        profiles=(song, song),
        years=(1965, 1994),
        traits=explain.shared_traits(song, song, {}),
        closeness=Closeness.CLOSE,
        fans=0,
        causes=("sound",),
    )
    evidence = explain.sound_evidence(song, song, {}, "it sounds close")
    return "\n".join((*explain.sentences(pair), evidence))


@pytest.mark.parametrize("name", SCHUBERT)
@pytest.mark.usefixtures("ears")
def test_schubert_is_not_jazz(shared_data: Path, name: str) -> None:
    said = told(shared_data / "gtzan" / "audio" / name)
    assert "jazz" not in said
    assert len(said.splitlines()) >= 5


@pytest.mark.parametrize("name", CHIPTUNES)
@pytest.mark.usefixtures("ears")
def test_chiptunes_are_not_jazz(music: Path, name: str) -> None:
    said = told(music / name)
    assert "jazz" not in said
    assert len(said.splitlines()) >= 5


def test_sung_rock_is_not_instrumental(shared_data: Path, ears: tagger.Tagger) -> None:
    # Cuts of two seconds are left out: there may be no voice in them.
    rock = sorted((shared_data / "gtzan" / "audio_more").glob("rock.*.flac"))
    songs = [*rock, *sorted((shared_data / "jamendo").glob("*.mp3"))]
    assert len(songs) >= 10
    for path in songs:
        shares = ears.tag(decode(path.read_bytes(), seconds=40).y).mean
        assert "instrumental" not in said_tags(dict(zip(TAGS, shares.tolist(), strict=True)))
