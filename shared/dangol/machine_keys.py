"""The keys of `dangol up`: made at the first start, kept in DATA/keys, readable by their owner alone."""

import os
import secrets
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.keyfile import read_keys
from dangol.keys import PREFIXES, SHOWN, KeyKind, hash_of
from dangol.tables import ApiKey

NAMES = {
    "DANGOL_WRITE_KEY": PREFIXES[KeyKind.SERVER],
    "DANGOL_BROWSER_KEY": PREFIXES[KeyKind.BROWSER],
    "DANGOL_SECRET_KEY": PREFIXES[KeyKind.SECRET],
    "DANGOL_LINK_SECRET": "dk_link_",
}


def keep_keys(data: Path) -> dict[str, str]:
    """The keys by their setting's name: the environment's, else those of DATA/keys, else new ones, kept there."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)  # people are in it
    path = data / "keys"
    kept = read_keys(path)
    new = {name: prefix + secrets.token_urlsafe(24) for name, prefix in NAMES.items()}
    keys = {name: os.environ.get(name) or kept.get(name) or new[name] for name in NAMES}
    if keys != kept:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in keys.items())
        path.chmod(0o600)
    return keys


async def register_browser_key(db: Db, conn: AsyncConnection, workspace: str, token: str) -> None:
    """Let this machine's browser key be found like those made through the API; again changes nothing."""
    row = {
        "id": f"up-{hash_of(token)[:12]}",
        "workspace": workspace,
        "kind": KeyKind.BROWSER.value,
        "shown": token[: len(PREFIXES[KeyKind.BROWSER]) + SHOWN],
        "hash": hash_of(token),
        "scopes": "",
        "label": "dangol up",
        "created_at": await db.now(conn),
        "revoked_at": None,
    }
    await conn.execute(db.upsert(ApiKey).values(**row).on_conflict_do_nothing())
