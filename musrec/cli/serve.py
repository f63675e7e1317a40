"""The local page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from musrec.cli.opening import load_settings, run
from musrec.cli.printing import err, out
from musrec.model import SettingsError

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer()


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen at.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="0 for a free one.")] = None,
) -> None:
    """Serve the page, and print the link that signs you in."""
    try:
        from musrec.web.app import serve
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"The page needs {missing.name}, which is not installed.",
            "Run `pip install '.[web]'` where musrec was unpacked.",
        ) from None
    settings = load_settings(context)
    given = {"host": host, "port": port}
    web = settings.web.model_copy(update={k: v for k, v in given.items() if v is not None})

    def tell(link: str) -> None:
        out.print(f"Open this link; it works once, for 15 minutes:\n{link}", soft_wrap=True)
        out.print("Ctrl-C stops the page.")
        out.file.flush()

    async def job(service: Service) -> None:
        from musrec.service.metrics import watched

        async with watched(service, "page", tell=partial(err.print, markup=False, soft_wrap=True)):
            await serve(service, web, tell)

    run(settings, job)
