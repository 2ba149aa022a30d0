"""Keys: random, shown once, stored by hash; found again within the half minute in which they are revoked."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from dangol.db import Clock, Db
from dangol.errors import Invalid
from dangol.settings import Settings
from dangol.tables import ApiKey

CACHED_FOR = timedelta(seconds=30)
CACHED_AT_MOST = 10_000
SHOWN = 6  # characters after the prefix


class KeyKind(StrEnum):
    """What a key may do: the first two append events and nothing else."""

    BROWSER = "browser"  # public
    SERVER = "server"
    SECRET = "secret"  # what its scopes say


PREFIXES = {KeyKind.BROWSER: "dk_b_", KeyKind.SERVER: "dk_s_", KeyKind.SECRET: "dk_secret_"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may be used. Empty `scopes` are all there are for its kind."""

    id: str
    workspace: str
    kind: KeyKind
    scopes: frozenset[str] = frozenset()
    label: str = ""
    shown: str = ""
    created_at: datetime | None = None
    revoked_at: datetime | None = None

    def may(self, scope: str) -> bool:
        """Whether a secret key's scopes hold this one."""
        return self.kind is KeyKind.SECRET and (not self.scopes or scope in self.scopes or "*" in self.scopes)


async def create_key(
    db: Db, conn: AsyncConnection, workspace: str, kind: KeyKind, *, scopes: Sequence[str] = (), label: str = ""
) -> tuple[str, Key]:
    """A new key: its text, never to be seen again, and what is kept of it."""
    if scopes and kind is not KeyKind.SECRET:
        raise Invalid("bad_scopes", f"a {kind} key has no scopes: it appends events", where="scopes")
    token = PREFIXES[kind] + secrets.token_urlsafe(24)
    at = await db.now(conn)
    key = Key(secrets.token_hex(8), workspace, kind, frozenset(scopes), label, token[: len(PREFIXES[kind]) + SHOWN], at)
    row = {"id": key.id, "workspace": workspace, "kind": kind.value, "shown": key.shown, "hash": hash_of(token)}
    kept = {**row, "scopes": " ".join(sorted(scopes)), "label": label, "created_at": at, "revoked_at": None}
    await conn.execute(insert(ApiKey), kept)
    return token, key


async def revoke_key(db: Db, conn: AsyncConnection, workspace: str, key_id: str) -> bool:
    """Refuse this key from now on (elsewhere within `CACHED_FOR`); False if there is no such live key."""
    revoking = (
        update(ApiKey)
        .where(col(ApiKey.workspace) == workspace, col(ApiKey.id) == key_id, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=await db.now(conn))
    )
    return (await conn.execute(revoking)).rowcount == 1


async def list_keys(conn: AsyncConnection, workspace: str) -> list[Key]:
    """The workspace's keys, oldest first, revoked ones too."""
    rows = _columns().where(col(ApiKey.workspace) == workspace).order_by(col(ApiKey.created_at), col(ApiKey.id))
    return [_key(row) for row in (await conn.execute(rows)).all()]


class KeyRing:
    """Finds keys by their text: the two of the settings, and those of the database, remembered for `CACHED_FOR`."""

    def __init__(self, db: Db, settings: Settings, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._given = _bootstrap(settings)
        self._found: OrderedDict[str, tuple[datetime, Key | None]] = OrderedDict()

    async def find(self, token: str) -> Key | None:
        """The live key of this text. Raises `Unavailable` when it is not remembered and the database can't say."""
        hashed = hash_of(token)
        for given, key in self._given:
            if hmac.compare_digest(given, hashed):
                return key
        at, found = self._found.get(hashed, (None, None))
        if at is not None and timedelta(0) <= self._clock() - at < CACHED_FOR:
            return found
        async with self._db.transaction() as conn:
            row = (
                await conn.execute(_columns().where(col(ApiKey.hash) == hashed, col(ApiKey.revoked_at).is_(None)))
            ).one_or_none()
        found = _key(row) if row else None
        self._remember(hashed, found)
        return found

    def forget(self) -> None:
        """Ask the database again: a key was made or revoked here."""
        self._found.clear()

    def _remember(self, hashed: str, found: Key | None) -> None:
        self._found[hashed] = (self._clock(), found)
        self._found.move_to_end(hashed)
        while len(self._found) > CACHED_AT_MOST:
            self._found.popitem(last=False)


def hash_of(token: str) -> str:
    """What is stored of a key: it is random, so a plain hash gives nothing away."""
    return hashlib.sha256(token.encode()).hexdigest()


def _bootstrap(settings: Settings) -> list[tuple[str, Key]]:
    given = (("write", settings.write_key, KeyKind.SERVER), ("secret", settings.secret_key, KeyKind.SECRET))
    return [
        (hash_of(token), Key(f"settings-{name}", settings.workspace, kind, label=f"DANGOL_{name.upper()}_KEY"))
        for name, token, kind in given
        if token
    ]


def _columns() -> Select[str, str, str, str, str, str, datetime, datetime | None]:
    return select(
        col(ApiKey.id),
        col(ApiKey.workspace),
        col(ApiKey.kind),
        col(ApiKey.scopes),
        col(ApiKey.label),
        col(ApiKey.shown),
        col(ApiKey.created_at),
        col(ApiKey.revoked_at),
    )


def _key(row: Row[str, str, str, str, str, str, datetime, datetime | None]) -> Key:
    id, workspace, kind, scopes, label, shown, created_at, revoked_at = row
    return Key(id, workspace, KeyKind(kind), frozenset(scopes.split()), label, shown, created_at, revoked_at)
