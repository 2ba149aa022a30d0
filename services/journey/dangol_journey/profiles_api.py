"""`/api/profiles` and `/api/set-aside`: one person, and the inputs that raised."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.auth import secret
from dangol.db import in_transaction
from dangol.errors import Invalid, NotFound, Unavailable
from dangol.keys import Key
from dangol_journey import identities, looking
from dangol_journey.acting import JoinRaised
from dangol_journey.batch import TooManyRaised, Workshop
from dangol_journey.erasing import erase
from dangol_journey.gathering import Moved
from dangol_journey.replaying import replay
from dangol_journey.traits import profile_of

T = TypeVar("T")
Reader = Annotated[Key, Depends(secret("profiles:read"))]
Eraser = Annotated[Key, Depends(secret("profiles:write"))]
Operator = Annotated[Key, Depends(secret("operate"))]


def profiles_router(shop: Workshop) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["profiles"])
    _add_looking(router, shop)
    _add_erasing(router, shop)
    _add_set_aside(router, shop)
    return router


def _add_looking(router: APIRouter, shop: Workshop) -> None:
    @router.get("/api/profiles")
    async def found(
        holder: Reader, user_id: str | None = None, anonymous_id: str | None = None, email: str | None = None
    ) -> dict[str, Any]:
        """The profiles an id or address names."""
        asked = {"user": user_id, "anonymous": anonymous_id, "email": email}
        given = [(kind, value) for kind, value in asked.items() if value]
        if len(given) != 1:
            raise Invalid("no_person", "ask for one of user_id, anonymous_id and email", where="query")
        async with shop.db.transaction() as conn:
            ids = await looking.find_profiles(conn, holder.workspace, *given[0])
            return {"profiles": [await _shown(conn, shop, holder.workspace, id) for id in ids]}

    @router.get("/api/profiles/{id}")
    async def one(id: str, holder: Reader) -> dict[str, Any]:
        """A person: traits, ids, addresses, consents, enrolments."""
        async with shop.db.transaction() as conn:
            return await _shown(conn, shop, holder.workspace, id)


def _add_erasing(router: APIRouter, shop: Workshop) -> None:
    @router.delete("/api/profiles/{id}")
    async def forget(id: str, holder: Eraser) -> dict[str, Any]:
        """Erase a person; in force when this is answered."""

        async def work(conn: AsyncConnection) -> None:
            await shop.published.refresh(conn)
            await erase(conn, shop, holder.workspace, id, await shop.db.now(conn))

        await in_transaction(shop.db, work)
        return {"erased": id}


def _add_set_aside(router: APIRouter, shop: Workshop) -> None:
    @router.get("/api/set-aside")
    async def listed(holder: Operator, replayed: bool = False) -> dict[str, Any]:
        """Inputs that raised, the newest first."""
        async with shop.db.transaction() as conn:
            return {"set_aside": await looking.set_aside(conn, holder.workspace, replayed=replayed)}

    @router.post("/api/set-aside/{id}/replay")
    async def again(id: str, holder: Operator) -> dict[str, Any]:
        """Play an input again; `replayed` is false when that was done before, `raised`: it raised once more."""

        async def work(conn: AsyncConnection) -> dict[str, Any]:
            await shop.published.refresh(conn)
            done = await replay(conn, shop, holder.workspace, id, await shop.db.now(conn))
            return {"id": id, "replayed": done is not None, "raised": bool(done and done.asides)}

        return await _steadily(shop, work)


async def _steadily(shop: Workshop, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Do it in a transaction; ids that change hands meanwhile start it over, a few times."""
    for _ in range(5):
        try:
            return await in_transaction(shop.db, work)
        except Moved:
            continue
        except (JoinRaised, TooManyRaised) as error:
            raise Invalid("raised_again", str(error).strip().splitlines()[-1]) from error
    raise Unavailable("the person's ids keep changing hands")


async def _shown(conn: AsyncConnection, shop: Workshop, workspace: str, id: str) -> dict[str, Any]:
    found = await looking.profile(conn, workspace, id)
    if found is None:
        raise NotFound("unknown_profile", f"no profile {id}")
    person, wake_at = found
    await shop.published.refresh(conn)
    body: dict[str, Any] = msgspec.to_builtins(person)
    hidden = ("enrolments", "entered", "computed", "trait_times", "remembered", "stated", "wake_at")
    kept = {name: value for name, value in body.items() if name not in hidden}
    return kept | {
        "traits": msgspec.to_builtins(profile_of(shop.published.of(workspace), person)),
        "wake_at": wake_at,
        "identities": [{"kind": kind, "value": value} for _, kind, value in await identities.of_profile(conn, id)],
        "enrolments": await looking.enrolments(conn, workspace, id),
    }
