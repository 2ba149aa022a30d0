"""Checks of templates before they are published: every mistake at once, each with its place and how to mend it."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from liquid import BoundTemplate
from liquid.exceptions import LiquidError

from dangol.documents import Document, Path, near, problem
from dangol_dispatcher.html_mail import from_mjml
from dangol_dispatcher.label import KAKAO, PHONE, Brand
from dangol_dispatcher.liquid_language import TemplateProblem, known_filters, parse, say
from dangol_dispatcher.wording import DEFAULT_REQUIRED, FIELDS, MARKUP, REQUIRED, VERBATIM, fill_names

if TYPE_CHECKING:
    from dangol.documents import DefinitionSet
    from dangol.problems import Problem

CATEGORIES = ("marketing", "transactional")
BESIDES = ("template", "category", "locales", "tags", "caps", "mode", "managed")  # a template's own fields
NAMESPACES = (
    "profile",
    "event",
    "entry",
    "latest",
    "context",
    "seen",
    "item",
    "workspace",
    "message",
    "unsubscribe_url",
)
_WRONG_LABEL = re.compile(r"^\s*(\[광고\]|\(광\s+고\)|\(광\.고\)|\(AD\)|\[AD\])", re.IGNORECASE)


def check(definitions: "DefinitionSet") -> "list[Problem]":
    """The mistakes in a workspace's templates."""
    workspace = next((document.body for document in definitions.of("workspace")), {})
    brand = Brand.of(definitions.workspace, workspace)
    senders = {str(gateway.body.get("channel")) for gateway in definitions.of("gateway") if gateway.body.get("from")}
    return [
        found
        for document in definitions.of("template")
        for found in (*_template(document), *_lawful(document, brand, bool(brand.email) or "email" in senders))
    ]


def _template(document: Document) -> "Iterator[Problem]":
    body = document.body
    category = body.get("category")
    if category not in CATEGORIES:
        said = f"`{category}` is no category" if category else "a template needs a category"
        hint = "category: marketing needs consent; category: transactional is for what a person must know"
        yield problem(document, ("category",) if category else (), "bad_category", said, hint)
    if not any(name in FIELDS for name in body):
        hint = f"give it one of {', '.join(FIELDS)}"
        yield problem(document, (), "no_content", f"template {document.name} says nothing on any channel", hint)
    yield from _channels(document, (), body, (*FIELDS, *BESIDES))
    locales = body.get("locales") or {}
    for locale, content in locales.items() if isinstance(locales, Mapping) else ():
        if isinstance(content, Mapping):
            yield from _channels(document, ("locales", locale), content, tuple(FIELDS))
        else:
            yield problem(document, ("locales", locale), "bad_locale", "a locale holds channels", "en: {email: {...}}")


def _channels(document: Document, path: Path, body: Mapping[str, Any], known: tuple[str, ...]) -> "Iterator[Problem]":
    for name, content in body.items():
        here = (*path, name)
        if name not in known:
            hint = near(str(name), known) or f"channels are {', '.join(FIELDS)}"
            yield problem(document, here, "unknown_channel", f"{name} is no channel and no field", hint, key=True)
        elif name in FIELDS and not isinstance(content, Mapping):
            hint = f"{name}: {{{', '.join(REQUIRED.get(name, DEFAULT_REQUIRED))}: ...}}"
            yield problem(document, here, "bad_content", f"{name} must hold fields", hint)
        elif name in FIELDS:
            yield from _fields(document, here, name, content)


def _fields(document: Document, path: Path, channel: str, content: Mapping[str, Any]) -> "Iterator[Problem]":
    for name in content:
        if name not in FIELDS[channel]:
            hint = near(str(name), FIELDS[channel]) or f"{channel} takes {', '.join(sorted(FIELDS[channel]))}"
            yield problem(document, (*path, name), "unknown_field", f"{channel} has no {name}", hint, key=True)
    for name in REQUIRED.get(channel, DEFAULT_REQUIRED):
        if content.get(name) in (None, ""):
            said = f"{channel} needs a {name}"
            yield problem(document, path, f"missing_{name}", said, f'{channel}: {{{name}: "..."}}', key=True)
    if channel == "email" and not any(content.get(name) for name in ("html", "mjml", "text")):
        yield problem(document, path, "missing_body", "email needs html, mjml or text", 'text: "..."', key=True)
    if content.get("html") and content.get("mjml"):
        yield problem(document, (*path, "html"), "two_bodies", "email takes html or mjml, not both", key=True)
    for place, text, field in _texts(content, path):
        if (channel, field) in VERBATIM:
            yield from _verbatim(document, place, text)
        else:
            yield from _liquid(document, place, text, mjml=field == "mjml", html=(channel, field) in MARKUP)
    if channel in KAKAO:
        yield from _filled(document, path, content)


