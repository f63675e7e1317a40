"""Structured logs: one line per event, without tokens, messages or members."""

from __future__ import annotations

import json
import logging
import sys
import unicodedata
from datetime import UTC, datetime

import discord

from bot.errors import UNKNOWN_INTERACTION
from musrec.settings import Settings

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def _escaped(text: str) -> str:
    """Return text without what could break a line or deceive a terminal, escaped as in JSON."""
    return "".join(_escape(sign) if _deceives(sign) else sign for sign in text)


def _deceives(sign: str) -> bool:
    """Whether it is a control, an invisible mark, half of a character or a line separator."""
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


class _Line(logging.Formatter):
    """One line per record; its fields come from `extra`."""

    def __init__(self, *, as_json: bool, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._as_json = as_json
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Format a record, with every secret blotted out."""
        fields = {key: value for key, value in record.__dict__.items() if key not in _OWN}
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        if self._as_json:
            line = {"at": at, "level": record.levelname, "logger": record.name}
            line |= {"event": record.getMessage(), **fields}
            if record.exc_info:
                line["error"] = self.formatException(record.exc_info)
            out = _escaped(json.dumps(line, ensure_ascii=False, default=str))
        else:
            said = " ".join(f"{key}={value}" for key, value in fields.items())
            event = f"{record.getMessage()} {said}".rstrip()
            out = f"{at} {record.levelname:<7} {record.name}: {_escaped(event)}"
            if record.exc_info:
                # Indented, so that no text of an exception looks like another record.
                trace = self.formatException(record.exc_info).split("\n")
                out += "".join(f"\n    {_escaped(line)}" for line in trace)
        for secret in self._secrets:
            out = out.replace(secret, "[secret]")
        return out


def _nameless(record: logging.LogRecord) -> bool:
    """Remove the member that discord.py names if a completion fails; drop one that was late."""
    error = record.exc_info[1] if record.exc_info else None
    record.msg, record.args = "completion failed", ()
    return getattr(error, "code", None) != UNKNOWN_INTERACTION


def configure(settings: Settings) -> None:
    """Log everything to standard error in the form that the settings ask for."""
    secrets = (
        settings.discord.token.get_secret_value(),
        *settings.sources.secrets,
        settings.store.url.get_secret_value() if settings.store.url else "",
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Line(as_json=settings.log.json_lines, secrets=tuple(filter(None, secrets)))
    )
    logging.basicConfig(level=settings.log.level, handlers=[handler], force=True)
    logging.getLogger("discord.app_commands.tree").addFilter(_nameless)
    # discord.py warns about libraries that only voice needs. At DEBUG it logs whole messages, and
    # aiohttp logs addresses that hold a token.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    for name in ("discord", "aiohttp", "alembic", "sqlalchemy", "aiosqlite", "PIL", "numba"):
        logging.getLogger(name).setLevel(logging.WARNING)
