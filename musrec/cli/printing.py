"""What commands print: lines for people, JSON for programs, files for both."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from musrec import wording
from musrec.audio import tags
from musrec.model import Answer, MusrecError, Pick, Picture, Track

if TYPE_CHECKING:
    from musrec.evaluate.report import Report


class _Console(Console):
    """Prints titles and file names as they read, whatever is in them.

    Only a terminal has a width: lines are not broken in a pipe or a file.
    """

    def print(self, *objects: Any, **more: Any) -> None:
        if not self.is_terminal and all(isinstance(one, str) for one in objects):
            more.setdefault("soft_wrap", True)
        super().print(*(_shown(one) if isinstance(one, str) else one for one in objects), **more)


out = _Console(highlight=False)
err = _Console(stderr=True, highlight=False)


def _shown(text: str) -> str:
    return "".join("\ufffd" if sign != "\n" and tags.unprintable(sign) else sign for sign in text)


def prepare_terminal() -> None:
    """Print a question mark for what the terminal's encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_json(**values: Any) -> None:
    """Print one JSON object."""
    print(_json(values, indent=2))  # noqa: T201 - for programs


def _json(values: dict[str, Any], indent: int | None = None) -> str:
    """Return JSON, with escapes only if the output's encoding needs them."""
    text = json.dumps(values, ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(values, indent=indent)
    return text


def complain(kind: str, what: str, hint: str, *, as_json: bool) -> None:
    """Print an error: as JSON to standard output, else as text to standard error."""
    if as_json:
        print(_json({"error": kind, "message": what, "hint": hint}))  # noqa: T201
        return
    err.print(f"[bold red]✗[/] {escape(what)}")
    if hint:
        err.print(f"  {escape(hint)}", style="dim")


# Songs and picks ------------------------------------------------------------------------------


def track_json(track: Track) -> dict[str, Any]:
    """Return a track as it goes into JSON."""
    return {
        "id": track.id,
        "title": track.title,
        "artists": list(track.artists),
        "album": track.album,
        "genre": track.genre,
        "year": track.year,
        "isrc": track.isrc,
        "links": dict(track.links),
        "provenance": dict(track.provenance),
    }


def named(track: Track) -> str:
    """Return a track for people, with its id."""
    return f"{escape(str(track))}  [dim]{track.id}[/]"


def counted(songs: int) -> str:
    """Return how many songs, in words."""
    return f"{songs:,} song{'' if songs == 1 else 's'}"


def pick_json(pick: Pick) -> dict[str, Any]:
    """Return a pick as it goes into JSON."""
    return {
        **track_json(pick.track),
        "score": pick.score,
        "closeness": pick.closeness,
        "reason": pick.explanation.sentence,
        "details": list(pick.explanation.details),
        "counterfactual": pick.explanation.counterfactual,
        "terms": {term.name: term.value for term in pick.terms},
    }


def print_pick(place: int, pick: Pick, why: str) -> None:
    """Print a pick, and below it why it was picked (Rich markup) with its explanation."""
    out.print(
        f"\n[bold cyan]{place}[/]  [bold]{escape(pick.track.title)}[/] — "
        f"{escape(pick.track.artist)}  [dim]{pick.track.id}[/]\n"
        f"   {why} {escape(pick.explanation.sentence)}"
    )


def print_answer(answer: Answer, card: Path | None, *, as_json: bool) -> None:
    """Print picks with their reasons, where their card is, and what limits them."""
    if as_json:
        print_json(
            query=answer.query and track_json(answer.query),
            picks=[pick_json(pick) for pick in answer.picks],
            notes=list(answer.notes),
            card=card and str(card),
        )
        return
    if answer.query:
        out.print(f"Songs like [bold]{escape(str(answer.query))}[/]")
    for place, pick in enumerate(answer.picks, start=1):
        near = f"{wording.closeness(pick.closeness)}, score" if pick.closeness else "score"
        print_pick(place, pick, f"[green]{near[0].upper()}{near[1:]}[/] {pick.score:.2f}.")
    if card:
        out.print(f"\nSaved the card to [bold]{escape(str(card))}[/]")
    print_notes(answer.notes)


def print_notes(notes: Iterable[str]) -> None:
    """Print what limits an answer."""
    for note in notes:
        out.print(f"[yellow]Note:[/] {escape(note)}")


# Reports --------------------------------------------------------------------------------------


def print_report(report: Report, *, as_json: bool) -> None:
    """Print one table: in Markdown, which the documents quote as it is, or as JSON."""
    print(report.json() if as_json else report.markdown())  # noqa: T201


# Files ----------------------------------------------------------------------------------------


def save(data: bytes, path: Path) -> Path:
    """Write a file of an answer, and return where it is.

    Raises
    ------
    MusrecError
        It cannot be written there.
    """
    # Written whole or not at all: a full disk leaves no half of a picture behind.
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(data)
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise MusrecError(
            f"{path} cannot be written: {error.strerror}.", "Choose another place for it."
        ) from None
    return path


def save_picture(drawn: Picture, named: Path | None, usual: str, *, as_json: bool) -> Path | None:
    """Write a picture where it is wanted, else to its usual place; as JSON only if it is named."""
    if named is None and as_json:
        return None
    return save(drawn.png, named or Path(usual))


def print_picture(path: Path | None, alt: str = "") -> None:
    """Print what a picture shows, and where it is."""
    if alt:
        out.print(escape(alt))
    if path:
        out.print(f"Saved the picture to [bold]{escape(str(path))}[/]")