def _texts(content: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """Every text in a channel's content: its place, itself, the field it is in."""

    def walk(value: Any, place: Path, field: str) -> Iterator[tuple[Path, str, str]]:
        if isinstance(value, str):
            yield place, value, field
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                yield from walk(inner, (*place, key), field)
        elif isinstance(value, list):
            for at, inner in enumerate(value):
                yield from walk(inner, (*place, at), field)

    for name, value in content.items():
        yield from walk(value, (*path, name), name)


def _liquid(document: Document, path: Path, text: str, *, mjml: bool, html: bool) -> "Iterator[Problem]":
    try:
        template = parse(text, html=html)
    except LiquidError as error:
        known = error.token is not None and error.token.start_index >= 0
        at = (
            error.token.start_index if error.token and known else max(0, text.rfind("{%"))
        )  # the end: what is left open
        hint = "tags are {% if %} … {% endif %}, values {{ profile.name | default: '…' }}"
        yield problem(document, path, "liquid_syntax", str(error.message), hint, offset=min(at, len(text)))
        return
    yield from _names(document, path, template)
    if mjml:
        yield from _mjml(document, path, text)


def _names(document: Document, path: Path, template: BoundTemplate) -> "Iterator[Problem]":
    analysis = template.analyze(include_partials=False)
    filters = known_filters()
    for name, spans in analysis.filters.items():
        if name not in filters:
            hint = near(name, filters) or "filters are those of Liquid, and date, money, won, number"
            yield problem(document, path, "unknown_filter", f"no filter {name}", hint, offset=spans[0].index)
    for name, variables in analysis.globals.items():
        meant = near(str(name), NAMESPACES)
        if name not in NAMESPACES and meant:
            at = variables[0].span.index
            yield problem(document, path, "unknown_name", f"no value {name}", meant, offset=at, warning=True)


def _mjml(document: Document, path: Path, text: str) -> "Iterator[Problem]":
    try:
        from_mjml(say(parse(re.sub(r"\{\{.*?\}\}", "x", text, flags=re.DOTALL), html=True), {}))
    except TemplateProblem as error:
        if error.detail.startswith("mjml"):
            said = f"this MJML cannot be read: {error.detail.removeprefix('mjml: ')}"
            yield problem(document, path, "bad_mjml", said, "each tag must be closed", offset=0)


def _verbatim(document: Document, path: Path, text: str) -> "Iterator[Problem]":
    if found := re.search(r"\{[{%]", text):
        hint = "write #{name} here, and its value under fill: {name: '{{ profile.name }}'}"
        said = "approved wording is sent as it is, and holds no Liquid"
        yield problem(document, path, "liquid_in_approved_text", said, hint, offset=found.start())


def _filled(document: Document, path: Path, content: Mapping[str, Any]) -> "Iterator[Problem]":
    fill = content.get("fill") or {}
    named = fill_names(content)
    for name in sorted(named - set(fill)):
        hint = f"fill: {{{name}: \"{{{{ profile.name | default: '고객' }}}}\"}}"
        yield problem(document, (*path, "text"), "missing_fill", f"#{{{name}}} has no value under fill", hint)
    for name in fill:
        if name not in named:
            said = f"nothing names #{{{name}}}"
            yield problem(
                document, (*path, "fill", name), "unused_fill", said, near(name, named), warning=True, key=True
            )


def _lawful(document: Document, brand: Brand, has_sender: bool) -> "Iterator[Problem]":
    """What the rules of a pack, and mail itself, want of the workspace before such a template can be said."""
    body = document.body
    if isinstance(body.get("email"), Mapping) and not has_sender and not body["email"].get("from"):
        hint = "workspace.yaml: sender: {name: ..., email: hello@shop.example}"
        yield problem(document, ("email",), "no_sender", "nobody is named as the mail's sender", hint, key=True)
    if body.get("category") != "marketing" or "kr" not in brand.packs:
        return
    for channel in (*PHONE, *KAKAO):
        content = body.get(channel)
        if not isinstance(content, Mapping):
            continue
        if not brand.refuse:
            said = f"an advert by {channel} names a free number to refuse it; the link we put instead is long"
            hint = 'workspace.yaml: sender: {refuse: "080-123-4567"}'
            yield problem(document, (channel,), "no_free_refusal", said, hint, warning=True, key=True)
        if _WRONG_LABEL.match(str(content.get("text", ""))):
            said, hint = "this is not the label the law knows", "leave it out: (광고) is put there for you"
            yield problem(document, (channel, "text"), "wrong_label", said, hint, warning=True)
    if isinstance(body.get("alimtalk"), Mapping):
        said = "알림톡 carries information only; an advert there is refused by Kakao"
        yield problem(document, ("alimtalk",), "advert_on_alimtalk", said, "use brand_message", warning=True, key=True)
