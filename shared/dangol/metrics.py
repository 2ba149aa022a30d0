"""Every metric there is, by name: one typed table."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

# the log
APPENDED = Counter("dangol_log_appended_total", "Records handed to the log and acknowledged by it", ["topic"])
APPEND_SECONDS = Histogram("dangol_log_append_seconds", "From handing records over to their acknowledgement")
APPEND_FAILURES = Counter("dangol_log_append_failures_total", "Writes the log did not acknowledge in time")
RECORDS_READ = Counter("dangol_records_read_total", "Records read from the log", ["topic", "group"])
RECORDS_SKIPPED = Counter(
    "dangol_records_skipped_total", "Records that could not be fetched or decoded", ["topic", "group"]
)
OFFSET_GAPS = Counter(
    "dangol_offset_gap_total", "Records the log had dropped before they were read", ["topic", "group"]
)
REBALANCES = Counter("dangol_rebalances_total", "Times the held partitions changed", ["topic", "group"])
LAG = Gauge("dangol_lag_records", "Records behind the end of the log", ["topic", "group", "partition"])
# the work
BATCHES = Counter("dangol_batches_total", "Batches by how they ended", ["group", "ended"])
BATCH_SECONDS = Histogram("dangol_batch_seconds", "From a batch's reading to its commit", ["group"])
OUTBOX_PUBLISHED = Counter("dangol_outbox_published_total", "Rows relayed from the outbox", ["service"])
DECISIONS = Counter("dangol_decisions_total", "Decisions made", ["service", "verdict", "reason"])
# ingest
EVENTS_ACCEPTED = Counter("dangol_events_accepted_total", "Events answered with 200", ["workspace"])
EVENTS_REJECTED = Counter("dangol_events_rejected_total", "Items not believed", ["workspace", "code"])
REQUESTS_REFUSED = Counter("dangol_requests_refused_total", "Requests refused as a whole", ["code"])
# journey
PEOPLE_ADVANCED = Counter("dangol_people_advanced_total", "People moved on, by an event or a moment")
MOMENT_LATENESS = Histogram("dangol_moment_lateness_seconds", "From a due moment to its handling")
INPUTS_SET_ASIDE = Counter("dangol_inputs_set_aside_total", "Inputs whose handling raised")
# dispatcher
DELIVERIES = Counter("dangol_deliveries_total", "Deliveries by how they ended", ["channel", "gateway", "ended"])
GATEWAY_SECONDS = Histogram("dangol_gateway_seconds", "A gateway's answer", ["gateway"])
CIRCUIT_OPEN = Gauge("dangol_gateway_circuit_open", "1 while a gateway is left alone", ["gateway"])
COUPONS_FREE = Gauge("dangol_coupons_free", "Codes an uploaded pool has left", ["workspace", "pool"])
# the process
LOOP_LAG = Gauge("dangol_loop_lag_seconds", "How late the event loop runs what is due")


def serve(port: int, host: str = "0.0.0.0") -> None:
    """Answer `/metrics` on a port of its own (never the public one), in a thread of its own; port 0 is none."""
    if port:
        start_http_server(port, addr=host)
