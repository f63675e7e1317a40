"""What the page costs: bytes of the first page, searching, and streaming while clips are heard.

``python -m benchmarks.web`` prints a table in Markdown: each figure with its baseline of the same
run. A catalogue of 20,000 made-up songs (`benchmarks.catalogue`) is served on loopback; the browser
and its 50 listeners run in the same process as the server, on the same event loop.

- First page: everything that a browser fetches to show it, but pictures, as it comes over the wire;
  the baseline is the same without compression.
- Search: the 99th percentile over titles with a slip in them, by the interface and as a page with
  counts of its facets; the baseline is the engine's own call with the same texts.
- Listeners: each plays a WAV file and asks for five seconds of it five seconds ahead. A stall is a
  part that comes later than the one before it has been played. The baseline is the same without
  clips to hear.
- Map: made-up points of 100,000 songs, in bytes and in seconds from asking until chromium has drawn
  them once; the baseline is JSON that holds every song's place, group, id, title and artist. Then
  the page's own map is dragged about: frames per second without a graphics card, beside those of
  the same page when nothing moves.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import aiohttp
import numpy as np
import uvicorn
from playwright.async_api import Route, async_playwright

from benchmarks.catalogue import build as build_store
from musrec.catalogue.model import Atlas, SongFilter
from musrec.demo import write_tunes
from musrec.evaluate.report import Cell, Report
from musrec.members.model import OWNER, Role
from musrec.service import Service
from musrec.settings import Settings
from musrec.sources.providers import PROVIDERS
from musrec.web.app import build
from musrec.web.atlas import packed

LISTENERS = 50
PART_SECONDS = 5.0
PARTS = 4
QUERIES = 100
POINTS = 100_000
DRAWINGS = 5
CHROMIUM = Path("/usr/bin/chromium")
DRAWS = CHROMIUM.exists()

# Both ways end with the same two arrays of places on the graphics card, drawn by one plain shader.
DRAW = """async ([address, count]) => {
  const began = performance.now();
  const response = await fetch(address);
  let places, kind;
  const gl = document.createElement("canvas").getContext("webgl2");
  if (address.endsWith("json")) {
    const songs = await response.json();
    places = new Float32Array(2 * count);
    songs.forEach(({ x, y }, at) => { places[at] = x; places[count + at] = y; });
    kind = gl.FLOAT;
  } else {
    places = new Uint16Array(await response.arrayBuffer(), 0, 2 * count);
    kind = gl.UNSIGNED_SHORT;
  }
  const program = gl.createProgram();
  for (const [type, text] of [
    [gl.VERTEX_SHADER, `#version 300 es
      in float x; in float y;
      void main() { gl_Position = vec4(2. * x - 1., 2. * y - 1., 0, 1); gl_PointSize = 2.; }`],
    [gl.FRAGMENT_SHADER, `#version 300 es
      precision mediump float; out vec4 p; void main() { p = vec4(1); }`],
  ]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
  ["x", "y"].forEach((name, axis) => {
    const at = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, 1, kind, true, 0, axis * places.byteLength / 2);
  });
  gl.drawArrays(gl.POINTS, 0, count);
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // waits for it
  return (performance.now() - began) / 1000;
}"""

# Drags the map in circles, or only waits, and returns how many frames a second came of it.
DRAG = """(moves) => new Promise((done) => {
  const place = document.querySelector("[data-map]");
  const { x, y } = place.getBoundingClientRect();
  const hand = (type, step) => place.dispatchEvent(new PointerEvent(type, {
    bubbles: true, pointerId: 1, buttons: 1,
    clientX: x + 300 + 60 * Math.sin(step / 9), clientY: y + 300 + 60 * Math.cos(step / 9),
  }));
  place.setPointerCapture = () => {}; // a made-up hand cannot be captured
  if (moves) hand("pointerdown", 0);
  let frames = 0;
  const began = performance.now();
  const next = () => {
    const seconds = (performance.now() - began) / 1000;
    if (moves) hand("pointermove", frames);
    frames += 1;
    if (seconds < 5) requestAnimationFrame(next);
    else {
      if (moves) hand("pointerup", frames);
      done(frames / seconds);
    }
  };
  requestAnimationFrame(next);
})"""

_NEEDED = re.compile(r'<(?:link|script)\b[^>]*?(?:href|src)="([^"]+)"')
_IMPORTED = re.compile(r'(?:from|import)\s*\(?"(\.?\.?/[^"]+)"')


async def first_page(http: aiohttp.ClientSession, headers: dict[str, str]) -> tuple[int, int]:
    """Return how many bytes come for the first page, pictures left out, and how many files."""
    waiting, size, seen = ["/"], 0, set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        async with http.get(path, headers=headers, auto_decompress=False) as response:
            assert response.status == 200, path
            size += len(await response.read())
        async with http.get(path) as response:
            text = await response.text()
        found = _NEEDED.findall(text) if path == "/" else _IMPORTED.findall(text)
        waiting += [urljoin(path, one) for one in found]
    return size, len(seen)


async def p99(
    texts: Sequence[str], jobs: Mapping[str, Callable[[str], Awaitable[object]]]
) -> dict[str, float]:
    """Return the 99th percentile of seconds that each job takes, after a round to warm up.

    They take turns, text by text, so that a busy machine holds all of them up alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for text in (texts[0], *texts):
        for name, job in jobs.items():
            start = perf_counter()
            await job(text)
            taken[name].append(perf_counter() - start)
    return {name: float(np.quantile(times[1:], 0.99)) for name, times in taken.items()}


