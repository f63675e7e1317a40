"""Songs that were heard are found again from another file, among songs that were not."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from musrec import space
from musrec.audio import decode, tagger
from musrec.audio.listen import listen
from musrec.model import SAMPLE_RATE, Analysis, Place

FILES = (
    "alexander-ehlers--flags.ogg",
    "johan-brodd-jobromedia--menu.opus",
    "us-army-strings--hungarian-dance-5.flac",
)

tagged = pytest.mark.skipif(
    not tagger.status().installed, reason="needs the tagger: musrec models install"
)


@pytest.fixture(scope="module")
def files(music: Path) -> list[bytes]:
    return [(music / name).read_bytes() for name in FILES]


@pytest.fixture(scope="module")
def heard(files: list[bytes]) -> list[Analysis]:
    return [listen(data, digest="").analysis for data in files]


def as_mp3(data: bytes, bits: int = 64_000) -> bytes:
    """The middle of a song as a small mono file."""
    y = decode.decode(data).y
    out = BytesIO()
    with av.open(out, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE)
        stream.layout, stream.bit_rate = "mono", bits
        frame = av.AudioFrame.from_ndarray(y[None], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler(stream.format.name, "mono", SAMPLE_RATE, stream.frame_size)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    return out.getvalue()


def catalogue(heard: list[Analysis]) -> tuple[space.Space, list[Place], space.Index]:
    """Songs that were heard come first, starter songs after them."""
    learned = space.Space.load("full")
    places = [learned.place(song) for song in (*heard, *space.starter().analyses)]
    fine = [place.fine for place in places if place.fine is not None]
    return (
        learned,
        places,
        space.Index(np.stack([place.vector for place in places]), fine=np.stack(fine)),
    )


@tagged
def test_songs_that_were_heard_have_a_fine_embedding_and_others_have_nan(
    heard: list[Analysis],
) -> None:
    learned, places, _ = catalogue(heard)
    lengths = [float(np.linalg.norm(place.fine)) for place in places if place.fine is not None]
    assert lengths[: len(heard)] == pytest.approx([1] * len(heard), abs=1e-5)
    assert np.isnan(lengths[len(heard) :]).all()
    empty = learned.empty_place().fine
    assert empty is not None
    assert np.isnan(empty).all()
    assert learned.dimensions + len(empty) <= 128
    assert space.Space.load("statistics").place(heard[0]).fine is None


@tagged
def test_a_song_encoded_again_or_cut_shorter_finds_itself_first(
    files: list[bytes], heard: list[Analysis]
) -> None:
    learned, _, index = catalogue(heard)
    for row, data in enumerate(files):
        for other in (listen(as_mp3(data), digest=""), listen(data, digest="", seconds=12)):
            assert int(index.alike(learned.place(other.analysis)).argmax()) == row


@tagged
def test_a_fine_embedding_brings_a_song_neither_nearer_nor_further(
    heard: list[Analysis],
) -> None:
    """Starter songs stay as alike to a song that was heard as they are without its embedding."""
    learned, _, index = catalogue(heard)
    for song in heard:
        known = index.alike(learned.place(song))
        unknown = index.alike(learned.place(replace(song, embedding=None)))
        np.testing.assert_allclose(known[len(heard) :], unknown[len(heard) :], atol=1e-6)
