"""Templates and a reader with defaults, for rendering."""

from collections.abc import Mapping
from typing import Any

import msgspec

from dangol.messages import Message
from dangol_dispatcher.label import Brand
from dangol_dispatcher.model import Content
from dangol_dispatcher.template import Links, Reader, Templates, render
from dangol_dispatcher.wording import compile_template
from tests.support.dispatching import a_message

SHOP = Brand(
    workspace="default",
    zone="Asia/Seoul",
    locale="ko",
    packs=("kr",),
    name="단골상점",
    email="hello@shop.example",
    phone="1588-0000",
    refuse="080-123-4567",
    address="서울시 성동구",
)
VALUES = {"profile": {"name": "민지", "user_id": "u1"}, "event": {"revenue": 42000, "at": "2026-03-04T23:30:00+00:00"}}
UNSUBSCRIBE = "https://msg.example/u/abc"


def rendered(
    channel: str, said: Mapping[str, Any], *, category: str = "transactional", brand: Brand = SHOP, **given: Any
) -> Content:
    """What a template with this content says; `given` locales, locale, zone, to, links, codes, or message fields."""
    body = {"category": category, channel: said, "locales": given.pop("locales", {})}
    reader = Reader(given.pop("to", "a@example.test"), given.pop("zone", None), given.pop("locale", None))
    links = given.pop("links", Links(UNSUBSCRIBE))
    codes = given.pop("codes", {})
    message: Message = msgspec.structs.replace(a_message(template="t", values=VALUES), **given)
    templates = Templates(brand, {"t": compile_template("t", body)})
    return render(templates, message, reader, channel, codes, links)


def text_of(source: str, **given: Any) -> str:
    """What a Liquid text says in an SMS of a transactional template."""
    return str(rendered("lms", {"text": source}, **given).parts["text"])
