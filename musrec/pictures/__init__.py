"""Spectrogram cards and small charts, drawn with NumPy and Pillow.

Each function is imported when it is first used: most commands draw nothing, and need no Pillow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musrec.pictures.cards import card, contributions
    from musrec.pictures.comparisons import compare, gallery
    from musrec.pictures.portraits import catalogue_map, taste
    from musrec.pictures.sheet import song

__all__ = ["card", "catalogue_map", "compare", "contributions", "gallery", "song", "taste"]

_AT = {
    **dict.fromkeys(("card", "contributions"), "cards"),
    **dict.fromkeys(("compare", "gallery"), "comparisons"),
    **dict.fromkeys(("catalogue_map", "taste"), "portraits"),
    "song": "sheet",
}


def __getattr__(name: str) -> Any:
    if name not in _AT:
        raise AttributeError(f"module 'musrec.pictures' has no attribute {name!r}")
    return getattr(import_module(f"musrec.pictures.{_AT[name]}"), name)
