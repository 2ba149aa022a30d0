"""Turns: one at a time, in the order of haste, and nobody waits for ever."""

import asyncio
from contextlib import suppress

import pytest

from dangol import turns
from dangol.turns import Haste, Turns


async def order(asking: list[tuple[str, Haste]], first: Haste = Haste.FAIR) -> list[str]:
    """Who had it in which order, all asking while somebody else has it."""
    queue, had = Turns(), list[str]()

    async def ask(name: str, haste: Haste) -> None:
        await queue.take(haste)
        had.append(name)
        await asyncio.sleep(0)
        queue.give()

    await queue.take(first)
    tasks = [asyncio.create_task(ask(*one)) for one in asking]
    await asyncio.sleep(0)
    queue.give()
    await asyncio.gather(*tasks)
    assert not queue.taken
    return had


async def test_fair_ones_go_in_the_order_they_came() -> None:
    assert await order([("a", Haste.FAIR), ("b", Haste.FAIR), ("c", Haste.FAIR)]) == ["a", "b", "c"]


async def test_the_urgent_go_next_but_not_twice_in_a_row_while_others_wait() -> None:
    asking = [("a", Haste.FAIR), ("b", Haste.FAIR), ("u1", Haste.URGENT), ("u2", Haste.URGENT), ("u3", Haste.URGENT)]
    assert await order(asking) == ["u1", "a", "u2", "b", "u3"]  # caught: the urgent always first


async def test_the_patient_let_all_others_go_first_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = [("p", Haste.PATIENT), ("a", Haste.FAIR), ("u", Haste.URGENT)]
    assert await order(asking) == ["u", "a", "p"]
    monkeypatch.setattr(turns, "PATIENCE", -1.0)
    assert await order(asking) == ["p", "u", "a"]  # caught: patience without an end


async def test_a_turn_that_comes_as_its_asker_leaves_goes_to_the_next() -> None:
    queue = Turns()
    await queue.take(Haste.FAIR)
    leaving, staying = (asyncio.create_task(queue.take(Haste.FAIR)) for _ in range(2))
    await asyncio.sleep(0)
    queue.give()
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    await asyncio.wait_for(staying, 1)  # caught: a turn nobody has
    queue.give()
    assert not queue.taken
