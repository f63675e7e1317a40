"""What listeners would call it: MusiCNN's 50 tags over time, without TensorFlow.

The weights are fetched once by `install` (``musrec models install``) and kept in the user's cache
folder; none of them are part of this package. Everything else works without them.
"""

from musrec.audio.tagger.run import TAGS, Tagger, Tagging
from musrec.audio.tagger.weights import (
    INSTALL,
    ModelStatus,
    install,
    load,
    packed,
    status,
    unpack,
)

__all__ = [
    "INSTALL",
    "TAGS",
    "ModelStatus",
    "Tagger",
    "Tagging",
    "install",
    "load",
    "packed",
    "status",
    "unpack",
]
