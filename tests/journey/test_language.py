"""The journey language: what compiles to which states, and what is refused with file, line and column."""

from datetime import time, timedelta
from pathlib import Path

import jsonschema_rs
import pytest

from dangol.documents import DefinitionSet, Document, Problem, errors, in_order, read_dir, read_texts
from dangol_journey.check import check
from dangol_journey.journey import (
    After,
    Aggregate,
    Branch,
    Coupon,
    Definitions,
    Go,
    Journey,
    Leave,
    OnReceipt,
    Receipt,
    Send,
    SetTraits,
    Until,
    Wait,
    Webhook,
    Window,
)
from dangol_journey.language import compile_definitions
from dangol_journey.schema import KINDS, said, schema
from tests.support.mistakes import Mistake, mistakes_in

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "shared/dangol/starter"
AROUND = {
    "templates/t.yaml": "template: t\ncategory: marketing\nemail: {subject: s, text: x}\n",
    "coupons/c.yaml": 'coupon: c\ngenerate: "X-########"\nvalid_for: 3d\n',
}
MOMENTS = """\
journey: welcome
enter: {event: Signed Up}
goal: {event: Order Completed, within: 7d, value: event.revenue}
steps:
  - {coupon: c, as: gift}
  - send: t
    by: [email]
    within: 1h
    otherwise:
      - {send: t, by: email, as: plain}
---
journey: cart-recovery
enter:
  event: Product Added
  where: event.cart_value >= 30000 && profile.country == "KR"
  key: event.cart_id
  again: 7d
exit:
  - {event: Order Completed, where: event.cart_id == entry.cart_id, as: bought}
goal: {event: Order Completed, within: 5d, value: event.revenue}
holdout: 10%
priority: 70
steps:
  - {wait: 24h, since: latest, as: quiet-cart}
  - {coupon: c, as: gift}
  - {send: t, by: email, within: 6h, as: mail}
  - wait:
      - {opened: mail, then: {go: last-call}}
      - {after: 12h}
    as: unopened
  - {send: t, by: preferred}
  - {wait: {until: gift.expires_at - 6h, between: "09:00-20:00", or: earlier}, as: last-call}
  - {send: t, by: email, as: last}
---
journey: no-first-order
enter: {event: Signed Up}
exit: {event: Order Completed}
steps:
  - {wait: 3d, between: "10:00-20:00"}
  - {send: t, by: preferred}
  - {wait: 4d, as: second-try}
  - {coupon: c, as: gift}
  - {send: t, by: preferred, as: gift-mail}
---
journey: after-first-order
enter: {event: Order Completed, where: profile.orders == 1}
steps:
  - wait:
      - {event: Order Delivered, where: event.order_id == entry.order_id}
      - {after: 7d}
    as: delivered
  - {wait: 3d, as: tried}
  - {send: t, by: email}
"""


def set_of(files: dict[str, str], number: int = 1) -> DefinitionSet:
    documents, problems = read_texts({**AROUND, **files})
    assert problems == []
    return DefinitionSet(number, "default", tuple(documents))


def compiled(text: str, **more: str) -> Definitions:
    definitions = set_of({"journeys/j.yaml": text, **{f"{name}.yaml": body for name, body in more.items()}})
    assert errors(check(definitions)) == []
    return compile_definitions(definitions)


def journey(steps: str) -> Journey:
    return compiled(f"journey: j\nenter: {{event: A}}\nsteps:\n{steps}").journeys["j"]


def told(files: dict[str, str]) -> list[Problem]:
    documents, problems = read_texts({**AROUND, **files})
    return in_order([*problems, *check(DefinitionSet(1, "default", tuple(documents)))])


@pytest.mark.parametrize("mistake", mistakes_in(Path(__file__).with_name("mistakes.txt")))
def test_a_mistake_is_told_where_it_is(mistake: Mistake) -> None:
    assert tuple(str(problem) for problem in told({mistake.file: mistake.text})) == mistake.told


