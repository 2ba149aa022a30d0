"""The JSON Schema of the files, from the very declarations they are checked by: for editors, and for the API's callers.

`python -m dangol_journey.schema docs/schema` writes one file a kind.
"""

import json
import sys
from pathlib import Path
from typing import Any

from dangol.messages import Channel
from dangol.shape_schema import schema_of
from dangol.shapes import (
    ANYTHING,
    SPAN,
    TEXT,
    Either,
    Fields,
    ListOf,
    MapOf,
    Shape,
    Wrong,
    choice,
    text,
    whole,
)
from dangol_journey.forms import CONDITION, FORMS, WINDOW

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def _fine(value: str) -> Wrong | None:
    return None


_CONTENT = MapOf(ANYTHING)
_CHANNELS: dict[str, Shape] = {channel.value: _CONTENT for channel in Channel}
_CODES = text("a pattern such as CB-########", _fine, {"pattern": "(#.*){6,}"})
_SECRET = Fields("where a secret is", {"env": TEXT, "file": TEXT})
_MANAGED: dict[str, Shape] = {"managed": choice("manager", "files", "console"), "about": TEXT}

TEMPLATE = Fields(
    "a template",
    {
        "template": TEXT,
        "category": choice("category", "marketing", "transactional"),
        "tags": ListOf(TEXT),
        "caps": ANYTHING,
        "mode": choice("mode", "effectively_once", "at_most_once", "at_least_once"),
        "locales": MapOf(Fields("a locale", _CHANNELS)),
        **_CHANNELS,
        **_MANAGED,
    },
    ("template", "category"),
)
_QUIET = Fields("quiet hours", {"between": WINDOW, "channels": ListOf(TEXT), "category": TEXT}, ("between",))
_CAP = Fields(
    "a cap",
    {
        "cap": TEXT,
        "at_most": whole(0, 1_000_000),
        "per": TEXT,
        "zone": choice("zone", "person", "workspace"),
        "of": MapOf(TEXT),
        "over": TEXT,
    },
    ("cap", "at_most", "per"),
)
CAPS = Fields(
    "caps and quiet hours",
    {
        "quiet": Either(items=ListOf(_QUIET), map=_QUIET),
        "caps": ListOf(_CAP),
        "hold_while": CONDITION,
        "collect": SPAN,
        **_MANAGED,
    },
)
COUPON = Fields(
    "a coupon",
    {
        "coupon": TEXT,
        "codes": Either(scalar=TEXT, items=ListOf(TEXT)),
        "generate": _CODES,
        "valid_for": SPAN,
        "valid": SPAN,
        "low": whole(0, 1_000_000_000),
        **_MANAGED,
    },
    ("coupon",),
)
_SECRETS = Either(items=ListOf(_SECRET), map=_SECRET)
GATEWAY = Fields(
    "a gateway",
    {
        "gateway": TEXT,
        "channel": choice("channel", *Channel),
        "kind": choice("kind", "smtp", "webhook", "inbox"),
        "url": TEXT,
        "from": TEXT,
        "reply_to": TEXT,
        "price": TEXT,
        "limit": text("a rate such as 50/s", _fine, {"pattern": r"^\d+/[smh]$"}),
        "connections": whole(1, 1000),
        "user": TEXT,
        "secret": _SECRETS,
        "password": _SECRETS,
        "headers": MapOf(ANYTHING),
        **_MANAGED,
    },
    ("gateway", "channel", "kind"),
)

KINDS: dict[str, Shape] = {**FORMS, "template": TEMPLATE, "caps": CAPS, "coupon": COUPON, "gateway": GATEWAY}


def schema(kind: str) -> dict[str, Any]:
    """The schema of a file of this kind (JSON Schema 2020-12): one document, or a list of them."""
    definitions: dict[str, Any] = {}
    definitions[kind] = schema_of(KINDS[kind], definitions)
    one = {"$ref": f"#/$defs/{kind}"}
    return {
        "$schema": DRAFT,
        "title": f"dangol: {kind}",
        "anyOf": [one, {"type": "array", "items": one}],
        "$defs": definitions,
    }


def said(kind: str) -> str:
    """The schema's file, as it is published."""
    return json.dumps(schema(kind), ensure_ascii=False, indent=1) + "\n"


def write(directory: Path) -> None:
    """Write all of them: journey.json, template.json, …"""
    directory.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (directory / f"{kind}.json").write_text(said(kind), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
