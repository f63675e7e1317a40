"""Programs that ask: OpenSubsonic, and the JSON interface, each against its published schema."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from starlette.routing import Route

from musrec import demo
from musrec.members.model import OWNER, Role
from musrec.web import keys, subsonic
from musrec.web.app import KEYED
from musrec.web.pages import FOLDER
from tests.web.conftest import Page, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = Path(__file__).parent
PUBLISHED = json.loads((HERE / "opensubsonic.json").read_text("utf-8"))
DESCRIBED = json.loads((FOLDER / "openapi.json").read_text("utf-8"))
XMLNS = f"{{{subsonic.NAMESPACE}}}"
MEMBER = "5500110022"


class Program:
    """A program with a member's key, without cookies."""

    def __init__(self, page: Page, key: str) -> None:
        self.page = page
        self.key = key
        self.http = aiohttp.ClientSession(page.address)

    async def rest(self, method: str, **asked: str) -> dict[str, Any]:
        """Ask in OpenSubsonic, and hold the answer against its schema."""
        asked = {"f": "json", "v": "1.16.1", "c": "tests", "apiKey": self.key, **asked}
        async with self.http.get(f"/rest/{method}.view", params=asked) as response:
            found: dict[str, Any] = (await response.json())["subsonic-response"]
        kind = method if found["status"] == "ok" else "failed"
        hold(found, {**PUBLISHED, "$ref": f"#/$defs/{kind}"})
        return found

    async def api(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """Ask the JSON interface, and hold the answer against what it says of itself."""
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        async with self.http.request(method, f"/api/v1{path}", headers=headers, **body) as response:
            found = await response.json(content_type=None)
            known = operation(method, response.url.path)["responses"][str(response.status)]
            if "$ref" in known:
                known = DESCRIBED["components"]["responses"][known["$ref"].rpartition("/")[2]]
            schema = known["content"][response.content_type]["schema"]
            hold(found, {**schema, "components": DESCRIBED["components"]})
            return response.status, found


def operation(method: str, path: str) -> dict[str, Any]:
    """Return what `openapi.json` says of a request."""
    for known, operations in DESCRIBED["paths"].items():
        if re.fullmatch(re.sub("{.+?}", "[^/]+", known), path):
            found: dict[str, Any] = operations[method.lower()]
            return found
    raise AssertionError(f"{path} is not described")


def hold(found: object, schema: object) -> None:
    errors = list(Draft202012Validator(schema).iter_errors(found))  # type: ignore[arg-type]
    assert not errors, [(list(error.path), error.message) for error in errors]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def own(page: Page, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """The id and the bytes of a song that the owner added."""
    folder = tmp_path_factory.mktemp("music")
    demo.write_tunes(folder)
    file = min(folder.iterdir())
    (step,) = [step async for step in page.service.songs.add([file])]
    assert step.track
    return step.track.id, file.read_bytes()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def player(page: Page) -> AsyncIterator[Program]:
    """The owner's player."""
    secret = await page.service.visits.make_key(OWNER, Role.OWNER, "player")
    program = Program(page, secret)
    yield program
    await program.http.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def script(page: Page) -> AsyncIterator[Program]:
    """A script of a member who came from Discord."""
    secret = await page.service.visits.make_key(MEMBER, Role.MEMBER, "script")
    program = Program(page, secret)
    yield program
    await program.http.close()


# Keys ---------------------------------------------------------------------------------------------


async def test_a_key_is_made_shown_once_used_and_withdrawn(page: Page, member: Visitor) -> None:
    _, text = await member.post("/keys", name="Phone <3")
    shown = re.search(r"<code>(musrec_[\w-]+)</code>", text)
    assert shown
    assert shown[1] not in (await member.get("/keys"))[1]
    program = Program(page, shown[1])
    assert (await program.rest("ping"))["status"] == "ok"
    number = re.search(r'name="withdraw" value="(\d+)"', text)
    assert number
    assert "Phone &lt;3" in text
    stranger = await page.browser("990011")
    assert (await stranger.post("/keys", withdraw=number[1]))[0] == 404
    await member.post("/keys", withdraw=number[1])
    assert (await program.rest("ping"))["error"]["code"] == 44
    await stranger.http.close()
    await program.http.close()


async def test_only_so_many_keys_and_none_without_a_name(member: Visitor) -> None:
    assert (await member.post("/keys", name=" "))[0] == 400
    while (await member.post("/keys", name="again"))[0] == 200:
        pass
    _, text = await member.post("/keys", name="again")
    assert "You have 20 keys." in text


async def test_whoever_asks_too_often_is_told_when_to_ask_again() -> None:
    allowance = keys.Allowance()
    for _ in range(keys.BURST):
        allowance.take("one")
    with pytest.raises(keys.TooMany, match="too many") as raised:
        allowance.take("one", keys.RECOMMENDING)
    assert 1 <= raised.value.seconds <= 1 + keys.RECOMMENDING / keys.PER_SECOND
    allowance.take("another")


# OpenSubsonic -------------------------------------------------------------------------------------


async def test_a_player_finds_plays_and_follows_songs(
    player: Program, own: tuple[str, bytes], page: Page
) -> None:
    id_, data = own
    for method in ("ping", "getLicense", "getOpenSubsonicExtensions", "tokenInfo"):
        assert (await player.rest(method))["status"] == "ok"
    song = (await player.rest("getSong", id=id_))["song"]
    assert song["contentType"] in ("audio/x-wav", "audio/wav")
    found = (await player.rest("search3", query=song["title"]))["searchResult3"]["song"]
    assert found[0]["id"] == id_
    async with player.http.get(f"/rest/stream?id={id_}&apiKey={player.key}") as response:
        assert await response.read() == data
    part = {"range": "bytes=100-199"}
    async with player.http.get(
        f"/rest/stream?id={id_}&apiKey={player.key}", headers=part
    ) as response:
        assert response.status == 206
        assert await response.read() == data[100:200]
    beyond = {"range": f"bytes={len(data)}-"}
    async with player.http.get(
        f"/rest/stream?id={id_}&apiKey={player.key}", headers=beyond
    ) as response:
        assert response.status == 416
        assert response.headers["content-range"] == f"bytes */{len(data)}"
    nearest = await page.service.catalogue.nearest(await heard(page, id_), 10)
    expected = [track.id for track, _ in nearest]
    for method, at in (("getSimilarSongs", "similarSongs"), ("getSimilarSongs2", "similarSongs2")):
        similar = (await player.rest(method, id=id_, count="10"))[at]["song"]
        assert [one["id"] for one in similar] == expected
    matches = (await player.rest("getSonicSimilarTracks", id=id_))["sonicMatch"]
    assert [one["entry"]["id"] for one in matches] == expected
    alike = [one["similarity"] for one in matches]
    assert alike == sorted(alike, reverse=True)


async def heard(page: Page, id_: str) -> Any:
    found = await page.service.songs.heard(id_)
    assert found
    return found


async def test_a_path_leads_from_one_song_to_the_other(player: Program, page: Page) -> None:
    catalogue = page.service.catalogue.songs
    apart = catalogue.vectors @ catalogue.vectors[0]
    first, last = catalogue.tracks[0].id, catalogue.tracks[int(apart.argmin())].id
    asked = {"startSongId": first, "endSongId": last, "count": "7"}
    found = (await player.rest("findSonicPath", **asked))["sonicMatch"]
    way = [one["entry"]["id"] for one in found]
    assert way[0] == first
    assert way[-1] == last
    assert len(set(way)) == len(way) == 7
    assert found[0]["similarity"] == 1
    # Each step is smaller than the leap from one end to the other.
    rows = {track.id: row for row, track in enumerate(catalogue.tracks)}
    vectors = catalogue.vectors[[rows[id_] for id_ in way]]
    steps = (vectors[:-1] * vectors[1:]).sum(axis=1)
    assert (steps > apart.min()).all()
    # Two songs with none between them are a whole path.
    near = (await page.service.catalogue.nearest(await heard(page, first), 1))[0][0].id
    close = await player.rest("findSonicPath", startSongId=first, endSongId=near, count="3")
    assert 2 <= len(close["sonicMatch"]) <= 3
    same = await player.rest("findSonicPath", startSongId=first, endSongId=first)
    assert [one["entry"]["id"] for one in same["sonicMatch"]] == [first]


async def test_all_songs_come_page_by_page(player: Program, page: Page) -> None:
    seen: list[str] = []
    while True:
        asked = {"query": '""', "songCount": "150", "songOffset": str(len(seen))}
        found = (await player.rest("search3", **asked))["searchResult3"]["song"]
        if not found:
            break
        seen += [one["id"] for one in found]
    assert sorted(seen) == sorted(track.id for track in page.service.catalogue.songs.tracks)


async def test_xml_says_the_same_as_json(player: Program, page: Page) -> None:
    id_ = page.service.catalogue.songs.tracks[0].id
    body = {"apiKey": player.key, "id": id_, "count": "3"}
    async with player.http.post("/rest/getSonicSimilarTracks", data=body) as response:
        assert response.content_type == "application/xml"
        root = ET.fromstring(await response.text())
    assert root.tag == f"{XMLNS}subsonic-response"
    assert root.get("status") == "ok"
    said = await player.rest("getSonicSimilarTracks", id=id_, count="3")
    matches = root.findall(f"{XMLNS}sonicMatch")
    assert [float(one.get("similarity", "")) for one in matches] == [
        one["similarity"] for one in said["sonicMatch"]
    ]
    for one, known in zip(matches, said["sonicMatch"], strict=True):
        entry = one.find(f"{XMLNS}entry")
        assert entry is not None
        assert entry.get("title") == known["entry"]["title"]
        assert entry.get("isDir") == "false"
    async with player.http.get("/rest/getOpenSubsonicExtensions") as response:
        root = ET.fromstring(await response.text())
    names = [one.get("name") for one in root.findall(f"{XMLNS}openSubsonicExtensions")]
    assert names == list(subsonic.EXTENSIONS)
    assert [one.text for one in root.iter(f"{XMLNS}versions")] == ["1"] * len(names)


async def test_a_character_that_xml_cannot_write_is_replaced() -> None:
    element = ET.Element("song")
    subsonic._fill(element, {"title": "bell\x07 and \ud800 <&>", "isDir": False})
    again = ET.fromstring(ET.tostring(element, encoding="utf-8"))
    assert again.attrib == {"title": "bell\ufffd and \ufffd <&>", "isDir": "false"}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"apiKey": ""}, 10),
        ({"apiKey": "", "u": "x", "p": "y"}, 42),
        ({"apiKey": "", "u": "x", "t": "y", "s": "z"}, 41),
        ({"apiKey": "nonsense"}, 44),
        ({"u": "owner"}, 43),
        ({"f": "jsonp"}, 0),
        ({"id": ""}, 10),
        ({"id": "unknown"}, 70),
        ({"id": "../../etc/passwd"}, 70),
        ({"count": "many"}, 0),
        ({"count": "9" * 40}, 0),
    ],
)
async def test_what_cannot_be_answered_gets_a_code_and_a_sentence(
    player: Program, page: Page, asked: dict[str, str], code: int
) -> None:
    asked = {"id": page.service.catalogue.songs.tracks[0].id, **asked}
    if asked.get("f") == "jsonp":
        async with player.http.get("/rest/ping", params=asked) as response:
            root = ET.fromstring(await response.text())
        (error,) = root
        assert error.get("code") == "0"
        return
    error = (await player.rest("getSonicSimilarTracks", **asked))["error"]
    assert error["code"] == code
    assert error["message"].endswith(".")


