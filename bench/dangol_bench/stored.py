"""What ingest would put in the log for a body, made by its own code: the bytes a reference must write too."""

from collections.abc import Sequence

from dangol.clock import utc_now
from dangol.events import Origin
from dangol.stream import Outgoing
from dangol_bench.load import SLOT
from dangol_ingest import segment
from dangol_ingest.believe import believe
from dangol_ingest.model import Arrival
from dangol_ingest.rejection import outgoing


def records_of(body: str, number: int) -> Sequence[Outgoing]:
    """The records of a batch's body, once its slot is filled."""
    posted = segment.many(body.encode().replace(SLOT, b"%012d" % number))
    arrival = Arrival(workspace="default", origin=Origin.SERVER, key_id="bench", received_at=utc_now(), seed="bench")
    return outgoing(believe(posted, arrival), arrival)
