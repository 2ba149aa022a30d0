"""Strict JSON: text no database or reader after us could hold is found here, with its place. PURE."""

import json
from typing import Any

import msgspec

from dangol.errors import Invalid
from dangol_ingest.model import MAX_DEPTH, Unreadable

# Looking for 19 digits in a row by a table and a substring takes a tenth of what an expression takes.
_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 19
_MAX_INT = 2**63
_TOO_DEEP = "nested deeper than {depth} levels"


def needs_a_look(raw: bytes | memoryview) -> bool:
    """Whether a JSON text may hold what `sound` changes or refuses; most do not, and need no walk."""
    text = bytes(raw)
    if b"null" in text or b"\\u0000" in text or _LONG_NUMBER in text.translate(_DIGITS):
        return True
    return text.count(b"{") + text.count(b"[") > MAX_DEPTH


def sound(value: Any, where: str = "", depth: int = 0) -> Any:
    """A JSON value without the nulls of its objects (nulls in lists stay: places matter there).

    Raises `Unreadable` with the place for NUL, lone surrogates and numbers out of range, and
    `Invalid` for what is nested too deep.
    """
    match value:
        case str():
            _sound_text(value, where)
        case dict():
            _not_too_deep(where, depth)
            for name in value:
                _sound_text(name, f"{where}.{name}" if where else name)
            return {
                name: sound(item, f"{where}.{name}" if where else name, depth + 1)
                for name, item in value.items()
                if item is not None
            }
        case list():
            _not_too_deep(where, depth)
            return [sound(item, f"{where}[{place}]", depth + 1) for place, item in enumerate(value)]
        case int() | float() if not isinstance(value, bool):
            _sound_number(value, where)
        case _:
            pass
    return value


def strictly(raw: bytes) -> Any:
    """The value of a JSON text, sound all through; raises `Invalid`, or `Unreadable` where the text is at fault."""
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):  # a DecodeError and a UnicodeDecodeError are ValueErrors
        value = leniently(raw)
        return sound(value)
    return sound(value) if needs_a_look(raw) else value


def written(value: Any) -> bytes:
    """A lenient value as text again, as faulty as it was."""
    return json.dumps(value).encode()


def leniently(raw: bytes) -> Any:
    """The value of a text the strict reader refused, where a lenient one makes something of it.

    NaN, lone surrogates and huge numbers come through, to be found by `sound` in the item they
    spoil. Raises `Unreadable` for what is no JSON at all.
    """
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise Invalid("too_deep", _TOO_DEEP.format(depth=MAX_DEPTH)) from error
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8: byte {error.start} is wrong"
        raise Unreadable("not_utf8", message, hint="JSON is sent in UTF-8") from error
    except json.JSONDecodeError as error:
        message = f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise Unreadable("bad_json", message) from error
    except ValueError as error:  # a number of thousands of digits
        raise Unreadable("number_out_of_range", f"the body holds a number out of range: {error}") from error


def out_of_range(error: msgspec.ValidationError) -> bool:
    """Whether the text holds a number that is none, rather than a value of the wrong type."""
    return "out of range" in str(error)


def misfit(error: msgspec.ValidationError) -> Invalid:
    """What a value of the wrong type is told: `properties: Expected object, got str`."""
    message, _, path = str(error).partition(" - at `")
    where = path.rstrip("`").removeprefix("$").removeprefix(".")
    return Invalid("wrong_type", message.replace("`", "").replace("Expected", "expected"), where=where)


def _sound_text(value: str, where: str) -> None:
    if "\x00" in value:
        raise Unreadable("nul_character", "text holds a NUL character (\\u0000)", where=_shown(where))
    try:
        value.encode()
    except UnicodeEncodeError as error:
        message = "text holds half of a character (a lone surrogate)"
        raise Unreadable("lone_surrogate", message, where=_shown(where), hint="cut text between characters") from error


def _sound_number(value: float, where: str) -> None:
    if value != value or value in (float("inf"), float("-inf")):
        raise Unreadable("not_a_number", "NaN, Infinity and numbers over 1.8e308 are no JSON", where=where)
    if isinstance(value, int) and not -_MAX_INT <= value < _MAX_INT:
        hint = "send a long number that is an id as text"
        raise Unreadable("number_out_of_range", "whole numbers are at most 64 bits", where=where, hint=hint)


def _not_too_deep(where: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise Invalid("too_deep", _TOO_DEEP.format(depth=MAX_DEPTH), where=where[:100])


def _shown(where: str) -> str:
    """A place as it may be shown: itself free of what it complains about."""
    return where.encode(errors="replace").decode().replace("\x00", "\\u0000")
