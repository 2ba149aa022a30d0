"""A message's way over a desk: asked, claimed, handed over, recorded."""

from pathlib import Path

from tests.support.databases import sqlite_url
from tests.support.dispatching import ToldGateway, WoundClock, a_message, documents, open_shop, some_facts


def fresh(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


async def test_a_message_that_may_go_is_handed_over_once(migrated_url: str) -> None:
    mail = ToldGateway()
    async with open_shop(migrated_url, WoundClock(), documents()) as shop:
        await shop.hear(some_facts(), a_message())
        await shop.hear(some_facts(), a_message())
        await shop.work(mail)
        assert [one.message for one in mail.handed] == ["m1"]
        assert await shop.status("m1") == ("sent", "accepted")