async def test_a_method_that_is_not_offered_is_named(player: Program) -> None:
    async with player.http.get(f"/rest/getIndexes?f=json&apiKey={player.key}") as response:
        assert response.status == 404
        said = (await response.json())["subsonic-response"]["error"]["message"]
    assert said.startswith("There is no method 'getIndexes' here.")


async def test_files_are_for_people_whom_the_owner_invited(
    script: Program, player: Program, own: tuple[str, bytes], page: Page
) -> None:
    assert (await script.rest("stream", id=own[0]))["error"]["code"] == 50
    assert "suffix" not in (await script.rest("getSong", id=own[0]))["song"]
    starter = page.service.catalogue.songs.tracks[0].id
    assert (await player.rest("stream", id=starter))["error"]["code"] == 70


async def test_a_file_that_has_gone_is_a_sentence(
    player: Program, own: tuple[str, bytes], page: Page
) -> None:
    file = await page.service.songs.file_of(own[0])
    away = file.rename(file.with_suffix(".away"))
    try:
        error = (await player.rest("stream", id=own[0]))["error"]
    finally:
        away.rename(file)
    assert error["code"] == 70
    assert "has gone" in error["message"]


# The JSON interface -------------------------------------------------------------------------------


async def test_the_interface_is_described_as_openapi_describes_it(player: Program) -> None:
    schema = json.loads((HERE / "vendor" / "openapi-3.1.json").read_text("utf-8"))
    hold(DESCRIBED, schema)
    async with player.http.get("/api/openapi.json") as response:
        assert await response.json() == DESCRIBED
    described = {
        (method.upper(), path)
        for path, operations in DESCRIBED["paths"].items()
        for method in operations.keys() & {"get", "post"}
    }
    routes = [route for route in KEYED if isinstance(route, Route)]
    served = {
        (method, route.path.replace(":int", ""))
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == served | {("GET", "/api/openapi.json")}


async def test_a_script_searches_and_compares(script: Program, page: Page) -> None:
    track = page.service.catalogue.songs.tracks[3]
    _, found = await script.api("GET", f"/search?text={quote(track.title)}&count=3")
    assert track.id in [song["id"] for song in found["songs"]]
    _, found = await script.api("GET", "/search?text=zzzzzzqqqq")
    assert found == {"songs": [], "why": found["why"]}
    assert found["why"]
    _, whole = await script.api("GET", f"/songs/{track.id}")
    assert whole["sound"]["percentiles"]
    _, found = await script.api("GET", f"/songs/{track.id}/similar?count=4")
    assert len(found["songs"]) == 4


async def test_a_script_asks_for_songs_and_keeps_them(script: Program, page: Page) -> None:
    track = page.service.catalogue.songs.tracks[3]
    status, answer = await script.api("POST", "/recommend", json={"song": track.id, "count": 3})
    assert status == 200
    ids = [pick["id"] for pick in answer["picks"]]
    assert len(ids) == 3
    status, again = await script.api("POST", "/recommend", json={"text": str(track), "count": 3})
    assert status == 200
    assert not set(ids) & {pick["id"] for pick in again["picks"]}
    status, made = await script.api("POST", "/playlists", json={"name": "Found", "songs": ids})
    assert status == 201
    assert [song["id"] for song in made["songs"]] == ids
    _, lists = await script.api("GET", "/playlists")
    assert [one["name"] for one in lists["playlists"]] == ["Found"]
    _, kept = await script.api("GET", f"/playlists/{made['id']}")
    assert kept == made


async def test_playlists_of_others_are_not_found(
    script: Program, player: Program, page: Page
) -> None:
    made = await page.service.playlists.create(OWNER, "Not yours")
    assert (await script.api("GET", f"/playlists/{made.id}"))[0] == 404
    assert (await player.api("GET", f"/playlists/{made.id}"))[0] == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "That is not JSON."),
        (b"\xff\xfe", "That is not JSON."),
        (b"[" * 60_000, "That is not JSON."),
        (b"[]", "The body is wrong"),
        (b'{"count": 0}', "count is wrong"),
        (b'{"count": 1e99}', "count is wrong"),
        (b'{"adventurous": NaN}', "adventurous is wrong"),
        (b'{"songs": "x"}', "songs is wrong"),
        (b'{"text": "' + b"x" * 600 + b'"}', "text is wrong"),
    ],
)
async def test_a_body_that_cannot_be_read_gets_a_sentence(
    script: Program, body: bytes, said: str
) -> None:
    status, problem = await script.api("POST", "/recommend", data=body)
    assert status == 400
    assert said in problem["detail"]


