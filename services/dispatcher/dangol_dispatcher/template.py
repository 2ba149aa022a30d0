"""Rendering: a message, its template and the person become the very bytes a gateway is given. Same in, same out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from dangol.decisions import Reason
from dangol.errors import Invalid
from dangol.messages import Message
from dangol.names import delivery_key
from dangol_dispatcher import html_mail, skeleton
from dangol_dispatcher.filters import LOCALE, ZONE
from dangol_dispatcher.label import Brand, labelled
from dangol_dispatcher.liquid_language import TemplateProblem
from dangol_dispatcher.mail import Mail, build
from dangol_dispatcher.marks import Marked
from dangol_dispatcher.model import Content
from dangol_dispatcher.phone_text import carried
from dangol_dispatcher.template_check import check
from dangol_dispatcher.wording import (
    KAKAO_VARIABLE,
    Reader,
    Template,
    Templates,
    compile_templates,
    compiled,
    fields_said,
)
from dangol_dispatcher.zones import zone_or

__all__ = ["Links", "Reader", "Template", "TemplateProblem", "Templates", "check", "compile_templates", "render"]


@dataclass(frozen=True, slots=True)
class Links:
    """Our links for one message on one channel. Without `click`, links stay as they are written."""

    unsubscribe: str = ""
    pixel: str = ""
    click: Callable[[int, str], str] | None = None


def render(
    templates: Templates,
    message: Message,
    reader: Reader,
    channel: str,
    coupon_codes: Mapping[str, str],
    links: Links,
    *,
    at: datetime | None = None,
) -> Content:
    """What is said to this person on this channel. `coupon_codes` by the step's name (`gift`); `at` is the mail's Date.

    Raises `TemplateProblem`: unknown_template, no_content, missing_value (naming it) or template_error.
    """
    if message.webhook is not None:
        return _webhook(message, reader, _values(templates.brand, message, reader, "", coupon_codes, links))
    template = templates.named(message.template)
    chosen, fields = template.content(channel, reader.locale)
    locale = chosen or templates.brand.locale
    parts = fields_said(channel, fields, _values(templates.brand, message, reader, locale, coupon_codes, links))
    parts = _filled(channel, parts)
    if template.category == "marketing":
        parts = labelled(channel, parts, templates.brand, links.unsubscribe, locale)
    if channel == "email":
        return _email(templates, message, reader, parts, links, at or message.at)
    if channel == "webhook":
        return _json(reader, parts["json"])
    if "text" in parts:
        parts["text"] = carried(channel, parts["text"])
    return Content(channel, reader.endpoint, parts)


def _values(
    brand: Brand, message: Message, reader: Reader, locale: str, coupon_codes: Mapping[str, str], links: Links
) -> dict[str, Any]:
    values = dict(message.values)
    for name, issue in message.coupons.items():
        known = values.get(name)
        gift = dict(known) if isinstance(known, Mapping) else {}
        if name in coupon_codes:
            gift["code"] = coupon_codes[name]
        if issue.expires_at:
            gift["expires_at"] = issue.expires_at
        values[name] = gift
    values["workspace"] = {"name": brand.name, "phone": brand.phone, "email": brand.email, "address": brand.address}
    values["message"] = {"id": message.id, "journey": message.journey, "step": message.step}
    values["unsubscribe_url"] = links.unsubscribe
    return values | {ZONE: zone_or(reader.zone, brand.zone), LOCALE: locale or brand.locale}


def _filled(channel: str, parts: dict[str, Any]) -> dict[str, Any]:
    """Kakao's `#{name}` filled from `fill`, in one pass: what is put in is never read as a variable."""
    if channel not in ("alimtalk", "brand_message"):
        return parts
    fill = parts.pop("fill", None) or {}

    def put(found: re.Match[str]) -> str:
        if found[1] not in fill:
            raise TemplateProblem(Reason.MISSING_VALUE, f"#{{{found[1]}}}")
        return str(fill[found[1]])

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return KAKAO_VARIABLE.sub(put, value)
        if isinstance(value, Mapping):
            return {key: walk(inner) for key, inner in value.items()}
        return [walk(inner) for inner in value] if isinstance(value, list) else value

    return {name: walk(value) for name, value in parts.items()}


def _email(
    templates: Templates, message: Message, reader: Reader, parts: dict[str, Any], links: Links, at: datetime
) -> Content:
    advert = "footer" in parts
    refusals = [html_mail.Refusal(**one) for one in parts.pop("refusals", ())] if links.unsubscribe else []
    who = parts.pop("footer", "")
    html, text, urls = _bodies(parts, who, refusals, links)
    brand = templates.brand
    sender = (
        parts.get("from") or templates.senders.get("email") or (f"{brand.name} <{brand.email}>" if brand.email else "")
    )
    if not sender:
        raise TemplateProblem(
            Reason.TEMPLATE_ERROR, "no sender: give workspace.yaml sender.email, or the gateway a `from`"
        )
    mail = Mail(
        delivery=delivery_key(message.id, "email", reader.endpoint),
        to=reader.endpoint,
        sender=sender,
        subject=parts["subject"].strip(),
        text=text,
        html=html,
        reply_to=parts.get("reply_to", ""),
        unsubscribe=links.unsubscribe if advert else "",
        headers=parts.get("headers") or {},
    )
    try:
        raw = build(mail, at)
    except Invalid as error:
        raise TemplateProblem(Reason.TEMPLATE_ERROR, error.message) from error
    headers = dict(mail.headers)
    if mail.unsubscribe:
        headers |= {"List-Unsubscribe": f"<{mail.unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    shown = {"subject": mail.subject, "html": html, "text": text, "headers": headers, "from": sender, "to": mail.to}
    return Content("email", reader.endpoint, shown | {"reply_to": mail.reply_to, "links": urls}, raw)


def _bodies(
    parts: Mapping[str, Any], who: str, refusals: list[html_mail.Refusal], links: Links
) -> tuple[str, str, list[str]]:
    """The HTML and the text of a mail, each with its footer, and the URLs whose clicks are counted."""
    html, text, urls = "", parts.get("text", ""), list[str]()
    if name := next((one for one in ("mjml", "html") if one in parts and parts[one].shape), None):
        preheader = parts.get("preheader") or Marked.of("")
        said = skeleton.bodies(parts[name], preheader, links.click, mjml=name == "mjml")
        html = f"{said.before}{html_mail.footer(who, refusals, links.pixel)}{said.after}"
        text, urls = text or said.text, said.urls
    lines = [who] if who else []
    lines += [f"{one.before} {one.link}{one.after} {one.url}" for one in refusals]
    return html, "\n".join([text.rstrip(), "", "-- ", *lines]) if lines else text, urls


def _webhook(message: Message, reader: Reader, values: Mapping[str, Any]) -> Content:
    """A journey's webhook step: its JSON is of the journey's file, so texts in it are Liquid once, here."""
    asked = (message.webhook or {}).get("json", {})
    return _json(reader, fields_said("webhook", {"json": compiled(asked)}, values)["json"])


def _json(reader: Reader, value: Any) -> Content:
    raw = msgspec.json.encode(value)
    return Content("webhook", reader.endpoint, {"body": raw.decode()}, raw)
