"""What is wrong with caps, gateways, coupons and templates: everything at once, each with its place and a hint."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from dangol.definitions import DefinitionSet, Document
from dangol.documents import problem
from dangol.errors import Invalid
from dangol.problems import Path, Problem, near
from dangol_dispatcher import template_check
from dangol_dispatcher.condition import hold_while
from dangol_dispatcher.rules import CHANNELS, Mistake, cap_of, hours, pool_rule, quiet_of, quiets_in, rate, read_span

KINDS = {
    "smtp": ("smtp://", "smtps://"),
    "webhook": ("https://", "http://"),
    "inbox": (),
}
GATEWAY_FIELDS = frozenset(
    {"gateway", "channel", "kind", "url", "from", "reply_to", "price", "limit", "connections", "managed"}
    | {"secret", "user", "password", "headers"}
)
CAPS_FIELDS = frozenset({"caps", "quiet", "hold_while", "collect", "managed"})
CAP_FIELDS = frozenset({"cap", "at_most", "per", "zone", "of", "over"})
QUIET_FIELDS = frozenset({"between", "channels", "category"})
COUPON_FIELDS = frozenset({"coupon", "codes", "generate", "valid_for", "valid", "low", "about", "managed"})


def check(definitions: DefinitionSet) -> list[Problem]:
    """The mistakes in the documents dispatcher reads."""
    found: list[Problem] = []
    for kind, checks in (("caps", _caps), ("gateway", _gateway), ("coupon", _coupon)):
        for document in definitions.of(kind):
            found += checks(document)
    return found + template_check.check(definitions)


def _caps(document: Document) -> Iterator[Problem]:
    body = document.body
    yield from _fields(document, (), body, CAPS_FIELDS)
    yield from _tried(document, (), lambda: read_span(body, "collect"))
    for path, quiet in quiets_in(body):
        yield from _fields(document, path, quiet, QUIET_FIELDS)
        yield from _tried(document, path, partial(hours, quiet.get("between")))
        yield from _tried(document, path, partial(quiet_of, {**quiet, "between": "00:00-01:00"}))
    yield from _each_cap(document, body.get("caps") or [])
    if (source := body.get("hold_while")) is not None:
        yield from _tried(document, ("hold_while",), lambda: hold_while(str(source)))


def _each_cap(document: Document, caps: Any) -> Iterator[Problem]:
    if not isinstance(caps, list):
        yield problem(document, ("caps",), "bad_cap", "caps is a list", "caps: [{cap: daily, at_most: 2, per: day}]")
        return
    names: dict[str, int] = {}
    for at, cap in enumerate(caps):
        path: Path = ("caps", at)
        if not isinstance(cap, Mapping) or not cap.get("cap"):
            yield problem(document, path, "no_name", "a cap needs a name", "cap: daily")
            continue
        yield from _fields(document, path, cap, CAP_FIELDS)
        yield from _tried(document, path, partial(cap_of, cap))
        if str(cap["cap"]) in names:
            yield problem(document, path, "twice", f"two caps are called {cap['cap']}", "give one another name")
        names[str(cap["cap"])] = at


def _gateway(document: Document) -> Iterator[Problem]:
    body = document.body
    yield from _fields(document, (), body, GATEWAY_FIELDS)
    channel, kind = body.get("channel"), body.get("kind")
    if channel not in CHANNELS:
        yield _unknown(document, "channel", channel, CHANNELS)
    if kind not in KINDS:
        yield _unknown(document, "kind", kind, KINDS)
    elif KINDS[kind] and not str(body.get("url", "")).startswith(KINDS[kind]):
        schemes = " or ".join(KINDS[kind])
        yield problem(document, ("url",), "bad_url", f"a {kind} gateway needs a url that begins with {schemes}")
    if kind == "smtp" and channel != "email":
        yield problem(document, ("channel",), "wrong_channel", "a mail server takes email alone", "channel: email")
    for name in ("secret", "password"):
        if isinstance(body.get(name), str):
            hint = f"{name}: {{env: NAME_OF_THE_VARIABLE}}"
            yield problem(document, (name,), "secret_in_file", "a secret is named here, never written", hint)
    if body.get("limit") is not None:
        yield from _tried(document, (), lambda: rate(body["limit"]))


def _coupon(document: Document) -> Iterator[Problem]:
    body = document.body
    yield from _fields(document, (), body, COUPON_FIELDS)
    yield from _tried(document, (), lambda: pool_rule(document))
    pattern, codes = body.get("generate"), body.get("codes")
    if pattern is None and codes is None:
        yield problem(document, (), "no_codes", "a coupon needs codes", 'generate: "CB-########", or codes: FILE.csv')
    if pattern is not None and codes is not None:
        yield problem(document, ("codes",), "two_sources", "codes are generated or uploaded, not both", "drop one")
    if pattern is not None and str(pattern).count("#") < 6:
        message = "fewer than 6 random letters are guessed too easily"
        yield problem(document, ("generate",), "guessable", message, 'generate: "CB-########"')


def _fields(document: Document, path: Path, body: Mapping[str, Any], known: frozenset[str]) -> Iterator[Problem]:
    for name in body:
        if name not in known:
            hint = near(str(name), known) or f"known are {', '.join(sorted(known))}"
            yield problem(document, (*path, name), "unknown_field", f"{name} is not a field here", hint, key=True)


def _unknown(document: Document, name: str, value: object, known: Any) -> Problem:
    said = f"{name} {value} is not known" if value is not None else f"{name} is missing"
    hint = near(str(value), known) or f"{name} is one of {', '.join(known)}"
    return problem(document, (name,), f"unknown_{name}", said, hint)


def _tried(document: Document, path: Path, read: Callable[[], object]) -> Iterator[Problem]:
    """The mistake that reading a field meets."""
    try:
        read()
    except Mistake as error:
        yield problem(document, (*path, *error.path), error.code, error.message, error.hint)
    except Invalid as error:
        yield problem(document, path, error.code, error.message, error.hint)
    except (TypeError, ValueError):
        yield problem(document, path, "unreadable", "this cannot be read")
