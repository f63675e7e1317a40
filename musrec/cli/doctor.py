"""What works here, what does not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from musrec.cli.opening import with_service
from musrec.cli.options import Json
from musrec.cli.printing import out, print_json

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer()


@app.command()
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Show what is on, what is off, and why."""

    async def job(service: Service) -> None:
        checks = await service.checks()
        if as_json:
            print_json(**{name: dict(rows) for name, rows in checks.items()})
            return
        for name, rows in checks.items():
            out.print(f"[bold]{name}[/]")
            for label, words in rows:
                out.print(f"  {label:<18} {escape(words)}", soft_wrap=True)

    with_service(context, job)
