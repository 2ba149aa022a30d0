"""The starter's shop with its days turned into seconds, so that real processes on a real clock can be watched."""

import shutil
from pathlib import Path

import dangol

STARTER = Path(dangol.__file__).parent / "starter"
QUICK = {
    "journeys/cart-recovery.yaml": {
        "wait: 24h": "wait: 2s",
        "after: 12h": "after: 2s",
        'until: gift.expires_at - 6h, between: "09:00-20:00", or: earlier': "until: gift.expires_at - 6h",
    },
    "journeys/after-first-order.yaml": {"after: 7d": "after: 2s", "wait: 3d": "wait: 1s", "wait: 4d": "wait: 1s"},
    "coupons/coupons.yaml": {"valid_for: 3d": "valid_for: 21610s"},
}
# At any hour, as often as it takes: hours and caps are watched where the clock can be moved.
CAPS = "caps: [{cap: daily, at_most: 50, per: day, zone: person, of: {category: marketing}, over: drop}]\n"
PHONE = ("push", "sms", "lms", "brand_message")


def quick_shop(place: Path, *, smtp: str = "", hook: str = "") -> Path:
    """Write it to PLACE/shop: mail to the SMTP server, webhooks to the receiver (none: mail to the inbox)."""
    shop = place / "shop"
    shutil.copytree(STARTER, shop)
    for name, changes in QUICK.items():
        text = (shop / name).read_text()
        for old, new in changes.items():
            assert old in text, f"{name} does not say {old!r}"
            text = text.replace(old, new)
        (shop / name).write_text(text)
    (shop / "caps.yaml").write_text(CAPS)
    (shop / "gateways.yaml").write_text(_gateways(smtp, hook))
    if hook:
        (shop / "journeys" / "order-hook.yaml").write_text(HOOK_JOURNEY)
    shutil.rmtree(shop / "tests")
    return shop


HOOK_JOURNEY = """\
journey: order-hook
enter: {event: Order Completed, again: always}
steps:
  - webhook: hook
    json: {user: "{{ profile.user_id }}", order: "{{ event.order_id }}", revenue: "{{ event.revenue }}"}
"""


def _gateways(smtp: str, hook: str) -> str:
    mail = f'{{kind: smtp, url: "{smtp}", from: "단골상점 <hello@shop.example>"}}' if smtp else "{kind: inbox}"
    lines = [f"- {{gateway: mail, channel: email, {mail[1:-1]}}}"]
    lines += [f"- {{gateway: phone-{channel}, channel: {channel}, kind: inbox}}" for channel in PHONE]
    if hook:
        lines.append(
            f'- {{gateway: hook, channel: webhook, kind: webhook, url: "{hook}", secret: {{env: HOOK_SECRET}}}}'
        )
    return "\n".join(lines) + "\n"