async def listen(http: aiohttp.ClientSession, address: str, size: int, first: int) -> list[float]:
    """Play a file part by part; return how long each part took to come, in seconds."""
    part = int(PART_SECONDS * 44_100 * 2 * 2)
    start, took = perf_counter() + first * PART_SECONDS / LISTENERS, []
    for number in range(PARTS):
        await asyncio.sleep(max(0.0, start + number * PART_SECONDS - perf_counter()))
        asked = perf_counter()
        at = number * part % max(1, size - part)
        headers = {"range": f"bytes={at}-{min(size, at + part) - 1}"}
        async with http.get(address, headers=headers) as response:
            assert response.status == 206
            await response.read()
        took.append(perf_counter() - asked)
    return took


async def streamed(
    http: aiohttp.ClientSession, address: str, size: int, clips: Sequence[Awaitable[object]] = ()
) -> list[float]:
    """Return how long parts took for all listeners, while clips are heard."""
    hearing = asyncio.gather(*clips)
    found = await asyncio.gather(*(listen(http, address, size, n) for n in range(LISTENERS)))
    await hearing
    return [seconds for one in found for seconds in one]


def naive(atlas: Atlas) -> bytes:
    """Return a map as JSON with everything of every song."""
    songs = [
        {
            "id": f"song{row:06}",
            "title": f"A title of usual length {row}",
            "artist": f"Some artist {row % 5000}",
            "x": x,
            "y": y,
            "group": group,
        }
        for row, ((x, y), group) in enumerate(
            zip(atlas.points.tolist(), atlas.groups.tolist(), strict=True)
        )
    ]
    return json.dumps(songs).encode()


async def mapped(address: str, link: str) -> list[tuple[str, float, str, str, float]]:
    """Return bytes, the median time to the first drawing, and frames per second of a map."""
    rng = np.random.default_rng(2026)
    places = rng.normal(size=(POINTS, 2)).astype(np.float32)
    atlas = Atlas(places, rng.integers(0, 8, POINTS), ("",) * 8, 1.0, "made up")
    bodies = {"points": packed(atlas), "json": naive(atlas)}
    size = {name: len(body) / 1000 for name, body in bodies.items()}
    rows = [("map of 100,000 songs", size["points"], "kB", "JSON", size["json"])]
    if not DRAWS:
        return rows

    async def answer(route: Route) -> None:
        body = bodies.get(route.request.url.rsplit("/", 1)[1], b"")
        await route.fulfill(body=body, content_type="text/html" if not body else "text/plain")

    async def points(route: Route) -> None:
        await route.fulfill(body=bodies["points"], headers={"x-map": atlas.key})

    async def names(route: Route) -> None:
        rows = parse_qs(urlsplit(route.request.url).query).get("rows", [""])[0]
        songs = [
            {"row": int(row), "title": "A title of usual length"} for row in rows.split(",") if row
        ]
        await route.fulfill(json=songs)

    took: dict[str, list[float]] = {name: [] for name in bodies}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        tab = await browser.new_page()
        await tab.route("**/*", answer)
        await tab.goto("http://127.0.0.1:9/")
        for _ in range(DRAWINGS):
            for name in bodies:
                took[name].append(await tab.evaluate(DRAW, [f"/{name}", POINTS]))
        page = await browser.new_page(base_url=address, viewport={"width": 1280, "height": 900})
        await page.route("**/map/points", points)
        await page.route("**/map/songs?*", names)
        await page.goto(f"/enter/{link}")
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/")
        await page.goto("/map")
        await page.locator("[data-map][data-ready]").wait_for()
        still, moving = [await page.evaluate(DRAG, moves) for moves in (False, True)]
        await browser.close()
    median = {name: float(np.median(seconds)) * 1e3 for name, seconds in took.items()}
    rows.append(("its first drawing", median["points"], "ms", "JSON", median["json"]))
    rows.append(("frames per second while it is dragged", moving, "", "at rest", still))
    return rows


