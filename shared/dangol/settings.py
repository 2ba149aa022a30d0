"""The settings: read once from the environment, frozen, and refused where two contradict each other."""

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from dangol.errors import Invalid

PREFIX = "DANGOL_"
SHORTEST_KEY = 6
SWITCH = {"1": True, "true": True, "0": False, "false": False}
LOGS = ("sqlite", "kafka", "kafka+ssl", "kafka+sasl_ssl", "kafka+sasl_plaintext")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Each is read from `DANGOL_` + its name in capitals, or from the file that `DANGOL_…_FILE` names."""

    data: str = "./data"  # where `up` keeps its files
    log: str = ""  # sqlite:///… | kafka://host:port,… | kafka+ssl://… | kafka+sasl_ssl://user@…?mechanism=…
    topic_prefix: str = ""
    partitions: int = 12  # of each topic, when we make it; then it is what the topic has
    replication: int = 3  # at most; fewer where there are fewer brokers
    kafka_password: str = ""
    db: str = ""  # sqlite:///… | postgresql://…
    archive: str = ""  # the archive's own sqlite:///… | postgresql://…; empty: in `db`
    workspace: str = "default"  # of the two keys below
    write_key: str = ""
    secret_key: str = ""
    link_secret: str = ""  # signs links in messages; kept in DATA where it is empty
    public_url: str = ""  # under which people's browsers and gateways reach us
    egress_proxy: str = ""
    allow_private_targets: tuple[str, ...] = ()  # CIDRs
    ingest_rate: int = 100_000  # events a second of one workspace that one ingest process admits; 0: all
    analytics_js: str = ""  # a file: Segment's standalone.js, to be served to pages
    host: str = "127.0.0.1"
    port: int = 8420
    share_port: bool = False  # several processes of a role at one port, among which the kernel shares connections out
    metrics_port: int = 9420
    member: str = ""  # the worker's stable name; the host's by default
    log_level: str = "info"

    @property
    def embedded(self) -> bool:
        """Whether log and state are one SQLite database."""
        return self.log.startswith("sqlite")


def read_settings(environment: Mapping[str, str] | None = None, **given: object) -> Settings:
    """The settings of an environment (the process's own by default); `given` ones win.

    Raises `Invalid` for what can't be read, and for two that contradict each other, naming both.
    """
    env = os.environ if environment is None else environment
    values = {f.name: _value(env, f.name, f.default) for f in fields(Settings)}
    values = {name: value for name, value in values.items() if value is not None} | given
    data = Path(str(values.get("data", "./data")))
    values["db"] = values.get("db") or f"sqlite:///{data}/dangol.db"
    values["log"] = values.get("log") or (values["db"] if str(values["db"]).startswith("sqlite") else "")
    values["member"] = values.get("member") or socket.gethostname()
    settings = Settings(**values)  # type: ignore[arg-type]
    _refuse_contradictions(settings)
    return settings


def _value(env: Mapping[str, str], name: str, default: object) -> object | None:
    """None where the environment says nothing."""
    variable = PREFIX + name.upper()
    text, file = env.get(variable), env.get(f"{variable}_FILE")
    if text and file:
        raise Invalid("contradiction", f"{variable} and {variable}_FILE are both set", where=variable)
    if file:
        try:
            text = Path(file).read_text().strip()
        except OSError as error:
            raise Invalid("bad_setting", f"{variable}_FILE: {error}", where=f"{variable}_FILE") from error
    return _parsed(variable, text, default) if text else None


def _parsed(variable: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        if text.lower() not in SWITCH:
            raise Invalid("bad_setting", f"{variable} is 1 or 0, not {text}", where=variable)
        return SWITCH[text.lower()]
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError as error:
            raise Invalid("bad_setting", f"{variable} is not a whole number: {text}", where=variable) from error
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _refuse_contradictions(settings: Settings) -> None:
    if not settings.log:
        raise Invalid(
            "contradiction",
            "DANGOL_DB is PostgreSQL and DANGOL_LOG is not set: the embedded log needs SQLite",
            where="DANGOL_LOG",
            hint="set DANGOL_LOG=kafka://host:9092",
        )
    if settings.embedded and settings.log != settings.db:
        raise Invalid("contradiction", "DANGOL_LOG and DANGOL_DB are two databases: an embedded log is in the state's")
    if settings.embedded and settings.share_port:
        raise Invalid("contradiction", "DANGOL_SHARE_PORT and an embedded log: one process alone has its database")
    if settings.log.partition("://")[0] not in LOGS:
        raise Invalid("bad_setting", "DANGOL_LOG is sqlite:///… or kafka://host:port,…", where="DANGOL_LOG")
    if settings.db.partition("://")[0] not in ("sqlite", "postgresql"):
        raise Invalid("bad_setting", "DANGOL_DB is sqlite:///… or postgresql://…", where="DANGOL_DB")
    if settings.archive and settings.archive.partition("://")[0] not in ("sqlite", "postgresql"):
        raise Invalid("bad_setting", "DANGOL_ARCHIVE is sqlite:///… or postgresql://…", where="DANGOL_ARCHIVE")
    _refuse_keys(settings)
    _refuse_numbers(settings)


def _refuse_keys(settings: Settings) -> None:
    for variable, key in (("DANGOL_WRITE_KEY", settings.write_key), ("DANGOL_SECRET_KEY", settings.secret_key)):
        if key and len(key) < SHORTEST_KEY:
            raise Invalid("bad_setting", f"{variable} is shorter than {SHORTEST_KEY} characters", where=variable)
    if settings.write_key and settings.write_key == settings.secret_key:
        raise Invalid("contradiction", "DANGOL_WRITE_KEY and DANGOL_SECRET_KEY are the same: one of them is public")


def _refuse_numbers(settings: Settings) -> None:
    if settings.port and settings.port == settings.metrics_port:
        raise Invalid("contradiction", "DANGOL_PORT and DANGOL_METRICS_PORT are the same")
    for variable, number in (("DANGOL_PARTITIONS", settings.partitions), ("DANGOL_REPLICATION", settings.replication)):
        if number < 1:
            raise Invalid("bad_setting", f"{variable} is at least 1", where=variable)
    for cidr in settings.allow_private_targets:
        try:
            ipaddress.ip_network(cidr)
        except ValueError as error:
            raise Invalid("bad_setting", f"not a network: {error}", where="DANGOL_ALLOW_PRIVATE_TARGETS") from error