@pytest.mark.parametrize("mistake", mistakes_in(Path(__file__).with_name("mistakes.txt")))
def test_what_has_mistakes_compiles_to_no_more_than_the_rest(mistake: Mistake) -> None:
    documents, _ = read_texts({**AROUND, mistake.file: mistake.text})
    assert "t" not in compile_definitions(DefinitionSet(1, "default", tuple(documents))).journeys


def test_the_moments_compile() -> None:
    definitions = compiled(MOMENTS)
    assert list(definitions.journeys) == ["welcome", "cart-recovery", "no-first-order", "after-first-order"]
    assert {name: len(journeys) for name, journeys in definitions.entries.items()} == {
        "Signed Up": 2,
        "Product Added": 1,
        "Order Completed": 1,
    }


def test_cart_recovery_is_a_flat_table_of_named_states() -> None:
    cart = compiled(MOMENTS).journeys["cart-recovery"]
    assert list(cart.states) == ["quiet-cart", "gift", "mail", "unopened", "go last-call", "t", "last-call", "last"]
    assert (cart.first, cart.holdout, cart.priority) == ("quiet-cart", 1000, 70)
    assert cart.states["quiet-cart"] == Wait("quiet-cart", (After(timedelta(hours=24), True, None, "gift"),))
    assert cart.states["gift"] == Coupon("gift", "c", timedelta(days=3), None, "mail")
    assert cart.states["unopened"] == Wait(
        "unopened",
        (OnReceipt(Receipt.OPENED, "mail", "go last-call"), After(timedelta(hours=12), False, None, "t")),
    )
    assert cart.states["go last-call"] == Go("go last-call", "last-call", 10, "t")
    last = cart.states["last-call"]
    assert isinstance(last, Wait)
    assert isinstance(until := last.ways[0], Until)
    assert (until.moment.source, until.shift) == ("gift.expires_at", timedelta(hours=-6))
    assert (until.between, until.earlier, until.then) == (Window(time(9), time(20)), True, "last")


def test_who_enters_how_often_and_what_ends_it() -> None:
    cart = compiled(MOMENTS).journeys["cart-recovery"]
    assert (cart.enter.event, cart.enter.again, cart.enter.late) == (
        "Product Added",
        timedelta(days=7),
        timedelta(days=3),
    )
    assert cart.enter.key is not None
    assert cart.enter.key.source == "event.cart_id"
    assert [(rule.event, rule.name) for rule in cart.exits] == [("Order Completed", "bought")]
    assert cart.goal is not None
    assert cart.goal.within == timedelta(days=5)


def test_again_is_never_always_or_a_span() -> None:
    text = "journey: {0}\nenter: {{event: A{1}}}\nsteps: [{{wait: 1h}}]\n"
    written = "---\n".join(text.format(*pair) for pair in (("a", ""), ("b", ", again: always"), ("c", ", again: 1d")))
    journeys = compiled(written).journeys
    assert [journeys[name].enter.again for name in "abc"] == [None, timedelta(), timedelta(days=1)]


def test_a_way_without_then_goes_on_and_a_block_comes_back() -> None:
    states = journey(
        "  - wait:\n      - {event: B, then: [{wait: 1h, as: x}, {wait: 2h, as: y}]}\n"
        "      - {after: 1d}\n    as: w\n  - {wait: 3h, as: z}\n"
    ).states
    assert isinstance(wait := states["w"], Wait)
    assert [way.then for way in wait.ways] == ["x", "z"]
    assert [states[name].ways[0].then for name in "xyz"] == ["y", "z", None]  # type: ignore[union-attr]


def test_branches_take_the_first_that_is_true() -> None:
    states = journey(
        '  - branch:\n      - {when: profile.tier == "VIP", then: {send: t, by: email}}\n'
        "      - {when: event.x == 1}\n      - {else: {exit: not for them}}\n  - {wait: 1h}\n"
    ).states
    assert isinstance(branch := states["branch"], Branch)
    assert [(way.source if way else None, then) for way, then in branch.ways] == [
        ('profile.tier == "VIP"', "t"),
        ("event.x == 1", "wait"),
        (None, "exit not for them"),
    ]
    assert states["exit not for them"] == Leave("exit not for them", "not for them")


