"""Documents → rules: what was published of workspace, caps, gateways, templates, coupons, compiled."""

from collections.abc import Callable, Iterable, Mapping
from datetime import time, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from dangol.definitions import DefinitionSet, Document
from dangol.errors import Invalid
from dangol.messages import Channel
from dangol.problems import Path
from dangol.spans import span
from dangol_dispatcher.caps import Cap, Scope
from dangol_dispatcher.condition import hold_while
from dangol_dispatcher.model import Mode
from dangol_dispatcher.packs import ON_A_PHONE, PACKS
from dangol_dispatcher.quiet import Quiet
from dangol_dispatcher.rulebook import GatewayRule, HoldWhile, PoolRule, Rules, TemplateRule
from dangol_dispatcher.windows import Hours


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str:
        """Under which it is found."""
        ...


T = TypeVar("T")
N = TypeVar("N", bound=Named)
CHANNELS = tuple(channel.value for channel in Channel)
PER = {"day": "day", "week": "week", "month": "month"}


class Mistake(Invalid):
    """A field that cannot be read: `path` is its place in the document."""

    def __init__(self, path: Path, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint=hint)
        self.path = path


def compile_rules(definitions: DefinitionSet, default_gateway: str | None = None) -> Rules:
    """The rules of one workspace. What cannot be read is left out: the checker refused it when it was published."""
    body = next((document.body for document in definitions.of("workspace")), {})
    packs = tuple(PACKS[name] for name in body.get("packs") or () if name in PACKS)
    caps = [document.body for document in definitions.of("caps")]
    own_quiets = [quiet for one in caps for quiet in _quiets(one)]
    return Rules(
        workspace=definitions.workspace,
        number=definitions.number,
        zone=body.get("zone"),
        locale=str(body.get("locale") or "en"),
        packs=packs,
        quiets=(*(quiet for pack in packs for quiet in pack.quiet), *own_quiets),
        caps=tuple(cap for one in caps for cap in _caps(one)),
        hold_while=next((found for one in caps if (found := _hold_while(one))), None),
        collect=next((length for one in caps if (length := _collect(one))), timedelta(0)),
        templates=_by_name(template_rule(document) for document in definitions.of("template")),
        gateways=_by_name(gateway_rule(document) for document in definitions.of("gateway")),
        pools=_by_name(_all_readable(definitions.of("coupon"), pool_rule)),
        default_gateway=default_gateway,
        sender=body.get("sender") or {},
        paused=frozenset(one.name for one in definitions.of("journey") if one.body.get("paused") is True),
    )


def template_rule(document: Document) -> TemplateRule:
    """What the policy must know of a template."""
    body = document.body
    spoken = [*body, *(name for said in (body.get("locales") or {}).values() for name in said or {})]
    caps = body.get("caps") or {}
    return TemplateRule(
        name=document.name,
        category=str(body.get("category") or "marketing"),
        channels=tuple(dict.fromkeys(name for name in spoken if name in CHANNELS)),
        tags=tuple(body.get("tags") or ()),
        mode=next((mode for mode in Mode if mode == body.get("mode")), None),
        ignores_caps=caps.get("ignores") is True,
        counts=caps.get("counts") is not False,
        body=body,
        version=document.version,
    )


def gateway_rule(document: Document) -> GatewayRule:
    """What the policy and the loops must know of a gateway."""
    body = document.body
    limit = _readable(lambda: rate(body["limit"]))
    return GatewayRule(document.name, str(body.get("channel", "")), str(body.get("kind", "")), limit, body)


def pool_rule(document: Document) -> PoolRule:
    """A coupon pool as its file says. Raises `Mistake`."""
    body = document.body
    codes = body.get("codes")
    return PoolRule(
        name=document.name,
        pattern=str(body["generate"]) if body.get("generate") else None,
        codes=tuple(str(code) for code in codes) if isinstance(codes, list) else (),
        valid_for=read_span(body, "valid_for") or read_span(body, "valid"),
        low=int(body.get("low") or 0),
    )


