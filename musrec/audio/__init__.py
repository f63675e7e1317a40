"""Hearing: untrusted bytes become samples, and samples become an `Analysis`."""

import os
from pathlib import Path

# librosa has functions compiled when it is imported, which fails where neither its own folder nor
# the user's home can be written to, as under the systemd unit.
if _cache := os.environ.get("MUSREC_CACHE"):
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(_cache) / "numba"))
