"""Whether an open or a click is a person's: some mail services fetch images and follow links before anyone reads."""

import re
from collections.abc import Mapping
from datetime import timedelta

INSTANT = timedelta(seconds=2)  # nobody reads a mail and clicks sooner
_PROXIES = re.compile(r"GoogleImageProxy|YahooMailProxy|ggpht\.com|DaumImageProxy|naver.*proxy", re.IGNORECASE)
_ROBOTS = re.compile(
    r"bot\b|bot[/;]|crawl|spider|scan|preview|prefetch|monitor|facebookexternalhit|kakaotalk-scrap|whatsapp/|slurp"
    r"|barracuda|proofpoint|mimecast|safelinks|fireeye|symantec|trendmicro|curl/|wget/|python-|java/|okhttp|go-http"
    r"|libwww|axios/|node-fetch|ruby|perl",
    re.IGNORECASE,
)
_APPLE_PRIVACY = "Mozilla/5.0"  # Mail Privacy Protection says this and no more


def through_proxy(headers: Mapping[str, str]) -> bool:
    """Whether a mail service fetched the picture for a person who opened the mail just now."""
    return bool(_PROXIES.search(headers.get("user-agent", "")))


def machine(method: str, headers: Mapping[str, str], since: timedelta | None = None) -> str | None:
    """Which machine it was (privacy, robot, scanner); None: a person. `since`: from hand-off to a click."""
    agent = headers.get("user-agent", "").strip()
    if (
        method == "HEAD"
        or headers.get("purpose") == "prefetch"
        or headers.get("sec-purpose", "").startswith("prefetch")
    ):
        return "scanner"
    if through_proxy(headers):
        return None
    if not agent or _ROBOTS.search(agent):
        return "robot"
    if agent == _APPLE_PRIVACY:
        return "privacy"
    # A browser says when it was a person's click that brought it here.
    if since is not None and since < INSTANT and headers.get("sec-fetch-user") != "?1":
        return "scanner"
    return None
