"""Records of how services are, for the doctor and for status messages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """How a provider is, for `musrec doctor` and `/status`.

    Attributes
    ----------
    name : str
        For people.
    on : bool
    why : str
        Why it is off, or what it cannot do with this key.
    last_error : str
        And how long ago it was, in this process or an earlier one; empty where there was none.
    remaining : int or None
        Questions left in its quota, where it tells.
    breaker : str
        ``closed`` (asked), ``open`` (left alone) or ``half-open`` (on trial).
    """

    name: str
    on: bool
    why: str
    last_error: str
    remaining: int | None
    breaker: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that yt-dlp uses.

    Attributes
    ----------
    name : str
    path : str or None
        None where it was not found.
    version : str
    used_for : str
    wrong : str
        Why it cannot be used; empty where it can.
    """

    name: str
    path: str | None
    version: str
    used_for: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Cover:
    """Cover art of a song; never stored.

    Attributes
    ----------
    url : str
        Where the service serves it.
    provider : str
        The service, whose page must be linked beside it.
    """

    url: str
    provider: str
