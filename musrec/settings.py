"""One TOML file, checked: every key has a default, every mistake is named with its line.

`config.example.toml` documents the keys. The file is looked for at ``--config``, then at the path
in ``MUSREC_CONFIG``, then as ``config.toml`` in the working folder; without one the defaults hold.
An environment variable such as ``MUSREC_DISCORD__TOKEN`` overrides the key ``discord.token``, so
that secrets need not be in a file.
"""

from __future__ import annotations

import os
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from musrec.model import SettingsError
from musrec.sources.providers import SourcesSettings

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]

_DRIVERS = {"sqlite+aiosqlite": "aiosqlite", "postgresql+asyncpg": "asyncpg"}
"""How an address of a database may begin, and the package that it needs."""

_SERVER = re.compile(
    r"(?:[^@]*@)?(?:\[[^\]@]*\]|[^:/?@]*)(?::(?P<port>[^/?@]*))?(?:/[^?@]*)?(?:\?(?P<options>.*))?"
)
"""What follows ``postgresql+asyncpg://``."""

_SERVER_OPTIONS = {
    *("host", "port", "user", "password", "passfile", "service", "servicefile", "ssl"),
    *("target_session_attrs", "prepared_statement_cache_size"),
}
_TLS = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_WEB = ("argon2", "itsdangerous", "jinja2", "python_multipart", "starlette", "uvicorn")
"""What the page needs."""


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("there is no such home folder") from None


def _known_database(url: SecretStr) -> SecretStr:
    scheme, _, rest = url.get_secret_value().partition("://")
    if not rest or scheme not in _DRIVERS:
        raise ValueError(f"an address begins with {' or '.join(f'{it}://' for it in _DRIVERS)}")
    if find_spec(_DRIVERS[scheme]) is None:
        raise ValueError(
            "its driver is not installed: run `pip install '.[postgres]'` where musrec was unpacked"
        )
    if scheme.startswith("postgresql"):
        _server(rest)
    return url


def _server(rest: str) -> None:
    """Refuse what the driver would only fail on; never repeat it, since it may hold a password."""
    parts = _SERVER.fullmatch(rest)
    if parts is None:
        raise ValueError("a password's special characters are written by number, such as %40 for @")
    port = parts["port"]
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError("its port is no number from 1 to 65535")
    for name, value in parse_qsl(parts["options"] or "", keep_blank_values=True):
        if name == "sslmode":
            raise ValueError("the driver calls sslmode ssl: write ssl=require, for instance")
        if name not in _SERVER_OPTIONS:
            raise ValueError(f"{name} is no option of it; {', '.join(sorted(_SERVER_OPTIONS))} are")
        if name == "ssl" and value not in _TLS:
            raise ValueError(f"ssl is one of {', '.join(_TLS)}")


def known_database(url: str) -> None:
    """Refuse an address that no store can be at.

    Raises
    ------
    SettingsError
        It does not begin as it must, its driver is not installed, or a server's port or options
        are wrong.
    """
    try:
        _known_database(SecretStr(url))
    except ValueError as error:
        raise SettingsError(f"That is no address of a database: {error}.") from None


def _base_url(url: str) -> str:
    address = urlsplit(url)
    if url and (
        address.scheme not in ("http", "https")
        or not address.hostname
        or address.path.strip("/")
        or address.query
        or address.fragment
    ):
        raise ValueError("an address looks like https://music.example.org, without a path")
    return url.rstrip("/")


def _web_installed(enabled: bool) -> bool:
    missing = [name for name in _WEB if find_spec(name) is None]
    if enabled and missing:
        raise ValueError(
            f"the page needs {missing[0]}: run `pip install '.[web]'` where musrec was unpacked"
        )
    return enabled


def _metrics_installed(port: int | None) -> int | None:
    if port is not None and find_spec("prometheus_client") is None:
        raise ValueError(
            "metrics need prometheus_client: run `pip install '.[bot]'` where musrec was unpacked"
        )
    return port