def cap_of(body: Mapping[str, Any]) -> Cap:
    """One cap. Raises `Mistake`."""
    at_most = body.get("at_most")
    if not isinstance(at_most, int) or isinstance(at_most, bool) or at_most < 0:
        raise Mistake(("at_most",), "bad_cap", "at_most must be a whole number", "at_most: 2")
    scope = body.get("of") or {}
    if not isinstance(scope, Mapping) or not set(scope) <= {"category", "channel", "tag", "journey"}:
        raise Mistake(("of",), "bad_cap", "of takes category, channel, tag and journey", "of: {category: marketing}")
    zone = body.get("zone", "person")
    if zone not in ("person", "workspace"):
        raise Mistake(("zone",), "bad_cap", f"zone is person or workspace, not {zone}")
    return Cap(str(body.get("cap", "")), at_most, _per(body), zone, Scope(**scope), _over(body))


def quiet_of(body: Mapping[str, Any]) -> Quiet:
    """Quiet hours as written. Raises `Mistake`."""
    channels = body.get("channels")
    if channels is not None and not (isinstance(channels, list) and set(channels) <= set(CHANNELS)):
        raise Mistake(("channels",), "unknown_channel", f"channels are among {', '.join(CHANNELS)}")
    chosen = frozenset(channels) if channels is not None else ON_A_PHONE
    return Quiet("quiet", hours(body.get("between")), chosen, str(body.get("category") or "marketing"))


def hours(text: object) -> Hours:
    """`20:50-08:00`. Raises `Mistake`."""
    try:
        start, end = (time.fromisoformat(part.strip()) for part in str(text).split("-"))
    except ValueError as error:
        hint = 'between: "20:50-08:00", with the quotes'
        raise Mistake(("between",), "bad_hours", f"{text!r} are no hours", hint) from error
    return Hours(start, end)


def rate(text: object) -> float:
    """`50/s`, `600/m`: so many a second. Raises `Mistake`."""
    number, _, unit = str(text).partition("/")
    per = {"s": 1, "m": 60, "h": 3600}.get(unit.strip())
    if per is None or not number.strip().isdigit() or int(number) < 1:
        raise Mistake(("limit",), "bad_limit", f"{text!r} is no rate", "limit: 50/s")
    return int(number) / per


def quiets_in(body: Mapping[str, Any]) -> list[tuple[Path, Mapping[str, Any]]]:
    """The quiet hours of a caps document with their places: one, or a list."""
    quiet = body.get("quiet")
    if isinstance(quiet, Mapping):
        return [(("quiet",), quiet)]
    return [(("quiet", at), one) for at, one in enumerate(quiet or ()) if isinstance(one, Mapping)]


def read_span(body: Mapping[str, Any], name: str) -> timedelta | None:
    """A span of a field, None where it is not there. Raises `Mistake`."""
    if body.get(name) is None:
        return None
    try:
        return span(body[name])
    except Invalid as error:
        raise Mistake((name,), error.code, error.message, error.hint) from error


def _per(body: Mapping[str, Any]) -> str | timedelta:
    per = body.get("per")
    if isinstance(per, str) and per in PER:
        return per
    found = read_span(body, "per")
    if not found:
        raise Mistake(("per",), "bad_cap", "a cap needs per: day, week, month, or a span", "per: 24h")
    return found


def _over(body: Mapping[str, Any]) -> str | timedelta:
    over = str(body.get("over", "drop"))
    if over in ("drop", "next"):
        return over
    word, _, length = over.partition(" ")
    if word == "hold":
        return read_span({"over": length.strip()}, "over") or timedelta(0)
    raise Mistake(("over",), "bad_cap", f"over is drop, next or hold with a span, not {over}", "over: hold 12h")


def _quiets(body: Mapping[str, Any]) -> list[Quiet]:
    return _all_readable((quiet for _, quiet in quiets_in(body)), quiet_of)


def _caps(body: Mapping[str, Any]) -> list[Cap]:
    return _all_readable((one for one in body.get("caps") or () if isinstance(one, Mapping)), cap_of)


def _hold_while(body: Mapping[str, Any]) -> HoldWhile | None:
    source = body.get("hold_while")
    return _readable(lambda: hold_while(source)) if isinstance(source, str) else None


def _collect(body: Mapping[str, Any]) -> timedelta | None:
    return _readable(lambda: read_span(body, "collect"))


def _all_readable(things: Iterable[Any], read: Callable[[Any], T]) -> list[T]:
    found = (_readable(partial(read, thing)) for thing in things)
    return [one for one in found if one is not None]


def _readable(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except (Invalid, KeyError, TypeError, ValueError):
        return None


def _by_name(found: Iterable[N]) -> dict[str, N]:
    return {one.name: one for one in found}
