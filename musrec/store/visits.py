"""Accounts of the page, who is signed in to it, and links that sign a member in once."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from musrec.members.model import Account, ApiKey, Role, Visit
from musrec.store.database import Database
from musrec.store.members import ensure_member
from musrec.store.schema import accounts, api_keys, members, sessions, sign_in_links


class Visits:
    """Everything that the page's sign-in needs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_link(
        self, digest: str, member: str, role: Role, until: datetime, name: str | None = None
    ) -> None:
        """Keep a link that signs a member in once."""
        await self._add(sign_in_links, digest, member, role, until, name)

    async def add_session(self, digest: str, member: str, role: Role, until: datetime) -> None:
        """Keep that a member is signed in."""
        await self._add(sessions, digest, member, role, until)

    async def _add(
        self,
        table: sa.Table,
        digest: str,
        member: str,
        role: Role,
        until: datetime,
        name: str | None = None,
    ) -> None:
        async with self._database.write() as connection:
            await ensure_member(self._database, connection, member, name)
            await connection.execute(table.delete().where(table.c.until < datetime.now(UTC)))
            await connection.execute(
                table.insert().values(digest=digest, member_id=member, role=role, until=until)
            )

    async def take_link(self, digest: str) -> tuple[str, Role] | None:
        """Use a link up; return member and role, None if it is used, too old or unknown."""
        query = (
            sign_in_links.delete()
            .where(sign_in_links.c.digest == digest, sign_in_links.c.until > datetime.now(UTC))
            .returning(sign_in_links.c.member_id, sign_in_links.c.role)
        )
        async with self._database.write() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else (row.member_id, Role(row.role))

    async def session(self, digest: str) -> Visit | None:
        """Return who is signed in by a session; None if it has ended."""
        return await self._visit(sessions, digest, sessions.c.until > datetime.now(UTC))

    async def _visit(
        self, table: sa.Table, digest: str, *valid: sa.ColumnElement[bool]
    ) -> Visit | None:
        names = accounts.c.name, members.c.name.label("met_as")
        query = (
            sa.select(table.c.member_id, table.c.role, *names)
            .select_from(
                table.join(members).outerjoin(accounts, accounts.c.member_id == table.c.member_id)
            )
            .where(table.c.digest == digest, *valid)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        name = row.name or row.met_as or ("Owner" if row.role == Role.OWNER else "Member")
        return Visit(row.member_id, name, Role(row.role))

    async def end(self, digest: str) -> None:
        """End one session."""
        async with self._database.write() as connection:
            await connection.execute(sessions.delete().where(sessions.c.digest == digest))

    async def end_all(self, member: str) -> None:
        """End every session of a member, and their unused links."""
        async with self._database.write() as connection:
            for table in (sessions, sign_in_links):
                await connection.execute(table.delete().where(table.c.member_id == member))

    async def add_key(self, digest: str, member: str, role: Role, name: str, most: int) -> bool:
        """Keep a key; return whether the member had fewer than `most`."""
        count = sa.select(sa.func.count()).where(api_keys.c.member_id == member)
        async with self._database.write() as connection:
            await ensure_member(self._database, connection, member)
            if (await connection.scalar(count) or 0) >= most:
                return False
            await connection.execute(
                api_keys.insert().values(
                    digest=digest,
                    member_id=member,
                    role=role,
                    name=name,
                    made_at=datetime.now(UTC),
                )
            )
        return True

    async def keys(self, member: str) -> list[ApiKey]:
        """Return a member's keys, the oldest first."""
        query = sa.select(api_keys).where(api_keys.c.member_id == member).order_by(api_keys.c.id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [ApiKey(row.id, row.name, row.made_at) for row in rows]

    async def remove_key(self, member: str, id_: int) -> bool:
        """Delete a member's key; return whether there was one."""
        where = api_keys.c.id == id_, api_keys.c.member_id == member
        async with self._database.write() as connection:
            return (await connection.execute(api_keys.delete().where(*where))).rowcount > 0

    async def keyed(self, digest: str) -> Visit | None:
        """Return whose key it is; None if it was withdrawn."""
        return await self._visit(api_keys, digest)

    async def add_account(self, member: str, name: str, key: str) -> bool:
        """Keep an account without a password; return whether its name was free."""
        async with self._database.write() as connection:
            taken = sa.select(accounts.c.member_id).where(accounts.c.key == key)
            if await connection.scalar(taken) is not None:
                return False
            await ensure_member(self._database, connection, member, name)
            await connection.execute(
                accounts.insert().values(
                    member_id=member, name=name, key=key, made_at=datetime.now(UTC)
                )
            )
        return True

    async def accounts(self) -> list[Account]:
        """Return every account by name."""
        return await self._accounts()

    async def named(self, key: str) -> Account | None:
        """Return the account whose name is compared as `key`."""
        return next(iter(await self._accounts(accounts.c.key == key)), None)

    async def account(self, member: str) -> Account | None:
        """Return a member's account."""
        return next(iter(await self._accounts(accounts.c.member_id == member)), None)

    async def _accounts(self, *where: sa.ColumnElement[bool]) -> list[Account]:
        query = sa.select(accounts).where(*where).order_by(accounts.c.key)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Account(row.member_id, row.name, row.password, row.made_at) for row in rows]

    async def set_password(self, member: str, password: str) -> None:
        """Keep the hash of a new password."""
        async with self._database.write() as connection:
            await connection.execute(
                accounts.update().where(accounts.c.member_id == member).values(password=password)
            )
