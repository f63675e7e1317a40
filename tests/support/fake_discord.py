"""A small Discord for tests: gateway and REST v10, CDN, and people, on one loopback port.

It plays by the rules that bite: intents strip content, an interaction must be answered within 3 s
and only once, payloads have limits, ``attachment://`` must name an uploaded file, rate limits have
buckets. It keeps what it was sent, so that tests can hold it against Discord's own document.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, WSMsgType, web
from aiohttp.typedefs import Handler

J = dict[str, Any]
File = tuple[str, str, str, bytes]  # key, name, type, content
INTENT = {
    "guilds": 1,
    "members": 1 << 1,
    "messages": 1 << 9,
    "reactions": 1 << 10,
    "dm_messages": 1 << 12,
    "dm_reactions": 1 << 13,
    "presences": 1 << 8,
    "content": 1 << 15,
}
PATIENCE = 120.0
"""Seconds that tests wait for what must come: machines can be slow, and who waits loses nothing."""
PRIVILEGED = INTENT["members"] | INTENT["presences"] | INTENT["content"]
CV2, EPHEMERAL, LOADING = 1 << 15, 1 << 6, 1 << 7


class ApiError(Exception):
    def __init__(self, status: int, code: int, message: str, errors: J | None = None) -> None:
        self.status, self.body = (
            status,
            {"code": code, "message": message, **({"errors": errors} if errors else {})},
        )


def form_error(path: str, code: str, message: str) -> ApiError:
    errs: J = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(path.split(".")):
        errs = {part: errs}
    return ApiError(400, 50035, "Invalid Form Body", errs)


@dataclass
class Connection:
    ws: web.WebSocketResponse
    compress: str | None
    seq: int = 0
    intents: int = 0
    session: str = ""
    shard: list[int] = field(default_factory=lambda: [0, 1])
    log: list[J] = field(default_factory=list)
    _z: Any = None

    async def send(self, op: int, d: Any = None, t: str | None = None) -> None:
        if t:
            self.seq += 1
        p = {"op": op, "d": d, "s": self.seq if t else None, "t": t}
        if t:
            self.log.append(p)
        await self.raw(p)

    async def raw(self, p: J) -> None:
        b = json.dumps(p).encode()
        if self.ws.closed:
            return
        if (
            self.compress == "zlib-stream"
        ):  # one zlib context per socket, each message ends in Z_SYNC_FLUSH
            self._z = self._z or zlib.compressobj()
            await self.ws.send_bytes(self._z.compress(b) + self._z.flush(zlib.Z_SYNC_FLUSH))
        elif self.compress == "zstd-stream":
            import zstandard

            self._z = self._z or zstandard.ZstdCompressor().compressobj()
            await self.ws.send_bytes(
                self._z.compress(b) + self._z.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            )
        else:
            await self.ws.send_str(b.decode())


class FakeDiscord:
    TOKEN = "fake.token"

    def __init__(
        self,
        *,
        approved_intents: int = PRIVILEGED,
        compress: bool = True,
        rate: dict[str, tuple[int, float]] | None = None,
    ) -> None:
        self.approved, self.compress = approved_intents, compress
        self._id = int(time.time() * 1000 - 1420070400000) << 22
        self.app_id, self.guild_id, self.channel_id = self.new_id(), self.new_id(), self.new_id()
        self.users: dict[str, J] = {}
        self.bot = self.user("recobot", bot=True, id_=self.app_id)
        self.messages: dict[str, J] = {}
        self.reactions: dict[str, dict[str, list[str]]] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.commands: list[J] = []
        self.interactions: dict[str, J] = {}
        self.channels: dict[str, J] = {}
        self.conns: list[Connection] = []
        self.sessions: dict[str, Connection] = {}
        self.requests: list[tuple[str, str, int]] = []
        self.bodies: list[tuple[str, str, Any]] = []
        self.failing_handshakes = 0
        # What goes wrong with requests to a path that contains a key: each failure happens once, in
        # order; a request waits for its event; the witness sees each once it is carried out.
        self.failures: list[tuple[str, int | None]] = []  # status, or None for a reset
        self.held: dict[str, asyncio.Event] = {}
        self.witness: Callable[[web.Request], None] = lambda _request: None
        self.cdn_status = 404
        self.slow_files: Handler | None = None
        """Serves every file instead, for a CDN that hangs or drips."""
        self.banned = False
        self.answered_within = 3.0
        self.largest_upload = 10 * 1024 * 1024
        self.flags = 0
        self.waiters: list[tuple[Any, asyncio.Future[Any]]] = []
        self.rate = rate or {}
        self.usual_rate = (50, 1.0)
        self.hits: dict[str, list[float]] = {}
        self.guild_channel(self.channel_id, "music")

    # Small builders -----------------------------------------------------------------------------

    def new_id(self) -> str:
        self._id += 1 << 12
        return str(self._id)

    def user(self, name: str, *, bot: bool = False, id_: str | None = None) -> J:
        u: J = {
            "id": id_ or self.new_id(),
            "username": name,
            "discriminator": "0",
            "global_name": name,
            "avatar": None,
            "bot": bot,
            "public_flags": 0,
        }
        self.users[u["id"]] = u
        return u

    def guild_channel(self, cid: str, name: str) -> J:
        c = {
            "id": cid,
            "type": 0,
            "guild_id": self.guild_id,
            "name": name,
            "position": 0,
            "permission_overwrites": [],
            "nsfw": False,
            "topic": None,
            "last_message_id": None,
            "rate_limit_per_user": 0,
            "parent_id": None,
        }
        self.channels[cid] = c
        return c

    def member(self) -> J:
        return {
            "roles": [],
            "joined_at": "2024-01-01T00:00:00+00:00",
            "deaf": False,
            "mute": False,
            "flags": 0,
            "avatar": None,
            "nick": None,
            "premium_since": None,
            "pending": False,
            "communication_disabled_until": None,
        }

    def guild(self) -> J:
        everyone = {
            "id": self.guild_id,
            "name": "@everyone",
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "position": 0,
            "permissions": str((1 << 50) - 1 & ~8),
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }
        return {
            "id": self.guild_id,
            "name": "test guild",
            "icon": None,
            "splash": None,
            "discovery_splash": None,
            "owner_id": "1",
            "afk_channel_id": None,
            "afk_timeout": 300,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "roles": [everyone],
            "emojis": [],
            "stickers": [],
            "features": [],
            "mfa_level": 0,
            "application_id": None,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "rules_channel_id": None,
            "vanity_url_code": None,
            "description": None,
            "banner": None,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "preferred_locale": "en-US",
            "public_updates_channel_id": None,
            "nsfw_level": 0,
            "premium_progress_bar_enabled": False,
            "joined_at": "2024-01-01T00:00:00+00:00",
            "large": False,
            "unavailable": False,
            "member_count": len(self.users),
            "voice_states": [],
            "members": [{**self.member(), "user": self.bot}],
            "channels": [c for c in self.channels.values() if c.get("guild_id")],
            "threads": [],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    # Life cycle ---------------------------------------------------------------------------------

    async def start(self, port: int = 0) -> None:
        app = web.Application(middlewares=[self.middleware], client_max_size=64 << 20)
        r = app.router
        r.add_get("/gateway", self.gateway)
        r.add_get("/cdn/{key:.*}", self.cdn)
        a = "/api/v10"
        for m, p, h in [
            ("GET", "/users/@me", self.me),
            ("GET", "/users/{u}", self.get_user),
            ("GET", "/oauth2/applications/@me", self.appinfo),
            ("GET", "/gateway/bot", self.gateway_bot),
            ("PUT", "/applications/{app}/commands", self.put_commands),
            ("PUT", "/applications/{app}/guilds/{g}/commands", self.put_commands),
            ("GET", "/applications/{app}/commands", self.get_commands),
            ("POST", "/users/@me/channels", self.open_dm),
            ("GET", "/channels/{c}", self.get_channel),
            ("POST", "/channels/{c}/messages", self.post_message),
            ("GET", "/channels/{c}/messages", self.list_messages),
            ("GET", "/channels/{c}/messages/{m}", self.get_message),
            ("PATCH", "/channels/{c}/messages/{m}", self.edit_message),
            ("DELETE", "/channels/{c}/messages/{m}", self.delete_message),
            ("POST", "/channels/{c}/typing", self.no_content),
            ("PUT", "/channels/{c}/messages/{m}/reactions/{e}/@me", self.put_reaction),
            ("GET", "/channels/{c}/messages/{m}/reactions/{e}", self.list_reactions),
            ("DELETE", "/channels/{c}/messages/{m}/reactions/{e}/{who}", self.del_reaction),
            ("POST", "/interactions/{i}/{t}/callback", self.callback),
            ("POST", "/webhooks/{app}/{t}", self.followup),
            ("GET", "/webhooks/{app}/{t}/messages/{m}", self.wh_get),
            ("PATCH", "/webhooks/{app}/{t}/messages/{m}", self.wh_edit),
            ("DELETE", "/webhooks/{app}/{t}/messages/{m}", self.wh_delete),
        ]:
            r.add_route(m, a + p, h)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", port)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        for c in self.conns:
            await c.ws.close()
        await self.runner.cleanup()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/api/"):
            return await handler(request)
        resource = request.match_info.route.resource
        route = f"{request.method} {resource.canonical if resource else request.path}"
        limit, window = self.rate.get(route, self.usual_rate)
        now = time.monotonic()
        key = route + request.match_info.get("c", "")
        hits = self.hits[key] = [h for h in self.hits.get(key, []) if now - h < window]
        reset = window - (now - hits[0]) if hits else window
        head = {
            "X-RateLimit-Bucket": f"{abs(hash(route)):x}",
            "X-RateLimit-Limit": str(limit),
            "Via": "1.1 fake",
            "X-RateLimit-Reset-After": f"{reset:.3f}",
            "X-RateLimit-Reset": f"{time.time() + reset:.3f}",
        }
        # Without a Via header discord.py takes a 429 for a ban by Cloudflare, and raises.
        if len(hits) >= limit:
            self.requests.append((request.method, request.path, 429))
            return web.json_response(
                {
                    "message": "You are being rate limited.",
                    "retry_after": round(reset, 3),
                    "global": False,
                },
                status=429,
                headers={**head, "X-RateLimit-Remaining": "0"},
            )
        hits.append(now)
        head["X-RateLimit-Remaining"] = str(limit - len(hits))
        for part, event in list(self.held.items()):
            if part in request.path:
                self._wake(("held", part))
                await event.wait()
        for failure in self.failures:
            if failure[0] in request.path:
                self.failures.remove(failure)
                if failure[1] is None and request.transport is not None:
                    request.transport.abort()
                return web.json_response(
                    {"message": "oops"}, status=failure[1] or 500, headers=head
                )
        needs_auth = not ("/interactions/" in request.path or "/webhooks/" in request.path)
        try:
            if self.banned and "/channels/" in request.path:
                raise ApiError(403, 50001, "Missing Access")
            if needs_auth and request.headers.get("Authorization") != f"Bot {self.TOKEN}":
                raise ApiError(401, 0, "401: Unauthorized")
            res = await handler(request)
        except ApiError as e:
            res = web.json_response(e.body, status=e.status)
        except web.HTTPNotFound:
            res = web.json_response(
                {"message": "404: Not Found (route not faked)", "code": 0}, status=404
            )
        res.headers.update(head)
        # discord.py compares the header exactly: with a charset it would read text.
        if res.content_type == "application/json":
            res.headers["Content-Type"] = "application/json"
        self.requests.append((request.method, request.path, res.status))
        self.witness(request)
        return res

    # Gateway ------------------------------------------------------------------------------------

    async def gateway(self, req: web.Request) -> web.WebSocketResponse:
        if self.failing_handshakes:
            self.failing_handshakes -= 1
            raise web.HTTPServiceUnavailable
        ws = web.WebSocketResponse(max_msg_size=4096 * 4)
        await ws.prepare(req)
        c = Connection(ws, req.query.get("compress") if self.compress else None)
        self.conns.append(c)
        await c.send(10, {"heartbeat_interval": 41250})
        async for msg in ws:
            if msg.type is not WSMsgType.TEXT:
                break
            p = json.loads(msg.data)
            if p["op"] == 1:
                await c.send(11)
            elif p["op"] == 2:
                await self.identify(c, p["d"])
            elif p["op"] == 6:
                await self.resume(c, p["d"])
            elif p["op"] == 8:
                await c.send(
                    0,
                    {
                        "guild_id": str(p["d"]["guild_id"]),
                        "members": [],
                        "chunk_index": 0,
                        "chunk_count": 1,
                        "nonce": p["d"].get("nonce"),
                    },
                    "GUILD_MEMBERS_CHUNK",
                )
        return ws

    async def identify(self, c: Connection, d: J) -> None:
        if d["token"] != self.TOKEN:
            await c.ws.close(code=4004, message=b"Authentication failed.")
            return
        if d["intents"] & PRIVILEGED & ~self.approved:
            await c.ws.close(code=4014, message=b"Disallowed intent(s).")
            return
        c.intents, c.session = d["intents"], self.new_id()
        self.sessions[c.session] = c
        c.shard = d.get("shard", [0, 1])
        await c.send(
            0,
            {
                "v": 10,
                "user": {
                    **self.bot,
                    "verified": True,
                    "mfa_enabled": False,
                    "email": None,
                    "flags": 0,
                    "locale": "en-US",
                },
                "guilds": [{"id": self.guild_id, "unavailable": True}],
                "session_id": c.session,
                "resume_gateway_url": self.url("/gateway", "ws"),
                "shard": c.shard,
                "application": {"id": self.app_id, "flags": 0},
                "private_channels": [],
                "relationships": [],
            },
            "READY",
        )
        await c.send(0, self.guild(), "GUILD_CREATE")
        self._wake(("ready", c))

    async def resume(self, c: Connection, d: J) -> None:
        old = self.sessions.get(d["session_id"])
        if not old:
            await c.send(9, False)
            return
        c.intents, c.session, c.seq, c.log = old.intents, old.session, old.seq, old.log
        self.sessions[c.session] = c
        for p in [p for p in c.log if p["s"] > d["seq"]]:
            await c.raw(p)
        await c.send(0, {}, "RESUMED")
        self._wake(("resumed", c))

    def live(self) -> list[Connection]:
        return [c for c in self.conns if not c.ws.closed and c.session]

    async def dispatch(self, t: str, d: J, intent: int = 0) -> None:
        for c in list(self.sessions.values()):
            if intent and not c.intents & intent:
                continue
            out = d
            if t.startswith("MESSAGE_") and "content" in d and not c.intents & INTENT["content"]:
                mine = d["author"]["id"] == self.app_id or any(
                    m["id"] == self.app_id for m in d["mentions"]
                )
                if not mine and d.get("guild_id"):
                    out = {**d, "content": "", "embeds": [], "attachments": [], "components": []}
            await c.send(0, out, t)

    # REST ---------------------------------------------------------------------------------------

    async def no_content(self, _r: web.Request) -> web.Response:
        return web.Response(status=204)

    async def me(self, _r: web.Request) -> web.Response:
        return web.json_response(self.bot)

    async def get_user(self, r: web.Request) -> web.Response:
        u = self.users.get(r.match_info["u"])
        if not u:
            raise ApiError(404, 10013, "Unknown User")
        return web.json_response(u)

    async def appinfo(self, _r: web.Request) -> web.Response:
        return web.json_response(
            {
                "id": self.app_id,
                "name": "recobot",
                "icon": None,
                "description": "",
                "rpc_origins": [],
                "bot_public": True,
                "bot_require_code_grant": False,
                "owner": self.user("owner"),
                "verify_key": "0" * 64,
                "team": None,
                "flags": self.flags,
                "summary": "",
            }
        )

    async def gateway_bot(self, _r: web.Request) -> web.Response:
        return web.json_response(
            {
                "url": self.url("/gateway", "ws"),
                "shards": 1,
                "session_start_limit": {
                    "total": 1000,
                    "remaining": 999,
                    "reset_after": 1,
                    "max_concurrency": 1,
                },
            }
        )

    async def put_commands(self, r: web.Request) -> web.Response:
        out = []
        sent, _ = await self.body(r)
        for i, c in enumerate(sent):
            if c.get("type", 1) == 1 and not (1 <= len(c.get("description", "")) <= 100):
                raise form_error(
                    f"{i}.description",
                    "BASE_TYPE_BAD_LENGTH",
                    "Must be between 1 and 100 in length.",
                )
            if c.get("type", 1) == 1 and (c["name"] != c["name"].lower() or len(c["name"]) > 32):
                raise form_error(
                    f"{i}.name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid"
                )
            out.append(
                {
                    "default_member_permissions": None,
                    "nsfw": False,
                    "dm_permission": True,
                    "description": "",
                    **c,
                    "id": self.new_id(),
                    "application_id": self.app_id,
                    "version": self.new_id(),
                    **({"guild_id": r.match_info["g"]} if "g" in r.match_info else {}),
                }
            )
        self.commands = out
        return web.json_response(out)

    async def get_commands(self, _r: web.Request) -> web.Response:
        return web.json_response(self.commands)

    async def open_dm(self, r: web.Request) -> web.Response:
        u = self.users[str((await r.json())["recipient_id"])]
        return web.json_response(self.dm(u))

    def dm(self, u: J) -> J:
        for c in self.channels.values():
            if c["type"] == 1 and c["recipients"][0]["id"] == u["id"]:
                return c
        c = {"id": self.new_id(), "type": 1, "recipients": [u], "last_message_id": None, "flags": 0}
        self.channels[c["id"]] = c
        return c

    async def get_channel(self, r: web.Request) -> web.Response:
        if r.match_info["c"] not in self.channels:
            raise ApiError(404, 10003, "Unknown Channel")
        return web.json_response(self.channels[r.match_info["c"]])

    def record(self, r: web.Request, body: Any) -> None:
        """Keep what was sent, to be held against Discord's own document."""
        resource = r.match_info.route.resource
        path = (resource.canonical if resource else r.path).removeprefix("/api/v10")
        self.bodies.append((r.method.lower(), path, body))

    async def body(self, r: web.Request) -> tuple[Any, list[File]]:
        """JSON, or multipart with payload_json + files[n]."""
        if not r.content_type.startswith("multipart/"):
            payload: J = await r.json() if r.can_read_body else {}
            self.record(r, payload)
            return payload, []
        payload = {}
        files: list[File] = []
        async for part in await r.multipart():
            assert isinstance(part, BodyPartReader)
            data = await part.read(decode=True)
            if part.name == "payload_json":
                payload = json.loads(data)
            elif part.name and part.name.startswith("files["):
                files.append(
                    (
                        part.name[6:-1],
                        part.filename or "file",
                        part.headers.get("Content-Type", "application/octet-stream"),
                        bytes(data),
                    )
                )
        self.record(r, payload)
        return payload, files

    def check(self, p: J, files: list[File]) -> None:
        if len(p.get("content") or "") > 2000:
            raise form_error("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
        for _, _, _, data in files:
            if len(data) > self.largest_upload:
                raise ApiError(413, 40005, "Request entity too large")
        embeds = p.get("embeds") or []
        if len(embeds) > 10:
            raise form_error("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
        total = 0
        for i, e in enumerate(embeds):
            parts = [
                ("title", 256, e.get("title")),
                ("description", 4096, e.get("description")),
                ("footer.text", 2048, (e.get("footer") or {}).get("text")),
                ("author.name", 256, (e.get("author") or {}).get("name")),
            ]
            for k, f in enumerate(e.get("fields", [])):
                parts += [
                    (f"fields.{k}.name", 256, f["name"]),
                    (f"fields.{k}.value", 1024, f["value"]),
                ]
            if len(e.get("fields", [])) > 25:
                raise form_error(
                    f"embeds.{i}.fields", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length."
                )
            for path, n, v in parts:
                total += len(v or "")
                if len(v or "") > n:
                    raise form_error(
                        f"embeds.{i}.{path}",
                        "BASE_TYPE_MAX_LENGTH",
                        f"Must be {n} or fewer in length.",
                    )
        if total > 6000:
            raise form_error(
                "embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000"
            )
        names = {f[1] for f in files}
        for u in find_key(embeds + (p.get("components") or []), "url"):
            if isinstance(u, str) and u.startswith("attachment://") and u[13:] not in names:
                raise form_error(
                    "components" if p.get("components") else "embeds",
                    "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND",
                    f"The referenced attachment was not found: {u}",
                )
        ids = find_key(p.get("components") or [], "custom_id")
        if any(len(x) > 100 for x in ids) or len(ids) != len(set(ids)):
            raise form_error(
                "components",
                "COMPONENT_CUSTOM_ID_DUPLICATED",
                "Component custom id cannot be duplicated / over 100",
            )
        v2 = bool(p.get("flags", 0) & CV2)
        if v2 and (p.get("content") or embeds):
            raise form_error(
                "content",
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                "The 'content' and 'embeds' fields cannot be used with IS_COMPONENTS_V2",
            )
        if not v2 and any(c["type"] != 1 for c in p.get("components") or []):
            raise form_error(
                "components.0.type",
                "UNION_TYPE_CHOICES",
                "Value of field must be one of (1,) without IS_COMPONENTS_V2",
            )
        if not (
            p.get("content")
            or embeds
            or files
            or p.get("components")
            or p.get("attachments")
            or p.get("poll")
        ):
            raise ApiError(400, 50006, "Cannot send an empty message")

    def store_files(self, cid: str, files: list[File], payload: J) -> list[J]:
        meta = {str(a.get("id")): a for a in payload.get("attachments") or []}
        out = []
        for n, name, ctype, data in files:
            aid = self.new_id()
            key = f"attachments/{cid}/{aid}/{name}"
            self.files[key] = (ctype, data)
            url = self.url("/cdn/" + key)
            out.append(
                {
                    "id": aid,
                    "filename": name,
                    "size": len(data),
                    "url": url,
                    "proxy_url": url,
                    "content_type": ctype,
                    "description": meta.get(n, {}).get("description"),
                }
            )
        return out

    def make_message(
        self,
        cid: str,
        author: J,
        p: J,
        files: list[File],
        kept: Sequence[J] = (),
        **extra: Any,
    ) -> J:
        mid = self.new_id()
        atts = self.store_files(cid, files, p)
        by_name = {a["filename"]: a for a in (*kept, *atts)}
        used: set[str] = set()

        def swap(o: Any) -> Any:
            if isinstance(o, dict):
                o = {k: swap(v) for k, v in o.items()}
                if isinstance(o.get("url"), str) and o["url"].startswith("attachment://"):
                    n = o["url"][13:]
                    used.add(n)
                    o |= {key: by_name[n][key] for key in ("url", "proxy_url")}
                    o["attachment_id"] = by_name[n]["id"]
                return o
            return [swap(x) for x in o] if isinstance(o, list) else o

        embeds = [{"type": "rich", **swap(e)} for e in p.get("embeds") or []]
        embed_used = set(used)
        comps = number(swap(p.get("components") or []))
        m = {
            "id": mid,
            "channel_id": cid,
            "author": author,
            "content": p.get("content") or "",
            "timestamp": "2026-01-01T00:00:00+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [
                u for u in self.users.values() if f"<@{u['id']}>" in (p.get("content") or "")
            ],
            "mention_roles": [],
            "attachments": [
                a for a in atts if a["filename"] not in embed_used
            ],  # Discord hides attachments that an embed shows
            "embeds": embeds,
            "components": comps,
            "pinned": False,
            "type": 0,
            "flags": p.get("flags", 0),
            **extra,
        }
        if p.get("message_reference"):
            ref = str(p["message_reference"]["message_id"])
            m |= {
                "type": 19,
                "message_reference": {"message_id": ref, "channel_id": cid},
                "referenced_message": self.messages.get(ref),
            }
        self.messages[mid] = m
        return m

    def gw(self, m: J) -> J:
        if self.channels[m["channel_id"]].get("guild_id"):
            return {**m, "guild_id": self.guild_id, "member": self.member()}
        return m

    async def publish(self, m: J, t: str = "MESSAGE_CREATE") -> None:
        dm = not self.channels[m["channel_id"]].get("guild_id")
        if not m["flags"] & EPHEMERAL:
            await self.dispatch(t, self.gw(m), INTENT["dm_messages"] if dm else INTENT["messages"])
        self._wake((t, m))

    async def post_message(self, r: web.Request) -> web.Response:
        cid = r.match_info["c"]
        if cid not in self.channels:
            raise ApiError(404, 10003, "Unknown Channel")
        p, files = await self.body(r)
        self.check(p, files)
        reference = p.get("message_reference")
        if reference and str(reference["message_id"]) not in self.messages:
            raise form_error("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        m = self.make_message(cid, self.bot, p, files)
        await self.publish(m)
        return web.json_response(m)

    async def list_messages(self, r: web.Request) -> web.Response:
        limit, after = int(r.query.get("limit", 50)), int(r.query.get("after", 0))
        found = [
            m
            for m in sorted(self.messages.values(), key=lambda m: int(m["id"]))
            if m["channel_id"] == r.match_info["c"]
            and int(m["id"]) > after
            and not m["flags"] & EPHEMERAL
        ]
        # After a message come those that follow it, else the latest; either way newest first.
        found = found[:limit] if after else found[-limit:]
        return web.json_response(found[::-1])

    def find(self, mid: str) -> J:
        if mid not in self.messages:
            raise ApiError(404, 10008, "Unknown Message")
        return self.messages[mid]

    async def get_message(self, r: web.Request) -> web.Response:
        return web.json_response(self.find(r.match_info["m"]))

    async def apply_edit(self, m: J, p: J, files: list[File]) -> J:
        self.check(
            {
                **{k: m[k] for k in ("content", "embeds", "components", "attachments")},
                **p,
                "flags": p.get("flags", m["flags"]),
            },
            files + [("", a["filename"], "", b"") for a in m["attachments"]],
        )
        tmp = self.make_message(m["channel_id"], self.bot, p, files, m["attachments"])
        del self.messages[tmp["id"]]
        for k in ("content", "embeds", "components"):
            if k in p:
                m[k] = tmp[k]
        if files or "attachments" in p:
            keep = {str(a["id"]) for a in p.get("attachments") or []}
            m["attachments"] = [a for a in m["attachments"] if a["id"] in keep] + tmp["attachments"]
        m["flags"] = (m["flags"] & ~LOADING) | p.get("flags", 0)
        m["edited_timestamp"] = "2026-01-01T00:00:01+00:00"
        await self.publish(m, "MESSAGE_UPDATE")
        return m

    async def edit_message(self, r: web.Request) -> web.Response:
        m = self.find(r.match_info["m"])
        if m["author"]["id"] != self.app_id:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        return web.json_response(await self.apply_edit(m, *await self.body(r)))

    async def delete_message(self, r: web.Request) -> web.Response:
        m = self.find(r.match_info["m"])
        del self.messages[m["id"]]
        await self.dispatch(
            "MESSAGE_DELETE",
            {"id": m["id"], "channel_id": m["channel_id"], "guild_id": self.guild_id},
            INTENT["messages"],
        )
        return web.Response(status=204)

    async def react_as(self, u: J, m: J, emoji: str, add: bool = True) -> None:
        who = self.reactions.setdefault(m["id"], {}).setdefault(emoji, [])
        if add and u["id"] not in who:
            who.append(u["id"])
        elif not add and u["id"] in who:
            who.remove(u["id"])
        m["reactions"] = [
            {
                "emoji": {"id": None, "name": e},
                "count": len(w),
                "me": self.app_id in w,
                "me_burst": False,
                "burst_colors": [],
                "count_details": {"normal": len(w), "burst": 0},
            }
            for e, w in self.reactions[m["id"]].items()
            if w
        ]
        d: J = {
            "user_id": u["id"],
            "channel_id": m["channel_id"],
            "message_id": m["id"],
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
        }
        dm = not self.channels[m["channel_id"]].get("guild_id")
        if not dm:
            d["guild_id"] = self.guild_id
        if add:
            d["message_author_id"] = m["author"]["id"]
            if not dm:
                d["member"] = {**self.member(), "user": u}
        self._wake(("reacted", m))
        await self.dispatch(
            "MESSAGE_REACTION_ADD" if add else "MESSAGE_REACTION_REMOVE",
            d,
            INTENT["dm_reactions"] if dm else INTENT["reactions"],
        )

    async def put_reaction(self, r: web.Request) -> web.Response:
        await self.react_as(self.bot, self.find(r.match_info["m"]), r.match_info["e"])
        return web.Response(status=204)

    async def list_reactions(self, r: web.Request) -> web.Response:
        message = self.find(r.match_info["m"])
        who = self.reactions.get(message["id"], {}).get(r.match_info["e"], [])
        later = [id_ for id_ in sorted(who, key=int) if int(id_) > int(r.query.get("after", 0))]
        found = later[: int(r.query.get("limit", 25))]
        return web.json_response([self.users[id_] for id_ in found])

    async def del_reaction(self, r: web.Request) -> web.Response:
        who = r.match_info["who"]
        await self.react_as(
            self.bot if who == "@me" else self.users[who],
            self.find(r.match_info["m"]),
            r.match_info["e"],
            add=False,
        )
        return web.Response(status=204)

    # Interactions -------------------------------------------------------------------------------

    def it(self, token: str) -> J:
        i = self.interactions.get(token)
        if not i or time.monotonic() - i["at"] > 15 * 60:
            raise ApiError(404, 10015, "Unknown Webhook")
        return i

    async def callback(self, r: web.Request) -> web.Response:
        i = self.interactions.get(r.match_info["t"])
        if not i or time.monotonic() - i["at"] > self.answered_within:
            raise ApiError(404, 10062, "Unknown interaction")
        p, files = await self.body(r)
        if i["answered"]:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        kind, data = p["type"], p.get("data") or {}
        m = None
        if kind == 4:
            self.check(data, files)
            m = self.make_message(
                i["channel"]["id"],
                self.bot,
                data,
                files,
                application_id=self.app_id,
                webhook_id=self.app_id,
            )
        elif kind == 5:
            m = self.make_message(
                i["channel"]["id"],
                self.bot,
                {"flags": data.get("flags", 0) | LOADING},
                [],
                application_id=self.app_id,
                webhook_id=self.app_id,
            )
        elif kind == 7:
            await self.apply_edit(self.find(i["message"]), data, files)
            m = self.find(i["message"])
        elif kind == 8 and (
            len(data["choices"]) > 25
            or any(not 1 <= len(c["name"]) <= 100 for c in data["choices"])
        ):
            raise form_error(
                "data.choices", "BASE_TYPE_BAD_LENGTH", "Must be 25 or fewer / name 1-100."
            )
        i["answered"], i["answer"] = kind, data
        if m and kind != 7:
            i["original"] = m["id"]
            await self.publish(m)
        self._wake(("answer", i))
        if r.query.get("with_response") not in ("1", "true"):
            return web.Response(status=204)
        return web.json_response(
            {
                "interaction": {
                    "id": i["id"],
                    "type": i["type"],
                    "response_message_id": m and m["id"],
                    "response_message_loading": kind == 5,
                    "response_message_ephemeral": bool(m and m["flags"] & EPHEMERAL),
                },
                **({"resource": {"type": kind, "message": m}} if m else {}),
            }
        )

    async def followup(self, r: web.Request) -> web.Response:
        i = self.it(r.match_info["t"])
        if not i["answered"]:
            raise ApiError(404, 10015, "Unknown Webhook")
        p, files = await self.body(r)
        self.check(p, files)
        first = i["answered"] == 5 and self.messages[i["original"]]["flags"] & LOADING
        if first:  # the first follow-up after a deferred answer replaces the "thinking" message
            m = await self.apply_edit(self.messages[i["original"]], p, files)
        else:
            m = self.make_message(
                i["channel"]["id"],
                self.bot,
                p,
                files,
                application_id=self.app_id,
                webhook_id=self.app_id,
            )
            await self.publish(m)
        self._wake(("followup", m))
        return (
            web.json_response(m)
            if r.query.get("wait") in ("1", "true")
            else web.Response(status=204)
        )

    def wh_msg(self, r: web.Request) -> J:
        i = self.it(r.match_info["t"])
        mid = r.match_info["m"]
        if mid == "@original":
            mid = i.get("original") or i.get("message") or "0"
        return self.find(mid)

    async def wh_get(self, r: web.Request) -> web.Response:
        return web.json_response(self.wh_msg(r))

    async def wh_edit(self, r: web.Request) -> web.Response:
        m = await self.apply_edit(self.wh_msg(r), *await self.body(r))
        self._wake(("followup", m))
        return web.json_response(m)

    async def wh_delete(self, r: web.Request) -> web.Response:
        del self.messages[self.wh_msg(r)["id"]]
        return web.Response(status=204)

    async def cdn(self, r: web.Request) -> web.StreamResponse:
        if self.slow_files:
            return await self.slow_files(r)
        f = self.files.get(r.match_info["key"])
        return (
            web.Response(body=f[1], content_type=f[0].split(";")[0])
            if f
            else web.Response(status=self.cdn_status)
        )

    # The human ----------------------------------------------------------------------------------

    def _wake(self, ev: tuple[Any, ...]) -> None:
        for pred, fut in list(self.waiters):
            if not fut.done() and pred(ev):
                fut.set_result(ev[1])

    async def wait(self, kind: str, pred: Any = lambda _x: True, timeout: float = PATIENCE) -> Any:
        fut = asyncio.get_running_loop().create_future()
        w = (lambda ev: ev[0] == kind and pred(ev[1]), fut)
        self.waiters.append(w)
        try:
            async with asyncio.timeout(timeout):
                return await fut
        finally:
            self.waiters.remove(w)

    async def say(
        self,
        u: J,
        text: str = "",
        files: Sequence[tuple[str, str, bytes]] = (),
        channel: str | None = None,
        **kw: Any,
    ) -> J:
        m = self.make_message(
            channel or self.channel_id,
            u,
            {"content": text, **kw},
            [(str(i), *f) for i, f in enumerate(files)],
        )
        await self.publish(m)
        return m

    async def interact(
        self,
        u: J,
        type_: int,
        data: J,
        *,
        channel: str | None = None,
        message: J | None = None,
        locale: str = "en-US",
        late: float = 0.0,
    ) -> J:
        ch = self.channels[channel or self.channel_id]
        i: J = {
            "id": self.new_id(),
            "token": "it" + self.new_id(),
            "type": type_,
            "at": time.monotonic() - late,
            "answered": 0,
            "channel": ch,
            "message": message and message["id"],
        }
        self.interactions[i["token"]] = i
        d: J = {
            "id": i["id"],
            "application_id": self.app_id,
            "type": type_,
            "token": i["token"],
            "version": 1,
            "data": data,
            "channel": ch,
            "channel_id": ch["id"],
            "locale": locale,
            "app_permissions": str((1 << 50) - 1),
            "attachment_size_limit": 10 * 1024 * 1024,
            "entitlements": [],
            "authorizing_integration_owners": {"0": self.guild_id},
        }
        if ch.get("guild_id"):
            d |= {
                "guild_id": self.guild_id,
                "guild": {"id": self.guild_id, "locale": "en-US", "features": []},
                "guild_locale": "en-US",
                "context": 0,
                "member": {**self.member(), "user": u, "permissions": str((1 << 50) - 1)},
            }
        else:
            d |= {"user": u, "context": 1}
        if message:
            d["message"] = message
        for c in list(self.sessions.values()):
            await c.send(0, d, "INTERACTION_CREATE")
        return i

    async def answered(self, i: J) -> J:
        """Wait until an interaction is answered."""
        return i if i["answered"] else await self.wait("answer", lambda other: other is i)

    def forget(self, but_last: int = 0) -> None:
        """Drop what is only kept for tests to look at, but the last messages of so many."""
        for kept in (self.messages, self.reactions, self.interactions):
            for id_ in list(kept)[: max(0, len(kept) - but_last)]:
                del kept[id_]
        for log in (self.files, self.requests, self.bodies, self.hits):
            log.clear()
        for connection in self.sessions.values():
            connection.log.clear()

    def command(self, name: str) -> J:
        return next(c for c in self.commands if c["name"] == name)

    async def slash(
        self,
        u: J,
        name: str,
        files: dict[str, tuple[str, str, bytes]] | None = None,
        focused: str | None = None,
        wait: bool = True,
        channel: str | None = None,
        late: float = 0.0,
        subcommand: str | None = None,
        **options: Any,
    ) -> J:
        c = self.command(name)
        taken = c.get("options", [])
        if subcommand:
            taken = next(o for o in taken if o["name"] == subcommand).get("options", [])
        types = {o["name"]: o["type"] for o in taken}
        opts, resolved = [], {}
        for k, v in options.items():
            opts.append(
                {
                    "name": k,
                    "type": types[k],
                    "value": v,
                    **({"focused": True} if k == focused else {}),
                }
            )
        for k, f in (files or {}).items():
            a = self.store_files(self.channel_id, [("0", *f)], {})[0]
            a["ephemeral"] = True
            resolved[a["id"]] = a
            opts.append({"name": k, "type": 11, "value": a["id"]})
        data = {
            "id": c["id"],
            "name": name,
            "type": 1,
            "options": opts,
            **({"resolved": {"attachments": resolved}} if resolved else {}),
        }
        if subcommand:
            data["options"] = [{"name": subcommand, "type": 1, "options": opts}]
        i = await self.interact(u, 4 if focused else 2, data, channel=channel, late=late)
        return await self.answered(i) if wait else i

    async def message_command(self, u: J, name: str, m: J) -> J:
        c = self.command(name)
        return await self.answered(
            await self.interact(
                u,
                2,
                {
                    "id": c["id"],
                    "name": name,
                    "type": 3,
                    "target_id": m["id"],
                    "resolved": {"messages": {m["id"]: m}},
                },
            )
        )

    async def click(self, u: J, m: J, custom_id: str) -> J:
        return await self.answered(
            await self.interact(u, 3, {"custom_id": custom_id, "component_type": 2}, message=m)
        )

    async def choose(self, u: J, m: J, custom_id: str, *values: str) -> J:
        data = {"custom_id": custom_id, "component_type": 3, "values": list(values)}
        return await self.answered(await self.interact(u, 3, data, message=m))

    async def plays(self, u: J, song: J | None) -> None:
        """Show a song in a member's presence, or none."""
        activities = [song] if song else []
        await self.dispatch(
            "PRESENCE_UPDATE",
            {
                "user": {"id": u["id"]},
                "guild_id": self.guild_id,
                "status": "online",
                "activities": activities,
                "client_status": {"desktop": "online"},
            },
            INTENT["presences"],
        )


def find_key(o: Any, key: str) -> list[Any]:
    if isinstance(o, dict):
        return [v for k, v in o.items() if k == key] + [
            x for v in o.values() for x in find_key(v, key)
        ]
    return [x for v in o for x in find_key(v, key)] if isinstance(o, list) else []


def number(comps: list[J]) -> list[J]:
    """Give components their numeric ids as Discord does."""
    n = 0

    def go(o: Any) -> Any:
        nonlocal n
        if isinstance(o, dict):
            if "type" in o and isinstance(o["type"], int):
                n += 1
                o = {**o, "id": o.get("id") or n}
            return {
                k: go(v) if k in ("components", "accessory", "component") else v
                for k, v in o.items()
            }
        return [go(x) for x in o] if isinstance(o, list) else o

    numbered: list[J] = go(comps)
    return numbered


@contextlib.contextmanager
def connected(fake: FakeDiscord) -> Iterator[None]:
    """Send discord.py here: its addresses are class attributes."""
    import discord
    import yarl
    from discord.gateway import DiscordWebSocket

    old = discord.http.Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE
    discord.http.Route.BASE = fake.url("/api/v10")
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(fake.url("/gateway", "ws"))
    discord.Asset.BASE = fake.url("/cdn")
    try:
        yield
    finally:
        discord.http.Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE = old
