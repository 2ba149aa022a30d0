"""The rows of the table, in their order."""

from dangol_bench import end_to_end, ingest_batch, ingest_single, journey_worker, latency, size, timers
from dangol_bench.model import Row

ROWS = {
    row.name: row
    for row in (
        Row("ingest-single", "one event a request", ingest_single.measure),
        Row("ingest-batch", "100 events a request", ingest_batch.measure),
        Row("journey", "the journey worker's batches", journey_worker.measure),
        Row("end-to-end", "people a second through `welcome`", end_to_end.measure),
        Row("latency", "from an event to its message", latency.measure),
        Row("timers", "a million parked, some due", timers.measure),
        Row("size", "the cost of an event where there is much", size.measure),
    )
}
