"""The definitions of a measurement: the starter's shop, its gateways pointed at the receiver."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from dangol.commands.starter_files import STARTER

MAIL = '- {gateway: mail, channel: email, kind: smtp, url: "smtp://127.0.0.1:%d?tls=no", from: "shop <a@bench.test>"}\n'
HOOK = '- {gateway: hook, channel: webhook, kind: webhook, url: "http://127.0.0.1:%d/in"}\n'
WELCOME_BY_WEBHOOK = """journey: welcome
about: the starter's welcome, told to a webhook
enter: {event: Signed Up}
goal: {event: Order Completed, within: 7d, value: event.revenue}
steps:
  - {coupon: welcome-10, as: gift}
  - webhook: hook
    json: {user: "{{ profile.user_id }}", name: "{{ profile.name }}", code: "{{ gift.code }}"}
    within: 1h
"""


def shop(place: Path, way: str, ports: Mapping[str, int]) -> Path:
    """The starter in a folder of its own; `way` is mail (its own welcome) or webhook."""
    shutil.copytree(STARTER, place, ignore=shutil.ignore_patterns("tests"))
    (place / "gateways.yaml").write_text(MAIL % ports["smtp"] + HOOK % ports["http"])
    if way == "webhook":
        (place / "journeys" / "welcome.yaml").write_text(WELCOME_BY_WEBHOOK)
    return place
