"""Every layout is read as it is, and what does not fit is left out with its reason."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from musrec.lab import datasets
from musrec.lab.model import DataSet
from musrec.model import MusrecError, NotFound

TRACKS = (
    ",album,artist,set,set,track,track,track",
    ",title,name,split,subset,genre_top,genres,title",
    "track_id,,,,,,,",
)
GENRES = "genre_id,#tracks,parent,title,top_level\n12,1,0,Rock,12\n45,1,12,Loud-Rock,12\n"
GENRES += "21,1,0,Hip-Hop,21\n"


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")


def reasons(data: DataSet) -> dict[str, str]:
    return {fault.what: fault.reason for fault in data.faults}


def fma(folder: Path, rows: list[str], files: list[str], *, subset: str = "fma_small") -> Path:
    tables = folder / "fma_metadata"
    tables.mkdir(parents=True)
    (tables / "tracks.csv").write_text("\n".join([*TRACKS, *rows]) + "\n")
    (tables / "genres.csv").write_text(GENRES)
    touch(*(folder / subset / name[:3] / f"{name}.mp3" for name in files))
    return folder


# GTZAN ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["genres", "genres_original", "."])
@pytest.mark.parametrize("ending", ["wav", "au", "flac", "mp3"])
def test_gtzan_in_folders_of_genres_or_loose(tmp_path: Path, place: str, ending: str) -> None:
    touch(
        *(tmp_path / place / g / f"{g}.0000{i}.{ending}" for g in ("blues", "rock") for i in (0, 1))
    )
    data = datasets.read(tmp_path)
    assert data.layout == "gtzan"
    assert [clip.id for clip in data.clips] == [
        *("blues.00000", "blues.00001", "rock.00000", "rock.00001")
    ]
    assert data.labels == ("blues", "rock")


def test_a_table_beside_gtzan_names_artists_and_parts(shared_data: Path) -> None:
    data = datasets.read(shared_data / "gtzan" / "snippets")
    clip = next(clip for clip in data.clips if clip.id == "blues.00001")
    assert (clip.artist, clip.label, clip.part) == ("John Lee Hooker", "blues", "valid")


def test_fault_filtered_lists_decide_what_is_used(tmp_path: Path) -> None:
    touch(*(tmp_path / "genres" / "blues" / f"blues.0000{i}.wav" for i in range(3)))
    (tmp_path / "train_filtered.txt").write_text("blues/blues.00000.wav\n")
    (tmp_path / "test_filtered.txt").write_text("blues/blues.00002.wav\n")
    data = datasets.read(tmp_path, layout="gtzan")
    assert {clip.id: clip.part for clip in data.clips} == {
        "blues.00000": "train",
        "blues.00002": "test",
    }
    assert reasons(data) == {"blues.00001": "not in the fault-filtered lists"}


def test_a_clip_in_the_table_without_a_file_is_told(tmp_path: Path) -> None:
    touch(tmp_path / "blues.00000.wav")
    (tmp_path / "clips.csv").write_text("clip,genre\nblues.00000,blues\nblues.00007,blues\n")
    assert reasons(datasets.read(tmp_path)) == {"blues.00007": "listed, but there is no such file"}


def test_a_clip_that_the_table_does_not_know_is_left_out(shared_data: Path) -> None:
    data = datasets.read(shared_data / "gtzan" / "audio")
    assert reasons(data)["classical.00042"] == "not in clips.csv"
    assert "classical.00042" not in {clip.id for clip in data.clips}


# FMA --------------------------------------------------------------------------------------------


def test_fma_has_its_own_parts_and_hierarchy(tmp_path: Path) -> None:
    rows = ["2,A,AWOL,training,small,Hip-Hop,[21],Food", "5,A,AWOL,test,small,,[45],Loud"]
    data = datasets.read(fma(tmp_path, rows, ["000002", "000005"]))
    assert [(c.id, c.label, c.artist, c.title, c.part) for c in data.clips] == [
        ("000002", "Hip-Hop", "AWOL", "Food", "train"),
        ("000005", "Rock", "AWOL", "Loud", "test"),
    ]
    assert data.parents == {"Loud-Rock": "Rock"}


def test_what_fma_lists_or_holds_alone_is_told(tmp_path: Path) -> None:
    rows = [
        "2,A,AWOL,training,small,Hip-Hop,[21],Food",
        "3,A,AWOL,training,small,Hip-Hop,[21],Gone",
        "4,A,AWOL,training,large,Hip-Hop,[21],Of a larger subset",
        '7,A,AWOL,training,small,,"[12, 21]",Two genres',
    ]
    data = datasets.read(fma(tmp_path, rows, ["000002", "000007", "000099"]))
    assert reasons(data) == {
        "000003": "listed, but there is no such file",
        "000007": "no genre in tracks.csv",
        "000099": "not in tracks.csv",
    }


def test_rows_and_files_that_do_not_fit_have_their_reason(tmp_path: Path) -> None:
    rows = ["2,A,AWOL,training,small,Rock,[12],One", "2,A,AWOL,test,small,Rock,[12],Again", "9,A"]
    data = datasets.read(fma(tmp_path, rows, ["000002"]))
    assert reasons(data) == {
        "000002": "listed twice; the first row is kept",
        "000009": "2 of 8 columns in tracks.csv",
    }


FEATURES = (
    "feature,mfcc,mfcc,zcr,chroma_stft,rmse",
    "statistics,mean,std,mean,max,mean",
    "number,01,02,01,12,01",
    "track_id,,,,,",
)
ECHONEST = (
    ",echonest,echonest,echonest",
    ",audio_features,metadata,temporal_features",
    ",danceability,album_name,000",
    "track_id,,,",
)


def test_fma_comes_with_features_and_columns(tmp_path: Path) -> None:
    folder = fma(tmp_path, ["2,A,AWOL,training,small,Rock,[12],One"], ["000002"])
    tables = folder / "fma_metadata"
    (tables / "features.csv").write_text("\n".join([*FEATURES, "2,1,2,.5,1,.1", "3,9,9,9,9,9"]))
    (tables / "echonest.csv").write_text("\n".join([*ECHONEST, "2,0.7,Album,1.5"]))
    data = datasets.read(folder)
    assert data.published.names == (
        *("mfcc_0_mean", "mfcc_1_std", "zero_crossing_rate_mean", "chroma_11_max", "rms_mean"),
    )
    assert data.published.values.keys() == {"000002"}
    assert data.published.values["000002"].tolist() == pytest.approx([1, 2, 0.5, 1, 0.1])
    assert data.clips[0].columns == {"danceability": 0.7}


@pytest.mark.parametrize(("name", "lines"), [("features", FEATURES), ("echonest", ECHONEST)])
def test_fma_tables_with_another_header_are_refused(
    tmp_path: Path, name: str, lines: tuple[str, ...]
) -> None:
    folder = fma(tmp_path, ["2,A,AWOL,training,small,Rock,[12],One"], ["000002"])
    (folder / "fma_metadata" / f"{name}.csv").write_text("\n".join([*lines[1:], "2,1,2,3,4,5"]))
    with pytest.raises(MusrecError, match="four header lines"):
        datasets.read(folder)


def test_clips_of_a_genre_are_labelled_by_what_is_right_below_it(tmp_path: Path) -> None:
    rows = [
        '2,A,AWOL,training,small,Rock,"[12, 45]",Loud',
        "3,A,AWOL,training,small,Rock,[12],Just rock",
        "5,A,AWOL,training,small,Hip-Hop,[21],Other",
    ]
    data = datasets.read(fma(tmp_path, rows, ["000002", "000003", "000005"]))
    below = datasets.under(data, "Rock")
    assert [(clip.id, clip.label) for clip in below.clips] == [("000002", "Loud-Rock")]
    assert reasons(below) == {"000003": "no genre right below Rock"}
    with pytest.raises(MusrecError, match="below the genre 'Hip-Hop'") as told:
        datasets.under(data, "Hip-Hop")
    assert "Rock" in told.value.hint


def test_a_tracks_table_with_another_header_is_refused(tmp_path: Path) -> None:
    folder = fma(tmp_path, [], ["000002"])
    (folder / "fma_metadata" / "tracks.csv").write_text("track_id,title\n2,Food\n")
    with pytest.raises(MusrecError, match="three header lines"):
        datasets.read(folder)


def test_fma_without_its_table_is_refused(tmp_path: Path) -> None:
    folder = fma(tmp_path, [], ["000002"])
    (folder / "fma_metadata" / "tracks.csv").unlink()
    with pytest.raises(NotFound, match=r"no tracks\.csv"):
        datasets.read(folder)


def test_fma_without_clips_is_refused(tmp_path: Path) -> None:
    folder = fma(tmp_path, [], [])
    shutil.rmtree(folder / "fma_small", ignore_errors=True)
    with pytest.raises(NotFound, match="no folder of clips"):
        datasets.read(folder)


# Spotify ----------------------------------------------------------------------------------------


def spotify(folder: Path, rows: list[dict[str, str]]) -> Path:
    with (folder / "dataset.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder


def test_spotify_clips_are_found_by_track_id(tmp_path: Path) -> None:
    row = {"track_id": "5SuOikwiRyPMVoIQDJUgSV", "artists": "Gen Hoshino;Guest"}
    row |= {"track_name": "Comedy", "popularity": "73", "energy": "0.461"}
    one = {**row, "track_genre": "acoustic"}
    gone = {**one, "track_id": "0" * 22}
    touch(tmp_path / "clips" / "5SuOikwiRyPMVoIQDJUgSV.mp3", tmp_path / "clips" / "other.mp3")
    data = datasets.read(spotify(tmp_path, [one, {**row, "track_genre": "jpop"}, gone]))
    [clip] = data.clips
    assert (clip.label, clip.artist, clip.title) == ("acoustic", "Gen Hoshino", "Comedy")
    assert clip.columns == {"popularity": 73.0, "energy": 0.461}
    assert reasons(data) == {
        "5SuOikwiRyPMVoIQDJUgSV": "also listed as jpop; acoustic is kept",
        "1 track": "listed, but there is no such file",
        "other": "not in dataset.csv",
    }


def test_a_spotify_table_without_genres_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp3")
    with pytest.raises(MusrecError, match="no column track_genre"):
        datasets.read(spotify(tmp_path, [{"track_id": "a"}]))


# Folders ----------------------------------------------------------------------------------------


def test_folders_are_labels_and_names_tell_artists(tmp_path: Path) -> None:
    touch(tmp_path / "Jazz" / "2001" / "Ann - Blue.mp3", tmp_path / "Folk" / "Ben - Red.ogg")
    touch(tmp_path / "loose.mp3", tmp_path / "Jazz" / "cover.jpg")
    data = datasets.read(tmp_path)
    assert [(c.label, c.artist, c.title) for c in data.clips] == [
        ("Folk", "Ben", "Red"),
        ("Jazz", "Ann", "Blue"),
    ]
    assert reasons(data) == {"loose.mp3": "not in a folder, so it has no label"}


def test_two_formats_of_one_name_are_two_clips(tmp_path: Path) -> None:
    touch(tmp_path / "Jazz" / "Ann - Blue.mp3", tmp_path / "Jazz" / "Ann - Blue.ogg")
    assert len({clip.id for clip in datasets.read(tmp_path).clips}) == 2


def test_links_in_circles_end(tmp_path: Path) -> None:
    touch(tmp_path / "Jazz" / "Ann - Blue.mp3")
    (tmp_path / "Jazz" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(datasets.read(tmp_path).clips) == 1


def test_a_folder_without_music_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no music") as told:
        datasets.read(tmp_path)
    assert "folder of its own" in told.value.hint


def test_no_folder_and_no_layout(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        datasets.read(tmp_path / "absent")
    with pytest.raises(MusrecError, match="no layout"):
        datasets.read(tmp_path, layout="millionsong")
