"""What the owner alone sees: the state of everything, and the reports of the laboratory."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from musrec.model import FeedbackKind, NotFound
from musrec.web.pages import render, service_of

REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A report brings its own style and pictures; whatever else is in it must not run or load."""

SHOWN = 500
"""Reports on one page."""


async def state(request: Request) -> Response:
    """Show what works, and what happened lately."""
    service = service_of(request)
    days = await service.days()
    return render(
        request,
        "owner.html",
        checks=await service.checks(),
        dead=await service.jobs.dead(),
        days=days,
        kinds=[kind for kind in FeedbackKind if any(day.feedback.get(kind) for day in days)],
        most=max(1, *(day.added for day in days)),
        weeks=await service.weeks(),
    )


async def reports(request: Request) -> Response:
    """List the reports, the newest first."""
    folder = service_of(request).settings.web.reports
    found = await asyncio.to_thread(_reports, folder)
    names = sorted(found, key=lambda name: -found[name].stat().st_mtime)
    return render(request, "reports.html", names=names[:SHOWN], folder=folder)


async def report(request: Request) -> Response:
    """Serve one report."""
    found = await asyncio.to_thread(_reports, service_of(request).settings.web.reports)
    file = found.get(request.path_params["name"])
    if file is None:
        raise NotFound("There is no such report.", "Those there are stand under Reports.")
    headers = {"content-security-policy": REPORT_POLICY}
    return FileResponse(file, media_type="text/html", headers=headers)


def _reports(folder: Path | None) -> dict[str, Path]:
    """Return every report below a folder by its name; links that lead out of it are left out."""
    if folder is None or not folder.is_dir():
        return {}
    root = folder.resolve()
    files = {file.relative_to(folder).as_posix(): file.resolve() for file in folder.rglob("*.html")}
    return {
        name: file for name, file in files.items() if file.is_relative_to(root) and file.is_file()
    }