def test_a_send_says_what_to_do_otherwise() -> None:
    welcome = compiled(MOMENTS).journeys["welcome"]
    assert welcome.states["t"] == Send("t", "t", ("email",), timedelta(hours=1), None, "plain", True, None)
    assert journey("  - {send: t}\n").states["t"] == Send("t", "t", (), None, None, None, False, None)


def test_traits_are_set_to_a_value_or_worked_out() -> None:
    state = journey("  - {set: {tier: VIP, tags: [a], points: {value: profile.points + 10}}}\n").states["set"]
    assert isinstance(state, SetTraits)
    assert (state.traits["tier"], state.traits["tags"]) == ("VIP", ["a"])
    assert state.traits["points"].value({"profile": {"points": 5}}) == 15


def test_a_webhook_names_its_gateway() -> None:
    gateway = '- {gateway: hook, channel: webhook, kind: webhook, url: "http://127.0.0.1:9"}\n'
    text = "journey: j\nenter: {event: A}\nsteps: [{webhook: hook, json: {user: 1}, within: 1h}]\n"
    state = compiled(text, gateways=gateway).journeys["j"].states["webhook"]
    assert state == Webhook("webhook", "hook", {"user": 1}, timedelta(hours=1), None)


def test_a_circle_that_waits_is_bounded_and_what_follows_is_reached() -> None:
    states = journey(
        "  - {send: t, by: email}\n  - {wait: 1d}\n  - {go: t, at_most: 3}\n  - {wait: 2d, as: end}\n"
    ).states
    assert states["go t"] == Go("go t", "t", 3, "end")


def test_computed_traits_are_found_by_event() -> None:
    traits = (
        "- {trait: orders, count: Order Completed}\n"
        "- {trait: spent, sum: Order Completed.cart.total, where: event.ok}\n"
        "- {trait: first_at, first: purchase}\n"
    )
    events = "- {event: Order Completed, aka: [purchase]}\n"
    definitions = compile_definitions(set_of({"traits/t.yaml": traits, "events.yaml": events}))
    found = [(one.name, one.aggregate, one.value) for one in definitions.traits["Order Completed"]]
    assert found == [
        ("orders", Aggregate.COUNT, None),
        ("spent", Aggregate.SUM, "cart.total"),
        ("first_at", Aggregate.FIRST, None),
    ]


def test_an_events_other_names_mean_it() -> None:
    events = "- {event: Product Added, aka: [add_to_cart]}\n"
    definitions = compiled("journey: j\nenter: {event: add_to_cart}\nsteps: [{wait: 1h}]\n", events=events)
    assert definitions.entries == {"Product Added": (definitions.journeys["j"],)}
    assert definitions.aliases == {"add_to_cart": "Product Added"}


def test_what_ends_goals_and_waits_compare_is_remembered() -> None:
    assert compiled(MOMENTS).remembered == {
        "Order Completed": frozenset({"cart_id", "revenue"}),
        "Order Delivered": frozenset({"order_id"}),
    }


def test_the_workspace_gives_zone_locale_and_consent_traits() -> None:
    workspace = (
        "workspace: w\nzone: Asia/Seoul\nlocale: ko\nconsent: {agreed: {purpose: marketing, channels: [email, sms]}}\n"
    )
    caps = "hold_while: profile.open_tickets > 0\n"
    definitions = compile_definitions(set_of({"workspace.yaml": workspace, "caps.yaml": caps}))
    assert (definitions.zone, definitions.locale) == ("Asia/Seoul", "ko")
    assert definitions.consent_traits == {"agreed": ("marketing", ("email", "sms"))}
    assert definitions.fact_traits == {"preferred_channel", "open_tickets"}


def test_older_versions_that_somebody_is_inside_of_are_kept() -> None:
    def at(version: int, wait: str) -> DefinitionSet:
        body = {"journey": "j", "enter": {"event": "A"}, "steps": [{"wait": wait}]}
        return DefinitionSet(version, "default", (Document("journey", "j", body, version=version),))

    definitions = compile_definitions(at(3, "3h"), [at(2, "2h"), at(3, "3h")])
    assert list(definitions.versions) == [("j", 2)]
    assert definitions.journeys["j"].version == 3


