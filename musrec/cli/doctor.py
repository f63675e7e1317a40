"""What works here, what does not, and why."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from musrec import __version__
from musrec.cli.models import tagger_line
from musrec.cli.opening import with_service
from musrec.cli.options import Json
from musrec.cli.printing import out, print_json

if TYPE_CHECKING:
    from musrec.service import Service
    from musrec.sources.model import ProviderHealth

app = typer.Typer()


@app.command()
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Show what is on, what is off, and why."""

    async def job(service: Service) -> None:
        checks = await _checks(service)
        if as_json:
            print_json(**{name: dict(rows) for name, rows in checks.items()})
            return
        for name, rows in checks.items():
            out.print(f"[bold]{name}[/]")
            for label, words in rows:
                out.print(f"  {label:<18} {escape(words)}", soft_wrap=True)

    with_service(context, job)


async def _checks(service: Service) -> dict[str, list[tuple[str, str]]]:
    counts = await service.members.counts()
    said = enumerate(await service.warnings(), start=1)
    warnings = [(f"{number}.", warning) for number, warning in said]
    return {
        "musrec": [("version", __version__), ("Python", platform.python_version())],
        "Store": [
            ("address", service.store_address),
            *((name, f"{count:,}") for name, count in counts.items()),
        ],
        "Ears": [
            ("workers", str(service.settings.workers.count)),
            ("tagger", tagger_line()),
            ("encoder", _encoder(service)),
        ],
        "Catalogue": [
            ("songs", f"{len(service.catalogue):,}"),
            ("space", service.catalogue.space.name),
            ("dimensions", str(service.catalogue.space.dimensions)),
        ],
        "Services": [(one.name, _health(one)) for one in await service.health()],
        "Programs": [
            (tool.name, f"{tool.wrong or tool.version} (for {tool.used_for})")
            for tool in await service.tools()
        ],
        **({"To see to": warnings} if warnings else {}),
    }


def _encoder(service: Service) -> str:
    if (encoder := service.encoder) is None:
        return "none of your own (hearing.encoder)"
    encoded = service.catalogue.encoded
    return (
        f"{encoder.path.name}, version {encoder.digest}: {encoder.dimensions} numbers, "
        f"{len(encoder.labels)} labels; it heard {encoded:,} song{'' if encoded == 1 else 's'}"
    )


def _health(provider: ProviderHealth) -> str:
    words = "on" if provider.on else f"off: {provider.why}"
    if provider.on and provider.why:
        words += f"; {provider.why}"
    if provider.remaining is not None:
        words += f"; {provider.remaining} requests left"
    if provider.breaker != "closed":
        words += f"; left alone for now (breaker {provider.breaker})"
    return words + (f"; last error: {provider.last_error}" if provider.last_error else "")
