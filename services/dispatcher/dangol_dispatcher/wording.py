"""Templates: a published document compiled once, and said to one person on one channel."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from liquid import BoundTemplate
from liquid.exceptions import LiquidError

from dangol.decisions import Reason
from dangol_dispatcher.label import Brand
from dangol_dispatcher.liquid_language import TemplateProblem, mark, parse, say, value_of
from dangol_dispatcher.marks import FIRST, MOST

if TYPE_CHECKING:
    from dangol.definitions import DefinitionSet

KAKAO_VARIABLE = re.compile(r"#\{([^{}]*)\}")
# What a template may say on each channel. `check` refuses other names and names what is missing.
FIELDS: dict[str, frozenset[str]] = {
    "email": frozenset({"subject", "html", "mjml", "text", "preheader", "from", "reply_to", "headers"}),
    "sms": frozenset({"text"}),
    "lms": frozenset({"subject", "text"}),
    "push": frozenset({"title", "body", "link", "image", "data"}),
    "web_push": frozenset({"title", "body", "link", "image", "data"}),
    "in_app": frozenset({"title", "body", "link", "image"}),
    "alimtalk": frozenset({"code", "text", "fill", "buttons"}),
    "brand_message": frozenset({"code", "text", "fill", "buttons", "image", "target"}),
    "slack": frozenset({"text"}),
    "teams": frozenset({"text"}),
    "webhook": frozenset({"json"}),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "email": ("subject",),
    "push": ("body",),
    "web_push": ("body",),
    "in_app": ("body",),
    "alimtalk": ("code", "text"),
    "webhook": ("json",),
}
DEFAULT_REQUIRED = ("text",)
MARKUP = {("email", "html"), ("email", "mjml")}  # where values are escaped
# What is worked on after values are put in, with the sign of its first mark.
MARKED = dict.fromkeys(MARKUP, FIRST) | {("email", "preheader"): FIRST + MOST}
VERBATIM = {
    ("alimtalk", "text"),
    ("alimtalk", "code"),
    ("alimtalk", "buttons"),
}  # approved wording: filled, never Liquid


@dataclass(frozen=True, slots=True)
class Reader:
    """The person as a template needs them: where it goes, and their zone and language."""

    endpoint: str
    zone: str | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """One compiled template: its contents by locale ("" for the workspace's own), by channel, by field."""

    name: str
    category: str
    contents: Mapping[str, Mapping[str, Mapping[str, Any]]]
    broken: str = ""

    @property
    def channels(self) -> frozenset[str]:
        """The channels it says something on."""
        return frozenset(channel for content in self.contents.values() for channel in content)

    def content(self, channel: str, locale: str | None) -> tuple[str, Mapping[str, Any]]:
        """The fields for a channel in the nearest language: `en-GB`, then `en`, then the workspace's own (named "")."""
        wanted = (locale or "").replace("_", "-")
        for name in dict.fromkeys((wanted, wanted.partition("-")[0], "")):
            if channel in self.contents.get(name, {}):
                return name, self.contents[name][channel]
        raise TemplateProblem(Reason.NO_CONTENT, channel)


@dataclass(frozen=True, slots=True)
class Templates:
    """All templates of a workspace with the brand that speaks them. `senders`: the `from` of gateways, by channel."""

    brand: Brand = field(default_factory=Brand)
    by_name: Mapping[str, Template] = field(default_factory=dict)
    senders: Mapping[str, str] = field(default_factory=dict)

    def named(self, name: str) -> Template:
        """The template of that name; `TemplateProblem` if there is none, or if it cannot be read."""
        found = self.by_name.get(name)
        if found is None:
            raise TemplateProblem(Reason.UNKNOWN_TEMPLATE, name)
        if found.broken:
            raise TemplateProblem(Reason.TEMPLATE_ERROR, found.broken)
        return found


def compile_templates(definitions: "DefinitionSet") -> Templates:
    """What rendering needs of a workspace. Never raises: a template that cannot be read says so when used."""
    workspace = next(iter(definitions.of("workspace")), None)
    senders: dict[str, str] = {}
    for gateway in definitions.of("gateway"):
        if sender := gateway.body.get("from"):
            senders.setdefault(str(gateway.body.get("channel")), str(sender))
    return Templates(
        Brand.of(definitions.workspace, workspace.body if workspace else {}),
        {document.name: compile_template(document.name, document.body) for document in definitions.of("template")},
        senders,
    )


def compile_template(name: str, body: Mapping[str, Any]) -> Template:
    """One template's body, compiled."""
    category = str(body.get("category") or "marketing")  # unsaid is the stricter of the two
    try:
        contents = {"": _channels(body)}
        for locale, overlay in (body.get("locales") or {}).items():
            contents[str(locale)] = _channels(overlay or {})
    except LiquidError as error:
        return Template(name, category, {}, broken=str(error.message))
    return Template(name, category, contents)


def fill_names(parts: Mapping[str, Any]) -> set[str]:
    """The names of Kakao's `#{name}` variables in the text and buttons of a content."""
    return {found[1] for name in ("text", "buttons") for found in KAKAO_VARIABLE.finditer(str(parts.get(name, "")))}


def fields_said(channel: str, fields: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one channel with the values in them, those of `MARKED` as `Marked`; raises `TemplateProblem`."""
    keep = channel == "webhook"
    return {
        name: mark(leaf, values, MARKED[channel, name])
        if (channel, name) in MARKED and isinstance(leaf, BoundTemplate)
        else _said(leaf, values, keep)
        for name, leaf in fields.items()
    }


def compiled(source: Any, *, html: bool = False) -> Any:
    """A body with every text in it compiled; other values as they are."""
    if isinstance(source, str):
        return parse(source, html=html)
    if isinstance(source, Mapping):
        return {str(key): compiled(value, html=html) for key, value in source.items()}
    if isinstance(source, list | tuple):
        return [compiled(value, html=html) for value in source]
    return source


def _channels(body: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        channel: {
            name: value if (channel, name) in VERBATIM else compiled(value, html=(channel, name) in MARKUP)
            for name, value in body[channel].items()
        }
        for channel in FIELDS
        if isinstance(body.get(channel), Mapping)
    }


def _said(leaf: Any, values: Mapping[str, Any], keep: bool) -> Any:
    if isinstance(leaf, BoundTemplate):
        return value_of(leaf, values) if keep else say(leaf, values)
    if isinstance(leaf, Mapping):
        return {key: _said(value, values, keep) for key, value in leaf.items()}
    if isinstance(leaf, list):
        return [_said(value, values, keep) for value in leaf]
    return leaf
