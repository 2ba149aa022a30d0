"""An event becomes the right message: on SQLite in one process, and as processes on Kafka and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from tests.e2e.conftest import Spine
from tests.support.product import Product, eventually

CONSENTING = {"name": "민지", "marketing_agreed": True}


def track(user: str, name: str, traits: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """A Segment track call."""
    known = {"email": f"{user}@example.test", **(traits or {})}
    return {"userId": user, "event": name, "properties": properties, "context": {"traits": known}}


def verdicts(product: Product, user: str, journey: str) -> set[str]:
    """The verdicts on record about a person in a journey."""
    return {line["verdict"] for line in product.get("/api/why", user_id=user, journey=journey)["timeline"]}


def test_a_sign_up_is_welcomed_by_mail_with_a_coupon_and_a_way_out(spine: Spine, someone: str) -> None:
    """The mail says its advert's label, names the coupon, and can be refused with one click (RFC 8058)."""
    spine.product.post(track(someone, "Signed Up", CONSENTING))
    mail = eventually(lambda: spine.mailbox.to(someone))[0]
    assert str(mail["Subject"]).startswith("(광고)")
    assert "민지" in str(mail["Subject"])
    html = mail.get_body(("html",))
    assert html and "HI-" in html.get_content()
    assert str(mail["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click"
    assert str(mail["List-Unsubscribe"]).startswith("<http")


def test_without_consent_the_advert_is_dropped_and_the_plain_greeting_goes(spine: Spine, someone: str) -> None:
    """And why says so."""
    spine.product.post(track(someone, "Signed Up"))
    mail = eventually(lambda: spine.mailbox.to(someone))[0]
    assert str(mail["Subject"]) == "가입이 완료되었습니다"
    why = eventually(lambda: _timeline(spine.product, someone, "welcome", "dropped"))
    assert any("no_consent" in line["reason"] for line in why)


def _timeline(product: Product, user: str, journey: str, verdict: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = product.get("/api/why", user_id=user, journey=journey, lang="en")["timeline"]
    assert verdict in {line["verdict"] for line in found}
    return found


def test_an_unpaid_cart_is_reminded_by_mail_then_push_then_before_the_coupon_ends(spine: Spine, someone: str) -> None:
    """The whole sequence: reminder, unopened, the push, and the last call, all with one coupon's code."""
    night: dict[str, Any] = {"purpose": "marketing", "channels": ["all"], "night": True}
    spine.product.post(track(someone, "Consent Given", **night))
    device = {"device": {"token": f"tok-{someone}", "type": "ios"}}
    event = track(someone, "Product Added", CONSENTING, cart_id="c1", cart_value=42000, product_name="무선 청소기")
    event["context"] |= device
    spine.product.post(event)
    mail = eventually(lambda: spine.mailbox.to(someone))[0]
    assert "담아 두신 상품이 기다려요" in str(mail["Subject"])
    pushes = eventually(lambda: _inbox_of(spine.product, someone, "push", 2))
    code = next(word for word in str(pushes).replace('"', " ").split() if word.startswith("CB-"))
    html = mail.get_body(("html",))
    assert html and code in html.get_content()
    assert {message["template"] for message in pushes} == {"cart-reminder-short", "coupon-expiring"}


def _inbox_of(product: Product, user: str, channel: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = product.get("/api/messages", user_id=user)["messages"]
    sent = [message for message in found if message["channel"] == channel and message["status"] == "sent"]
    assert len(sent) >= count, found
    with product.http as client:
        return [client.get(f"/api/messages/{message['id']}").raise_for_status().json() for message in sent]


def test_a_paid_cart_is_left_alone(spine: Spine, someone: str) -> None:
    """The purchase ends the journey before its reminder."""
    spine.product.post(track(someone, "Product Added", CONSENTING, cart_id="c1", cart_value=42000))
    spine.product.post(track(someone, "Order Completed", order_id=str(uuid4()), cart_id="c1", revenue=42000))
    eventually(lambda: "exited" in verdicts(spine.product, someone, "cart-recovery"))
    eventually(lambda: [mail for mail in spine.mailbox.to(someone) if "어떠셨어요" in str(mail["Subject"])])
    assert not [mail for mail in spine.mailbox.to(someone) if "기다려요" in str(mail["Subject"])]


def test_a_first_order_is_followed_up_and_calls_a_signed_webhook_once(spine: Spine, someone: str) -> None:
    """The receiver verifies the call with the official library."""
    order = str(uuid4())
    spine.product.post(track(someone, "Order Completed", CONSENTING, order_id=order, revenue=51000, cart_id="none"))
    spine.product.post(track(someone, "Order Delivered", order_id=order))
    subjects = eventually(lambda: _subjects(spine, someone, 2))
    assert "이렇게 쓰면" in subjects[0]
    assert "어떠셨어요" in subjects[1]
    calls = [payload for _, payload in spine.hooks.verified if payload["user"] == someone]
    assert [call["order"] for call in calls] == [order]
    assert spine.hooks.refused == 0


def _subjects(spine: Spine, user: str, count: int) -> list[str]:
    subjects = [str(mail["Subject"]) for mail in spine.mailbox.to(user)]
    assert len(subjects) >= count, subjects
    return subjects


def test_one_event_posted_fifty_times_at_once_enters_once(spine: Spine, someone: str) -> None:
    """A repeat changes nothing."""
    event = {**track(someone, "Signed Up", CONSENTING), "messageId": str(uuid4())}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: spine.product.post(event), range(50)))
    eventually(lambda: spine.mailbox.to(someone))
    eventually(lambda: "finished" in verdicts(spine.product, someone, "welcome"))
    assert len(spine.mailbox.to(someone)) == 1


def test_an_id_used_again_for_something_else_is_found_among_the_rejects(spine: Spine, someone: str) -> None:
    """The first stays; the second is on record."""
    message_id = str(uuid4())
    spine.product.post({**track(someone, "Signed Up"), "messageId": message_id})
    spine.product.post({**track(someone, "Order Completed", order_id="o9", revenue=1), "messageId": message_id})
    rejects = eventually(lambda: _rejects(spine.product, someone))
    assert any("id_reused" in reject["reason"] for reject in rejects)


def _rejects(product: Product, user: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = product.get("/api/rejects", user_id=user)["rejects"]
    return found


def test_a_bad_item_is_told_beside_the_good_ones(spine: Spine, someone: str) -> None:
    """200, the good ones kept, the bad one with its place and reason."""
    good = {"type": "track", **track(someone, "Signed Up", CONSENTING)}
    said = spine.product.post({"batch": [good, {"type": "track", "userId": someone}]}, "/v1/batch")
    assert (said["accepted"], len(said["rejected"])) == (1, 1)
    assert said["rejected"][0]["index"] == 1
    assert eventually(lambda: spine.mailbox.to(someone))


def test_why_answers_for_a_person_who_never_entered(spine: Spine, someone: str) -> None:
    """In a marketer's sentences, Korean and English."""
    spine.product.post(track(someone, "Product Added", CONSENTING, cart_id="c1", cart_value=12000))
    korean = eventually(lambda: spine.product.run("why", someone, "cart-recovery", "--lang", "ko"))
    english = eventually(lambda: _said(spine.product, someone, "cart_value"))
    assert "12000" in english or "30000" in english or "condition" in english
    assert any("가" <= letter <= "힣" for letter in korean)


def _said(product: Product, user: str, _value: str) -> str:
    said = product.run("why", user, "cart-recovery", "--lang", "en")
    assert "not enter" in said
    return said


def test_one_click_ends_the_adverts_at_once(spine: Spine, someone: str) -> None:
    """GET shows a page and changes nothing; POST withdraws before it answers."""
    spine.product.post(track(someone, "Signed Up", CONSENTING))
    mail = eventually(lambda: spine.mailbox.to(someone))[0]
    address = str(mail["List-Unsubscribe"]).split(">")[0].strip("<")
    path = "/" + address.split("/", 3)[3]
    with spine.product.http as client:
        assert client.get(path).status_code == 200
        answered = client.post(path, data={"List-Unsubscribe": "One-Click"}, headers={"Authorization": ""})
        assert answered.status_code == 200, answered.text
        assert client.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    spine.product.post(track(someone, "Product Added", cart_id="c1", cart_value=42000))
    eventually(lambda: "dropped" in verdicts(spine.product, someone, "cart-recovery"))
    assert not [mail for mail in spine.mailbox.to(someone) if "기다려요" in str(mail["Subject"])]


def test_what_is_published_is_in_force_when_the_call_returns(spine: Spine, someone: str) -> None:
    """A journey applied, and the very next event enters it."""
    name = f"late-{someone}"
    with spine.product.http as client:
        documents = client.get("/api/definitions").raise_for_status().json()["documents"]
        body = {"journey": name, "enter": {"event": name}, "steps": [{"send": "welcome-plain", "by": "email"}]}
        documents.append({"kind": "journey", "name": name, "body": body})
        answer = client.post("/api/definitions", json={"documents": documents})
        assert answer.status_code == 200, answer.text
    spine.product.post(track(someone, name))
    assert eventually(lambda: spine.mailbox.to(someone))
