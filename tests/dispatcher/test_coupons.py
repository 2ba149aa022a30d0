"""Coupon codes: bound once, uploaded ones used up one by one, generated ones never mistaken."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import in_transaction
from dangol.definitions import Document
from dangol.messages import CouponIssue
from dangol_dispatcher import coupons
from dangol_dispatcher.rulebook import PoolRule
from tests.support.dispatching import (
    NOON,
    WORKSPACE,
    Shop,
    ToldGateway,
    WoundClock,
    a_message,
    documents,
    open_shop,
    some_facts,
)


async def bound(shop: Shop, issue: str, pool: PoolRule) -> str | None:
    promised = CouponIssue(pool=pool.name, issue=issue)

    async def work(conn: AsyncConnection) -> str | None:
        bound = await coupons.bind(shop.db, conn, WORKSPACE, [("p1", promised)], {pool.name: pool}, NOON)
        return bound.get(issue)

    return await in_transaction(shop.db, work)


async def test_uploaded_codes_are_used_up_one_by_one(url: str) -> None:
    pool = PoolRule("gift", None, ("AAA", "BBB", "AAA"), low=2)
    async with open_shop(url, WoundClock(), documents()) as shop:
        assert [await bound(shop, issue, pool) for issue in ("i1", "i2", "i1", "i3")] == ["AAA", "BBB", "AAA", None]
        async with shop.db.transaction() as conn:
            assert await coupons.counts(conn, WORKSPACE) == {"gift": {"reserved": 2}}


async def test_generated_codes_differ_and_stay(url: str) -> None:
    pool = PoolRule("gift", "G-######")
    async with open_shop(url, WoundClock(), documents()) as shop:
        codes = [await bound(shop, f"i{number}", pool) for number in range(50)]
        assert len(set(codes)) == 50
        assert [await bound(shop, f"i{number}", pool) for number in range(50)] == codes


async def test_a_pool_nobody_defined_gives_nothing_but_what_was_promised(url: str) -> None:
    async with open_shop(url, WoundClock(), documents()) as shop:
        first = await bound(shop, "i1", PoolRule("gift", "G-######"))

        async def work(conn: AsyncConnection) -> list[str | None]:
            promised = [("p1", CouponIssue(pool="gift", issue=issue)) for issue in ("i1", "i2")]
            bound = await coupons.bind(shop.db, conn, WORKSPACE, promised, {}, NOON)
            return [bound.get(issue) for issue in ("i1", "i2")]

        assert await in_transaction(shop.db, work) == [first, None]


async def test_two_workers_bind_one_promise_to_one_code(migrated_url: str) -> None:
    """On both databases, though they reach for it at once."""
    pool = PoolRule("gift", None, tuple(f"C{number}" for number in range(9)))
    async with open_shop(migrated_url, WoundClock(), documents()) as shop:
        codes = await asyncio.gather(*(bound(shop, "i1", pool) for _ in range(8)))
        assert set(codes) == {"C0"}


async def test_a_file_that_grew_gives_its_new_codes(url: str) -> None:
    async with open_shop(url, WoundClock(), documents()) as shop:
        assert await bound(shop, "i1", PoolRule("gift", None, ("AAA",))) == "AAA"
        assert await bound(shop, "i2", PoolRule("gift", None, ("AAA", "BBB"))) == "BBB"


async def test_a_coupon_code_is_the_same_ever_after(url: str) -> None:
    said = {"email": {"subject": "x", "text": "{{ gift.code }}", "from": "s@e.test"}}
    advert = Document("template", "advert", {"template": "advert", "category": "marketing", **said})
    pool = Document("coupon", "comeback", {"coupon": "comeback", "generate": "CB-########"})
    issue = {"gift": CouponIssue(pool="comeback", issue="i1")}
    mail = ToldGateway()
    async with open_shop(
        url, WoundClock(), [*(one for one in documents() if one.name != "advert"), advert, pool]
    ) as shop:
        await shop.hear(some_facts(), a_message("m1", coupons=issue), a_message("m2", coupons=issue))
        await shop.hear(a_message("m3", coupons={"gift": CouponIssue(pool="comeback", issue="i2")}))
        await shop.work(mail)
        codes = [one.content.parts["text"].split()[0] for one in sorted(mail.handed, key=lambda one: one.message)]
        assert codes[0] == codes[1] != codes[2]
        assert codes[0].startswith("CB-") and not set(codes[0][3:]) & set("01ILO#")


async def test_an_empty_pool_holds_the_message_until_codes_come(url: str) -> None:
    pool = Document("coupon", "comeback", {"coupon": "comeback", "codes": []})
    issue = {"gift": CouponIssue(pool="comeback", issue="i1")}
    mail = ToldGateway()
    async with open_shop(url, WoundClock(), [*documents(), pool]) as shop:
        await shop.hear(some_facts(), a_message("m1", coupons=issue))
        await shop.work(mail)
        assert await shop.status("m1") == ("held", "coupon_pool_empty")


async def test_two_workers_bind_many_promises_at_once_each_to_one_code(migrated_url: str) -> None:
    """On both databases. Caught: codes told by issue alone, where two pools promised the same."""
    pools = {"a": PoolRule("a", "A-#####"), "b": PoolRule("b", None, tuple(f"B{number}" for number in range(40)))}
    promised = [(f"p{number}", CouponIssue(pool="a", issue=f"i{number}")) for number in range(20)]
    others = [("p1", CouponIssue(pool="b", issue=f"i{number}")) for number in range(20)]
    async with open_shop(migrated_url, WoundClock(), documents()) as shop:

        async def work(issues: list[tuple[str, CouponIssue]]) -> dict[str, str]:
            return await in_transaction(
                shop.db, lambda conn: coupons.bind(shop.db, conn, WORKSPACE, issues, pools, NOON)
            )

        first, second, third = await asyncio.gather(work(promised), work(promised[::-1]), work(others))
        assert first == second
        assert len(set(first.values())) == 20 and all(code.startswith("A-") for code in first.values())
        assert sorted(third.values()) == sorted({f"B{number}" for number in range(40)} & set(third.values()))
        assert len(third) == 20 and set(third.values()).isdisjoint(first.values())
        again = await work([*promised, ("p1", CouponIssue(pool="b", issue="new"))])
        assert {issue: code for issue, code in again.items() if issue != "new"} == first
        async with shop.db.transaction() as conn:
            await coupons.mark_said(conn, WORKSPACE, [issue for _, issue in promised])
            counted = await coupons.counts(conn, WORKSPACE)
        assert counted["a"] == {"said": 20}
        assert counted["b"] == {"reserved": 21, "free": 19}
