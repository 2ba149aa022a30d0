"""`POST /api/import`: a file of events, streamed in, paced, and told of line by line of NDJSON."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any, Protocol

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from dangol.auth import secret
from dangol.errors import Invalid, Unavailable
from dangol.keys import Key
from dangol_ingest.answers import reject_body
from dangol_ingest.believe import believe
from dangol_ingest.body import GZIP
from dangol_ingest.intake import SCOPE, Intake, count
from dangol_ingest.model import Arrival, Believed, Call, Posted, Reject
from dangol_ingest.rejection import outgoing
from dangol_ingest.rows import Cutter, Reading, Row, beginning

ROWS = 500  # at once
SHARE = 0.5  # of the workspace's rate: the rest is for what happens now
TRIED_FOR = timedelta(seconds=60)  # before an import gives up on a log that does not answer
SAID_EVERY = 1.0  # seconds between lines while the file comes in
REJECTS_A_LINE = 100
Line = tuple[Row, Call | Reject]
IN_MEMORY = 1 << 20  # bytes of rejects; more go to a temporary file


class Readable(Protocol):
    """What rejects are kept in until the client reads."""

    def write(self, text: bytes, /) -> int: ...
    def seek(self, place: int, /) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(slots=True)
class Totals:
    """How far an import is."""

    read: int = 0
    accepted: int = 0
    rejected: int = 0

    def line(self, **more: Any) -> bytes:
        """These counts as one line of the answer."""
        said = {"read": self.read, "accepted": self.accepted, "rejected": self.rejected, **more}
        return msgspec.json.encode(said) + b"\n"


@dataclass(slots=True)
class Import:
    """One file on its way in."""

    intake: Intake
    reading: Reading
    arrival: Arrival
    backfill: bool
    rejects: Readable
    totals: Totals = field(default_factory=Totals)

    async def take(self, rows: Sequence[Line]) -> None:
        """Believe and append some rows; waits for the workspace's rate and for the log. Raises `Unavailable`."""
        await self._wait_its_turn(len(rows))
        arrival = replace(self.arrival, received_at=self.intake.clock(), seed=f"{self.arrival.seed}/{self.totals.read}")
        kept = _kept(rows, arrival, self.backfill)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            stop=stop_after_delay(TRIED_FOR),
            wait=wait_random_exponential(0.1, max=5),
            reraise=True,
        ):
            with attempt:
                await self.intake.append(outgoing(kept, arrival))
        count(kept, arrival.workspace)
        self.totals.read += len(rows)
        self.totals.accepted += len(kept.events)
        self.totals.rejected += len(kept.rejects)
        for reject in kept.rejects:
            body = reject_body(reject, line=reject.index, row=reject.item)
            self.rejects.write(msgspec.json.encode(body) + b"\n")

    async def _wait_its_turn(self, rows: int) -> None:
        workspace = self.arrival.workspace
        paid = round(rows / SHARE)
        while wait := self.intake.admission.wait(workspace, paid, time.monotonic()):  # noqa: ASYNC110 - its turn has a time
            await asyncio.sleep(wait.total_seconds())


class Told(Response):
    """A response that is written while the request is still read."""

    media_type = "application/x-ndjson"

    def __init__(self, lines: Callable[[], AsyncIterator[bytes]]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send each line as it is known."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for line in self._lines():
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def make_router(intake: Intake) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.post("/api/import", summary="Import events from a file of NDJSON or CSV")
    async def import_(
        request: Request,
        key: Annotated[Key, Depends(secret(SCOPE))],
        backfill: Annotated[bool, Query(description="update what is known, trigger nothing")] = False,
    ) -> Response:
        """Streams the file in; answers with lines `{read, accepted, rejected, rejects?}`, totals so far."""
        comma = _is_csv(request.headers.get("content-type", ""))

        async def lines() -> AsyncIterator[bytes]:
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as rejects:
                reading = Reading(csv=comma, workspace=key.workspace)
                begun = Import(intake, reading, intake.arrival(request.headers, key), backfill, rejects)
                async for line in _lines(begun, request):
                    yield line

        return Told(lines)

    return router


async def _lines(begun: Import, request: Request) -> AsyncIterator[bytes]:
    """Totals while the file comes in, then the rejects, then the totals; an error ends it.

    Clients send all before they read: so little is said meanwhile, and the rejects wait.
    """
    said_at = time.monotonic()
    try:
        async for items in _items(begun.reading, request):
            await begun.take(items)
            if time.monotonic() - said_at >= SAID_EVERY:
                said_at = time.monotonic()
                yield begun.totals.line()
    except ClientDisconnect:
        return
    except (Invalid, Unavailable) as error:
        yield begun.totals.line(**_ended(error))
        return
    for rejects in _pages(begun.rejects):
        yield begun.totals.line(rejects=rejects)
    yield begun.totals.line(done=True)


def _ended(error: Invalid | Unavailable) -> dict[str, str]:
    if isinstance(error, Invalid) and error.hint:
        return {"code": error.code, "message": error.message, "where": error.where, "hint": error.hint}
    code = error.code if isinstance(error, Invalid) else "unavailable"
    hint = "import the file again: what is there already is not taken twice"
    return {"code": code, "message": error.message, "hint": hint}


async def _items(reading: Reading, request: Request) -> AsyncIterator[list[Line]]:
    """The rows of the request, some at a time. Raises `Invalid` for a file that is packed or has a wrong header."""
    cutter, rows, first = Cutter(quoted=reading.csv), list[Line](), True
    async for piece in request.stream():
        if first and piece.startswith(GZIP):
            raise Invalid("packed_file", "the file is packed", hint="unpack it: gunzip FILE")
        first = first and not piece
        for row in cutter.feed(piece):
            rows += _line(row, reading)
            if len(rows) >= ROWS:
                yield rows
                rows = []
    for row in cutter.end():
        rows += _line(row, reading)
    if rows:
        yield rows


def _line(row: Row, reading: Reading) -> list[Line]:
    item = reading.read(row)
    if isinstance(item, Reject) and reading.csv and not reading.columns:
        raise Invalid(item.code, item.message, where=f"line {row.line}", hint=item.hint)
    return [] if item is None else [(row, item)]


def _kept(rows: Sequence[Line], arrival: Arrival, backfill: bool) -> Believed:
    """What becomes of rows; the rejects tell their lines and how the rows began."""
    calls = [(row, item) for row, item in rows if isinstance(item, Call)]
    believed = believe(Posted(items=tuple(call for _, call in calls), backfill=backfill), arrival)
    rejects = [item for _, item in rows if isinstance(item, Reject)]
    for reject in believed.rejects:
        row, _ = calls[reject.index]
        rejects.append(replace(reject, index=row.line, item=beginning(row.raw)))
    return Believed(believed.events, tuple(sorted(rejects, key=lambda reject: reject.index)))


def _pages(rejects: Readable) -> Iterator[list[Any]]:
    rejects.seek(0)
    page: list[Any] = []
    for line in rejects:
        page.append(msgspec.Raw(line.rstrip()))
        if len(page) == REJECTS_A_LINE:
            yield page
            page = []
    if page:
        yield page


def _is_csv(media: str) -> bool:
    return media.partition(";")[0].strip().lower() in ("text/csv", "application/csv")
