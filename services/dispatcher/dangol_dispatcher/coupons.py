"""Coupon pools: a code is bound to its promise when it is first said, and stays bound for ever."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import UpdateBase

from dangol import metrics
from dangol.db import Db
from dangol.decisions import Reason
from dangol.messages import CouponIssue
from dangol.rows import among, asked, read, run_many
from dangol_dispatcher.rows import COUPON, MESSAGE, put_new
from dangol_dispatcher.rulebook import PoolRule

log = structlog.get_logger(__name__)
UNMISTAKABLE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0/O, 1/I/L
DRAWS = 8  # of a generated code before a pool counts as used up


async def bind(
    db: Db,
    conn: AsyncConnection,
    workspace: str,
    promised: Sequence[tuple[str, CouponIssue]],
    pools: Mapping[str, PoolRule],
    now: datetime,
) -> dict[str, str]:
    """The codes of promises, each to a profile, by issue: what it has, else a new one; none where a pool is empty."""
    issues = {issue.issue: (profile, issue) for profile, issue in promised}
    codes = await codes_of(conn, workspace, issues)
    new = [issues[issue] for issue in sorted(issues.keys() - codes.keys())]
    drawn = [(profile, issue, pools[issue.pool].pattern) for profile, issue in new if issue.pool in pools]
    codes |= await _draw(db, conn, workspace, [(who, issue, like) for who, issue, like in drawn if like], now)
    for profile, issue in new:
        pool = pools.get(issue.pool)
        if pool and not pool.pattern and (code := await _next(db, conn, workspace, profile, issue, pool, now)):
            codes[issue.issue] = code
    return codes


async def codes_of(
    conn: AsyncConnection, workspace: str, issues: Mapping[str, tuple[str, CouponIssue]]
) -> dict[str, str]:
    """The codes bound to promises already, by issue."""
    if not issues:
        return {}

    def bound() -> Select[Any]:
        # each pool named: the index begins with it
        named = (COUPON.c.workspace == asked("workspace"), among(conn, COUPON.c.pool, "pools"))
        return select(COUPON.c.pool, COUPON.c.issue, COUPON.c.code).where(*named, among(conn, COUPON.c.issue, "issues"))

    pools = sorted({issue.pool for _, issue in issues.values()})
    found = await read(conn, ("bound",), bound, workspace=workspace, pools=pools, issues=sorted(issues))
    return {issue: code for pool, issue, code in found if issues[issue][1].pool == pool}


async def add_codes(
    db: Db, conn: AsyncConnection, workspace: str, pool: str, codes: Sequence[str], now: datetime
) -> None:
    """Put codes into a pool; one that is there already changes nothing."""
    rows = [
        {"workspace": workspace, "pool": pool, "code": code, "issue": None, "state": "free", "profile": None, "at": now}
        for code in dict.fromkeys(codes)
    ]
    await put_new(db, conn, COUPON, rows)


async def mark_said(conn: AsyncConnection, workspace: str, issues: Collection[CouponIssue]) -> None:
    """A claim was committed: from now on the codes may have been read by somebody."""
    change = {"before": "reserved", "after": "said", "here": workspace}
    rows = [{**change, "of": pool, "named": issue} for pool, issue in sorted({(one.pool, one.issue) for one in issues})]
    if rows:
        await run_many(conn, ("said",), _saying, rows, ["of", "named"])


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
    drawn = secrets.randbelow(len(UNMISTAKABLE) ** pattern.count("#"))  # all of them by one draw
    signs = []
    for sign in pattern:
        if sign == "#":
            drawn, number = divmod(drawn, len(UNMISTAKABLE))
            sign = UNMISTAKABLE[number]
        signs.append(sign)
    return "".join(signs)


def _saying() -> UpdateBase:
    this = (COUPON.c.workspace == bindparam("here"), COUPON.c.pool == bindparam("of"))
    reserved = (COUPON.c.issue == bindparam("named"), COUPON.c.state == bindparam("before"))
    return update(COUPON).where(*this, *reserved).values(state=bindparam("after"))


async def _draw(
    db: Db, conn: AsyncConnection, workspace: str, new: Sequence[tuple[str, CouponIssue, str]], now: datetime
) -> dict[str, str]:
    """Codes made by patterns, for profiles; a code that is another's already is drawn again."""
    codes: dict[str, str] = {}
    left = {issue.issue: (profile, issue) for profile, issue, _ in new}
    patterns = {issue.issue: pattern for _, issue, pattern in new}
    for _ in range(DRAWS):
        if not left:
            break
        rows = [
            {
                "workspace": workspace,
                "pool": issue.pool,
                "code": generated(patterns[name]),
                "issue": name,
                "state": "reserved",
                "profile": profile,
                "at": now,
            }
            for name, (profile, issue) in left.items()
        ]
        await put_new(db, conn, COUPON, rows)
        codes |= await codes_of(conn, workspace, left)
        left = {name: one for name, one in left.items() if name not in codes}
    return codes


async def _next(
    db: Db, conn: AsyncConnection, workspace: str, profile: str, issue: CouponIssue, pool: PoolRule, now: datetime
) -> str | None:
    """The next code of a pool's file."""
    code = await _take(conn, workspace, profile, issue, now)
    if code is None and pool.codes:  # its file's codes are put in when they are first needed, and what was added since
        await add_codes(db, conn, workspace, pool.name, pool.codes, now)
        code = await _take(conn, workspace, profile, issue, now)
    if pool.low:
        await _warn_if_low(conn, workspace, pool)
    return code


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
        # another worker bound this promise meanwhile
        return (await codes_of(conn, workspace, {issue.issue: (profile, issue)})).get(issue.issue)
    return code


async def wake(conn: AsyncConnection, workspace: str, now: datetime) -> None:
    """Messages that waited for a code are looked at again."""
    waits = (MESSAGE.c.status == "held", MESSAGE.c.reason == Reason.POOL_EMPTY.value)
    await conn.execute(update(MESSAGE).where(MESSAGE.c.workspace == workspace, *waits).values(due_at=now))
