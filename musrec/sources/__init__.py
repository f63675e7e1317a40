"""The outside world: links and titles become tracks, tracks become audio and candidates."""

from musrec.sources.chain import Sources
from musrec.sources.fetch import Endpoints
from musrec.sources.gate import Deadline
from musrec.sources.lookups import LookupCache
from musrec.sources.model import Cover
from musrec.sources.provider import ForeignFeatures, Preview
from musrec.sources.providers import SourcesSettings
from musrec.sources.resolve import Found, Missing, Resolution

__all__ = [
    "Cover",
    "Deadline",
    "Endpoints",
    "ForeignFeatures",
    "Found",
    "LookupCache",
    "Missing",
    "Preview",
    "Resolution",
    "Sources",
    "SourcesSettings",
]
