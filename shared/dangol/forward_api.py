"""The clock over HTTP, in `dangol up` only: where it stands, and moving it forward."""

from datetime import timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from dangol.errors import Invalid
from dangol.forward import Forward, Moved
from dangol.local import local_or_secret
from dangol.settings import Settings

LONGEST = timedelta(days=3660)


class Move(BaseModel):
    """How far: to the next due moment, or by so many seconds."""

    model_config = ConfigDict(extra="forbid")
    next: bool = False
    seconds: Annotated[float | None, Field(gt=0, le=LONGEST.total_seconds())] = None


def clock_router(forward: Forward, settings: Settings) -> APIRouter:
    """`/api/clock`, for a secret key, or for this machine's own inbox page."""
    router = APIRouter(
        prefix="/api/clock", tags=["clock"], dependencies=[Depends(local_or_secret(settings, "clock:write"))]
    )

    @router.get("")
    async def stands() -> dict[str, object]:
        ahead = forward.clock.ahead.total_seconds()
        return {"now": forward.clock(), "ahead_seconds": ahead, "next_due": await forward.next_due()}

    @router.post("/forward")
    async def moved(move: Move) -> dict[str, object]:
        if move.next == (move.seconds is not None):
            raise Invalid("bad_move", "say how far", hint='{"next": true} or {"seconds": 86400}')
        done = await (forward.by(timedelta(seconds=move.seconds)) if move.seconds else forward.to_next())
        return _told(done)

    return router


def _told(done: Moved) -> dict[str, object]:
    told: dict[str, object] = msgspec.to_builtins(done)
    return told
