"""Servers that stop answering, each at another stage of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

EVERY = 0.02
"""Seconds between two bytes of a server that drips."""


class Stage(StrEnum):
    """Where a server stops."""

    CONNECT = "connect"
    SILENT = "silent"
    HEADERS = "headers"
    BODY = "body"


@asynccontextmanager
async def hanging(stage: Stage) -> AsyncIterator[str]:
    """Run a server that never answers in whole; give its address."""
    if stage is Stage.CONNECT:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            with contextlib.ExitStack() as stack:
                for _ in range(4):  # once its queue is full, the kernel answers nobody
                    waiting = stack.enter_context(socket.socket())
                    waiting.setblocking(False)
                    waiting.connect_ex(("127.0.0.1", port))
                yield f"http://127.0.0.1:{port}"
        return
    closing = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if stage is Stage.HEADERS:
                await _drip(writer, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 4_000, closing)
            elif stage is Stage.BODY:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n")
                writer.write(b"Content-Type: application/json\r\n\r\n[")
                await _drip(writer, b" " * 4_000, closing)
            await closing.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        closing.set()
        server.close()


async def _drip(writer: asyncio.StreamWriter, data: bytes, closing: asyncio.Event) -> None:
    for byte in data:
        if closing.is_set():
            return
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(EVERY)
