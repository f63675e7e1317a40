"""The commands of the laboratory, on real clips, with reports that need nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab-store")


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty cuts of three genres, with the table that names their artists."""
    folder = tmp_path_factory.mktemp("gtzan")
    shutil.copy(shared_data / "gtzan" / "clips.csv", folder)
    for genre in ("classical", "disco", "metal"):
        for file in sorted((shared_data / "gtzan" / "snippets").glob(f"{genre}.*"))[:20]:
            shutil.copy(file, folder)
    return folder


def test_inspect_counts_labels_and_names_what_is_left_out(run: Run, folder: Path) -> None:
    ran = run("lab", "inspect", folder)
    assert ran.code == 0, ran.err
    assert re.search(r"\| disco \| 20 \|", ran.out)
    assert "listed, but there is no such file" in ran.out


def test_compare_writes_a_page_that_needs_nothing_else(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    ran = run("lab", "compare", folder, "--models", "majority,knn,lr", "--out", "lab")
    assert ran.code == 0, ran.err
    page = (tmp_path / "lab" / "compare.html").read_text("utf-8")
    assert not re.search(r"(?:src|href)=[\"']?(?!data:)", page)
    assert "<script" not in page
    report = json.loads((tmp_path / "lab" / "compare.json").read_text("utf-8"))
    models, differences = report["tables"][:2]
    accuracy = {row[0]: row[1] for row in models["rows"]}
    assert accuracy["lr"] > accuracy["majority"]
    for first, second, difference, interval, better in differences["rows"]:
        assert difference == pytest.approx(accuracy[first] - accuracy[second])
        low, high = map(float, interval.split(" to "))
        assert low <= difference <= high
        assert better == (first if low > 0 else second if high < 0 else "undecided")
    assert any(
        "Only full GTZAN" in note and "musrec lab compare" in note for note in models["notes"]
    )
    facts = report["facts"]
    assert facts["Command"].startswith(f"musrec lab compare {folder} --models majority,knn,lr ")
    assert " --folds 5 --leakage --epochs 40 --mels 64 --seed 0 " in facts["Command"]
    assert facts["Split"] == "5 folds, artists kept apart"
    assert {"Seed", "Threads", "musrec", "numpy"} <= set(facts)
    assert "# Models compared" in (tmp_path / "lab" / "compare.md").read_text("utf-8")


def test_random_folds_can_be_left_out(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("lab", "compare", folder, "--models", "majority", "--no-leakage")
    assert ran.code == 0, ran.err
    report = json.loads((tmp_path / "lab" / "compare.json").read_text("utf-8"))
    assert report["tables"][0]["rows"][0][4:6] == [None, None]
    assert " --no-leakage " in report["facts"]["Command"]


def test_retrieve_compares_pixels_features_and_our_space(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    ran = run("lab", "retrieve", folder, "--out", "lab")
    assert ran.code == 0, ran.err
    tables = json.loads((tmp_path / "lab" / "retrieve.json").read_text("utf-8"))["tables"]
    precision = {(row[0], row[1]): row[2] for row in tables[0]["rows"]}
    assert precision["our space", "cosine"] > precision["pixels", "cosine"]
    searches = {row[0]: row[4] for row in tables[2]["rows"]}
    assert searches["exact"] == searches["KD tree"] == searches["ball tree"] == 1


def test_pictures_are_written_once(run: Run, folder: Path, tmp_path: Path) -> None:
    assert "Wrote 60 pictures" in run("lab", "spectrograms", folder, "pictures").err
    drawn = sorted((tmp_path / "pictures").glob("*.png"))
    assert len(drawn) == 60
    drawn[7].unlink()
    assert "Wrote 1 picture to" in run("lab", "spectrograms", folder, "pictures").err
    assert sorted((tmp_path / "pictures").iterdir()) == drawn


@pytest.mark.parametrize("command", ["gallery", "clusters", "sheets"])
def test_pictures_in_a_page(run: Run, folder: Path, tmp_path: Path, command: str) -> None:
    ran = run("lab", command, folder, "--out", "lab")
    assert ran.code == 0, ran.err
    assert "<figure>" in (tmp_path / "lab" / f"{command}.html").read_text("utf-8")


def test_claims_stand_beside_what_the_commands_measured(run: Run, tmp_path: Path) -> None:
    ran = run("lab", "recommenders", "--data", "absent", "--server", "30", "--seeds", "1")
    assert ran.code == 0, ran.err
    facts = json.loads((tmp_path / "lab" / "recommenders.json").read_text("utf-8"))["facts"]
    assert "absent" in facts["Missing"]
    ran = run("lab", "seeds", "--data", tmp_path)
    assert ran.code == 0, ran.err
    assert len(re.findall(r"musrec lab \w+", ran.out)) >= 15
    assert "on simulated server" in ran.out
    assert "missing: GTZAN" in ran.out
    assert (tmp_path / "lab" / "seeds.html").is_file()


def test_a_fake_fma_is_cleaned_compared_and_shown(
    run: Run, shared_data: Path, tmp_path: Path
) -> None:
    music = sorted((shared_data / "music").glob("*.mp3"))
    tables, clips = tmp_path / "fma" / "fma_metadata", tmp_path / "fma" / "fma_small" / "000"
    tables.mkdir(parents=True)
    clips.mkdir(parents=True)
    rows = [
        ",artist,set,set,track,track,track",
        ",name,split,subset,genre_top,genres,listens",
        "track_id,,,,,,",
    ]
    features = ["feature,mfcc,zcr", "statistics,mean,mean", "number,01,01", "track_id,,"]
    for number, file in enumerate(music, start=2):
        shutil.copy(file, clips / f"{number:06}.mp3")
        genre = "Rock" if number % 2 else "Folk"
        rows.append(f"{number},{file.stem[:8]},training,small,{genre},[],{100 * number}")
        features.append(f"{number},{-number},0.{number}")
    (tables / "tracks.csv").write_text("\n".join(rows))
    (tables / "features.csv").write_text("\n".join(features))
    ran = run("lab", "inspect", "fma", "--seconds", "5")
    assert ran.code == 0, ran.err
    assert "## Published and measured" in ran.out
    chosen = ("--models", "lr", "--features", "published_mfcc,published_zcr")
    ran = run("lab", "compare", "fma", *chosen, "--split", "artists", "--seconds", "5")
    assert ran.code == 0, ran.err
    ran = run("lab", "gallery", "fma", "--by", "popularity", "--seconds", "5")
    assert ran.code == 0, ran.err
    assert f"Folk): {100 * (len(music) + 1)}" in (tmp_path / "lab/gallery.html").read_text() or (
        f"Rock): {100 * (len(music) + 1)}" in (tmp_path / "lab/gallery.html").read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "absent"), "There is no folder absent"),
        (("gallery", ".", "--by", "loudness"), "no music"),
        (("compare", "{folder}", "--models", "forest"), "There is no model forest"),
        (("gallery", "{folder}", "--by", "shine"), "There is no column 'shine'"),
        (("compare", "{folder}", "--split", "mood"), "There is no split 'mood'"),
        (("compare", "{folder}", "--features", "published"), "comes without published"),
        (("sheets", "{folder}", "--clips", "disco.99999"), "There is no clip disco.99999"),
        (("inspect", "{folder}", "--under", "Rock"), "Only FMA has a hierarchy"),
        (("retrieve", "{folder}", "--model", "lr"), "There is no model lr"),
    ],
)
def test_what_is_wrong_is_said(
    run: Run, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = run("lab", *(each.format(folder=folder) for each in arguments))
    assert ran.code in (1, 4)
    assert said in ran.err
    assert "Traceback" not in ran.err


WITHOUT_TORCH = """
import sys
from importlib.machinery import PathFinder

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name == "torch" else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
from musrec import cli
cli.main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "arguments", [("train",), ("compare", "--models", "majority,cnn"), ("retrieve", "--model=cnn")]
)
def test_without_pytorch_the_line_that_installs_it_is_said(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, "lab", arguments[0], str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200"}
    ran = subprocess.run(
        [*command, *arguments[1:]],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "need PyTorch, which is not installed" in ran.stderr
    assert "make lab" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_device_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make lab`")
    missing = "mars" if torch.cuda.is_available() else "cuda"
    ran = run("lab", "train", tmp_path, "--device", missing)
    assert ran.code == 1
    assert f"PyTorch finds no device '{missing}' here." in ran.err
