"""A person who is to be forgotten: nothing of them is found in any table of ours."""

from pathlib import Path

from sqlalchemy import select

from dangol_dispatcher.model import Rejected
from dangol_dispatcher.rows import ATTEMPT, DELIVERY, KEPT, MESSAGE, RECEIPT, RECIPIENT
from tests.support.databases import sqlite_copy
from tests.support.dispatching import ToldGateway, WoundClock, a_message, documents, open_shop, some_facts
from tests.support.mailing import open_post


async def test_what_the_inbox_keeps_of_an_erased_person_is_forgotten(migrated_url: str) -> None:
    """faults L173."""
    async with open_post(migrated_url) as post:
        await post.send()
        await post.shop.hear(some_facts(version=2, erased=True))
        async with post.shop.db.transaction() as conn:
            assert (await conn.execute(select(KEPT.c.id))).first() is None


async def test_the_inbox_forgets_who_became_another_too(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        await post.shop.hear(some_facts("p1", version=2, merged_into="p2"))
        await post.shop.hear(some_facts("p2", version=3, erased=True))
        async with post.shop.db.transaction() as conn:
            assert (await conn.execute(select(KEPT.c.id))).first() is None


async def test_no_table_names_an_erased_person(migrated_sqlite: Path, tmp_path: Path) -> None:
    """faults L173: gateways quote the address in what they say."""
    mail = ToldGateway(answers=lambda _one: Rejected("550 5.1.1 <a@example.test> unknown", suppress=True))
    async with open_shop(sqlite_copy(migrated_sqlite, tmp_path), WoundClock(), documents()) as shop:
        await shop.hear(some_facts(), a_message(values={"profile": {"name": "Kim Minji"}}))
        await shop.work(mail)
        await shop.hear(some_facts(version=2, erased=True))
        async with shop.db.transaction() as conn:
            for table in (RECIPIENT, MESSAGE, DELIVERY, ATTEMPT, RECEIPT):
                rows = str((await conn.execute(select(table))).all())
                for word in ("a@example.test", "Kim", "+8210", "token-1", "u1'"):
                    assert word not in rows, (table.name, word)
