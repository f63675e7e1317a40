"""An audit hook that refuses every connection and look-up beyond this machine.

Standard library only: the child process of yt-dlp runs it too.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

refused: list[str] = []
"""What was refused since the list was cleared last; a library may swallow the exception."""

# Where each of Python's audit events holds an address or a host.
EVENTS = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}


class NetworkRefused(RuntimeError):
    """A test tried to leave this machine."""


def guard(event: str, args: tuple[Any, ...]) -> None:
    """Raise `NetworkRefused` for an event that leads beyond loopback and unix sockets."""
    if event not in EVENTS:
        return
    address = args[EVENTS[event]]
    host = address
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if not isinstance(address, tuple):  # a unix socket, or one that is connected already
            return
        host = address[0]
    if not _local(host):
        refused.append(f"{event} {address!r}")
        raise NetworkRefused(f"a test may not leave this machine: {refused[-1]}")


def noting(event: str, args: tuple[Any, ...], log: str) -> None:
    """Guard a child process, whose parent reads what was refused from a file."""
    try:
        guard(event, args)
    except NetworkRefused:
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{refused[-1]}\n")
        raise


def _local(host: Any) -> bool:
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
