"""Rows of a file, NDJSON or CSV, cut from its pieces as they come → calls. PURE."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dangol.errors import Invalid, TooLarge
from dangol.names import named
from dangol_ingest import segment, text
from dangol_ingest.model import MAX_EVENT, Call, Reject, Unreadable, rejected

BOM = b"\xef\xbb\xbf"
# CSV columns that are fields of a call, by their names without case and signs.
FIELDS = {
    "userid": "userId",
    "anonymousid": "anonymousId",
    "previousid": "previousId",
    "messageid": "messageId",
    "event": "event",
    "type": "type",
    "timestamp": "timestamp",
    "groupid": "groupId",
    "name": "name",
}
GROUPS = ("properties", "traits", "context")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in the file, from line `line` on (the first is 1)."""

    line: int
    raw: bytes


@dataclass(slots=True)
class Cutter:
    """Cuts rows from pieces. In CSV a quoted cell may hold line ends."""

    quoted: bool = False  # CSV
    _rest: bytes = b""
    _line: int = 1
    _first: bool = True

    def feed(self, piece: bytes) -> Iterator[Row]:
        """The rows that are whole now; a row too long to be one is given as it is so far."""
        self._rest += piece
        if self._first and len(self._rest) >= len(BOM):
            self._rest, self._first = self._rest.removeprefix(BOM), False
        *whole, self._rest = self._rest.split(b"\n")
        pending = b""
        for part in whole:
            pending += part
            if self.quoted and pending.count(b'"') % 2 and len(pending) <= MAX_EVENT:
                pending += b"\n"
                continue
            yield from self._row(pending, 1 + pending.count(b"\n"))
            pending = b""
        self._rest = pending + self._rest
        if len(self._rest) > 2 * MAX_EVENT:
            self._rest = self._rest[: MAX_EVENT + 1]  # it is refused already; how it goes on matters to nobody

    def end(self) -> Iterator[Row]:
        """The last row, where the file ends without a line end."""
        yield from self._row(self._rest.removeprefix(BOM) if self._first else self._rest, 1)
        self._rest = b""

    def _row(self, raw: bytes, lines: int) -> Iterator[Row]:
        line, self._line = self._line, self._line + lines
        if raw.strip():
            yield Row(line, raw.rstrip(b"\r"))


@dataclass(slots=True)
class Reading:
    """Reads rows as calls; of a CSV the first row says what the columns are."""

    csv: bool
    workspace: str
    columns: list[str] = field(default_factory=list)

    def read(self, row: Row) -> Call | Reject | None:
        """The call of a row, or why it is none; None for the header. `Reject.index` is the line."""
        try:
            if len(row.raw) > MAX_EVENT:
                raise TooLarge("event_too_large", f"a row is at most {MAX_EVENT:,} bytes")
            if not self.csv:
                return self._named(segment.read_call(row.raw), row)
            cells = _cells(row.raw)
            if not self.columns:
                self.columns = _header(cells)
                return None
            return self._named(segment.as_call(text.sound(_item(self.columns, cells))), row)
        except Invalid as error:
            return rejected(row.line, error, item=beginning(row.raw))

    def _named(self, call: Call, row: Row) -> Call:
        """A row without an id gets one of what it says, so that importing a file twice changes nothing.

        Two rows that say the same at the same moment are one; without a moment their lines tell them apart.
        """
        if call.message_id is None:
            line = 0 if call.timestamp or call.original_timestamp else row.line
            call.message_id = named("import", self.workspace, row.raw.decode(errors="replace"), line)
        return call


def beginning(raw: bytes) -> str:
    """How a row began, to be recognised by."""
    return raw[:1024].decode(errors="replace").replace("\x00", "\\u0000")


def _cells(raw: bytes) -> list[str]:
    try:
        rows = list(csv.reader([raw.decode()], strict=True))
    except UnicodeDecodeError as error:
        hint = "in Excel: save as “CSV UTF-8”"
        raise Unreadable("not_utf8", f"the row is not UTF-8: byte {error.start} is wrong", hint=hint) from error
    except csv.Error as error:
        raise Unreadable("bad_csv", f"the row is no CSV: {error}") from error
    return rows[0] if rows else []


def _header(cells: list[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    known = {_plain(column) for column in columns}
    if not known & {"userid", "anonymousid"}:
        hint = "the first row names the columns: user_id,event,timestamp,…"
        raise Invalid("bad_header", "no column is user_id or anonymous_id", hint=hint)
    return columns


def _item(columns: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) > len(columns):
        raise Invalid("bad_csv", f"{len(cells)} cells under {len(columns)} columns", hint='quote cells: "a,b"')
    item: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=False):
        if cell == "":
            continue
        group, dot, name = column.partition(".")
        if dot and group in GROUPS:
            item.setdefault(group, {})[name] = _value(cell)
        elif known := FIELDS.get(_plain(column)):
            item[known] = cell
        else:
            others[column] = _value(cell)
    item.setdefault("type", "track" if "event" in item else "identify")
    into = "traits" if item["type"] == "identify" else "properties"
    if into == "traits" and "name" in item:
        others["name"] = item.pop("name")
    return {**item, into: {**others, **item.get(into, {})}}


def _value(cell: str) -> Any:
    """A number, true or false where a cell reads as one; a number with a leading zero or a plus stays text."""
    if cell in ("true", "false"):
        return cell == "true"
    digits = cell.removeprefix("-")
    if not digits[:1].isdigit() or (digits[0] == "0" and digits[1:2].isdigit()):
        return cell
    try:
        return text.sound(json.loads(cell))
    except (ValueError, Invalid):
        return cell


def _plain(column: str) -> str:
    return column.lower().replace("_", "").replace(" ", "").replace("-", "")
