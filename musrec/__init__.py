"""The engine: it hears music, knows what its members like, recommends, and says why.

    import musrec

    with musrec.open() as m:
        heard = m.hear("clip.mp3")
        for pick in m.recommend(heard):
            print(pick)

`docs/python.md` goes on from here. What `open` and `aopen` return, and what those return, is
imported when it is first used, so that ``import musrec`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musrec.catalogue.model import Added
    from musrec.library import AsyncLibrary, Library, aopen, open  # noqa: A004
    from musrec.members.model import Portrait
    from musrec.model import (
        Analysis,
        Answer,
        Busy,
        Constraints,
        Heard,
        ModelMissing,
        MusrecError,
        NotAudio,
        NotFound,
        Pick,
        Picture,
        Profile,
        SettingsError,
        StoreError,
        Track,
    )

__version__ = "0.1.0"

__all__ = [
    "Added",
    "Analysis",
    "Answer",
    "AsyncLibrary",
    "Busy",
    "Constraints",
    "Heard",
    "Library",
    "ModelMissing",
    "MusrecError",
    "NotAudio",
    "NotFound",
    "Pick",
    "Picture",
    "Portrait",
    "Profile",
    "SettingsError",
    "StoreError",
    "Track",
    "aopen",
    "open",
]

_ELSEWHERE = {
    **dict.fromkeys(("AsyncLibrary", "Library", "aopen", "open"), "musrec.library"),
    "Added": "musrec.catalogue.model",
    "Portrait": "musrec.members.model",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'musrec' has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "musrec.model")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
