"""The program as a whole: its help, its errors and what it exits with."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from musrec import cli
from tests.support.running import Run


def _commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield " ".join((*path, name)), command
        if hasattr(command, "commands"):
            yield from _commands(command, *path, name)


COMMANDS = dict(_commands(typer.main.get_command(cli.app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_everything_that_it_takes_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    for parameter in command.params:
        assert parameter.help, f"{name}: {parameter.name}"


def test_help_names_values_as_people_do(run: Run) -> None:
    said = run("recommend", "--help").out
    assert "N [1<=x<=25]" in said
    assert not re.search("<(bool|str|int|float|Path|list)", said)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_found_whatever_stands_before_it(name: str) -> None:
    path = name.split()
    for before in ((), ("--config", "search"), ("--config=like",)):
        command = cli._command(cli._asked([*before, *path, "drop", "--help"]))
        for word in path:
            command = command.commands[word]
        assert command.help == COMMANDS[name].help


def test_an_unknown_command_is_told_from_all_of_them(run: Run) -> None:
    assert set(cli._command(cli._asked(["serach"])).commands) == set(cli._command("").commands)
    ran = run("serach", "jazz")
    assert ran.code == 2
    assert "search" in ran.err


def test_help_is_light() -> None:
    program = (
        "import sys; from musrec import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted(set(name.partition('.')[0] for name in sys.modules)), file=sys.stderr)"
    )
    ran = _python(program)
    loaded = set(ran.stderr.split())
    heavy = {"numpy", "scipy", "sklearn", "librosa", "sqlalchemy", "aiohttp", "PIL", "pydantic"}
    assert "recommend" in ran.stdout
    assert not loaded & (heavy | {"onnxruntime", "discord", "asyncio"})


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("recommend", "no such song at all", "--offline"), 4, "No song in the catalogue"),
        (("like", "no such song at all", "--as", "me"), 4, "No song in the catalogue"),
        (("add", "nowhere"), 4, "There is nothing at nowhere"),
        (("recommend", ".", "--offline"), 4, "is a folder"),
        (("recommend", "nowhere.mp3", "--offline"), 4, "There is no file at nowhere.mp3"),
        (("recommend", "~nobody", "--offline"), 4, "No song in the catalogue"),
        (("recommend", "x" * 300, "--offline"), 4, "No song in the catalogue"),
        (("--config", "nowhere.toml", "search", "x"), 6, "There is no configuration"),
        (("recommend",), 2, "Missing argument"),
    ],
)
def test_every_mistake_has_its_sentence_and_code(
    run: Run, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("search", "--json"), 4, "NotFound"),
        (("--config", "nowhere.toml", "search", "x", "--json"), 6, "SettingsError"),
        (("recommend", "--json"), 2, "UsageError"),
        (("recommend", "x", "-n", "99", "--json"), 2, "UsageError"),
        (("nosuch", "--json"), 2, "UsageError"),
        (("search", "--nosuch", "--json"), 2, "UsageError"),
        (("playlist", "nosuch", "--json"), 2, "UsageError"),
    ],
)
def test_with_json_a_mistake_is_json_too(
    run: Run, arguments: tuple[str, ...], code: int, kind: str
) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.err) == (code, "")
    assert ran.json["error"] == kind
    assert ran.json["message"]
    assert ran.json["hint"]


def test_a_word_json_that_is_not_the_option_changes_nothing(run: Run) -> None:
    ran = run("--config", "nowhere.toml", "search", "--", "--json")
    assert (ran.code, ran.out) == (6, "")


def test_a_store_from_a_newer_version_is_left_alone(run: Run, data: Path) -> None:
    assert run("search", "love").code == 0
    database = sqlite3.connect(data / "musrec.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    ran = run("search", "love")
    assert ran.code == 5
    assert "newer version" in ran.err


def test_a_folder_without_permission_is_said(run: Run, data: Path) -> None:
    data.mkdir()
    data.chmod(stat.S_IRUSR)
    if os.access(data, os.W_OK):
        pytest.skip("this user may write anywhere")
    ran = run("search", "love")
    assert ran.code == 5
    assert "permissions" in ran.err


def test_a_stop_is_said_and_has_the_code_that_shells_know() -> None:
    ran = _python(
        "import asyncio, os, signal; from musrec import cli\n"
        "async def work(): os.kill(os.getpid(), signal.SIGINT); await asyncio.sleep(60)\n"
        "cli.app.command('toil')(lambda: asyncio.run(work()))\n"
        "cli.main(['toil'])"
    )
    assert ran.returncode == 130
    assert ran.stderr.strip() == "Stopped. What was done so far is kept."


def test_what_the_machine_refuses_is_a_sentence_too() -> None:
    ran = _python(
        "from pathlib import Path; from musrec import cli\n"
        "cli.app.command('toil')(lambda: Path('/').write_text('x'))\n"
        "cli.main(['toil'])"
    )
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[0] == "✗ /: Is a directory."


def _python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
