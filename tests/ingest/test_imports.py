"""Importing files: rows, columns, repeats, rejects with their lines."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from dangol.events import Kind, Origin
from dangol.service import House
from dangol_ingest.main import open_service
from dangol_ingest.model import Call
from dangol_ingest.rows import Cutter, Reading, Row
from tests.support.house import SECRET, WRITE, app_of, client_of, decisions_of, events_of

CSV = """\ufeffuser_id,event,timestamp,cart_value,traits.email,memo
u1,Order Completed,2026-11-01T10:00:00Z,42000,a@b.c,"two
lines, one cell"
u2,,2026-11-01T10:00:00Z,,d@e.f,
,Order Completed,,1,,
u3,Order Completed,yesterday,01012345678,,
"""


async def pieces(text: str, size: int = 7) -> AsyncIterator[bytes]:
    raw = text.encode()
    for at in range(0, len(raw), size):
        yield raw[at : at + size]


async def imported(client: httpx2.AsyncClient, text: str, media: str, **query: Any) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": media}
    answer = await client.post("/api/import", content=pieces(text), headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_csv(client: httpx2.AsyncClient, house: House) -> None:
    *rejects, last = await imported(client, CSV, "text/csv", backfill="true")
    assert last == {"read": 4, "accepted": 2, "rejected": 2, "done": True}
    told = [(one["line"], one["code"]) for line in rejects for one in line["rejects"]]
    assert told == [(5, "no_person"), (6, "bad_time")]
    order, identify = await events_of(house.stream)
    assert order.properties == {"cart_value": 42000, "memo": "two\nlines, one cell"}
    assert order.traits == {"email": "a@b.c"}
    assert (order.origin, order.backfill) == (Origin.SECRET, True)
    assert (identify.kind, identify.traits) == (Kind.IDENTIFY, {"email": "d@e.f"})
    assert len(await decisions_of(house.stream)) == 2


async def test_ndjson(client: httpx2.AsyncClient, house: House) -> None:
    rows = [
        '{"userId": "u1", "event": "A"}',
        "",
        "{nonsense",
        '{"userId": "u2", "event": "B", "properties": {"x": NaN}}',
    ]
    *rejects, last = await imported(client, "\r\n".join(rows), "application/x-ndjson")
    assert (last["read"], last["accepted"], last["rejected"]) == (3, 1, 2)
    told = [(one["line"], one["code"], one["row"][:3]) for line in rejects for one in line["rejects"]]
    assert told == [(3, "bad_json", "{no"), (4, "not_a_number", '{"u')]
    assert [event.backfill for event in await events_of(house.stream)] == [False]


async def test_the_same_file_twice_has_the_same_ids(client: httpx2.AsyncClient, house: House) -> None:
    text = '{"userId": "u1", "event": "A"}\n' * 2 + '{"userId": "u1", "event": "A", "timestamp": "2026-11-01"}\n' * 2
    await imported(client, text, "application/x-ndjson")
    await imported(client, text, "application/x-ndjson")
    ids = [event.id for event in await events_of(house.stream)]
    assert ids[:4] == ids[4:]
    assert ids[0] != ids[1]  # no moment: two rows are two events
    assert ids[2] == ids[3]  # said twice of one moment


async def test_more_than_a_page(client: httpx2.AsyncClient, house: House) -> None:
    text = "".join(f'{{"userId": "u{n}", "event": "A"}}\n' for n in range(1203))
    (last,) = await imported(client, text, "application/x-ndjson")
    assert last["accepted"] == 1203
    assert len(await events_of(house.stream)) == 1203


@pytest.mark.parametrize(
    ("text", "code"),
    [("name,age\nx,1\n", "bad_header"), ("\x1f\x8b", "bad_header"), ("", None)],
)
async def test_a_csv_without_people_is_refused(client: httpx2.AsyncClient, text: str, code: str | None) -> None:
    (line,) = await imported(client, text, "text/csv")
    assert line.get("code") == code


async def test_what_is_wrong_with_a_files_head_is_told_with_how_to_mend_it(client: httpx2.AsyncClient) -> None:
    (line,) = await imported(client, "name,age\nx,1\n", "text/csv")
    assert (line["where"], line["hint"]) == ("line 1", "the first row names the columns: user_id,event,timestamp,…")


async def test_only_a_secret_key_imports(client: httpx2.AsyncClient) -> None:
    for key in (WRITE, "wrong-key", ""):
        answer = await client.post("/api/import", content=b"{}", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code in (401, 403)


async def test_an_import_is_paced(house: House) -> None:
    slow = replace(house, settings=replace(house.settings, ingest_rate=2000))
    text = "".join(f'{{"userId": "u{n}", "event": "A"}}\n' for n in range(2500))
    async with open_service(slow) as ingest, client_of(app_of(slow, ingest.router)) as client:
        *_, last = await imported(client, text, "application/x-ndjson")
    assert last["accepted"] == 2500  # it waited, and nothing was refused


@pytest.mark.parametrize("size", [1, 2, 3, 10_000])
def test_rows_are_cut_alike_from_pieces_of_any_size(size: int) -> None:
    raw = CSV.encode()

    def cut() -> Iterator[Row]:
        cutter = Cutter(quoted=True)
        for at in range(0, len(raw), size):
            yield from cutter.feed(raw[at : at + size])
        yield from cutter.end()

    assert [row.line for row in cut()] == [1, 2, 4, 5, 6]
    assert next(cut()).raw.startswith(b"user_id")


def test_a_row_without_end_is_refused_and_not_kept() -> None:
    cutter, reading = Cutter(), Reading(csv=False, workspace="w")
    rows = [row for _ in range(10) for row in cutter.feed(b"x" * 20_000)]
    rows += [*cutter.feed(b'\n{"userId": "u", "event": "E"}\n'), *cutter.end()]
    items = [reading.read(row) for row in rows]
    assert [getattr(item, "code", None) for item in items] == ["event_too_large", None]
    assert max(len(row.raw) for row in rows) < 100_000


def test_cells_are_numbers_only_where_they_read_as_one() -> None:
    reading = Reading(csv=True, workspace="w")
    reading.read(Row(1, b"user_id,event,a,b,c,d,e,f"))
    call = reading.read(Row(2, b"007,E,1.5,01012345678,+821012345678,true,-3,1e400"))
    assert isinstance(call, Call)
    assert call.user_id == "007"
    assert call.properties == {"a": 1.5, "b": "01012345678", "c": "+821012345678", "d": True, "e": -3, "f": "1e400"}
