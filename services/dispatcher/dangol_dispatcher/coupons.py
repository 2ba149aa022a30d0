"""Coupon pools: a code is bound to its promise when it is first said, and stays bound for ever."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol import metrics
from dangol.db import Db
from dangol.decisions import Reason
from dangol.messages import CouponIssue
from dangol_dispatcher.rows import COUPON, MESSAGE, put_new
from dangol_dispatcher.rulebook import PoolRule

log = structlog.get_logger(__name__)
UNMISTAKABLE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0/O, 1/I/L
DRAWS = 8  # of a generated code before a pool counts as used up


async def bind(
    db: Db,
    conn: AsyncConnection,
    workspace: str,
    profile: str,
    issue: CouponIssue,
    pool: PoolRule | None,
    now: datetime,
) -> str | None:
    """The code of a promise: the one it has, else a new one; None when the pool is empty."""
    if found := await code_of(conn, workspace, issue):
        return found
    if pool is None:
        return None
    if pool.pattern:
        return await _draw(db, conn, workspace, profile, issue, pool.pattern, now)
    code = await _take(conn, workspace, profile, issue, now)
    if code is None and pool.codes:  # its file's codes are put in when they are first needed, and what was added since
        await add_codes(db, conn, workspace, pool.name, pool.codes, now)
        code = await _take(conn, workspace, profile, issue, now)
    if pool.low:
        await _warn_if_low(conn, workspace, pool)
    return code


async def code_of(conn: AsyncConnection, workspace: str, issue: CouponIssue) -> str | None:
    """The code bound to a promise already."""
    place = (COUPON.c.workspace == workspace, COUPON.c.pool == issue.pool, COUPON.c.issue == issue.issue)
    found: str | None = (await conn.execute(select(COUPON.c.code).where(*place))).scalar()
    return found


async def add_codes(
    db: Db, conn: AsyncConnection, workspace: str, pool: str, codes: Sequence[str], now: datetime
) -> None:
    """Put codes into a pool; one that is there already changes nothing."""
    rows = [
        {"workspace": workspace, "pool": pool, "code": code, "issue": None, "state": "free", "profile": None, "at": now}
        for code in dict.fromkeys(codes)
    ]
    await put_new(db, conn, COUPON, rows)


async def mark_said(conn: AsyncConnection, issues: Collection[str]) -> None:
    """A claim was committed: from now on the code may have been read by somebody."""
    if issues:
        reserved = update(COUPON).where(COUPON.c.issue.in_(sorted(set(issues))), COUPON.c.state == "reserved")
        await conn.execute(reserved.values(state="said"))


async def counts(conn: AsyncConnection, workspace: str) -> Mapping[str, dict[str, int]]:
    """How many codes of each state a pool has."""
    rows = await conn.execute(
        select(COUPON.c.pool, COUPON.c.state, func.count())
        .where(COUPON.c.workspace == workspace)
        .group_by(COUPON.c.pool, COUPON.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    for pool, state, number in rows:
        found.setdefault(pool, {})[state] = number
    return found


def generated(pattern: str) -> str:
    """A code of a pattern: each `#` a random letter or digit that is not mistaken for another."""
    return "".join(secrets.choice(UNMISTAKABLE) if sign == "#" else sign for sign in pattern)


async def _draw(
    db: Db, conn: AsyncConnection, workspace: str, profile: str, issue: CouponIssue, pattern: str, now: datetime
) -> str | None:
    for _ in range(DRAWS):
        row = {
            "workspace": workspace,
            "pool": issue.pool,
            "code": generated(pattern),
            "issue": issue.issue,
            "state": "reserved",
            "profile": profile,
            "at": now,
        }
        await put_new(db, conn, COUPON, [row])
        if found := await code_of(conn, workspace, issue):
            return found
    return None


async def _warn_if_low(conn: AsyncConnection, workspace: str, pool: PoolRule) -> None:
    free = (COUPON.c.workspace == workspace, COUPON.c.pool == pool.name, COUPON.c.state == "free")
    left = (await conn.execute(select(func.count()).select_from(COUPON).where(*free))).scalar_one()
    metrics.COUPONS_FREE.labels(workspace, pool.name).set(left)
    if left < pool.low:
        log.warning("a coupon pool runs low", action="pool_low", workspace=workspace, pool=pool.name, left=left)


async def _take(conn: AsyncConnection, workspace: str, profile: str, issue: CouponIssue, now: datetime) -> str | None:
    place = (COUPON.c.workspace == workspace, COUPON.c.pool == issue.pool)
    free = select(COUPON.c.code).where(*place, COUPON.c.state == "free").order_by(COUPON.c.code).limit(1)
    code: str | None = (await conn.execute(free.with_for_update(skip_locked=True))).scalar()
    if code is None:
        return None
    bound = {"issue": issue.issue, "state": "reserved", "profile": profile, "at": now}
    try:
        async with conn.begin_nested():
            await conn.execute(update(COUPON).where(*place, COUPON.c.code == code).values(bound))
    except IntegrityError:
        return await code_of(conn, workspace, issue)  # another worker bound this promise meanwhile
    return code


async def wake(conn: AsyncConnection, workspace: str, now: datetime) -> None:
    """Messages that waited for a code are looked at again."""
    waits = (MESSAGE.c.status == "held", MESSAGE.c.reason == Reason.POOL_EMPTY.value)
    await conn.execute(update(MESSAGE).where(MESSAGE.c.workspace == workspace, *waits).values(due_at=now))
