"""Deliveries and their attempts as rows: written before a gateway is called, closed when it has answered."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import UpdateBase

from dangol.db import Db
from dangol.rows import among, as_moment, read, run_many
from dangol_dispatcher.answering import Tried, no_fault_of_the_gateway
from dangol_dispatcher.ledger import Turn
from dangol_dispatcher.model import Accepted, Ambiguous, Claimed, Content, Later, Mode, Outcome, Rejected
from dangol_dispatcher.rows import ATTEMPT, DELIVERY, Row, put

WORDS = {Accepted: "accepted", Rejected: "rejected", Later: "later", Ambiguous: "ambiguous"}
COUNTS = ("id", "status", "fence", "counted_attempts", "ambiguous")
LONGEST_SAID = 2000  # characters of a gateway's answer that are kept


class Answered(msgspec.Struct, frozen=True):
    """A delivery's try with what came of it."""

    tried: Tried
    outcome: Outcome
    turn: Turn


async def deliveries_of(conn: AsyncConnection, messages: Collection[str]) -> dict[str, Row]:
    """The rows of these messages' deliveries, by delivery."""
    if not messages:
        return {}

    def theirs() -> Select[Any]:
        return select(DELIVERY).where(among(conn, DELIVERY.c.message, "messages"))

    rows = await read(conn, ("deliveries",), theirs, messages=sorted(messages))
    return {row.id: _with_moments(row) for row in rows}


async def counts_of(conn: AsyncConnection, messages: Collection[str]) -> dict[str, Row]:
    """The same, without the bytes: what is asked about deliveries that are being tried."""
    if not messages:
        return {}

    def theirs() -> Select[Any]:
        return select(*(DELIVERY.c[name] for name in COUNTS)).where(among(conn, DELIVERY.c.message, "messages"))

    return {row.id: row._asdict() for row in await read(conn, ("counts",), theirs, messages=sorted(messages))}


async def save_claimed(db: Db, conn: AsyncConnection, claimed: Sequence[Claimed], number: int, now: datetime) -> None:
    """The row that says it is being tried, and the attempt. What a delivery has counted so far stays."""
    if not claimed:
        return
    rows = [_delivery_row(one, number) for one in sorted(claimed, key=lambda one: one.delivery)]
    await run_many(conn, ("claim",), lambda: _claiming(db), rows, ["id"])
    await put(db, conn, ATTEMPT, [_attempt_row(one, now) for one in claimed])


async def save_answered(conn: AsyncConnection, answered: Sequence[Answered], now: datetime) -> None:
    """Close the attempts, and count them."""
    if not answered:
        return
    await run_many(conn, ("close",), _closing, [_attempt_end(one, now) for one in answered], ["of", "number"])
    await run_many(conn, ("count",), _counting, [_delivery_end(one) for one in answered], ["of"])


def _claiming(db: Db) -> UpdateBase:
    insert = db.upsert(DELIVERY)
    moving = ("gateway", "status", "attempt", "fence", "lease_until", "possible_duplicate")
    done: UpdateBase = insert.on_conflict_do_update(
        index_elements=["id"], set_={name: insert.excluded[name] for name in moving}
    )
    return done


def _closing() -> UpdateBase:
    ended = {"ended_at": bindparam("at", type_=ATTEMPT.c.ended_at.type)}
    closed = ended | {"outcome": bindparam("word"), "said": bindparam("words")}
    this = (ATTEMPT.c.delivery == bindparam("of"), ATTEMPT.c.attempt == bindparam("number"))
    return update(ATTEMPT).where(*this).values(closed)


def _counting() -> UpdateBase:
    counted: dict[str, Any] = {"status": bindparam("now_is"), "counted_attempts": bindparam("counts")}
    counted |= {"ambiguous": bindparam("unknowns"), "provider_id": bindparam("their_id")}
    return update(DELIVERY).where(DELIVERY.c.id == bindparam("of")).values(counted)


def _with_moments(row: Any) -> Row:
    told: Row = row._asdict()
    moments = {name: as_moment(told[name]) for name in ("lease_until", "first_claimed_at")}
    return told | moments | {"possible_duplicate": bool(told["possible_duplicate"])}


def content_of(row: Row) -> Content:
    """The very bytes of the first claim."""
    return Content(row["channel"], row["endpoint"], msgspec.json.decode(row["content"]), row["raw"])


def claimed_of(row: Row, profile: str) -> Claimed:
    """The claim a row says is out."""
    return Claimed(
        delivery=row["id"],
        message=row["message"],
        workspace=row["workspace"],
        profile=profile,
        gateway=row["gateway"],
        content=content_of(row),
        attempt=row["attempt"],
        fence=row["fence"],
        lease_until=row["lease_until"],
        first_claimed_at=row["first_claimed_at"],
        mode=Mode(row["mode"]),
    )


def tried_of(one: Claimed, row: Row, key_window: timedelta | None) -> Tried:
    """A claimed delivery with what its row counts."""
    until = one.first_claimed_at + key_window if key_window else None
    return Tried(one, row["counted_attempts"], row["ambiguous"], until)


def _delivery_row(one: Claimed, number: int) -> Row:
    return {
        "id": one.delivery,
        "workspace": one.workspace,
        "message": one.message,
        "channel": one.content.channel,
        "endpoint": one.content.endpoint,
        "gateway": one.gateway,
        "content": msgspec.json.encode(dict(one.content.parts)).decode(),
        "raw": one.content.raw,
        "template_version": number,
        "status": "claimed",
        "attempt": one.attempt,
        "counted_attempts": 0,
        "fence": one.fence,
        "mode": one.mode.value,
        "lease_until": one.lease_until,
        "first_claimed_at": one.first_claimed_at,
        "ambiguous": 0,
        "possible_duplicate": one.possible_duplicate,
        "provider_id": "",
    }


def _attempt_row(one: Claimed, now: datetime) -> Row:
    key = {"delivery": one.delivery, "attempt": one.attempt}
    return key | {"started_at": now, "ended_at": None, "outcome": "trying", "said": ""}


def _attempt_end(one: Answered, now: datetime) -> Row:
    claimed = one.tried.claimed
    word, said = WORDS[type(one.outcome)], one.outcome.said[:LONGEST_SAID]
    return {"of": claimed.delivery, "number": claimed.attempt, "word": word, "words": said, "at": now}


def _delivery_end(one: Answered) -> Row:
    """Being throttled, refused for our credentials, or left behind by a worker counts for no attempt."""
    match one.outcome:
        case Later():
            uncounted = one.outcome.throttled
        case Rejected():
            uncounted = one.outcome.credentials
        case Ambiguous():
            uncounted = no_fault_of_the_gateway(one.tried, one.outcome)
        case _:
            uncounted = False
    return {
        "of": one.tried.claimed.delivery,
        "now_is": one.turn.ended or one.turn.status.value,
        "counts": one.tried.counted_attempts + (0 if uncounted else 1),
        "unknowns": one.tried.ambiguous + isinstance(one.outcome, Ambiguous),
        "their_id": one.outcome.provider_id if isinstance(one.outcome, Accepted) else "",
    }
