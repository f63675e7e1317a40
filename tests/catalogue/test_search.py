"""Searching by sound, and galleries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio

from musrec.catalogue import gallery
from musrec.catalogue.model import SongFilter, tempo_range
from musrec.model import Harmony, NotFound, Rhythm, Spectrogram, Track
from musrec.service import Service
from tests.support.starter import heard, songs
from tests.support.stores import store_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


def spectrogram(level: int) -> Spectrogram:
    return Spectrogram(
        mel=np.full((128, 64), level, np.uint8),
        chroma=np.full((12, 64), 128, np.uint8),
        waveform=np.array([[-40], [40]], np.int8).repeat(64, axis=1),
        seconds=10.0,
        fmin=0.0,
        fmax=11025.0,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listened(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """The service, after twelve of its songs were heard: six fast in A minor, six slow in C."""
    for number, genre in enumerate(("metal", "jazz")):
        for place, track in enumerate(songs(service, genre, 6)):
            analysis = heard(service, track).analysis
            rhythm = Rhythm(90.0 + 60 * number + place, 0.9, None, 0.9, (0.5, 1.0))
            harmony = Harmony(*(("A", "minor"), ("C", "major"))[number], 0.8, 0.0)
            analysis = replace(
                analysis, rhythm=rhythm, harmony=harmony, spectrogram=spectrogram(60 + 10 * place)
            )
            async with store_of(service) as store:
                await store.analyses.add(track, analysis, "file")
    await service.reload()
    return service


async def test_a_gallery_shows_both_ends_of_the_songs_heard(listened: Service) -> None:
    rows, picture = await listened.catalogue.gallery()
    assert [len(row.songs) for row in rows] == [3, 3]
    assert {track.genre for track, _, _ in rows[0].songs} == {"metal"}
    assert {track.genre for track, _, _ in rows[1].songs} == {"jazz"}
    assert "intensity" in picture.alt
    rows, _ = await listened.catalogue.gallery("jazz", "low")
    shown = [track.id for row in rows for track, _, _ in row.songs]
    assert len(shown) == len(set(shown)) == 6
    place = {
        t.id: p.percentiles["intensity"]
        for t, p in zip(
            listened.catalogue.songs.tracks, listened.catalogue.songs.profiles, strict=True
        )
    }
    assert [place[id_] for id_ in shown] == sorted(place[id_] for id_ in shown)
    with pytest.raises(NotFound, match="no polka song"):
        await listened.catalogue.gallery("polka")


async def test_songs_are_found_by_how_they_sound(listened: Service) -> None:
    catalogue = listened.catalogue.songs
    profiles = {t.id: p for t, p in zip(catalogue.tracks, catalogue.profiles, strict=True)}
    fast = await listened.catalogue.search(SongFilter(tempo=(140, 160)), 50)
    assert len(fast) == 6
    for track in fast:
        either = (profiles[track.id].tempo, profiles[track.id].other_tempo)
        assert any(140 <= (tempo or 0) <= 160 for tempo in either)
    minor = await listened.catalogue.search(SongFilter(key="a minor"), 50)
    assert {track.genre for track in minor} == {"metal"}
    calm = await listened.catalogue.search(SongFilter(mood="calm", genre="jazz"), 5)
    places = [profiles[track.id].percentiles["intensity"] for track in calm]
    assert places == sorted(places)
    assert max(places) <= 20
    # Stated by a source, or heard.
    for track in calm:
        said = profiles[track.id]
        assert track.genre == "jazz" or max(said.genres["jazz"], said.tags["jazz"]) >= 0.35
    dark = await listened.catalogue.search(SongFilter(mood="dark"), 500)
    assert {track.id for track in dark} == {
        id_ for id_, profile in profiles.items() if profile.percentiles.get("brightness", 50) <= 20
    }
    # No starter song is mellow for half of its clip: a little of it is not said.
    assert max(profile.tags.get("Mellow", 0) for profile in profiles.values()) < 0.5
    with pytest.raises(NotFound, match="sounds “mellow”"):
        await listened.catalogue.search(SongFilter(mood="mellow"), 5)
    with pytest.raises(NotFound) as slip:
        await listened.catalogue.search(SongFilter(mood="electronik"), 5)
    assert slip.value.hint.startswith("Did you mean electronic")
    offered = await listened.catalogue.moods()
    assert "calm" in offered
    assert "mellow" not in offered
    for mood in offered:
        assert await listened.catalogue.search(SongFilter(mood=mood), 1)
    for voice in ("sung", "instrumental"):
        found = await listened.catalogue.search(SongFilter(voice=voice), 500)
        assert {track.id for track in found} == {
            id_ for id_, profile in profiles.items() if profile.voice == voice
        }
        assert found
    artist = songs(listened, "country", 1)[0].artist
    found = await listened.catalogue.search(SongFilter(artist=artist.upper()), 50)
    assert {track.artist for track in found} == {artist}
    [named, *_] = await listened.catalogue.search(SongFilter(text="boogie nigths", genre="disco"))
    assert named.title == "Boogie Nights"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (SongFilter(genre="polka"), "None of the ... songs I know is polka"),
        (SongFilter(mood="purple"), "sounds “purple”"),
        (SongFilter(tempo=(20, 21)), "between 20 and 21\u00a0BPM"),
        (SongFilter(text="Boogie Nights", genre="classical"), "No song I know is all of that"),
        (SongFilter(instrument="harp"), "cannot tell “harp” by ear"),
        (SongFilter(instrument="piano"), "has a piano that I can hear"),
        (SongFilter(voice="loud"), "“loud” is no kind of voice"),
    ],
)
async def test_a_search_without_results_names_the_filter_to_blame(
    listened: Service, wanted: SongFilter, said: str
) -> None:
    with pytest.raises(NotFound, match=said) as raised:
        await listened.catalogue.search(wanted)
    assert raised.value.hint


@pytest.mark.parametrize("text", ["", "fast", "-", "120-100", "0", "1e9", "nan", "-5", "10-20-30"])
async def test_text_that_is_not_a_tempo_is_refused(text: str) -> None:
    with pytest.raises(NotFound, match="no tempo"):
        tempo_range(text)


async def test_tempos_are_read_as_people_write_them() -> None:
    assert tempo_range("100 – 120") == (100, 120)
    low, high = tempo_range("120")
    assert low < 120 < high


@pytest.mark.parametrize(
    ("count", "end", "rows"),
    [(0, "", []), (1, "", [1]), (3, "", [2, 1]), (9, "", [3, 3])]
    + [(n, end, sizes) for n, sizes in ((3, [3]), (5, [3, 2])) for end in ("high", "low")],
)
async def test_gallery_rows_are_never_empty_and_never_repeat_a_song(
    count: int, end: str, rows: list[int]
) -> None:
    songs = [(Track(str(n), ""), 100.0 - n) for n in range(count)]
    found = gallery.ends(songs, end)
    assert [len(row) for _, row in found] == rows
    shown = [track.id for _, row in found for track, _ in row]
    assert len(set(shown)) == len(shown)
    if shown:
        assert shown[0] == (str(count - 1) if end == "low" else "0")
