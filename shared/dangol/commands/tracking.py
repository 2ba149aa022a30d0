"""`dangol track`: one event from the command line, as a backend would post it."""

import json
from typing import Any
from uuid import uuid4

from dangol.commands import show
from dangol.commands.client import answer, key, product
from dangol.errors import Invalid

KNOWN_TRAITS = frozenset({"email", "phone", "name", "locale", "timezone"})


def track(user: str, event: str, values: list[str], consent: str) -> None:
    """Post one event with its properties, the person's traits and, ahead of it, the consent given."""
    traits, properties = sort_values(values)
    calls: list[dict[str, Any]] = []
    if consent:
        channels = [channel.strip() for channel in consent.split(",") if channel.strip()]
        calls.append(
            _call(user, "Consent Given", {"purpose": "marketing", "channels": channels, "source": "dangol track"})
        )
    calls.append(_call(user, event, properties) | ({"context": {"traits": traits}} if traits else {}))
    with product(secret=False) as client:
        said = answer(client.post("/v1/batch", json={"batch": calls}, auth=(key("DANGOL_WRITE_KEY"), "")))
    for rejected in said.get("rejected", []):
        raise Invalid(rejected["code"], rejected["message"], hint=rejected.get("hint", ""))
    show.out.print(f"accepted: {event} of {user}. `dangol why {user}` tells what it led to.")


def _call(user: str, event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "track", "messageId": str(uuid4()), "userId": user, "event": event, "properties": properties}


def sort_values(values: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """name=value pairs as (traits of the profile, properties of the event)."""
    traits: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for pair in values:
        name, equals, written = pair.partition("=")
        if not equals or not name:
            raise Invalid("bad_value", f"{pair!r} is not name=value", hint="write cart_value=42000 name=민지")
        if name in KNOWN_TRAITS:
            traits[name] = written
        elif name.startswith("trait."):
            traits[name.removeprefix("trait.")] = value(written)
        else:
            properties[name] = value(written)
    return traits, properties


def value(written: str) -> Any:
    """A number, true, false, null, list or object where it reads as one; a number with a leading zero stays text."""
    if len(written) > 1 and written[0] == "0" and written[1].isdigit():
        return written
    try:
        return json.loads(written)
    except ValueError:
        return written
