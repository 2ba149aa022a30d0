"""One request's way: read → open → whose key → believe → append → answer."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from uuid import uuid4

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dangol import metrics
from dangol.clock import Clock, utc_now
from dangol.errors import Forbidden, Invalid, Unavailable
from dangol.events import Origin
from dangol.keys import Key, KeyKind, KeyRing
from dangol.names import named
from dangol.stream import Outgoing
from dangol_ingest import answers, body, keyholder
from dangol_ingest.admission import Admission
from dangol_ingest.answers import Answer, TooMany
from dangol_ingest.believe import believe
from dangol_ingest.model import MAX_BODY, Arrival, Believed, Posted
from dangol_ingest.rejection import outgoing

log = structlog.get_logger(__name__)
ORIGINS = {KeyKind.BROWSER: Origin.BROWSER, KeyKind.SERVER: Origin.SERVER, KeyKind.SECRET: Origin.SECRET}
MOST_IN_HAND = 64 * 1024 * 1024  # bytes of bodies of requests that wait for the log
BODY_WITHIN = 20.0  # seconds: a client that sends a byte now and then holds no connection for ever
LINGER = 128 * 1024  # bytes over the limit that are still read
SCOPE = "events:write"  # what a secret key needs to append
RETRY_AFTER = timedelta(seconds=1)
TOO_MANY = "more events than this workspace may post"

Append = Callable[[Sequence[Outgoing]], Awaitable[None]]
Opener = Callable[[Mapping[str, str], bytes], Posted]


class TooSlow(Invalid):
    """A body that does not come."""

    status = 408


class Intake:
    """What every request needs: the log (`append` is the stream's), a clock, and how much may come in."""

    def __init__(self, append: Append, clock: Clock, rate: float, body_within: float = BODY_WITHIN) -> None:
        self.append, self.clock, self.body_within = append, clock, body_within
        self.admission = Admission(rate)
        self._in_hand = 0
        self._run, self._posts = uuid4().hex, itertools.count()  # together a seed no other post has

    async def take(self, request: Request, opener: Opener, *, single: bool = False, beacon: bool = False) -> Response:
        """Answer one post: 200 when the log has it; never raises what a client may cause."""
        headers = plain_headers(request)
        try:
            answer = await self._taken(request, headers, opener, single, beacon)
        except ClientDisconnect:
            return Response(status_code=400)
        except (Invalid, Unavailable) as error:
            answer = refused(error)
        return respond(headers, answer)

    async def _taken(
        self, request: Request, headers: Mapping[str, str], opener: Opener, single: bool, beacon: bool
    ) -> Answer:
        raw = await read_body(request, headers, self.body_within)
        self._in_hand += len(raw)
        try:
            if self._in_hand > MOST_IN_HAND:
                raise Unavailable("too many requests wait for the log", retry_after=RETRY_AFTER)
            token = keyholder.in_headers(headers)
            key = await find_key(request, token) if token else None  # known before the body is looked at
            if key and (over := self.admission.over(key.workspace, time.monotonic())):
                raise TooMany(TOO_MANY, retry_after=over)
            posted = opener(headers, body.plain(raw, headers.get("content-encoding", "")))
            key = key or await _key_inside(request, posted, beacon)
            believed = await self.keep(posted, self.arrival(headers, key))
        finally:
            self._in_hand -= len(raw)
        return answers.told(believed, single)

    async def keep(self, posted: Posted, arrival: Arrival) -> Believed:
        """Believe what was posted and append it; raises `TooMany` over the rate, `Unavailable` when the log can't."""
        wait = self.admission.wait(arrival.workspace, len(posted.items), time.monotonic())
        if wait:
            raise TooMany(TOO_MANY, retry_after=wait)
        believed = believe(posted, arrival)
        try:
            await self.append(outgoing(believed, arrival))
        except Unavailable as error:
            raise Unavailable(error.message, retry_after=min(error.retry_after, 2 * RETRY_AFTER)) from error
        count(believed, arrival.workspace)
        return believed

    def arrival(self, headers: Mapping[str, str], key: Key) -> Arrival:
        """What is known of a request beside its body. A retry with the same `Idempotency-Key` has the same seed."""
        at = self.clock()
        given = headers.get("idempotency-key")
        return Arrival(
            workspace=key.workspace,
            origin=ORIGINS[key.kind],
            key_id=key.id,
            received_at=at,
            seed=named("idempotency", key.workspace, given) if given else f"{self._run}{next(self._posts)}",
            ahead=max(at - utc_now(), timedelta(0)),
            sent_at=headers.get("sentat"),
        )


async def read_body(request: Request, headers: Mapping[str, str], within: float, limit: int = MAX_BODY) -> bytes:
    """The request's bytes; raises `TooLarge` without reading a long rest, or `TooSlow`.

    A short rest is read and let go: a client that is cut off while it writes does not see the answer.
    """
    if _stated_length(headers) > limit:
        raise body.too_large(limit)
    pieces, size = [], 0
    try:
        async with asyncio.timeout(within):
            async for piece in request.stream():
                size += len(piece)
                if size > limit + LINGER:
                    break
                if size <= limit:
                    pieces.append(piece)
    except TimeoutError as error:
        raise TooSlow("too_slow", f"the body did not come within {within:g} seconds") from error
    if size > limit:
        raise body.too_large(limit)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def plain_headers(request: Request) -> dict[str, str]:
    """A request's headers by their lower-case names, the first of each. Starlette's own look through all each time."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.scope["headers"])}


def respond(headers: Mapping[str, str], answer: Answer) -> Response:
    """An answer as a response that pages of other origins may read."""
    said = {**answers.cross_origin(headers), **answer.headers}
    return Response(answer.body, answer.status, said, "application/json")


def refused(error: Invalid | Unavailable) -> Answer:
    """The answer to a request refused as a whole, counted."""
    answer = answers.refusal(error)
    metrics.REQUESTS_REFUSED.labels(error.code if isinstance(error, Invalid) else str(answer.status)).inc()
    return answer


def count(believed: Believed, workspace: str) -> None:
    """Count what was kept."""
    if believed.events:
        metrics.EVENTS_ACCEPTED.labels(workspace).inc(len(believed.events))
    for code, times in Counter(reject.code for reject in believed.rejects).items():
        metrics.EVENTS_REJECTED.labels(workspace, code).inc(times)
        log.info("items rejected", action="items_rejected", workspace=workspace, code=code, items=times)


async def find_key(request: Request, token: str | None) -> Key:
    """The live key of this text; raises `Unauthorized`, `Forbidden`."""
    if not token:
        raise keyholder.missing(request.query_params)
    ring: KeyRing = request.app.state.keys
    key = await ring.find(token)
    if key is None:
        raise keyholder.unknown()
    if key.kind is KeyKind.SECRET and not key.may(SCOPE):
        raise Forbidden("forbidden", f"this key may not append events: it needs the scope {SCOPE}")
    return key


async def _key_inside(request: Request, posted: Posted, beacon: bool) -> Key:
    """The key of the body, else (of a beacon, which can set no header) of the query."""
    token = posted.key or (request.query_params.get("writeKey") if beacon else None)
    return await find_key(request, token)


def _stated_length(headers: Mapping[str, str]) -> int:
    try:
        return int(headers.get("content-length", "0"))
    except ValueError:
        return 0
