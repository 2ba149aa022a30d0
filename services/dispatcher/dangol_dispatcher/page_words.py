"""The words of the opt-out page, in Korean and in English."""

from typing import Any

WORDS: dict[str, dict[str, Any]] = {
    "ko": {
        "lang": "ko",
        "roads": {
            "email": "이메일", "sms": "문자", "lms": "문자", "push": "앱 푸시", "web_push": "앱 푸시",
            "alimtalk": "카카오톡", "brand_message": "카카오톡", "kakao": "카카오톡",
            "in_app": "앱 안 메시지", "other": "메시지",
        },
        "ask": {"title": "수신거부", "text": "앞으로 광고성 {road} 수신을 원하지 않으시면 아래 단추를 눌러 주세요."},
        "done": {"title": "수신거부가 처리되었습니다", "text": "광고성 {road} 발송을 멈추었습니다."},
        "done_all": {"title": "수신거부가 처리되었습니다", "text": "이제 어떤 경로로도 광고를 보내지 않습니다."},
        "bad": {"title": "링크를 확인해 주세요", "text": "링크가 잘렸거나 바뀌었습니다. 다시 눌러 주세요."},
        "button": "{road} 광고 그만 받기",
        "button_all": "모든 광고 그만 받기",
        "left": "{roads} 광고는 동의하신 대로 계속 보내 드립니다.",
        "undo": "주문·배송처럼 꼭 필요한 안내는 계속 보내 드립니다.",
    },
    "en": {
        "lang": "en",
        "roads": {
            "email": "e-mail", "sms": "text message", "lms": "text message", "push": "push message",
            "web_push": "push message", "alimtalk": "KakaoTalk", "brand_message": "KakaoTalk", "kakao": "KakaoTalk",
            "in_app": "in-app message", "other": "message",
        },
        "ask": {"title": "Unsubscribe", "text": "Press the button if you no longer want adverts by {road}."},
        "done": {"title": "You are unsubscribed", "text": "We will send you no more adverts by {road}."},
        "done_all": {"title": "You are unsubscribed", "text": "We will send you no more adverts, by any way."},
        "bad": {"title": "Please check the link", "text": "This link was cut off or changed. Please follow it again."},
        "button": "No more adverts by {road}",
        "button_all": "No more adverts at all",
        "left": "You still get the adverts you agreed to by {roads}.",
        "undo": "What you need to know about your orders still reaches you.",
    },
}  # fmt: skip


def language(accepted: str) -> str:
    """`ko` or `en`, whichever an Accept-Language names first; Korean if neither."""
    for part in accepted.lower().split(","):
        name = part.strip()[:2]
        if name in WORDS:
            return name
    return "ko"
