"""What a listener would call it: MusiCNN's 50 tags over time, run without TensorFlow.

The weights are fetched once by `install` (``musrec models install``) and kept in the user's cache;
nothing of them is part of this package. Without them everything else still works.
"""

from musrec.audio.tagger.run import TAGS, Tagger, Tagging
from musrec.audio.tagger.weights import INSTALL, ModelStatus, install, load, status

__all__ = ["INSTALL", "TAGS", "ModelStatus", "Tagger", "Tagging", "install", "load", "status"]
