"""Who may use the local page: accounts, sessions, and links that sign a member in once."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from musrec.members.model import LOCAL, Account, ApiKey, Role, Visit
from musrec.model import MusrecError, NotFound
from musrec.playlists import names
from musrec.service.live import Live
from musrec.settings import Settings
from musrec.store import Store

SESSION = timedelta(days=30)
LINK = timedelta(minutes=15)
INVITATION = timedelta(days=1)

LONGEST_NAME = 40
MOST_KEYS = 20
"""Keys of one member."""


class LinkUsed(NotFound):
    """A link that signs in was used, or is too old."""

    def __init__(self) -> None:
        super().__init__("This link has been used, or is too old.", "Ask for a new one.")


class Visits:
    """Sign-in to the page. Secrets are handed out once; the database keeps only their hashes."""

    def __init__(self, settings: Settings, store: Store, live: Live) -> None:
        self._settings = settings
        self._store = store
        self._live = live

    async def key(self) -> bytes:
        """Return the key that signs the page's cookies; it is made on first use.

        It stands in a file of its own, so that a copy of the database signs nobody in.
        """
        return await asyncio.to_thread(_key, self._settings.paths.data / "page.key")

    async def link(
        self,
        member: str,
        role: Role = Role.MEMBER,
        *,
        valid: timedelta = LINK,
        name: str | None = None,
    ) -> str:
        """Return a new secret that signs a member in once, as the last part of an address.

        Parameters
        ----------
        name : str, optional
            What the page is to call a member who was not met before.
        """
        secret = secrets.token_urlsafe(24)
        until = datetime.now(UTC) + valid
        await self._store.visits.add_link(_digest(secret), member, role, until, name)
        return secret

    async def follow(self, secret: str) -> str:
        """Use a link up; return the secret of the session that begins.

        Raises
        ------
        LinkUsed
            It was used before, is too old, or never was.
        """
        found = await self._store.visits.take_link(_digest(secret))
        if found is None:
            raise LinkUsed
        return await self.begin(*found)

    async def begin(self, member: str, role: Role) -> str:
        """Sign a member in; return the secret of the session."""
        secret = secrets.token_urlsafe(24)
        until = datetime.now(UTC) + SESSION
        await self._store.visits.add_session(_digest(secret), member, role, until)
        return secret

    async def current(self, secret: str) -> Visit | None:
        """Return who is signed in; None if the session has ended."""
        return await self._store.visits.session(_digest(secret))

    async def end(self, secret: str) -> None:
        """Sign out here."""
        await self._store.visits.end(_digest(secret))

    async def end_all(self, member: str) -> None:
        """Sign a member out everywhere."""
        await self._store.visits.end_all(member)

    # Programs ---------------------------------------------------------------------------------

    async def make_key(self, member: str, role: Role, name: str) -> str:
        """Make a key with which a member's programs ask in their name; return its secret.

        Raises
        ------
        MusrecError
            It has no name or too long a one, or the member has too many.
        """
        name = _checked_name(name)
        secret = f"musrec_{secrets.token_urlsafe(24)}"
        if not await self._store.visits.add_key(_digest(secret), member, role, name, MOST_KEYS):
            raise MusrecError(f"You have {MOST_KEYS} keys.", "Withdraw one you no longer use.")
        return secret

    async def keys(self, member: str) -> list[ApiKey]:
        """Return a member's keys, the oldest first."""
        return await self._store.visits.keys(member)

    async def withdraw_key(self, member: str, id_: int) -> None:
        """End a key of a member: programs that use it are refused from now on.

        Raises
        ------
        NotFound
            The member has no such key.
        """
        if not await self._store.visits.remove_key(member, id_):
            raise NotFound("You have no such key.", "It may have been withdrawn already.")

    async def keyed(self, secret: str) -> Visit | None:
        """Return in whose name a program asks; None if its key was withdrawn, or never was."""
        return await self._store.visits.keyed(_digest(secret))

    # Accounts ---------------------------------------------------------------------------------

    async def invite(self, name: str) -> tuple[Account, str]:
        """Make an account; return it, and the secret of the link with which its owner comes in.

        Raises
        ------
        MusrecError
            The name is empty, too long or taken.
        """
        name = _checked_name(name)
        member = f"{LOCAL}{secrets.token_hex(8)}"
        if not await self._store.visits.add_account(member, name, names.key(name)):
            raise MusrecError(f"There is an account called {name} already.", "Add a last name.")
        account = await self._store.visits.account(member)
        assert account is not None
        return account, await self.link(member, Role.GUEST, valid=INVITATION)

    async def accounts(self) -> list[Account]:
        """Return every account by name."""
        return await self._store.visits.accounts()

    async def account(self, member: str) -> Account | None:
        """Return a member's account; None for the owner and for members of Discord."""
        return await self._store.visits.account(member)

    async def named(self, name: str) -> Account | None:
        """Return the account of that name, however its letters are written."""
        return await self._store.visits.named(names.key(names.visible(name)))

    async def set_password(self, member: str, hashed: str) -> None:
        """Keep the hash of a member's new password."""
        await self._store.visits.set_password(member, hashed)


def _checked_name(name: str) -> str:
    name = names.visible(name).strip()
    if not name or len(name) > LONGEST_NAME:
        raise MusrecError(f"A name has 1 to {LONGEST_NAME} letters.", "Choose another one.")
    return name


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(file: Path) -> bytes:
    if file.exists():
        return file.read_bytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Linked from a whole file, so that another process never reads half of it.
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "wb") as stream:  # noqa: PTH123 - of a descriptor
            stream.write(secrets.token_bytes(32))
        try:
            os.link(fresh, file)
        finally:
            fresh.unlink()
    except FileExistsError:
        pass
    return file.read_bytes()
