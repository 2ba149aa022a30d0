"""How to reach the brokers: what a `kafka…://` URL says, and the settings that carry the guarantees."""

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dangol.errors import Invalid
from dangol.settings import Settings

PROTOCOLS = {
    "kafka": "PLAINTEXT",
    "kafka+ssl": "SSL",
    "kafka+sasl_ssl": "SASL_SSL",
    "kafka+sasl_plaintext": "SASL_PLAINTEXT",
}
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

# aiokafka's own defaults lose data: acks=1, idempotence off, auto-commit on, latest.
PRODUCER: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 0,  # our flusher gathers: a batch is whole when it is handed over
    "max_batch_size": 524_288,  # before packing: what a write has for a partition is mostly one batch
    "max_request_size": 1_048_576,
    "compression_type": "zstd",  # half the bytes of lz4 for a third of its time: aiokafka packs lz4 at level 9
    "request_timeout_ms": 5_000,
    "retry_backoff_ms": 50,
}
CONSUMER: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
    "session_timeout_ms": 10_000,  # with 45 s one kill stalled every worker for 40 s
    "heartbeat_interval_ms": 3_000,
    "max_poll_interval_ms": 300_000,
    "rebalance_timeout_ms": 10_000,
    "fetch_max_wait_ms": 25,  # so that `reached` is fresh; the default's 500 makes every timer late
    "max_partition_fetch_bytes": 2_097_152,
    "request_timeout_ms": 15_000,
    "metadata_max_age_ms": 60_000,
}


@dataclass(frozen=True)
class Connection:
    """What every client is made with."""

    servers: str
    protocol: str
    options: dict[str, Any] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """As aiokafka's clients take them."""
        return {"bootstrap_servers": self.servers, "security_protocol": self.protocol, **self.options}


def connection_of(settings: Settings) -> Connection:
    """The connection `settings.log` describes. Raises `Invalid` for what is missing or unknown.

    `?cafile=` names the authority to trust, `certfile=` and `keyfile=` our own certificate, `mechanism=` how the user
    proves itself; the password is the URL's, or `DANGOL_KAFKA_PASSWORD`.
    """
    scheme, _, rest = settings.log.partition("://")
    url = urlsplit(f"kafka://{rest}")  # an underscore is no letter of a scheme
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    protocol = PROTOCOLS[scheme]
    servers = url.netloc.rpartition("@")[2]
    options: dict[str, Any] = {}
    if protocol.endswith("SSL"):
        options["ssl_context"] = _tls(query)
    if protocol.startswith("SASL"):
        user, _, password = url.netloc.rpartition("@")[0].partition(":")
        options |= _sasl(query, unquote(user), unquote(password) or settings.kafka_password)
    return Connection(servers, protocol, options)


def _tls(query: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=query.get("cafile"))
    if "certfile" in query:
        context.load_cert_chain(query["certfile"], query.get("keyfile"))
    return context


def _sasl(query: dict[str, str], user: str, password: str) -> dict[str, Any]:
    mechanism = query.get("mechanism", "SCRAM-SHA-512")
    if mechanism not in MECHANISMS:
        raise Invalid("bad_setting", f"mechanism {mechanism} is none of {', '.join(MECHANISMS)}", where="DANGOL_LOG")
    if not user or not password:
        raise Invalid(
            "bad_setting",
            "this log needs a user and a password",
            where="DANGOL_LOG",
            hint="kafka+sasl_ssl://user@host:port and DANGOL_KAFKA_PASSWORD (or DANGOL_KAFKA_PASSWORD_FILE)",
        )
    return {"sasl_mechanism": mechanism, "sasl_plain_username": user, "sasl_plain_password": password}
