"""Two people who are one: whose word counts for the one who stays."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from dangol_dispatcher.consents import consents_of
from tests.support.databases import sqlite_copy
from tests.support.dispatching import NOON, WoundClock, a_consent, documents, open_shop, some_facts


@pytest.mark.parametrize(("doubtful", "agreed"), [(True, False), (False, True)])
async def test_what_a_stranger_agreed_to_is_not_another_persons_word(
    migrated_sqlite: Path, tmp_path: Path, doubtful: bool, agreed: bool
) -> None:
    """faults G114: a visitor who signs in as somebody else brings no consent along, but may bring a refusal."""
    refusal = a_consent(granted=False, channels=("sms",), at=NOON - timedelta(hours=2))
    visitor = some_facts("p2", user_id=None, key="default/a2", consents=(a_consent(channels=("email",)), refusal))
    known = some_facts(consents=(a_consent(channels=("sms",), at=NOON - timedelta(days=2)),))
    async with open_shop(sqlite_copy(migrated_sqlite, tmp_path), WoundClock(), documents()) as shop:
        await shop.hear(visitor, known)
        await shop.hear(replace(visitor, version=2, consents=(), merged_into="p1", doubtful=doubtful))
        async with shop.db.transaction() as conn:
            held = (await consents_of(conn, ["p1", "p2"]))["p1"]
    assert (("marketing", "email") in held) is agreed
    assert not held["marketing", "sms"].granted
