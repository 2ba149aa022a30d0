"""Links in messages: scanners change nothing, one click opts out at once, a click goes where the mail said."""

import re
from base64 import urlsafe_b64decode

import pytest

from dangol.errors import Invalid
from dangol_dispatcher.links import CLICK, OPEN, UNSUBSCRIBE, Sealer
from dangol_dispatcher.machines import machine
from tests.support.mailing import PERSON, Posted, open_post

GOOGLE = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
APPLE = "Mozilla/5.0"  # Mail Privacy Protection
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def links_in(post: Posted, purpose: str) -> str:
    body = (await post.mail()).get_body(("html",))
    assert body
    found = re.search(rf"http://127\.0\.0\.1:8420/{purpose}/[\w-]+", body.get_content())
    assert found
    return found[0]


async def test_looking_at_the_page_changes_nothing(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        link = await post.unsubscribe_link()
        for method in ("GET", "HEAD"):
            answer = await post.client.request(method, link)
            assert answer.status_code == 200
        assert not post.events("Consent Withdrawn")
        await post.send("m2")
        assert (await post.shop.status("m2"))[0] == "sent"


async def test_one_click_opts_out_before_it_is_answered(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        answer = await post.client.post(await post.unsubscribe_link(), data=ONE_CLICK)
        assert answer.status_code == 200
        assert not answer.cookies
        await post.send("m2")
        assert await post.shop.status("m2") == ("dropped", "withdrawn")
        (event,) = post.events("Consent Withdrawn")
        assert event.user_id == "u1"
        assert event.properties["channels"] == ["email"]


async def test_a_second_click_is_answered_and_told_once(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        link = await post.unsubscribe_link()
        statuses = [(await post.client.post(link, data=ONE_CLICK)).status_code for _ in range(3)]
        assert statuses == [200, 200, 200]
        assert len(post.events("Consent Withdrawn")) == 1


async def test_one_road_is_closed_and_the_others_stay_open(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        await post.client.post(await post.unsubscribe_link(), data={"scope": "channel"})
        await post.send("m2", "sms")
        assert (await post.shop.status("m2"))[0] == "sent"


async def test_all_roads_can_be_closed(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        await post.client.post(await post.unsubscribe_link(), data={"scope": "all"})
        await post.send("m2", "sms")
        assert await post.shop.status("m2") == ("dropped", "withdrawn")


async def test_every_bent_link_gets_the_same_page(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        link = await post.unsubscribe_link()
        bent = [link[:-1] + ("A" if link[-1] != "A" else "B"), link[:-4], link + "A", link.replace("/u/", "/u/x")]
        bent += ["/u/x", "/u/" + "A" * 5000, "/u/%00", "/u/ㄱ"]
        bodies = set()
        for one in bent:
            for method in ("GET", "POST"):
                answer = await post.client.request(method, one)
                assert answer.status_code == 400
                bodies.add(answer.text)
        assert len(bodies) == 1
        assert not post.events("Consent Withdrawn")


async def test_each_bit_of_a_link_counts() -> None:
    sealer = Sealer([b"secret"], "http://x")
    token = sealer.token(UNSUBSCRIBE, "default", "p1", "m1", "email")
    for place in range(0, len(token), 3):
        for other in "Aa0_":
            if token[place] != other:
                with pytest.raises(Invalid):
                    sealer.fields(UNSUBSCRIBE, token[:place] + other + token[place + 1 :])


def test_a_link_for_one_thing_does_nothing_else() -> None:
    sealer = Sealer([b"secret"], "http://x")
    with pytest.raises(Invalid):
        sealer.fields(UNSUBSCRIBE, sealer.token(OPEN, "default", "p1", "m1", "email"))


def test_a_link_names_nobody_and_cannot_be_guessed() -> None:
    sealer = Sealer([b"secret"], "http://x")
    token = sealer.token(UNSUBSCRIBE, "default", "profile-of-minji", "message-1", "email")
    sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert len(sealed) >= 16 + 3
    for word in (b"default", b"minji", b"message", b"email"):
        assert word not in sealed
    assert token == sealer.token(UNSUBSCRIBE, "default", "profile-of-minji", "message-1", "email")
    assert token != sealer.token(UNSUBSCRIBE, "default", "profile-of-minji", "message-2", "email")


def test_an_old_link_works_after_the_key_was_changed() -> None:
    old = Sealer([b"old"], "http://x").token(UNSUBSCRIBE, "default", "p1", "m1", "email")
    assert Sealer([b"new", b"old"], "http://x").fields(UNSUBSCRIBE, old) == ["default", "p1", "m1", "email"]
    with pytest.raises(Invalid):
        Sealer([b"new"], "http://x").fields(UNSUBSCRIBE, old)


async def test_a_click_goes_where_the_mail_said_and_is_told_once(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        link = await links_in(post, CLICK)
        for _ in range(2):
            answer = await post.client.get(f"{link}?u=https://evil.example", headers={"sec-fetch-user": "?1"})
            assert answer.status_code == 302
            assert answer.headers["location"] == "https://shop.example/cart?a=1&b=2"
        (clicked,) = post.events("Message Clicked")
        assert clicked.properties["url"] == "https://shop.example/cart?a=1&b=2"
        assert "machine" not in clicked.properties
        assert len(post.events("Message Opened")) == 1  # who clicked has seen it


async def test_a_scanners_click_is_a_machines(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        await post.client.get(await links_in(post, CLICK))  # the moment it was handed over
        (clicked,) = post.events("Message Clicked")
        assert clicked.properties["machine"] is True
        assert not post.events("Message Opened")


async def test_an_open_is_a_persons_or_a_machines(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        link = await links_in(post, OPEN)
        for agent in (APPLE, PERSON, PERSON):
            answer = await post.client.get(link, headers={"user-agent": agent})
            assert answer.headers["content-type"] == "image/gif"
        assert [one.properties.get("machine") for one in post.events("Message Opened")] == [True, None]


async def test_a_picture_fetched_for_a_person_is_the_persons_open(migrated_url: str) -> None:
    """Google's proxy fetches it when the mail is opened, Apple's long before."""
    async with open_post(migrated_url) as post:
        await post.send()
        await post.client.get(await links_in(post, OPEN), headers={"user-agent": GOOGLE})
        (opened,) = post.events("Message Opened")
        assert "machine" not in opened.properties
        assert opened.properties["proxy"] is True


async def test_the_page_names_the_brand_and_what_remains(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        link = await post.unsubscribe_link()
        english = {"accept-language": "en"}
        asked = (await post.client.get(link, headers=english)).text
        assert "단골 상점" in asked and "your orders still reaches you" in asked
        done = (await post.client.post(link, headers=english, data={"scope": "channel"})).text
        assert "단골 상점" in done and "agreed to by in-app message, KakaoTalk, push message, text message" in done
        closed = (await post.client.post(link, headers=english, data={"scope": "all"})).text
        assert "agreed to" not in closed and "your orders still reaches you" in closed


async def test_a_picture_is_shown_whatever_the_link(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        assert (await post.client.get("/o/nonsense")).status_code == 200
        assert (await post.client.get("/c/nonsense")).status_code == 400


async def test_pages_are_guarded(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        for path in ("/u/x", "/c/x", "/o/x", "/u/style.css"):
            headers = (await post.client.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "set-cookie" not in headers


async def test_the_page_speaks_the_readers_language(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        link = await post.unsubscribe_link()
        assert (
            "Unsubscribe" in (await post.client.get(link, headers={"accept-language": "en-GB,en;q=0.9,ko;q=0.5"})).text
        )
        assert "수신거부" in (await post.client.get(link, headers={"accept-language": "ko-KR,ko;q=0.9"})).text


@pytest.mark.parametrize(
    ("method", "agent", "kind"),
    [
        ("GET", PERSON, None),
        ("HEAD", PERSON, "scanner"),
        ("GET", "", "robot"),
        ("GET", "Mozilla/5.0", "privacy"),
        ("GET", "Mozilla/5.0 (compatible; Googlebot/2.1)", "robot"),
        ("GET", "YahooMailProxy; https://help.yahoo.com", None),
        ("GET", "curl/8.0", "robot"),
        ("GET", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) AppleWebKit/605 Mobile KAKAOTALK 11.0", None),
    ],
)
def test_machines_are_told_from_people(method: str, agent: str, kind: str | None) -> None:
    assert machine(method, {"user-agent": agent}) == kind