Folder = Annotated[Path, AfterValidator(_expanded)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paths(_Section):
    """Folders of this installation."""

    data: Folder = Field(default_factory=lambda: user_data_path("musrec"))


class StoreSettings(_Section):
    """The database: SQLite in `Paths.data` unless an address is given."""

    url: Annotated[SecretStr, AfterValidator(_known_database)] | None = None


class Workers(_Section):
    """Processes that hear."""

    count: Annotated[int, Field(ge=1, le=64)] = 2
    scheduler: str | None = None
    clip_seconds: Annotated[float, Field(ge=5, le=120)] = 30.0
    timeout_seconds: Annotated[float, Field(ge=5, le=600)] = 90.0
    fetch_tagger: bool = True


class HearingSettings(_Section):
    """What clips are heard by beside what is built in."""

    encoder: Folder | None = None


class CatalogueSettings(_Section):
    """What can be recommended beside what members bring."""

    starter: bool = True
    explore_per_day: Annotated[int, Field(ge=0, le=10_000)] = 200


class RecommendSettings(_Section):
    """How answers are chosen."""

    count: Annotated[int, Field(ge=1, le=25)] = 5
    adventurous: Fraction = 0.2
    repeat_after_days: Annotated[int, Field(ge=0, le=3650)] = 30
    budget_seconds: Annotated[float, Field(ge=1, le=600)] = 7.0


class DiscordSettings(_Section):
    """The bot."""

    token: SecretStr = SecretStr("")
    message_content: bool = False
    presences: bool = False
    shard_count: Annotated[int, Field(ge=1)] | None = None
    shard_ids: str | None = None
    member_cooldown_seconds: Annotated[float, Field(ge=0, le=3600)] = 5.0
    guild_commands_per_minute: Count = 30

    @property
    def shards(self) -> range | None:
        """The shards that this process runs; None for all."""
        if self.shard_ids is None:
            return None
        first, _, last = self.shard_ids.partition("-")
        return range(int(first), int(last or first) + 1)

    @field_validator("shard_ids")
    @classmethod
    def _known_shards(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is None:
            return None
        if not re.fullmatch("[0-9]{1,6}(-[0-9]{1,6})?", value):
            raise ValueError('a range of shards looks like "0-3", one shard like "2"')
        count = others.data.get("shard_count")
        if count is None:
            raise ValueError("discord.shard_count must say how many shards there are in all")
        first, _, last = value.partition("-")
        if not int(first) <= int(last or first) < count:
            raise ValueError(f"of {count} shards, the first is 0 and the last is {count - 1}")
        return value


class WebSettings(_Section):
    """The local page."""

    enabled: Annotated[bool, AfterValidator(_web_installed)] = False
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8765
    base_url: Annotated[str, AfterValidator(_base_url)] = ""
    discord_client_id: str = ""
    discord_client_secret: SecretStr = SecretStr("")
    reports: Folder | None = None

    def address(self, port: int | None = None) -> str:
        """Return where the page is, without a slash at the end.

        Parameters
        ----------
        port : int, optional
            The one that it is served at, if that was left open.

        Raises
        ------
        SettingsError
            It is served to other machines, or at any free port, and nothing says under which name.
        """
        if self.base_url:
            return self.base_url
        if self.host not in ("127.0.0.1", "localhost", "::1"):
            raise SettingsError(
                "web.base_url is missing: without it, the page cannot tell its own address from a "
                "foreign one.",
                'Set it to how others reach the page, such as "https://music.example.org".',
            )
        if not (port or self.port):
            raise SettingsError("web.port is 0, so no link can name it.", "Choose a port.")
        host = "[::1]" if self.host == "::1" else self.host
        return f"http://{host}:{port or self.port}"


class MetricsSettings(_Section):
    """Health and metrics, for those who watch."""

    host: str = "127.0.0.1"
    port: Annotated[int | None, Field(ge=0, le=65_535), AfterValidator(_metrics_installed)] = None


class LogSettings(_Section):
    """What is written to standard error."""

    level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    json_lines: bool = False


class Settings(BaseSettings):
    """Everything that can be configured."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="MUSREC_", env_nested_delimiter="__"
    )

    paths: Paths = Field(default_factory=Paths)
    store: StoreSettings = Field(default_factory=StoreSettings)
    workers: Workers = Field(default_factory=Workers)
    hearing: HearingSettings = Field(default_factory=HearingSettings)
    catalogue: CatalogueSettings = Field(default_factory=CatalogueSettings)
    recommend: RecommendSettings = Field(default_factory=RecommendSettings)
    sources: SourcesSettings = Field(default_factory=SourcesSettings)
    discord: DiscordSettings = Field(default_factory=DiscordSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @property
    def store_url(self) -> str:
        """Address of the database for SQLAlchemy; may hold a password, so never log it."""
        if self.store.url is not None:
            return self.store.url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.paths.data / 'musrec.db'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment beat the file: the file comes in as arguments."""
        return env_settings, init_settings


def load(path: Path | None = None) -> Settings:
    """Read the configuration.

    Parameters
    ----------
    path : Path, optional
        The TOML file; by default as the module says.

    Raises
    ------
    SettingsError
        The file is missing, is no TOML, or has an unknown or wrong key; the message names the
        file, the line and the key.
    """
    path = path or _found()
    text = _read(path) if path else ""
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Mend that line.") from None
    try:
        return Settings(**values)
    except ValidationError as error:
        lines = [_complaint(problem, path, text) for problem in error.errors()]
        raise SettingsError(
            "\n".join(lines), "config.example.toml lists every key with its meaning."
        ) from None


def _found() -> Path | None:
    if named := os.environ.get("MUSREC_CONFIG"):
        return Path(named)
    here = Path("config.toml")
    return here if here.is_file() else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"There is no configuration at {path}.", "Copy config.example.toml there."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}.", "Check the file."
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not text in UTF-8.", "Save it as UTF-8.") from None


def _complaint(problem: Any, path: Path | None, text: str) -> str:
    """Say what is wrong with one key, without ever repeating a value (it may be a secret)."""
    keys = [str(part) for part in problem["loc"]]
    line = _line_of(keys, text)
    where = f"{path}, line {line}" if line else f"the environment, MUSREC_{'__'.join(keys).upper()}"
    name = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        return f"{where}: there is no key {name!r}."
    if problem["type"] == "model_type":
        return f"{where}: {name} is a section: write [{name}], and its keys below."
    if problem["type"] == "value_error":  # ours
        return f"{where}: {name} is wrong: {problem['ctx']['error']}."
    return f"{where}: {name} is wrong: {problem['msg'].lower()}."


def _line_of(keys: list[str], text: str) -> int | None:
    """Line of a key in the text, counted from 1; of its table where the key itself is not found."""
    table: list[str] = []
    header_line = None
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = [part.strip(" \"'") for part in header[1].split(".")]
            if table == keys[: len(table)]:
                header_line = header_line or number
        elif assigned := re.match(r"\s*([\w\"'.\- ]+?)\s*=", line):
            full = table + [part.strip(" \"'") for part in assigned[1].split(".")]
            if full == keys[: len(full)]:
                return number
    return header_line
