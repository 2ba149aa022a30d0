"""Keys over HTTP: made (and shown once), listed, revoked; with a secret key's scope `keys:write`."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from dangol.auth import secret
from dangol.db import Db
from dangol.errors import NotFound
from dangol.keys import Key, KeyKind, KeyRing, create_key, list_keys, revoke_key

Holder = Annotated[Key, Depends(secret("keys:write"))]


class NewKey(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")
    kind: KeyKind
    name: str = ""
    scopes: list[str] = []


def keys_router(db: Db, ring: KeyRing) -> APIRouter:
    """`/api/keys`."""
    router = APIRouter(prefix="/api/keys", tags=["keys"])

    @router.get("")
    async def listed(holder: Holder) -> dict[str, object]:
        async with db.transaction() as conn:
            return {"keys": [_public(key) for key in await list_keys(conn, holder.workspace)]}

    @router.post("")
    async def create(wanted: NewKey, holder: Holder) -> dict[str, object]:
        async with db.transaction() as conn:
            token, key = await create_key(
                db, conn, holder.workspace, wanted.kind, scopes=wanted.scopes, label=wanted.name
            )
        ring.forget()
        return {"key": token, **_public(key)}

    @router.delete("/{key_id}")
    async def revoke(key_id: str, holder: Holder) -> dict[str, bool]:
        async with db.transaction() as conn:
            revoked = await revoke_key(db, conn, holder.workspace, key_id)
        if not revoked:
            raise NotFound("unknown_key", f"no live key {key_id}")
        ring.forget()
        return {"revoked": True}

    return router


def _public(key: Key) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(key)
    return shown
