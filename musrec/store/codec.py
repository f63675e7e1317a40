"""Analyses and answers as values of a row, and back."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec import archives
from musrec.model import (
    Analysis,
    Answer,
    Closeness,
    Encoded,
    Explanation,
    Harmony,
    Pick,
    Profile,
    Rhythm,
    SoundKind,
    Spectrogram,
    Term,
    Track,
    Trait,
    Voice,
)

if TYPE_CHECKING:
    from musrec.model import FloatArray


def pack(analysis: Analysis) -> dict[str, Any]:
    """Return the values of the columns of `schema.analyses` that hold the analysis itself."""
    encoded = analysis.encoded
    return {
        "version": analysis.version,
        "digest": analysis.digest,
        "seconds": analysis.seconds,
        "kind": analysis.kind.value,
        "statistics": _bytes(analysis.statistics),
        "tag_mean": _bytes(analysis.tag_mean),
        "tag_std": _bytes(analysis.tag_std),
        "embedding": _bytes(analysis.embedding),
        "mtt_mean": _bytes(analysis.mtt_mean),
        "encoder": encoded and encoded.encoder,
        "encoding": encoded and _bytes(encoded.vector),
        "facts": {
            "rhythm": analysis.rhythm and asdict(analysis.rhythm),
            "harmony": analysis.harmony and asdict(analysis.harmony),
            "loudness": analysis.loudness,
            "descriptors": dict(analysis.descriptors),
            "voice": analysis.voice and asdict(analysis.voice),
            **({"labels": dict(encoded.labels)} if encoded else {}),
        },
        "detail": _detail(analysis),
    }


def unpack(row: Any) -> Analysis:
    """Rebuild the analysis of a row; without its `detail` column it has no spectrogram.

    Raises
    ------
    ValueError, TypeError, LookupError
        The row is damaged.
    """
    taggram, spectrogram = _pictured(getattr(row, "detail", None))
    rhythm, harmony = row.facts["rhythm"], row.facts["harmony"]
    return Analysis(
        version=row.version,
        digest=row.digest,
        seconds=row.seconds,
        kind=SoundKind(row.kind),
        statistics=sound(row.statistics),  # NaN where one is not known
        tag_mean=_tags(row.tag_mean),
        tag_std=_tags(row.tag_std),
        taggram=taggram,
        embedding=_floats(row.embedding),
        rhythm=rhythm and Rhythm(**{**rhythm, "beats": tuple(rhythm["beats"])}),
        harmony=harmony and Harmony(**harmony),
        loudness=row.facts["loudness"],
        descriptors=row.facts["descriptors"],
        spectrogram=spectrogram,
        encoded=row.encoder and Encoded(row.encoder, sound(row.encoding), row.facts["labels"]),
        voice=_voice(row.facts.get("voice")),  # older rows have none
        mtt_mean=_tags(row.mtt_mean),
    )


def _voice(facts: Mapping[str, Any] | None) -> Voice | None:
    return Voice(**{**facts, "spans": tuple(map(tuple, facts["spans"]))}) if facts else None


def pack_answer(answer: Answer) -> dict[str, Any]:
    """Return the parts of an answer that are kept; analyses are kept with their tracks."""
    return {
        "query": answer.query and answer.query.id,
        "notes": list(answer.notes),
        "picks": [
            {
                "track": pick.track.id,
                "score": pick.score,
                "closeness": pick.closeness,
                "terms": [asdict(term) for term in pick.terms],
                "explanation": asdict(pick.explanation),
            }
            for pick in answer.picks
        ],
    }


def unpack_answer(id_: str, body: Mapping[str, Any], tracks: Mapping[str, Track]) -> Answer:
    """Rebuild an answer without the picks whose track is gone; profiles are left empty."""
    return Answer(
        query=tracks.get(body["query"]),
        analysis=None,
        profile=None,
        picks=tuple(
            _unpack_pick(row, tracks[row["track"]])
            for row in body["picks"]
            if row["track"] in tracks
        ),
        notes=tuple(body["notes"]),
        id=id_,
    )


def _unpack_pick(row: Mapping[str, Any], track: Track) -> Pick:
    said = row["explanation"]
    word = row.get("closeness")  # answers kept before there were words have a number: no claim
    return Pick(
        track=track,
        score=row["score"],
        closeness=Closeness(word) if word else None,
        terms=tuple(Term(**term) for term in row["terms"]),
        explanation=Explanation(
            sentence=said["sentence"],
            details=tuple(said["details"]),
            counterfactual=said["counterfactual"],
            causes=tuple(said["causes"]),
            traits=tuple(Trait(**trait) for trait in said.get("traits", ())),
        ),
        profile=Profile(),
    )


def _bytes(values: FloatArray | None) -> bytes | None:
    return None if values is None else np.ascontiguousarray(values, np.float32).tobytes()


def _floats(blob: bytes | None) -> FloatArray | None:
    return None if blob is None else sound(blob)


def sound(blob: bytes) -> FloatArray:
    """Return packed statistics; raises `ValueError` if one is infinite."""
    values = np.frombuffer(blob, np.float32)
    if np.isinf(values).any():
        raise ValueError("a number is infinite")
    return values


def _tags(blob: bytes | None) -> FloatArray | None:
    values = _floats(blob)
    if values is not None and np.isnan(values).any():
        raise ValueError("a tag has no number")
    return values


def _detail(analysis: Analysis) -> bytes | None:
    """Pack what only a single song's page needs; float16 is ample for a curve on a screen."""
    arrays: dict[str, Any] = {}
    if analysis.taggram is not None:
        arrays["taggram"] = analysis.taggram.astype(np.float16)
    if (picture := analysis.spectrogram) is not None:
        arrays |= {"mel": picture.mel, "chroma": picture.chroma, "waveform": picture.waveform}
        arrays["scale"] = np.array([picture.seconds, picture.fmin, picture.fmax], np.float64)
    if not arrays:
        return None
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def spectrogram(blob: bytes) -> Spectrogram | None:
    """Return the spectrogram in a `detail` column; None if it holds none, or is damaged."""
    try:
        return _pictured(blob)[1]
    except (ValueError, TypeError, LookupError):
        return None


def _pictured(blob: bytes | None) -> tuple[FloatArray | None, Spectrogram | None]:
    if blob is None:
        return None, None
    packed = archives.read(io.BytesIO(blob))
    taggram = packed["taggram"].astype(np.float32) if "taggram" in packed else None
    if "mel" not in packed:
        return taggram, None
    seconds, fmin, fmax = map(float, packed["scale"])
    picture = Spectrogram(packed["mel"], packed["chroma"], packed["waveform"], seconds, fmin, fmax)
    return taggram, picture
