"""The queue: messages as rows, found when due, locked, and moved on by what became of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Select, and_, bindparam, func, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import UpdateBase

from dangol.messages import Message
from dangol.rows import among, as_moment, asked, read, run_many
from dangol_dispatcher.ledger import Turn, Waiting
from dangol_dispatcher.model import SendRequest, Status
from dangol_dispatcher.rows import DELIVERY, MESSAGE, Row
from dangol_dispatcher.rulebook import Rules

OPEN = (Status.ASKED, Status.HELD, Status.CLAIMED, Status.RETRYING)
# In SQL's own words: with parameters SQLite does not see that the partial indexes of what is open serve.
IS_OPEN = MESSAGE.c.status.in_([literal_column(f"'{status.value}'") for status in OPEN])
MOMENT, INTEGER = MESSAGE.c.due_at.type, MESSAGE.c.decided.type
# What a decision looks at.
READ = (
    *("id", "workspace", "profile", "status", "reason", "details", "gateway", "channel", "category", "payload"),
    *("passed", "delivery", "asked_at", "due_at", "expires_at", "counted_at", "cancelled", "decided"),
)
_STATUS = {status.value: status for status in Status}
# Looked at, claimed and recorded within a moment, each from its row: nothing changes a message that is read.
_message = lru_cache(maxsize=1024)(msgspec.json.Decoder(Message).decode)


async def due_messages(
    conn: AsyncConnection, rules: Rules, gateway: str, now: datetime, at_most: int, *, only_expired: bool = False
) -> list[Waiting]:
    """The messages of a gateway that are due, the longest due first; `only_expired`: those worthless by now."""

    def due() -> Select[Any]:
        moment = MESSAGE.c.expires_at if only_expired else MESSAGE.c.due_at
        here = (MESSAGE.c.workspace == asked("workspace"), MESSAGE.c.gateway == asked("gateway"), IS_OPEN)
        place = and_(*here, moment <= asked("now", MOMENT))
        if only_expired:
            place = and_(place, MESSAGE.c.status != Status.CLAIMED.value)
        return _joined().where(place).order_by(moment, MESSAGE.c.id).limit(asked("at_most", INTEGER))

    given = {"workspace": rules.workspace, "gateway": gateway, "now": now, "at_most": at_most}
    return _waiting(rules, await read(conn, ("due", str(only_expired)), due, **given))


async def lock_messages(conn: AsyncConnection, rules: Rules, ids: Collection[str], now: datetime) -> list[Waiting]:
    """Those of these messages that are still open and due and that nobody else holds, locked."""
    is_now = asked("now", MOMENT)
    theirs = (
        among(conn, MESSAGE.c.id, "ids"),
        IS_OPEN,
        or_(MESSAGE.c.due_at <= is_now, MESSAGE.c.expires_at <= is_now),
    )
    if conn.dialect.name == "sqlite":  # the transaction is the lock
        return _waiting(rules, await read(conn, ("held",), lambda: _joined().where(*theirs), ids=sorted(ids), now=now))

    def locked() -> Select[Any]:
        return select(MESSAGE.c.id).where(*theirs).order_by(MESSAGE.c.id).with_for_update(skip_locked=True)

    ours = [id for (id,) in await read(conn, ("locked",), locked, ids=sorted(ids), now=now)]
    # a new statement: what is read together with the lock may be older than the lock
    return await messages_named(conn, rules, ours) if ours else []


async def competitors(
    conn: AsyncConnection, rules: Rules, profiles: Collection[str], besides: Collection[str], now: datetime
) -> list[Waiting]:
    """Other due messages of these people, in whatever queue."""

    def theirs() -> Select[Any]:
        return _joined().where(
            among(conn, MESSAGE.c.profile, "profiles"),
            # not by an index: SQLite would walk all that is open in the workspace, not what is open of these people
            MESSAGE.c.workspace + "" == asked("workspace"),
            IS_OPEN,
            MESSAGE.c.status.in_([Status.ASKED.value, Status.HELD.value]),
            MESSAGE.c.due_at <= asked("now", MOMENT),
            ~among(conn, MESSAGE.c.id, "besides"),
        )

    given = {"profiles": sorted(profiles), "workspace": rules.workspace, "now": now, "besides": sorted(besides)}
    return _waiting(rules, await read(conn, ("competitors",), theirs, **given))


async def messages_named(
    conn: AsyncConnection, rules: Rules, ids: Collection[str], *, lock: bool = False
) -> list[Waiting]:
    """These messages, whatever their state; locked first where `lock`."""

    def named() -> Select[Any]:
        return select(MESSAGE.c.id).where(among(conn, MESSAGE.c.id, "ids")).order_by(MESSAGE.c.id).with_for_update()

    if lock and conn.dialect.name != "sqlite":  # there the transaction is the lock
        await read(conn, ("lock named",), named, ids=sorted(ids))
    rows = await read(conn, ("named",), lambda: _joined().where(among(conn, MESSAGE.c.id, "ids")), ids=sorted(ids))
    return _waiting(rules, rows)


async def next_moment(conn: AsyncConnection, workspace: str, gateway: str) -> datetime | None:
    """When something of this queue is due next."""

    def next_one() -> Select[Any]:
        place = (MESSAGE.c.workspace == asked("workspace"), MESSAGE.c.gateway == asked("gateway"), IS_OPEN)
        return select(func.min(MESSAGE.c.due_at)).where(*place)

    rows = await read(conn, ("next",), next_one, workspace=workspace, gateway=gateway)
    found: datetime | str | None = rows[0][0]
    return as_moment(found)


async def next_expiry(conn: AsyncConnection, workspace: str, gateway: str) -> datetime | None:
    """When something of this queue becomes worthless next."""
    place = and_(MESSAGE.c.workspace == workspace, MESSAGE.c.gateway == gateway, IS_OPEN)
    found: datetime | None = (await conn.execute(select(func.min(MESSAGE.c.expires_at)).where(place))).scalar()
    return found


async def save_turns(conn: AsyncConnection, turns: Sequence[tuple[Waiting, Turn]], now: datetime) -> None:
    """Move messages on. Each is locked by this transaction."""
    if not turns:
        return
    changed = [_changes(waiting, turn, now) for waiting, turn in turns]
    await run_many(conn, ("move on",), lambda: _moving(changed[0]), changed, ["row_id"])


def _moving(row: Row) -> UpdateBase:
    columns = {name: bindparam(name, type_=MESSAGE.c[name].type) for name in row if name != "row_id"}
    return update(MESSAGE).where(MESSAGE.c.id == bindparam("row_id")).values(columns)


def waiting_of(row: Sequence[Any], rules: Rules) -> Waiting:
    """A row of the queue as the rules look at it: what is `READ`, and the endpoint of the delivery that may not be
    left."""
    _, workspace, profile, status, reason, details, gateway, channel, category, payload, *rest = row
    passed, delivery, asked_at, due_at, expires_at, counted_at, cancelled, decided, endpoint = rest
    message = _message(payload)
    template = rules.templates.get(message.template)
    request = SendRequest(
        message=message,
        category=template.category if template else category,
        asked_at=as_moment(asked_at),
        expires_at=as_moment(expires_at),
        tags=template.tags if template else (),
        passed=_mapping(passed),
        pinned=(channel, endpoint) if delivery and endpoint is not None else None,
        counted=channel or "" if counted_at else "",
        cancelled=cancelled,
    )
    return Waiting(
        request=request,
        workspace=workspace,
        profile=profile,
        status=_STATUS[status],
        due_at=as_moment(due_at),
        gateway=gateway,
        channel=channel,
        reason=reason,
        details=_mapping(details),
        delivery=delivery,
        decided=decided,
        counted_at=as_moment(counted_at),
    )


def _mapping(text: str) -> dict[str, Any]:
    """A JSON object; nearly all are empty."""
    return {} if text == "{}" else msgspec.json.decode(text, type=dict[str, Any])


def _text(mapping: Mapping[str, Any]) -> str:
    return msgspec.json.encode(mapping).decode() if mapping else "{}"


def _joined() -> Select[Any]:
    return select(*(MESSAGE.c[name] for name in READ), DELIVERY.c.endpoint).outerjoin(
        DELIVERY, DELIVERY.c.id == MESSAGE.c.delivery
    )


def _waiting(rules: Rules, rows: Iterable[Any]) -> list[Waiting]:
    return [waiting_of(row, rules) for row in rows]


def _changes(waiting: Waiting, turn: Turn, now: datetime) -> Row:
    return {
        "row_id": waiting.request.message.id,
        "status": turn.status.value,
        "due_at": turn.due_at,
        "reason": str(turn.reason),
        "details": _text(turn.details),
        "gateway": waiting.gateway if turn.gateway is None else turn.gateway,
        "channel": turn.channel,
        "passed": _text(waiting.request.passed if turn.passed is None else turn.passed),
        "delivery": turn.delivery,
        "counted_at": waiting.counted_at if turn.slot is None else turn.slot.at,
        "category": waiting.request.category,
        "tags": msgspec.json.encode(waiting.request.tags).decode() if waiting.request.tags else "[]",
        "decided": waiting.decided + len(turn.told),
        "updated_at": now,
    }