async def measure(
    service: Service, http: aiohttp.ClientSession, address: str, tunes: Sequence[Path]
) -> Report:
    rows: list[tuple[Cell, ...]] = []

    def row(what: str, value: float, unit: str, baseline: str, base: float) -> None:
        rows.append((what, value, unit, baseline, base, value / base))

    packed, files = await first_page(http, {"accept-encoding": "gzip"})
    plain, _ = await first_page(http, {"accept-encoding": "identity"})
    row(f"first page, {files} files", packed / 1000, "kB", "the same uncompressed", plain / 1000)
    tracks = service.catalogue.songs.tracks
    chosen = np.random.default_rng(2026).choice(len(tracks), QUERIES, replace=False)
    texts = [tracks[at].title.replace("o", "0", 1) for at in chosen]
    key = await service.visits.make_key(OWNER, Role.OWNER, "benchmark")
    bearer = {"authorization": f"Bearer {key}"}

    async def engine(text: str) -> None:
        await service.catalogue.search(SongFilter(text), 20)

    def asking(path: str) -> Callable[[str], Awaitable[None]]:
        async def ask(text: str) -> None:
            async with http.get(path + quote(text), headers=bearer) as response:
                assert response.status == 200
                await response.read()

        return ask

    base = "the engine's call"
    interface, page = asking("/api/v1/search?text="), asking("/library?text=")
    found = await p99(texts, {base: engine, "interface": interface, "page": page})
    for what in ("interface", "page"):
        row(f"search, 99th percentile, {what}", found[what] * 1e3, "ms", base, found[base] * 1e3)
    first, *others = tunes
    (step,) = [step async for step in service.songs.add([first])]
    assert step.track
    stream = f"/rest/stream?id={step.track.id}&apiKey={key}"
    size = first.stat().st_size
    alone = await streamed(http, stream, size)
    clips = [
        # What ends in other bytes was not heard in an earlier run.
        service.songs.hear_clip(file.read_bytes()[:-8] + os.urandom(8), file.name)
        for file in others
    ]
    busy = await streamed(http, stream, size, clips)
    for name, quantile in (("median", 0.5), ("99th percentile", 0.99)):
        both = [float(np.quantile(one, quantile)) * 1e3 for one in (busy, alone)]
        row(f"a part while two clips are heard, {name}", both[0], "ms", "alone", both[1])
    stalls = sum(seconds > PART_SECONDS for seconds in busy)
    rows.append((f"stalls of {len(busy)} parts", stalls, "", "", None, None))
    link = await service.visits.link(OWNER, Role.OWNER)
    for figures in await mapped(address, link):
        row(*figures)
    return Report(
        title="The page",
        protocol=(
            f"{len(tracks):,} songs, {QUERIES} searches, {LISTENERS} listeners for "
            f"{PARTS * PART_SECONDS:.0f} s; server and clients in one process, on loopback."
        ),
        columns=("what", "value", "unit", "baseline", "baseline value", "ratio"),
        rows=tuple(rows),
        notes=(),
    )


async def run(songs: int, kept: Path | None) -> Report:
    with tempfile.TemporaryDirectory() as name:
        folder = kept or Path(name)
        settings = Settings.model_validate(
            {
                "paths": {"data": folder},
                "workers": {"count": 2, "fetch_tagger": False},
                "sources": {one.name: False for one in PROVIDERS if one.key_free},
            }
        )
        if not (folder / "musrec.db").exists():
            folder.mkdir(parents=True, exist_ok=True)
            await build_store(folder, songs)
        tunes = Path(name) / "tunes"
        write_tunes(tunes)
        async with Service.open(settings) as service:
            await service.warm()
            listener = socket.create_server(("127.0.0.1", 0))
            host = f"127.0.0.1:{listener.getsockname()[1]}"
            app = build(service, await service.visits.key(), hosts=(host,))
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            address, jar = f"http://{host}", aiohttp.CookieJar(unsafe=True)
            connector = aiohttp.TCPConnector(limit=LISTENERS)
            async with aiohttp.ClientSession(address, cookie_jar=jar, connector=connector) as http:
                link = await service.visits.link(OWNER, Role.OWNER)
                await http.post(f"/enter/{link}", headers={"origin": address})
                report = await measure(service, http, address, sorted(tunes.iterdir())[:3])
            server.should_exit = True
            await serving
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="Keeps the store for another run.")
    chosen = parser.parse_args()
    print(asyncio.run(run(chosen.songs, chosen.folder)).markdown())


if __name__ == "__main__":
    main()
