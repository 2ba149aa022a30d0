"""Secrets by reference: the file names where a secret lies, the environment or a mounted file holds it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dangol.errors import Invalid


def secrets_of(reference: Any, where: str) -> tuple[str, ...]:
    """The secrets of `{env: NAME}`, `{file: /run/secrets/x}`, or a list while one is rotated; raises `Invalid`."""
    if reference is None:
        return ()
    if isinstance(reference, list | tuple):
        return tuple(secret for one in reference for secret in secrets_of(one, where))
    if isinstance(reference, Mapping) and len(reference) == 1:
        kind, name = next(iter(reference.items()))
        if kind == "env" and (found := os.environ.get(str(name))):
            return (found,)
        if kind == "file" and Path(str(name)).is_file():
            return (Path(str(name)).read_text().strip(),)
        if kind in ("env", "file"):
            raise Invalid("no_secret", f"{where} names a secret in {kind} {name}, and it is not there", where=where)
    raise Invalid("no_secret", f"{where} must be {{env: NAME}} or {{file: PATH}}", where=where)