def test_a_template_that_went_stops_nobody_who_is_inside() -> None:
    body = {"journey": "j", "enter": {"event": "A"}, "steps": [{"send": "gone", "by": "email"}]}
    definitions = DefinitionSet(1, "default", (Document("journey", "j", body),))
    assert [problem.code for problem in check(definitions)] == ["unknown_template"]
    assert "j" in compile_definitions(definitions).journeys


def test_documents_that_came_as_json_are_told_by_path() -> None:
    body = {
        "journey": "j",
        "enter": {"event": "A"},
        "steps": [{"wait": "1h"}, {"wait": "soon", "as": "x"}, {"wait": 3}],
    }
    found = check(DefinitionSet(1, "default", (Document("journey", "j", body),)))
    assert [(problem.where, problem.code) for problem in found] == [
        ("steps[1].wait", "unknown_name"),
        ("steps[2].wait", "wrong_type"),
    ]


def test_all_mistakes_of_a_journey_are_told_at_once() -> None:
    text = (
        "journey: j\nenter: {event: A, where: evnt.x == 1}\nprioritty: 3\nsteps:\n  - {send: tt, bye: email}\n"
        "  - {wait: [{opened: x}]}\n  - {go: nowhere}\n"
    )
    found = told({"journeys/j.yaml": text})
    assert [(problem.line, problem.column) for problem in found] == [
        (2, 26),
        (3, 1),
        (5, 12),
        (5, 16),
        (6, 12),
        (6, 22),
        (7, 10),
    ]


def test_an_undeclared_event_is_a_warning() -> None:
    events = "- {event: Order Completed, has: {revenue: number}}\n"
    exits = "exit: {event: Order Completed, where: event.revenu > 1}"
    text = f"journey: j\nenter: {{event: Order Complete}}\n{exits}\nsteps: [{{wait: 1h}}]\n"
    found = told({"journeys/j.yaml": text, "events.yaml": events})
    assert [str(problem) for problem in found] == [
        "journeys/j.yaml:2:16: warning: no event is declared as Order Complete (did you mean Order Completed?)",
        "journeys/j.yaml:3:39: warning: Order Completed declares no revenu (did you mean revenue?)",
    ]


def test_the_starter_is_without_mistakes() -> None:
    documents, _ = read_dir(STARTER)
    definitions = DefinitionSet(1, "default", tuple(documents))
    assert check(definitions) == []
    assert sorted(compile_definitions(definitions).journeys) == sorted(one.name for one in definitions.of("journey"))


def test_the_schema_takes_the_starter_and_the_moments() -> None:
    validators = {kind: jsonschema_rs.Draft202012Validator(schema(kind)) for kind in KINDS}
    documents, _ = read_dir(STARTER)
    moments, _ = read_texts({"journeys/j.yaml": MOMENTS})
    for document in (*documents, *moments):
        assert validators[document.kind].is_valid(document.body), document.said


@pytest.mark.parametrize(
    "steps",
    [
        '[{"sned": "t"}]',
        '[{"send": "t", "wait": "1h"}]',
        "[]",
        '[{"wait": [{"opened": 3}]}]',
        '[{"go": "x", "at_most": 0}]',
    ],
)
def test_the_schema_refuses_what_the_checker_refuses(steps: str) -> None:
    validator = jsonschema_rs.Draft202012Validator(schema("journey"))
    body = f'{{"journey": "j", "enter": {{"event": "A"}}, "steps": {steps}}}'
    assert not validator.is_valid(read_texts({"journeys/j.yaml": body})[0][0].body)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_published_schema_is_the_one_that_is_checked_by(kind: str) -> None:
    published = (ROOT / "docs/schema" / f"{kind}.json").read_text("utf-8")
    assert published == said(kind), "run: python -m dangol_journey.schema docs/schema"