async def test_problems_are_told_to_programs_not_shown_as_pages(
    script: Program, page: Page
) -> None:
    assert (await script.api("GET", "/songs/unknown"))[0] == 404
    assert (await script.api("GET", "/search?tempo=fast"))[0] == 404
    assert (await script.api("GET", "/search?count=some"))[0] == 400
    assert (await script.api("POST", "/recommend", data=b" " * 70_000))[0] == 413
    stranger = Program(page, "")
    status, problem = await stranger.api("GET", "/playlists")
    assert status == 401
    assert problem["detail"].startswith("No valid key")
    async with stranger.http.get("/api/v1/nothing") as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"
    await stranger.http.close()


async def test_a_text_that_means_several_songs_offers_them(script: Program, page: Page) -> None:
    titles: dict[str, int] = {}
    for track in page.service.catalogue.songs.tracks:
        titles[track.title] = titles.get(track.title, 0) + 1
    title = next(title for title, count in titles.items() if count > 1)
    status, problem = await script.api("POST", "/recommend", json={"text": html.unescape(title)})
    assert status == 409
    assert len(problem["choices"]) > 1


async def test_a_cookie_opens_no_interface(page: Page, owner: Visitor) -> None:
    assert (await owner.get("/api/v1/playlists"))[0] == 401
    _, text = await owner.get("/rest/ping")
    assert 'code="10"' in text
