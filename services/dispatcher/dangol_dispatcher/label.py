"""What the law wants said beside an advert: its label, who speaks, how to refuse. We add it, not the author.

Product defaults, not legal advice. Each rule has a name, the date it holds from and where it is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KR_LABEL = "(광고)"
KAKAO, PHONE, PUSH = ("alimtalk", "brand_message"), ("sms", "lms"), ("push", "web_push", "in_app")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the law as a default of ours."""

    name: str
    pack: str
    since: str  # the day it holds from
    source: str


RULES = (
    Rule(
        "ad_label",
        "kr",
        "2014-11-29",
        "정보통신망법 제50조 제4항, 시행령 별표 6: (광고)가 제목(전자우편) 또는 본문의 맨 앞",
    ),
    Rule("ad_sender", "kr", "2014-11-29", "정보통신망법 제50조 제4항: 전송자의 명칭과 연락처"),
    Rule(
        "ad_refusal",
        "kr",
        "2014-11-29",
        "정보통신망법 제50조 제4항·제6항: 끝에 무료 수신거부 방법, 전자우편은 한글과 영문",
    ),
    Rule("postal_address", "us", "2004-01-01", "CAN-SPAM, 16 CFR 316: a postal address and a working opt-out"),
    Rule("stop_keyword", "us", "2025-04-11", "47 CFR 64.1200(a)(10): STOP is honoured"),
)


@dataclass(frozen=True, slots=True)
class Brand:
    """Who speaks: of workspace.yaml."""

    workspace: str = "default"
    zone: str = "UTC"
    locale: str = "en"
    packs: tuple[str, ...] = ()
    name: str = ""
    email: str = ""
    phone: str = ""
    refuse: str = ""  # a free number to refuse adverts at (080-…)
    address: str = ""
    push_refusal: str = ""  # where in the app adverts are switched off

    @classmethod
    def of(cls, workspace: str, body: Mapping[str, Any]) -> "Brand":
        """From a workspace document's body."""
        sender = body.get("sender") or {}
        said = {
            key: str(sender[key])
            for key in ("name", "email", "phone", "refuse", "address", "push_refusal")
            if key in sender
        }
        zone, locale = str(body.get("zone") or "UTC"), str(body.get("locale") or "en")
        return cls(workspace, zone, locale, tuple(body.get("packs") or ()), **said)


def labelled(channel: str, parts: Mapping[str, Any], brand: Brand, unsubscribe: str, locale: str) -> dict[str, Any]:
    """The parts of an advert with what the brand's packs want beside it, said once even if the author said it too."""
    said = dict(parts)
    if channel == "email":
        return _mail(said, brand, unsubscribe, locale)
    if channel in PHONE:
        return said | {"text": _text(said["text"], brand, f"{_free_refusal(brand, unsubscribe)}")}
    if channel in KAKAO:
        return said | {"text": _text(said["text"], brand, _free_refusal(brand, unsubscribe))}
    if channel in PUSH and "kr" in brand.packs:
        refusal = f"수신거부: {brand.push_refusal or '앱 설정 > 알림'}"
        return said | {"title": _first(said.get("title", "")), "body": f"{_first(said.get('body', ''))}\n{refusal}"}
    return said


def _first(text: str) -> str:
    """The label as the very first characters; no other spelling of it is allowed."""
    return text if text.startswith(KR_LABEL) else f"{KR_LABEL} {text}".strip()


def _text(text: str, brand: Brand, refusal: str) -> str:
    if "kr" in brand.packs:
        who = f"[{brand.name}]" if brand.name and brand.name not in text[:40] else ""
        return f"{KR_LABEL}{who}\n{text.removeprefix(KR_LABEL).strip()}\n{refusal}"
    return f"{text}\nReply STOP to opt out" if "us" in brand.packs else text


def _free_refusal(brand: Brand, unsubscribe: str) -> str:
    return f"무료수신거부 {brand.refuse or unsubscribe}"


def _mail(said: dict[str, Any], brand: Brand, unsubscribe: str, locale: str) -> dict[str, Any]:
    if "kr" in brand.packs:
        said["subject"] = _first(said["subject"])
    who = " · ".join(part for part in (brand.name, brand.address, brand.email, brand.phone) if part)
    said["footer"] = who
    said["refusals"] = _refusals(brand, unsubscribe, locale)
    return said


def _refusals(brand: Brand, unsubscribe: str, locale: str) -> list[dict[str, str]]:
    """The ways to refuse, each {text, link}: in Korean and in English where Korean law holds."""
    korean = {
        "before": "더 이상 받고 싶지 않으시면",
        "link": "수신거부",
        "after": "를 눌러 주세요.",
        "url": unsubscribe,
    }
    english = {
        "before": "If you no longer wish to receive these e-mails,",
        "link": "unsubscribe",
        "after": ".",
        "url": unsubscribe,
    }
    if "kr" in brand.packs:
        return [korean, english]
    return [korean if locale.startswith("ko") else english]
