"""`dangol doctor`: what is well, what is not, and how to mend it."""

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from dangol.commands import show
from dangol.commands.client import answer, machine_keys, product, product_url
from dangol.errors import DangolError

OLDEST_SQLITE = (3, 35, 0)  # RETURNING


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `mend` is empty where it is well."""

    what: str
    said: str
    mend: str = ""


def run() -> int:
    """Print what was found; 1 when something is not well."""
    findings = list(_machine()) + list(_running())
    for finding in findings:
        sign, style = ("✗", "red") if finding.mend else ("✓", "green")
        show.out.print(Text.assemble((sign, style), f" {finding.what}: {finding.said}"))
        if finding.mend:
            show.out.print(f"    {finding.mend}")
    return 1 if any(finding.mend for finding in findings) else 0


def _machine() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("Python", version, "" if sys.version_info >= (3, 11) else "dangol needs Python 3.11 or newer")
    old = sqlite3.sqlite_version_info < OLDEST_SQLITE
    yield Finding("SQLite", sqlite3.sqlite_version, "install a Python with SQLite 3.35 or newer" if old else "")
    keys = Path("data/keys")
    if keys.is_file():
        loose = keys.stat().st_mode & 0o077
        yield Finding(
            "data/keys", "readable by others" if loose else "yours alone", f"chmod 600 {keys}" if loose else ""
        )


def _running() -> Iterator[Finding]:
    try:
        with product(secret=False) as client:
            ready = client.get("/healthz/ready")
    except DangolError as error:
        yield Finding("product", str(error), f"start it with `dangol up`, or set DANGOL_URL (now {product_url()})")
        return
    waiting: dict[str, Any] = ready.json().get("waiting", {})
    said = "; ".join(f"{part}: {why}" for part, why in waiting.items())
    yield Finding(
        "product", said or f"ready at {product_url()}", "look at its log; it goes on by itself" if said else ""
    )
    if not machine_keys():
        yield Finding("secret key", "none here", "run this where `dangol up` was started, or set DANGOL_SECRET_KEY")
        return
    yield from _gateways()


def _gateways() -> Iterator[Finding]:
    """A channel that says something and has no gateway goes to the inbox in `up`; elsewhere it can't be sent."""
    try:
        with product() as client:
            gateways = answer(client.get("/api/gateways"))["gateways"]
    except DangolError as error:
        yield Finding("gateways", str(error), "mend the above first")
        return
    for gateway in gateways:
        state = str(gateway["state"])
        yield Finding(f"gateway {gateway['gateway']}", state, "" if state == "open" else "see /api/gateways")
