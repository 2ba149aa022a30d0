"""Whatever comes at once enters once: through ingest, into two journey workers, under one id or under two."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest

from dangol.keys import KeyKind
from dangol.service import House
from dangol_ingest.main import open_service
from dangol_journey.journey import Aggregate, ComputedTrait
from dangol_journey.traits import profile_of
from dangol_journey.worker import Worker
from tests.contract.conftest import Ground, another, now
from tests.support.house import app_of, client_of, key_of
from tests.support.journeys import definitions
from tests.support.racing import TIMES
from tests.support.walks import WELCOME
from tests.support.working import eventually, working
from tests.support.workshops import person_of, rows, workshop

CROWD, AT_ONCE = 6, 50  # people at once, events of each
PEOPLE = CROWD * TIMES
COUNTED = definitions(WELCOME, traits=[ComputedTrait("sign_ups", Aggregate.COUNT, "Signed Up", None, None)])


@asynccontextmanager
async def posting(ground: Ground) -> AsyncIterator[tuple[httpx2.AsyncClient, list[Worker]]]:
    """A client of a real ingest with a key, and two journey workers at work, each with connections of its own."""
    house = House(ground.settings, ground.db, ground.stream, now)
    text, _ = await key_of(house, KeyKind.SERVER)
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(another(ground))
        workers = [
            await stack.enter_async_context(working(workshop(one.db, one.stream, COUNTED), member))
            for one, member in ((ground, "m1"), (second, "m2"))
        ]
        ingest = await stack.enter_async_context(open_service(house))
        client = await stack.enter_async_context(client_of(app_of(house, ingest.router)))
        client.auth = (text, "")
        yield client, workers


async def post_all(ground: Ground, calls: list[dict[str, Any]]) -> None:
    """Post a crowd's all at once, then the next; and return when both workers have handled everything."""
    async with posting(ground) as (client, workers):

        async def post(call: dict[str, Any]) -> None:
            for pause in (0.1, 0.5, 2.0, 0.0):  # a client posts again, where the machine is too slow
                answer = await client.post("/v1/track", json=call)
                if answer.status_code != 503:
                    break
                await asyncio.sleep(pause)
            answer.raise_for_status()

        for first in range(0, len(calls), CROWD * AT_ONCE):
            await asyncio.gather(*(post(call) for call in calls[first : first + CROWD * AT_ONCE]))
        posted = now()

        async def handled() -> bool:
            held = {home for worker in workers for home in worker.subscription.held()}
            return len(held) == ground.stream.partitions and all(
                [await worker.idle(posted) for worker in workers if worker.subscription.held()]
            )

        await eventually(handled, 120)


def signed_up(n: int, **more: Any) -> dict[str, Any]:
    return {"event": "Signed Up", "userId": f"u{n}", "context": {"traits": {"email": f"u{n}@example.test"}}, **more}


def same_id(n: int, _copy: int) -> dict[str, Any]:
    """A client that repeats itself."""
    return signed_up(n, messageId=f"m{n}")


def own_ids(n: int, copy: int) -> dict[str, Any]:
    """A client that names each copy anew."""
    return signed_up(n, messageId=f"m{n}-{copy}")


def two_ids(n: int, copy: int) -> dict[str, Any]:
    """A browser that knows one id and a backend that knows both: two keys, in two partitions."""
    known = signed_up(n, messageId=f"m{n}-{copy}", anonymousId=f"a{n}")
    return known if copy % 2 else {name: value for name, value in known.items() if name != "userId"}


@pytest.mark.parametrize(("call", "counted"), [(same_id, 1), (own_ids, AT_ONCE), (two_ids, AT_ONCE)])
async def test_case_37_case_54_fifty_at_once_enter_once_and_each_counts(
    ground: Ground, call: Any, counted: int
) -> None:
    """Caught: repeats that are not looked up."""
    await post_all(ground, [call(n, copy) for n in range(PEOPLE) for copy in range(AT_ONCE)])
    assert await rows(ground.db, "SELECT count(*) FROM profile WHERE merged_into IS NULL") == [(PEOPLE,)]
    entered = await rows(ground.db, "SELECT profile, count(*) FROM enrolment GROUP BY profile")
    assert [count for _, count in entered] == [1] * PEOPLE
    people = [await person_of(ground.db, f"u{n}") for n in range(PEOPLE)]
    assert [profile_of(COUNTED, person)["sign_ups"] for person in people] == [counted] * PEOPLE
    assert await rows(ground.db, "SELECT count(*) FROM set_aside") == [(0,)]
