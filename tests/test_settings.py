from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from musrec import settings
from musrec.model import SettingsError

EXAMPLE = Path(__file__).resolve().parents[1] / "config.example.toml"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MUSREC_CONFIG", "MUSREC_DISCORD__TOKEN"):
        monkeypatch.delenv(name, raising=False)


def _complaint(tmp_path: Path, text: str) -> str:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        settings.load(file)
    assert caught.value.hint
    return str(caught.value)


def test_the_example_states_every_key_with_its_default() -> None:
    text = EXAMPLE.read_text()
    assert settings.load(EXAMPLE) == settings.Settings()
    for section, field in settings.Settings.model_fields.items():
        assert f"[{section}]" in text
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields:
            assert f"\n{key} = " in text or f"\n# {key} = " in text, f"{section}.{key}"


def test_unknown_and_wrong_keys_are_named_with_their_line(tmp_path: Path) -> None:
    text = "[workers]\ncount = 2\n\n[recommend]\nconut = 3\nadventurous = 7\n\n[nonsense]\na = 1\n"
    said = _complaint(tmp_path, text)
    assert "line 5: there is no key 'recommend.conut'" in said
    assert "line 6: recommend.adventurous is wrong" in said
    assert "line 8: there is no key 'nonsense'" in said


def test_keys_of_providers_are_checked_like_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = _complaint(tmp_path, '[sources]\ndeezr = false\nitunes = "perhaps"\ncountry = "us"\n')
    assert "line 2: there is no key 'sources.deezr'" in said
    assert "line 3: sources.itunes is wrong" in said
    assert "line 4: sources.country is wrong" in said
    hidden = _complaint(tmp_path, '[sources]\nlastfm_key = ["hunter2"]\n')
    assert "sources.lastfm_key is wrong" in hidden
    assert "hunter2" not in hidden
    monkeypatch.setenv("MUSREC_SOURCES__DEEZER", "false")
    monkeypatch.setenv("MUSREC_SOURCES__LASTFM_KEY", "hunter2")
    sources = settings.load(EXAMPLE).sources
    assert (sources.deezer, sources.itunes, sources.secrets) == (False, True, ("hunter2",))
    assert "hunter2" not in repr(sources)
    monkeypatch.setenv("MUSREC_SOURCES__DEEZR", "false")
    with pytest.raises(SettingsError, match=r"there is no key 'sources\.deezr'"):
        settings.load(EXAMPLE)


def test_broken_toml_is_named_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in _complaint(tmp_path, "[workers]\ncount = = 2\n")


def test_a_complaint_never_repeats_a_secret(tmp_path: Path) -> None:
    said = _complaint(tmp_path, '[discord]\ntoken = ["hunter2"]\n')
    assert "discord.token" in said
    assert "hunter2" not in said
    assert "hunter2" not in repr(
        settings.Settings.model_validate({"discord": {"token": "hunter2"}})
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("workers = 3", "line 1: workers is a section: write [workers]"),
        (
            '[paths]\ndata = "~no-such-person/x"',
            "line 2: paths.data is wrong: there is no such home",
        ),
        ('[store]\nurl = "musrec.db"', "line 2: store.url is wrong: an address begins with"),
        ('[store]\nurl = "mysql://u:hunter2@host/x"', "sqlite+aiosqlite:// or postgresql+asyncpg"),
    ],
)
def test_errors_use_the_words_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    complaint = _complaint(tmp_path, text)
    assert said in complaint
    assert "hunter2" not in complaint


@pytest.mark.skipif(find_spec("asyncpg") is None, reason="needs the driver")
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("u:hunter2@host:five/x", "its port is no number from 1 to 65535"),
        ("u:hunter2@host:70000/x", "its port is no number from 1 to 65535"),
        ("u:hunter2@one:1,two:2/x", "its port is no number from 1 to 65535"),
        ("u:hunter2@again@host/x", "such as %40 for @"),
        ("u:hunter2@host/x?sslmode=require", "write ssl=require"),
        ("u:hunter2@host/x?ssl=on", "ssl is one of disable,"),
        ("u:hunter2@host/x?timeout=5", "timeout is no option of it"),
    ],
)
def test_what_is_wrong_with_the_address_of_a_server_is_said(
    tmp_path: Path, address: str, said: str
) -> None:
    complaint = _complaint(tmp_path, f'[store]\nurl = "postgresql+asyncpg://{address}"')
    assert "line 2: store.url is wrong" in complaint
    assert said in complaint
    assert "hunter2" not in complaint


@pytest.mark.skipif(find_spec("asyncpg") is None, reason="needs the driver")
@pytest.mark.parametrize(
    "address",
    [
        "u@host/x",
        "host",
        "u:p%40ss:w/o?rd@host:5432/x",
        "u:p@[::1]:5432/x?ssl=verify-full",
        "u@/x?host=/var/run/postgresql",
    ],
)
def test_addresses_of_servers_are_taken(address: str) -> None:
    url = f"postgresql+asyncpg://{address}"
    taken = settings.StoreSettings(url=SecretStr(url))
    assert taken.url is not None
    assert taken.url.get_secret_value() == url


@pytest.mark.skipif(find_spec("asyncpg") is not None, reason="the driver is installed")
def test_a_database_whose_driver_is_missing_says_how_to_get_it(tmp_path: Path) -> None:
    said = _complaint(tmp_path, '[store]\nurl = "postgresql+asyncpg://u:hunter2@localhost/musrec"')
    assert "'.[postgres]'" in said
    assert "hunter2" not in said


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: Is a directory\."):
        settings.load(tmp_path)
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8"):
        settings.load(tmp_path / "config.toml")


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no configuration"):
        settings.load(tmp_path / "nowhere.toml")


def test_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[discord]\ntoken = "from the file"\nmessage_content = true\n')
    monkeypatch.setenv("MUSREC_DISCORD__TOKEN", "from the environment")
    loaded = settings.load(file)
    assert loaded.discord.token.get_secret_value() == "from the environment"
    assert loaded.discord.message_content
    monkeypatch.setenv("MUSREC_WORKERS__COUNT", "many")
    with pytest.raises(SettingsError, match="MUSREC_WORKERS__COUNT"):
        settings.load(file)


def test_the_example_is_plain_toml() -> None:
    assert tomllib.loads(EXAMPLE.read_text())["log"]["level"] == "INFO"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('shard_ids = "0-3"', "shard_count must say how many"),
        ('shard_count = 4\nshard_ids = "first"', 'looks like "0-3"'),
        ('shard_count = 4\nshard_ids = "3-2"', "the last is 3"),
        ('shard_count = 4\nshard_ids = "2-4"', "of 4 shards"),
    ],
)
def test_shards_that_there_are_not_are_refused(tmp_path: Path, lines: str, words: str) -> None:
    said = _complaint(tmp_path, f"[discord]\n{lines}\n")
    assert "discord.shard_ids" in said
    assert words in said


def test_a_process_runs_the_shards_it_is_given() -> None:
    for text, shards in (("0-3", range(4)), ("2", range(2, 3)), (None, None)):
        given = {"shard_count": 4, "shard_ids": text}
        assert settings.DiscordSettings.model_validate(given).shards == shards
