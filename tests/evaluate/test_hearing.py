"""The evaluation of rhythm and harmony reads titles, and counts as its protocol says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from musrec.audio import tagger
from musrec.evaluate import descriptors, hearing
from musrec.model import NotFound
from musrec.train.hearing import read


def test_keys_are_read_from_titles(tmp_path: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text(
        "clip,genre,artist,title,split\n"
        'a,classical,X,"Quartet in G minor for Strings",train\n'
        'b,classical,X,"Sonata No.21 in B flat, D.960",train\n'
        'c,classical,X,"Fantasy In C Major",train\n'
        "d,classical,X,Dance Gay in Green Meadow,train\n"
        "e,pop,X,Genie In A Bottle,train\n",
        encoding="utf-8",
    )
    assert descriptors._title_keys(table) == {"a": (7, 1), "b": (10, 0), "c": (0, 0)}


def test_relatives_and_fifths_of_a_key() -> None:
    g_minor = (7, 1)
    related = {(t, m) for t in range(12) for m in (0, 1) if descriptors._related((t, m), g_minor)}
    assert related == {(7, 1), (10, 0), (2, 1), (0, 1)}


def test_octave_errors_count_as_right_only_where_allowed() -> None:
    assert descriptors._same_tempo(120, 123)
    assert not descriptors._same_tempo(120, 126)
    assert not descriptors._same_tempo(60, 121)
    assert descriptors._same_tempo(60, 121, octaves=True)


def test_a_folder_without_music_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no music"):
        descriptors.run(tmp_path)


def test_a_few_songs_go_through_the_whole_evaluation(music: Path, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    for name in ("setuniman--sweet-waltz.ogg", "johan-brodd-jobromedia--template.m4a"):
        (tmp_path / "music" / name).symlink_to(music / name)
    rows = {row[0]: row[1:3] for row in descriptors.run(tmp_path).rows}
    assert rows["both halves have one tempo"] == (2, 1.0)
    assert rows["key follows the pitch"] == (2, 1.0)
    assert rows["music is called music"] == (2, 1.0)
    assert rows["key in the title, exact"] == (0, None), "no table, no titles"


def test_keys_are_weighted_as_in_mirex() -> None:
    a_minor = (9, 1)
    keys = [(9, 1), (4, 1), (2, 1), (0, 0), (9, 0), (1, 0)]
    assert [hearing.weighted(key, a_minor) for key in keys] == [1.0, 0.5, 0.5, 0.3, 0.2, 0.0]


def test_a_beat_that_is_marked_twice_changes_no_tempo(shared_data: Path) -> None:
    labelled = [clip for clip in read(shared_data / "gtzan", heard=False) if clip.beats]
    clip = next(clip for clip in labelled if clip.name == "jazz.00000")
    whole, half, none = (dataclasses.replace(clip, seconds=seconds) for seconds in (30, 15, 1))
    assert clip.tempo == pytest.approx(163, abs=1)
    assert np.median(hearing._rates(whole)) == pytest.approx(126, abs=1)
    assert hearing._rates(half).size < hearing._rates(whole).size
    assert hearing._rates(none).size == 0


def test_double_tempo_is_right_only_with_octaves_allowed() -> None:
    assert hearing.accuracies(121, 120) == (1.0, 1.0)
    assert hearing.accuracies(240, 120) == (0.0, 1.0)
    assert hearing.accuracies(100, 120) == (0.0, 0.0)


def test_labelled_clips_go_through_the_whole_evaluation(shared_data: Path, tmp_path: Path) -> None:
    if problem := tagger.status().problem:
        pytest.skip(problem)
    folder, labelled = tmp_path / "gtzan", shared_data / "gtzan"
    (folder / "audio").mkdir(parents=True)
    for file in (*labelled.glob("clips.csv"), *labelled.glob("*.gz"), *labelled.glob("*.npz")):
        (folder / file.name).symlink_to(file)
    (folder / "annotations").symlink_to(labelled / "annotations")
    for genre in ("classical", "country", "metal", "pop"):
        for file in sorted(labelled.glob(f"audio_more/{genre}.*"))[:2]:
            (folder / "audio" / file.name).symlink_to(file)

    table, by_beats, confidence, metre = hearing.run(folder)

    for report in (table, by_beats, confidence, metre):
        assert {len(row) for row in report.rows} == {len(report.columns)}
    rows = {row[0]: row for row in table.rows if row[0]}
    assert rows["all but classical"][2] == 6
    assert rows["classical"][2] == 2
    assert {row[1] for row in table.rows} == {"ours", "librosa", "librosa, plp"}
    assert [row[:3] for row in by_beats.rows if row[0]] == [
        ("classical", "ours", 2),
        ("all but classical", "ours", 6),
    ]
    stated = [row[2] for row in confidence.rows if isinstance(row[2], float)]
    assert stated
    assert all(0.0 <= value <= 1.0 for value in stated)
    assert any(row[0] == "key, from 5 s" for row in confidence.rows)
    assert [row[:2] for row in metre.rows] == [
        *(("labelled", "all"), ("labelled", "all but classical")),
        *(("heard", "all"), ("heard", "all but classical")),
    ]
