"""What is kept about a member: shown, exported and deleted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from musrec.cli.opening import with_service
from musrec.cli.options import Json, Member
from musrec.cli.printing import out, print_json, save
from musrec.model import MusrecError

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer(
    name="privacy",
    no_args_is_help=True,
    help="See, export and delete what is kept about a member.",
)


@app.command()
def show(context: typer.Context, member: Member, as_json: Json = False) -> None:
    """List what is kept about a member, and how much of it."""

    async def job(service: Service) -> None:
        kept = await service.members.about(member)
        if as_json:
            print_json(**{name: len(rows) for name, rows in kept.items()})
            return
        for area in service.members.areas:
            out.print(
                f"[bold]{area.name}[/] {len(kept[area.name])}\n  {area.what} Kept {area.until}."
            )

    with_service(context, job)


@app.command()
def export(
    context: typer.Context,
    member: Member,
    to: Annotated[Path, typer.Option(metavar="FILE", help="The zip to write.")] = Path(
        "my-music.zip"
    ),
    as_json: Json = False,
) -> None:
    """Write everything kept about a member to one zip of JSON and pictures."""

    async def job(service: Service) -> None:
        path = save(await service.members.export(member, member), to)
        if as_json:
            print_json(member=member, file=str(path))
        else:
            out.print(f"Wrote everything to [bold]{escape(str(path))}[/]")

    with_service(context, job)


@app.command()
def delete(
    context: typer.Context,
    member: Member,
    sure: Annotated[bool, typer.Option("--yes", help="Confirm that you mean it.")] = False,
    as_json: Json = False,
) -> None:
    """Delete everything kept about a member, for good."""
    if not sure:
        raise MusrecError(
            f"This deletes everything kept about {member}, for good.", "Add --yes to confirm."
        )

    async def job(service: Service) -> None:
        known = await service.members.delete(member)
        if as_json:
            print_json(member=member, deleted=known)
        elif known:
            out.print(f"Deleted everything kept about {escape(member)}.")
        else:
            out.print(f"Nothing was kept about {escape(member)}.")

    with_service(context, job)
