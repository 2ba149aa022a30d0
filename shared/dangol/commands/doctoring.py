"""`dangol doctor`: what is well, what is not, and how to mend it."""

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from rich.text import Text

from dangol.commands import show
from dangol.commands.client import answer, product, product_url
from dangol.errors import DangolError, Unauthorized

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
    try:
        with product() as client:
            yield from _gateways(answer(client.get("/api/gateways"))["gateways"])
            yield from _channels(client)
    except Unauthorized as error:
        yield Finding("secret key", error.message, error.hint or "set DANGOL_SECRET_KEY to a key of this product")
    except DangolError as error:
        yield Finding("gateways", str(error), "mend the above first")


def _gateways(gateways: list[dict[str, Any]]) -> Iterator[Finding]:
    for gateway in gateways:
        state = str(gateway["state"])
        yield Finding(f"gateway {gateway['gateway']}", state, "" if state == "open" else "see /api/gateways")


def _channels(client: httpx2.Client) -> Iterator[Finding]:
    """A channel that journeys send on and no gateway serves: the inbox in `up`, elsewhere nothing can be sent."""
    documents = answer(client.get("/api/definitions"))["documents"]
    used = {channel for one in documents if one["kind"] == "journey" for channel in spoken_on(one["body"])}
    served = {str(one["body"].get("channel")) for one in documents if one["kind"] == "gateway"}
    missing = ", ".join(sorted(used - served))
    if not missing:
        yield Finding("channels", ", ".join(sorted(used)) or "none used")
    elif client.get("/api/clock").status_code == 200:  # only `up` has a clock to move
        yield Finding("channels", f"{missing}: to the inbox, for want of a gateway")
    else:
        yield Finding("channels", f"{missing}: no gateway", "name one for each in gateways.yaml, and apply")


def spoken_on(step: Any) -> set[str]:
    """The channels named by the sends of a journey's document, however deep."""
    if isinstance(step, list):
        return {channel for one in step for channel in spoken_on(one)}
    if not isinstance(step, dict):
        return set()
    by = step.get("by", []) if "send" in step else []
    own = set(by if isinstance(by, list) else [by]) - {"preferred"}
    return own | {channel for value in step.values() for channel in spoken_on(value)}
