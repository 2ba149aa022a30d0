"""What happens, as it happens."""

import asyncio
import json
from typing import Any

import httpx2

from dangol.decisions import Entry, Verdict
from dangol.service import House, Service
from dangol_insights.tail import Bell, Shown, Tail
from tests.support.house import SECRET, app_of, served
from tests.support.records import decision, event, tell, tell_and_wait

ENTERED = decision(
    Verdict.CONSIDERED,
    "matched",
    input_name="Signed Up",
    entries=(Entry(journey="welcome", version=1, entered=True, reason="matched"),),
)


async def test_the_tail_over_http(house: House, insights: Service) -> None:
    await tell_and_wait(house, insights, event("Before"))
    async with served(app_of(house, insights.router)) as url, httpx2.AsyncClient() as client:
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with client.stream("GET", f"{url}/api/tail", headers=headers) as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith(":")
            await tell(house, event(properties={"plan": "pro"}), ENTERED)
            found: list[dict[str, Any]] = []
            async for line in lines:
                if line.startswith("data:"):
                    found.append(json.loads(line.removeprefix("data:")))
                if len(found) == 2:
                    break
    assert {(one["who"], one["verdict"], one["text"]) for one in found} == {
        ("u1", "event", 'Signed Up {"plan":"pro"}'),
        ("u1", "entered", "→ “Signed Up” entered “welcome”."),
    }


async def test_the_tail_of_another_workspace_is_silent_and_ends_when_we_stop(house: House, insights: Service) -> None:
    bell = Bell()
    stream = Tail(house.db, bell, "other", "en").stream()
    assert (await anext(stream)).startswith(b":")
    following = asyncio.create_task(anext(stream, None))
    await tell_and_wait(house, insights, event())
    bell.ring()
    bell.close()
    assert await following is None


def test_a_number_is_shown_once_also_when_it_comes_late() -> None:
    shown = Shown(start=10, newest=10)
    assert shown.fresh(12)
    assert shown.after(look_back=200) == 10
    assert shown.fresh(11)  # committed after 12
    assert not shown.fresh(12)
    for number in range(13, 3000):
        assert shown.fresh(number)
    assert len(shown.numbers) < 1000
    assert shown.after(look_back=200) == 2799
