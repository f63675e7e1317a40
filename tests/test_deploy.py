"""The files in which the bot is run, and the guide to them: what they name exists."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from musrec.cli import _command
from musrec.cli.opening import STOPPED
from musrec.model import SettingsError
from musrec.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "run.md"
UNITS = sorted((ROOT / "deploy").glob("*.service")) + sorted((ROOT / "deploy").glob("*.timer"))


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    return found


@cache
def bot_help() -> str:
    asked = [sys.executable, "-m", "bot", "--help"]
    return subprocess.run(asked, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def known(words: list[str]) -> None:
    """Fail unless these are a command of ours with options that it has."""
    assert words
    if words[:3] == ["python", "-m", "bot"]:
        assert all(word in bot_help() for word in words[3:] if word.startswith("-")), words
        return
    assert words[0] == "musrec", words
    command, rest = _command(), words[1:]
    while rest and hasattr(command, "commands"):
        assert rest[0] in command.commands, words
        command, rest = command.commands[rest[0]], rest[1:]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word.partition("=")[0] for word in rest if word.startswith("-")} <= options, words


def is_setting(name: str) -> bool:
    """Whether an environment variable is one that we read."""
    section, _, key = name.removeprefix("MUSREC_").lower().partition("__")
    field = Settings.model_fields.get(section)
    kind: Any = field.annotation if field else None
    return name in ("MUSREC_CACHE", "MUSREC_CONFIG") or key in getattr(kind, "model_fields", ())


def variables(text: str) -> set[str]:
    return set(re.findall(r"\bMUSREC_[A-Z_]+\b", text)) - {"MUSREC_SECTION__KEY"}


def test_the_containers_run_commands_that_exist_and_keep_to_themselves() -> None:
    services = compose()["services"]
    assert set(services) == {"bot", "page", "work", "db"}
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name != "db":
            known(service["command"])
            assert service["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert services["page"]["ports"] == ["127.0.0.1:8765:8765"]
    assert services["db"]["networks"] == ["inside"]
    assert compose()["networks"]["inside"] == {"internal": True}
    assert services["db"]["healthcheck"]["test"][1] == "pg_isready"


@pytest.mark.parametrize(
    "name",
    ["compose.yaml", "Containerfile", "deploy/musrec.env.example", "deploy/as-musrec"]
    + [f"deploy/{unit.name}" for unit in UNITS]
    + ["docs/run.md"],
)
def test_every_setting_that_is_named_is_one(name: str) -> None:
    found = variables((ROOT / name).read_text("utf-8"))
    assert {one for one in found if not is_setting(one)} == set()


def test_the_image_is_made_of_files_and_extras_that_exist() -> None:
    text = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    copied = [
        word
        for words in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
        for word in words.split()
    ]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored, name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    last = text.splitlines()[-1].removeprefix("CMD ")
    known([str(word) for word in yaml.safe_load(last)])
    user = next(line for line in text.splitlines() if line.startswith("USER"))
    assert user.split()[1] != "0"
    port = re.search(r"MUSREC_METRICS__PORT=(\d+)", text)
    assert port
    assert f"/dev/tcp/127.0.0.1/{port[1]}" in text
    assert "GET /healthz" in text


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    for unit in UNITS:
        text = unit.read_text("utf-8")
        # Where the guide installs it, nothing is installed here.
        text = re.sub(r"/opt/musrec/\.venv/bin/\w+", "/bin/sh", text)
        (tmp_path / unit.name).write_text(text.replace("/opt/musrec", "/"))
    done = subprocess.run(
        ["systemd-analyze", "verify", *tmp_path.iterdir()],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"])
def test_a_unit_runs_as_its_user_in_folders_of_its_own(unit: Path) -> None:
    lines = unit.read_text("utf-8").splitlines()
    assert {"User=musrec", "StateDirectory=musrec", "NoNewPrivileges=true"} <= set(lines)
    started = next(line for line in lines if line.startswith("ExecStart=")).partition("=")[2]
    words = shlex.split(started)
    if words[0] == "/bin/sh":
        words = shlex.split(words[-1])[1:]
    known([words[0].removeprefix("/opt/musrec/.venv/bin/"), *words[1:]])


def test_a_unit_starts_again_unless_the_settings_are_wrong() -> None:
    for name in ("musrec", "musrec-work"):
        lines = (ROOT / "deploy" / f"{name}.service").read_text("utf-8").splitlines()
        values = dict(line.partition("=")[::2] for line in lines if "=" in line)
        assert values["Restart"] == "on-failure"
        assert int(values["RestartPreventExitStatus"]) == SettingsError.exit_code
        assert int(values["StartLimitIntervalSec"]) == 0
        # Discord takes 1,000 logins per day, and then makes the token invalid.
        assert 24 * 3600 / int(values["RestartSec"]) < 1000
    assert int(values["SuccessExitStatus"]) == STOPPED


def commands() -> list[list[str]]:
    """Return the commands of ours in the guide's blocks, as words."""
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    found = []
    for line in "\n".join(blocks).splitlines():
        words = shlex.split(line.replace("$(date +%F)", "today"), comments=True)
        while words and (
            "=" in words[0] or words[0] == "as-musrec" or words[0].endswith("/as-musrec")
        ):
            words = words[1:]
        for start in ("musrec", "python"):
            if start in words[:1] or (words[:2] == ["docker", "compose"] and start in words):
                found.append(words[words.index(start) :])
                break
    return found


def test_every_command_of_the_guide_exists() -> None:
    found = commands()
    assert len(found) > 12
    for words in found:
        known([re.sub(r"^.*/", "", words[0]), *words[1:]] if words[0] == "python" else words)


def test_every_file_that_the_guide_links_to_exists() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", GUIDE.read_text("utf-8"))
    assert linked
    assert [name for name in linked if not (GUIDE.parent / name).exists()] == []
    for name in re.findall(r"\bdeploy/[\w.-]+", GUIDE.read_text("utf-8")):
        assert (ROOT / name.rstrip(".")).exists() or name == "deploy/musrec.env", name
