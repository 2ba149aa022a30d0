"""Getting ready to say it: coupon codes bound, the template rendered, before anything is claimed."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.decisions import Reason
from dangol.names import delivery_key
from dangol_dispatcher.claims import Prepared
from dangol_dispatcher.considering import Considered
from dangol_dispatcher.coupons import bind
from dangol_dispatcher.deliveries import content_of, deliveries_of
from dangol_dispatcher.links import Sealer, links_for
from dangol_dispatcher.model import Go, Hold
from dangol_dispatcher.published import Workspace
from dangol_dispatcher.rows import Row
from dangol_dispatcher.template import Reader, TemplateProblem, render

log = structlog.get_logger(__name__)
TURN = 0.02  # seconds
MENDED_BY = timedelta(hours=1)  # a template or pool that was mended also wakes what waits for it
CouponCodes = Mapping[str, str]


async def supply(
    db: Db, conn: AsyncConnection, workspace: Workspace, going: Sequence[Considered]
) -> tuple[dict[str, Row], dict[str, CouponCodes]]:
    """What rendering needs from the database: deliveries rendered before, and the coupon codes, by message."""
    rows = await deliveries_of(conn, [one.waiting.request.message.id for one in going])
    promised = [(one.waiting.profile, issue) for one in going for issue in one.waiting.request.message.coupons.values()]
    codes: Mapping[str, str] = {}
    if promised:
        rules = workspace.rules
        codes = await bind(db, conn, rules.workspace, promised, rules.pools, await db.now(conn))
    return rows, {one.waiting.request.message.id: _codes_of(one, codes) for one in going}


def _codes_of(one: Considered, codes: Mapping[str, str]) -> CouponCodes:
    """A message's codes, by the step that promised them."""
    coupons = one.waiting.request.message.coupons
    return {name: codes[issue.issue] for name, issue in sorted(coupons.items()) if issue.issue in codes}


async def prepare(
    workspace: Workspace,
    sealer: Sealer,
    going: Sequence[Considered],
    rows: Mapping[str, Row],
    codes: Mapping[str, CouponCodes],
) -> dict[str, Prepared]:
    """What each message says on its channel, by message: the bytes of an earlier try, else rendered now.

    Rendering takes the loop's time: others get their turn every 20 ms.
    """
    loop = asyncio.get_running_loop()
    ready: dict[str, Prepared] = {}
    since = loop.time()
    for one in going:
        if loop.time() - since > TURN:
            await asyncio.sleep(0)
            since = loop.time()
        message, go = one.waiting.request.message, one.choice.answer
        if isinstance(go, Go):
            before = rows.get(delivery_key(message.id, go.channel, go.endpoint))
            if before:
                ready[message.id] = Prepared(content_of(before), workspace.rules.number)
            else:
                ready[message.id] = _rendered(workspace, sealer, one, go, codes.get(message.id, {}))
    return ready


def _rendered(workspace: Workspace, sealer: Sealer, one: Considered, go: Go, codes: CouponCodes) -> Prepared:
    message, recipient = one.waiting.request.message, one.standing.recipient
    missing = sorted(message.coupons.keys() - codes.keys())
    if missing:
        return _problem(one, workspace, Reason.POOL_EMPTY, message.coupons[missing[0]].pool)
    reader = Reader(go.endpoint, recipient.zone if recipient else None, recipient.locale if recipient else None)
    links = links_for(sealer, message.workspace, one.waiting.profile, message.id, go.channel, go.endpoint)
    try:
        content = render(workspace.templates, message, reader, go.channel, codes, links)
    except TemplateProblem as problem:
        log.warning(
            "not rendered", action="not_rendered", message=message.id, reason=problem.reason, detail=problem.detail
        )
        return _problem(one, workspace, problem.reason, problem.detail)
    except Exception as error:
        log.exception("rendering raised", action="rendering_raised", message=message.id)
        return _problem(one, workspace, Reason.TEMPLATE_ERROR, f"{type(error).__name__}: {error}")
    return Prepared(content, workspace.rules.number)


def _problem(one: Considered, workspace: Workspace, reason: str, detail: str) -> Prepared:
    """It waits for the template or the pool to be mended, as long as it is worth sending."""
    request = one.waiting.request
    until = min(one.waiting.due_at + MENDED_BY, request.expires_at)
    return Prepared(
        None, workspace.rules.number, Hold(until, reason, {"detail": detail, "template": request.message.template})
    )
