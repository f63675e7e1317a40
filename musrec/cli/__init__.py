"""The command line: one file per area, over `musrec.service`."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import typer.main

from musrec import __version__
from musrec.cli import (
    demo,
    doctor,
    drops,
    evaluate,
    history,
    lab,
    models,
    pictures,
    playlists,
    privacy,
    recommend,
    serve,
    songs,
    store,
    train,
    work,
)
from musrec.cli.opening import STOPPED
from musrec.cli.options import Invocation
from musrec.cli.printing import complain, err, out, prepare_terminal
from musrec.model import MusrecError

# In the order of `musrec --help`.
_AREAS = (
    songs,
    recommend,
    serve,
    drops,
    pictures,
    history,
    playlists,
    privacy,
    work,
    store,
    demo,
    doctor,
    models,
    train,
    evaluate,
    lab,
)

_HELP = ["-h", "--help"]

app = typer.Typer(
    name="musrec",
    help="Listen to music, recommend more of it, and say why.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": _HELP},
)
for _area in _AREAS:
    app.add_typer(_area.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"musrec {__version__}")
        raise typer.Exit


@app.callback()
def _before_command(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Read this configuration file.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    invocation: Invocation = context.obj
    invocation.config = config


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and exit with 0 or with the code of the kind of error.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those that the program was started with.
    """
    prepare_terminal()
    invocation = Invocation()
    try:
        # Typer returns the code of an `Exit`, and makes one of Ctrl-C.
        asked = _asked(sys.argv[1:] if arguments is None else arguments)
        code = _command(asked)(arguments, standalone_mode=False, obj=invocation) or 0
        sys.stdout.flush()
    except MusrecError as error:
        code = _fail(error, invocation)
    except BrokenPipeError:  # `musrec search rock | head`: nobody reads the rest
        _discard_output()
        code = 1  # as Typer and Rich do
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:  # it goes to a full disk, and would fail once more at the end
            _discard_output()
        what = f"{error.strerror}." if error.strerror else str(error)
        if error.filename:
            what = f"{error.filename}: {what}"
        problem = MusrecError(what, "Check that there is room and permission.")
        code = _fail(problem, invocation)
    except typer.TyperException as error:  # the command was used wrongly
        code = error.exit_code
        # The option itself is not read where no such command is, or another option is wrong.
        before = itertools.takewhile(lambda word: word != "--", arguments or sys.argv[1:])
        if invocation.as_json or "--json" in before:
            hint = "Add --help to see how the command is used."
            complain("UsageError", error.format_message(), hint, as_json=True)
        else:
            # Every such error can show itself; Typer does not export their class.
            error.show()  # type: ignore[attr-defined]
    if code == STOPPED:
        err.print("Stopped. What was done so far is kept.")
    sys.exit(code)


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_VALUES = {"bool": None, "str": "TEXT", "int": "N", "float": "NUMBER", "Path": "PATH"}
"""What `--help` calls the value of an option; a switch has none."""


def _asked(words: Sequence[str]) -> str:
    """Return the first word that is neither an option nor its value; empty if there is none."""
    left = iter(words)
    for word in left:
        if word == "--config":
            next(left, "")
        elif not word.startswith("-"):
            return word
    return ""


def _command(asked: str = "") -> Any:
    """Return the program, with help that names values as people do.

    If an area has the command that is asked for, the others are left out: building them all takes a
    sixth of a second of processor time.
    """
    chosen = copy(app)
    with_it = [area for area in app.registered_groups if asked in _names(area.typer_instance)]
    chosen.registered_groups = with_it or app.registered_groups
    whole = typer.main.get_command(chosen)
    groups: list[Any] = [whole]
    while groups:
        command = groups.pop()
        groups += getattr(command, "commands", {}).values()
        context = typer.Context(command, help_option_names=_HELP)
        for parameter in command.get_params(context):
            kind = parameter.bare_type().removeprefix("list[").removesuffix("]")
            if parameter.param_type_name == "argument":
                parameter.display_type_rich = _say(None)
            elif parameter.metavar is None and kind in _VALUES:
                parameter.display_type_rich = _say(_VALUES[kind])
    return whole


def _names(area: typer.Typer | None) -> set[str]:
    """Return the commands, and groups of them, that an area adds."""
    if area is None:
        return set()
    if area.info.name:
        return {area.info.name}
    found = {
        each.name or str(getattr(each.callback, "__name__", "")).replace("_", "-")
        for each in area.registered_commands
    }
    for group in area.registered_groups:
        found |= {group.name} if group.name else _names(group.typer_instance)
    return found


def _say(value: str | None) -> Any:
    return lambda ctx: value  # noqa: ARG005 - Typer names it


def _fail(error: MusrecError, invocation: Invocation) -> int:
    complain(type(error).__name__, str(error), error.hint, as_json=invocation.as_json)
    return error.exit_code
