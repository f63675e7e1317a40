"""What listeners would call it: MusiCNN's tags over time, without TensorFlow.

There are two networks with 50 tags each. The weights are fetched once by `install` (``musrec models
install``) and kept in the user's cache folder; none of them are part of this package. Everything
else works without them.
"""

from musrec.audio.tagger.run import MTT_TAGS, TAGS, Tagger, Tagging
from musrec.audio.tagger.weights import (
    INSTALL,
    NAMES,
    ModelStatus,
    Name,
    install,
    load,
    packed,
    status,
    unpack,
)

__all__ = [
    "INSTALL",
    "MTT_TAGS",
    "NAMES",
    "TAGS",
    "ModelStatus",
    "Name",
    "Tagger",
    "Tagging",
    "install",
    "load",
    "packed",
    "status",
    "unpack",
]
