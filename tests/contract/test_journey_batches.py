"""What one transaction of journey does, on every backend: all of it or nothing, once, and to nobody else."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dangol.db import Db
from dangol.decisions import Reason, Verdict
from dangol.errors import NotFound
from dangol.events import Kind, Origin
from dangol.rows import as_moment
from dangol_journey.batch import Settled, TooManyRaised, Workshop, settle_events
from dangol_journey.deciding import MOST_WAKE_RAISES
from dangol_journey.erasing import erase
from dangol_journey.gathering import Moved
from dangol_journey.model import Advanced
from dangol_journey.replaying import replay
from tests.contract.conftest import Ground
from tests.support.workshops import (
    RULES,
    decisions,
    did,
    facts,
    messages,
    person_of,
    profile_of,
    raising,
    rows,
    settle,
    wake,
    workshop,
)

HOUR, DAYS = timedelta(hours=1), timedelta(days=30)
CART = {"cart_id": "c1", "cart_value": 50000}


@pytest.fixture
def shop(ground: Ground) -> Workshop:
    return workshop(ground.db, ground.stream)


async def test_an_event_becomes_a_person_an_enrolment_and_a_message(shop: Workshop) -> None:
    done = await settle(shop, did("Signed Up"))
    assert done.people == 1
    assert (await person_of(shop.db, "u1")).user_id == "u1"
    assert await rows(shop.db, "SELECT journey, status FROM enrolment") == [("welcome", "live")]
    assert [one.template for one in await messages(shop.db)] == ["welcome"]


async def test_facts_come_ahead_of_the_message_that_relies_on_them(shop: Workshop) -> None:
    await settle(shop, did("Signed Up", traits={"email": "a@example.test"}))
    (first, *_), (message,) = await facts(shop.db), await messages(shop.db)
    assert first.addresses[0].value == "a@example.test"
    assert message.person_version >= first.version


async def test_the_same_id_and_body_again_changes_nothing(shop: Workshop) -> None:
    event = did("Signed Up")
    await settle(shop, event, event)
    done = await settle(shop, event)
    assert done.repeats == 1
    assert len(await messages(shop.db)) == 1


async def test_an_id_used_for_another_body_is_rejected_and_can_be_found(shop: Workshop) -> None:
    await settle(shop, did("Signed Up", id="m1"))
    await settle(shop, did("Product Added", id="m1", body_hash="other"))
    (told,) = [one for one in await decisions(shop.db) if one.verdict is Verdict.REJECTED]
    assert (told.reason, told.input, told.user_id) == (Reason.ID_REUSED, "m1", "u1")


async def test_one_id_in_two_workspaces_is_two_events(shop: Workshop) -> None:
    await settle(shop, did("Signed Up", id="m1"), did("Signed Up", id="m1", workspace="other"))
    assert len(await messages(shop.db)) == 2


async def test_an_event_older_than_the_memory_never_triggers(shop: Workshop) -> None:
    await settle(shop, did("Signed Up", at=datetime.now(UTC) - timedelta(days=8)))
    assert await profile_of(shop.db, "u1")
    assert await messages(shop.db) == []


async def test_fifty_identical_events_at_once_enter_once(shop: Workshop) -> None:
    event = did("Signed Up")
    await asyncio.gather(*(_until_settled(shop, event) for _ in range(50)))
    assert len(await messages(shop.db)) == 1
    assert await rows(shop.db, "SELECT count(*) FROM profile") == [(1,)]


async def test_fifty_events_at_once_make_one_person_and_one_enrolment(shop: Workshop) -> None:
    await asyncio.gather(*(_until_settled(shop, did("Signed Up", id=f"m{n}")) for n in range(50)))
    assert await rows(shop.db, "SELECT count(*) FROM profile") == [(1,)]
    assert await rows(shop.db, "SELECT count(*) FROM enrolment") == [(1,)]


async def test_case_36_what_fails_at_the_end_leaves_nothing(shop: Workshop) -> None:
    """Caught: ids committed ahead of what they led to."""

    class PowerCut(Exception):
        pass

    with pytest.raises(PowerCut):
        async with shop.db.transaction() as conn:
            await shop.published.refresh(conn)
            await settle_events(conn, shop, [did("Signed Up")], datetime.now(UTC))
            raise PowerCut
    for table in ("profile", "identity", "enrolment", "seen_id"):
        assert await rows(shop.db, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert await messages(shop.db) == []


async def test_a_poison_person_stops_nobody(ground: Ground) -> None:
    shop = workshop(ground.db, ground.stream, rules=raising("Boom"))
    people = [did("Signed Up", user=f"u{n}") for n in range(20)]
    done = await settle(shop, did("Boom", user="u3", id="bad"), *people)
    assert done.asides == 1
    assert len(await messages(ground.db)) == 20
    (told,) = [one for one in await decisions(ground.db) if one.verdict is Verdict.FAILED]
    assert (told.reason, told.input, told.user_id) == (Reason.RAISED, "bad", "u3")
    ((kind, error),) = await rows(ground.db, "SELECT kind, error FROM set_aside")
    assert kind == "event"
    assert "Boom is poison" in error


async def test_when_many_people_raise_it_is_the_rules_and_nothing_is_committed(ground: Ground) -> None:
    shop = workshop(ground.db, ground.stream, rules=raising("Boom"))
    fine = [did("Fine", user=f"v{n}") for n in range(90)]
    with pytest.raises(TooManyRaised):
        await settle(shop, *(did("Boom", user=f"u{n}") for n in range(10)), *fine)
    assert await rows(ground.db, "SELECT count(*) FROM profile") == [(0,)]


async def test_an_anonymous_past_becomes_the_persons_when_it_signs_in(shop: Workshop) -> None:
    await settle(shop, did("Product Added", user=None, anonymous_id="a1", id="1"))
    await settle(shop, did("Signed Up", user="u1", anonymous_id="a1", id="2"))
    assert await rows(shop.db, "SELECT count(*) FROM profile") == [(1,)]
    assert (await person_of(shop.db, "u1")).anonymous_ids == ["a1"]


async def test_two_profiles_become_one_and_the_earlier_enrolment_stays(shop: Workshop) -> None:
    await settle(shop, did("Signed Up", user=None, anonymous_id="a1", id="1"))
    await settle(shop, did("Signed Up", user="u1", id="2"))
    await settle(shop, did("Page Viewed", user="u1", anonymous_id="a1", id="3"))
    live = await rows(shop.db, "SELECT profile, status FROM enrolment ORDER BY status")
    assert live == [(await profile_of(shop.db, "u1"), "live"), (await profile_of(shop.db, "u1"), "merged")]
    assert [one.merged_into for one in await facts(shop.db) if one.merged_into] == [await profile_of(shop.db, "u1")]


async def test_a_join_and_what_follows_in_one_batch(shop: Workshop) -> None:
    await settle(
        shop,
        did("Signed Up", user=None, anonymous_id="a1", id="1"),
        did("Page Viewed", user="u1", id="2"),
        did("Page Viewed", user="u1", anonymous_id="a1", id="3"),
        did("Signed Up", user="u1", id="4"),
    )
    assert [row[0] for row in await rows(shop.db, "SELECT status FROM enrolment")] == ["live"]
    owners = await rows(shop.db, "SELECT DISTINCT profile FROM identity")
    assert owners == [(await profile_of(shop.db, "u1"),)]


async def test_a_shared_tablet_changes_hands_and_its_past_stays(shop: Workshop) -> None:
    await settle(shop, did("Signed Up", user="u1", anonymous_id="tablet", id="1"))
    await settle(shop, did("Signed Up", user="u2", anonymous_id="tablet", id="2"))
    assert (await person_of(shop.db, "u1")).anonymous_ids == []
    assert (await person_of(shop.db, "u2")).anonymous_ids == ["tablet"]


async def test_an_alias_with_a_secret_key_joins_two_known_people(shop: Workshop) -> None:
    await settle(shop, did("Signed Up", user="u1", id="1"), did("Signed Up", user="u2", id="2"))
    await settle(shop, did("Aliased", user="u1", id="3", kind=Kind.ALIAS, previous_id="u2", origin=Origin.SECRET))
    assert await profile_of(shop.db, "u1") == await profile_of(shop.db, "u2")


async def test_no_id_at_all_is_told(shop: Workshop) -> None:
    await settle(shop, did("Page Viewed", user="null"))
    assert [(one.verdict, one.reason) for one in await decisions(shop.db)] == [("rejected", "invalid: no_id")]


async def test_a_moment_fires_only_when_it_is_still_due(shop: Workshop) -> None:
    await settle(shop, did("Product Added", properties=CART))
    ((profile, wake_at),) = await rows(shop.db, "SELECT id, wake_at FROM profile")
    due = datetime.fromisoformat(wake_at) if isinstance(wake_at, str) else wake_at
    assert (await wake(shop, profile, due - timedelta(seconds=1))).people == 0
    assert (await wake(shop, profile, due)).people == 1
    assert len(await messages(shop.db)) == 1
    assert (await wake(shop, profile, due)).people == 0


async def _until_settled(shop: Workshop, *events: object) -> None:
    """As the worker does: an id that changed hands starts the batch again."""
    while True:
        try:
            await settle(shop, *events)  # type: ignore[arg-type]
            return
        except Moved:
            continue


async def test_case_52_an_erased_person_is_gone_and_nothing_older_brings_it_back(shop: Workshop) -> None:
    """Caught: no tombstone."""
    await settle(shop, did("Product Added", traits={"email": "a@example.test"}, properties=CART))
    profile = await profile_of(shop.db, "u1")
    assert profile
    await _erase(shop, profile)
    for table in ("profile", "identity"):
        assert await rows(shop.db, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert await rows(shop.db, "SELECT status, state, due_at FROM enrolment") == [("exited", "{}", None)]
    assert (await facts(shop.db))[-1].erased

    await settle(shop, did("Signed Up", id="late", at=datetime.now(UTC) - timedelta(hours=1)))
    assert await profile_of(shop.db, "u1") is None
    assert (await decisions(shop.db))[-1].reason == Reason.ERASED

    await settle(shop, did("Signed Up", id="new"))
    assert await profile_of(shop.db, "u1") not in (None, profile)


async def test_an_erasure_in_one_workspace_does_not_touch_another(shop: Workshop) -> None:
    await settle(shop, did("Signed Up"), did("Signed Up", workspace="other"))
    profile = await profile_of(shop.db, "u1")
    assert profile
    with pytest.raises(NotFound):
        await _erase(shop, profile, "other")
    await _erase(shop, profile)
    assert await profile_of(shop.db, "u1", "other")


async def test_a_moment_that_raises_moves_out_and_then_waits_for_an_operator(ground: Ground) -> None:
    shop = workshop(ground.db, ground.stream)
    await settle(shop, did("Product Added", properties=CART))
    poisoned = workshop(ground.db, ground.stream, rules=replace(RULES, advance=_raises))
    profile = await profile_of(ground.db, "u1") or ""
    delays = []
    for _ in range(MOST_WAKE_RAISES - 1):
        at = (await _wakes(ground.db))[0]
        await wake(poisoned, profile, at)
        delays.append((await _wakes(ground.db))[0] - at)
    assert delays[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert delays[-1] == HOUR
    await wake(poisoned, profile, (await _wakes(ground.db))[0])
    assert await _wakes(ground.db) == [None]
    ((id, kind),) = await rows(ground.db, "SELECT id, kind FROM set_aside")
    assert kind == "wake"

    await _replay(shop, id)
    at = (await _wakes(ground.db))[0]
    await wake(shop, profile, at + DAYS)
    assert len(await messages(ground.db)) == 1


async def test_an_input_that_was_set_aside_is_played_again_once_case_32(ground: Ground) -> None:
    """Caught: what was played again not marked."""
    await settle(workshop(ground.db, ground.stream, rules=raising("Signed Up")), did("Signed Up"))
    ((id,),) = await rows(ground.db, "SELECT id FROM set_aside")
    assert await messages(ground.db) == []
    mended = workshop(ground.db, ground.stream)
    assert await _replay(mended, id) is not None
    assert len(await messages(ground.db)) == 1
    assert await _replay(mended, id) is None
    assert len(await messages(ground.db)) == 1


async def test_what_raises_again_stays_set_aside(ground: Ground) -> None:
    shop = workshop(ground.db, ground.stream, rules=raising("Signed Up"))
    await settle(shop, did("Signed Up"))
    ((id,),) = await rows(ground.db, "SELECT id FROM set_aside")
    await _replay(shop, id)
    assert await rows(ground.db, "SELECT id, replayed_at FROM set_aside") == [(id, None)]


async def _erase(shop: Workshop, profile: str, workspace: str = "default") -> None:
    async with shop.db.transaction() as conn:
        await shop.published.refresh(conn)
        await erase(conn, shop, workspace, profile, datetime.now(UTC))


async def _replay(shop: Workshop, id: str) -> Settled | None:
    async with shop.db.transaction() as conn:
        await shop.published.refresh(conn)
        return await replay(conn, shop, "default", id, await shop.db.now(conn))


async def _wakes(db: Db) -> list[datetime]:
    return [as_moment(row[0]) for row in await rows(db, "SELECT wake_at FROM profile")]


def _raises(*_given: object) -> Advanced:
    raise RuntimeError("no rule for that")
