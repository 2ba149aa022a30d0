"""The events of a recorded file, believed as an import would, without a running product. PURE."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from dangol.codec import decode_event
from dangol.events import Event, Origin
from dangol_ingest.believe import believe
from dangol_ingest.model import Arrival, Posted, Reject
from dangol_ingest.rows import Cutter, Reading, Row


def recorded(pieces: Iterable[bytes], workspace: str, now: datetime, *, csv: bool) -> Iterator[Event | Reject]:
    """Each row's event, or why it is none (`Reject.index` is its line), in the order of the file."""
    reading = Reading(csv=csv, workspace=workspace)
    arrival = Arrival(workspace, Origin.SECRET, "recorded", now, "recorded")
    for row in _rows(pieces, csv=csv):
        call = reading.read(row)
        if isinstance(call, Reject):
            yield call
        elif call is not None:
            believed = believe(Posted(items=(call,)), arrival)
            yield from (decode_event(event.value) for event in believed.events)
            yield from believed.rejects


def _rows(pieces: Iterable[bytes], *, csv: bool) -> Iterator[Row]:
    cutter = Cutter(quoted=csv)
    for piece in pieces:
        yield from cutter.feed(piece)
    yield from cutter.end()
