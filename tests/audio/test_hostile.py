"""Files built to take long cost one try within its limit, and the next clip is heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from musrec.audio import decode as decoding
from musrec.audio.decode import decode
from musrec.model import NotAudio
from tests.support import hostile

HEARD = {
    *(hostile.riff_cues, hostile.aiff_texts, hostile.aiff_empty),
    *(hostile.id3_tags, hostile.id3_chapters, hostile.id3_names, hostile.id3_picture),
    *(hostile.ape_items, hostile.ogg_chained, hostile.flac_padding, hostile.mp4_empty_fragments),
    *(hostile.mp4_atoms, hostile.webm_silent, hostile.mp3_junk, hostile.aac_headers),
    hostile.mp3_headers,
}
"""What is large or odd, and costs little, is heard like any other."""

COMMENTED = {
    *(
        hostile.riff_lists,
        hostile.riff_names,
        hostile.id3_texts,
        hostile.ogg_later_comments,
        hostile.flac_comments,
    ),
    *(hostile.flac_second_comments, hostile.flac_comment_blocks),
    *(hostile.mp4_tags, hostile.webm_tags),
}


@pytest.mark.parametrize("build", hostile.BUILT, ids=lambda build: build.__name__)
def test_a_file_that_is_built_to_take_long_costs_one_try(
    build: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ask = [], decoding._Child._ask

    def counting(child: Any, *args: Any) -> Any:
        asked.append(args)
        return ask(child, *args)

    monkeypatch.setattr(decoding._Child, "_ask", counting)
    said = ""
    try:
        samples = decode(build(), limit=8)
        assert samples.seconds >= decoding.MINIMUM_SECONDS
    except NotAudio as refusal:
        said = str(refusal)
    assert "never ends" not in said  # within its limits, not by them
    assert ("comments: too many" in said) == (build in COMMENTED)
    assert (not said) == (build in HEARD)
    assert len(asked) == (build not in COMMENTED)
    assert decode(hostile.sound("pcm_s16le", "wav", 1.5)).seconds == pytest.approx(1.5, abs=0.01)
