"""The weekly drop, read in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from musrec.cli.opening import with_service
from musrec.cli.options import Adventurous, Json, Member
from musrec.cli.printing import out, pick_json, print_json, print_pick
from musrec.model import NotFound

if TYPE_CHECKING:
    from musrec.drops.model import Weekly
    from musrec.service import Service

app = typer.Typer()


@app.command()
def drop(
    context: typer.Context,
    member: Member,
    artist: Annotated[
        list[str] | None, typer.Option(help="An artist you like, to start from; repeatable.")
    ] = None,
    size: Annotated[
        int | None, typer.Option("-n", "--size", min=1, max=10, help="How many songs.")
    ] = None,
    adventurous: Adventurous = None,
    as_json: Json = False,
) -> None:
    """Get this week's drop: songs chosen by sound and by members like you, and a brave one."""
    wishes = {"size": size, "adventurous": adventurous}

    async def job(service: Service) -> None:
        weekly = await service.drops.read(
            member,
            artists=artist or (),
            **{name: value for name, value in wishes.items() if value is not None},
        )
        if weekly is None:
            questions = await service.drops.questions()
            names = [name for question in questions for name, _ in question]
            raise NotFound(
                "You have not liked a song yet.",
                f"Name an artist, such as --artist '{names[0]}'. Others: {', '.join(names[1:12])}.",
            )
        if as_json:
            print_json(
                week=weekly.week,
                opening=list(weekly.opening),
                picks=[
                    {**pick_json(pick), "part": post.part, "words": post.words}
                    for post, pick in weekly.picks
                ],
                again=weekly.again,
            )
        else:
            _print_weekly(weekly)

    with_service(context, job)


def _print_weekly(weekly: Weekly) -> None:
    if weekly.again:
        out.print("This week's drop again; the next one comes next week.", style="dim")
    for words in weekly.opening:
        out.print(escape(words))
    for place, (post, pick) in enumerate(weekly.picks, start=1):
        print_pick(place, pick, f"[green]{escape(post.words)}[/]")
