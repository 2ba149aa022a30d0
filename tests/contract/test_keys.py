"""Keys: shown once, kept by hash, gone soon after they are revoked."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from dangol.db import Db
from dangol.errors import Invalid
from dangol.keys import CACHED_FOR, KeyKind, KeyRing, create_key, list_keys, revoke_key
from dangol.settings import read_settings
from dangol.tables import ApiKey


class Watch:
    """A clock you wind."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The moment it shows."""
        return self.at


async def made(db: Db, kind: KeyKind, *scopes: str) -> tuple[str, str]:
    """A new key's text and id."""
    async with db.transaction() as conn:
        token, key = await create_key(db, conn, "default", kind, scopes=scopes, label="a key")
    return token, key.id


@pytest.mark.parametrize(
    ("kind", "prefix"), [(KeyKind.BROWSER, "dk_b_"), (KeyKind.SERVER, "dk_s_"), (KeyKind.SECRET, "dk_secret_")]
)
async def test_a_key_is_found_by_its_text(db: Db, kind: KeyKind, prefix: str) -> None:
    token, id = await made(db, kind)
    assert token.startswith(prefix)
    assert len(token) >= len(prefix) + 22  # 128 bits and more
    found = await KeyRing(db, read_settings({}), Watch()).find(token)
    assert found is not None
    assert (found.id, found.kind, found.workspace) == (id, kind, "default")


async def test_the_database_does_not_know_the_text(db: Db) -> None:
    token, _ = await made(db, KeyKind.SECRET)
    async with db.transaction() as conn:
        rows = [str(tuple(row)) for row in (await conn.execute(select(ApiKey.__table__))).all()]  # type: ignore[attr-defined]
    assert not any(token in row for row in rows)


async def test_scopes_are_kept(db: Db) -> None:
    token, _ = await made(db, KeyKind.SECRET, "messages:read", "keys:write")
    found = await KeyRing(db, read_settings({}), Watch()).find(token)
    assert found is not None
    assert found.may("messages:read")
    assert not found.may("definitions:write")


async def test_a_write_key_may_nothing_else(db: Db) -> None:
    token, _ = await made(db, KeyKind.SERVER)
    found = await KeyRing(db, read_settings({}), Watch()).find(token)
    assert found is not None
    assert not found.may("messages:read")
    with pytest.raises(Invalid, match="no scopes"):
        await made(db, KeyKind.BROWSER, "messages:read")


async def test_a_revoked_key_dies_within_a_minute(db: Db) -> None:
    token, id = await made(db, KeyKind.SECRET)
    watch = Watch()
    ring = KeyRing(db, read_settings({}), watch)
    assert await ring.find(token)
    async with db.transaction() as conn:
        assert not await revoke_key(db, conn, "another", id)
        assert await revoke_key(db, conn, "default", id)
        assert not await revoke_key(db, conn, "default", id)
        assert [(key.id, key.revoked_at is not None) for key in await list_keys(conn, "default")] == [(id, True)]
    watch.at += CACHED_FOR
    assert timedelta(seconds=60) >= CACHED_FOR
    assert await ring.find(token) is None


async def test_the_settings_keys_need_no_database(db: Db) -> None:
    settings = read_settings({"DANGOL_WRITE_KEY": "write-me", "DANGOL_SECRET_KEY": "secret-me"})
    ring = KeyRing(db, settings, Watch())
    async with db.transaction():  # its turn is taken: a question to the database would wait for ever
        write = await asyncio.create_task(ring.find("write-me"))
        secret = await asyncio.create_task(ring.find("secret-me"))
    assert write is not None
    assert secret is not None
    assert (write.kind, secret.kind) == (KeyKind.SERVER, KeyKind.SECRET)
    assert secret.may("anything")
    assert await ring.find("write-m") is None
