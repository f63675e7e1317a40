"""What a service may do wrong, each on one path of the loopback, or on all for ``""``."""

from __future__ import annotations

import gzip
from collections.abc import Callable

from tests.support.loopback import Loopback

BOMB = gzip.compress(bytes(100_000_000), 6)

MISBEHAVIOUR: dict[str, Callable[[Loopback, str], None]] = {
    "500": lambda to, path: to.raw(path, b"oops", status=500),
    "503 with a date": lambda to, path: to.raw(
        path, b"", status=503, headers={"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}
    ),
    "HTML with 200": lambda to, path: to.raw(path, b"<html>hello</html>", kind="text/html"),
    "10 MB of HTML": lambda to, path: to.raw(path, b"<p>" * 3_500_000, kind="text/html"),
    "reset in mid-body": lambda to, path: to.reset(path),
    "redirect to another host": lambda to, path: to.redirect(path, "http://127.0.0.2:9/x"),
    "redirect in circles": lambda to, path: to.redirect(path, f"{to.address}{path}"),
    "a bomb of brackets": lambda to, path: to.raw(path, b"[" * 200_000),
    "a bomb of 100 MB in 100 kB": lambda to, path: to.raw(
        path, BOMB, headers={"Content-Encoding": "gzip"}
    ),
    "what is no gzip": lambda to, path: to.raw(path, b"{}", headers={"Content-Encoding": "gzip"}),
    "chunks without end": lambda to, path: to.endless(path),
    "a header of 1 MB": lambda to, path: to.raw(path, b"{}", headers={"X-Long": "a" * 1_000_000}),
    "not UTF-8": lambda to, path: to.raw(path, b'{"a": "\xff\xfe"}'),
    "nothing": lambda to, path: to.raw(path, b""),
}
