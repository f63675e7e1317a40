"""What a member did, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from musrec.cli.opening import with_service
from musrec.cli.options import Json, Member
from musrec.cli.printing import named, out, print_json, track_json
from musrec.members.model import HISTORY_KINDS, HistoryFilter
from musrec.model import NotFound

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer()

_PAGE_SIZE = 20


@app.command()
def history(
    context: typer.Context,
    member: Member,
    kind: Annotated[
        str, typer.Option(metavar="|".join(HISTORY_KINDS), help="Only events of this kind.")
    ] = "all",
    song: Annotated[str, typer.Option(help="Part of a title or an artist.")] = "",
    page: Annotated[int, typer.Option(min=1, help="Page number.")] = 1,
    as_json: Json = False,
) -> None:
    """List what a member did, newest first."""
    if kind not in HISTORY_KINDS:
        raise NotFound(
            f"There is no kind called {kind!r}.", f"Choose one of {', '.join(HISTORY_KINDS)}."
        )

    async def job(service: Service) -> None:
        found = await service.members.history(
            member, HistoryFilter(kind, song), page=page - 1, size=_PAGE_SIZE
        )
        if as_json:
            print_json(
                page=found.page + 1,
                pages=found.pages,
                total=found.total,
                events=[
                    {"at": event.at.isoformat(), "kind": event.kind, **track_json(track)}
                    for event, track in found.events
                ],
            )
            return
        for event, track in found.events:
            out.print(f"{event.at:%Y-%m-%d %H:%M}  {event.kind:<8} {named(track)}")
        out.print(f"Page {found.page + 1} of {found.pages}, {found.total} in all.")

    with_service(context, job)
