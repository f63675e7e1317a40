"""The process that runs yt-dlp: one job on standard input, one answer on standard output.

A program of its own, started by path: it imports nothing of ours, and the parent can kill it
together with the programs that yt-dlp starts. It gets an address that we wrote ourselves, and a
list of extractors; yt-dlp requests nothing outside their sites.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any

# In this order: "Private video. Sign in ..." is gone, "Sign in to confirm you're not a bot" is us.
KINDS = (
    ("unsupported", re.compile(r"unsupported url|no suitable extractor", re.IGNORECASE)),
    ("denied", re.compile(r"not a bot|captcha|HTTP Error 429|too many", re.IGNORECASE)),
    (
        "absent",
        re.compile(
            r"private|unavailable|not available|does not exist|removed|deleted|terminated|no longer"
            r"|not found|HTTP Error (404|410)|members.only|your age|sign in|log ?in|geo.?restrict"
            r"|live event|premieres in|country",
            re.IGNORECASE,
        ),
    ),
    ("denied", re.compile(r"forbidden|HTTP Error 403", re.IGNORECASE)),
)


class _Silence:
    """yt-dlp's logger: silent, because its messages may hold addresses."""

    def debug(self, _: str) -> None:
        """Say nothing."""

    info = warning = error = debug


def main() -> None:
    """Do the one job."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    job = json.load(sys.stdin)
    # If the parent dies, nothing else ends this.
    signal.alarm(int(job["seconds"]) + 5)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (job["max_bytes"], job["max_bytes"]))
    json.dump(_run(job), answers)
    answers.close()


def _run(job: dict[str, Any]) -> dict[str, Any]:
    import yt_dlp

    try:
        with yt_dlp.YoutubeDL(_options(job)) as downloader:
            info = downloader.extract_info(job["address"], download=job["audio"])
    except yt_dlp.utils.DownloadError as error:
        return {"outcome": _kind(str(error))}
    except Exception as error:  # noqa: BLE001 - an extractor may fail in any way; the parent is told
        return {"outcome": "refused", "why": type(error).__name__}
    while info and "entries" in info:  # a search
        info = next(iter(info["entries"] or []), None)
    if not info:
        return {"outcome": "absent"}
    names = (
        "title",
        "track",
        "artist",
        "uploader",
        "channel",
        "duration",
        "webpage_url",
        "is_live",
    )
    answer = {name: info.get(name) for name in names}
    files = [one.get("filepath") for one in info.get("requested_downloads") or []]
    kept = next((path for path in files if path and Path(path).is_file()), None)
    return {"outcome": "found", "file": kept, **answer}


def _options(job: dict[str, Any]) -> dict[str, Any]:
    longest = job["max_seconds"]

    def suits(info: dict[str, Any]) -> str | None:
        if info.get("is_live") or (info.get("duration") or 0) > longest:
            return "too long"
        return None

    return {
        "allowed_extractors": job["extractors"],
        "js_runtimes": {name: {} for name in job["runtimes"]},
        "logger": _Silence(),
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "noplaylist": True,
        "playlist_items": "1",
        "cachedir": False,
        "socket_timeout": 8,
        "retries": 1,
        "extractor_retries": 1,
        "fragment_retries": 1,
        "file_access_retries": 0,
        "max_filesize": job["max_bytes"],
        "nopart": True,
        "updatetime": False,
        "outtmpl": {"default": str(Path(job["folder"]) / "clip.%(ext)s")},
        "format": "bestaudio[ext=m4a]/bestaudio[ext=webm]/bestaudio/best",
        "ignore_no_formats_error": not job["audio"],
        # Long videos give metadata too, so that we can say how long they are.
        "match_filter": suits if job["audio"] else None,
    }


def _kind(message: str) -> str:
    return next((kind for kind, pattern in KINDS if pattern.search(message)), "refused")


if __name__ == "__main__":
    main()
