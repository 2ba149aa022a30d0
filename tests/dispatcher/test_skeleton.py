# ruff: noqa: E501
"""What is worked out once for all says to each what working it out for them alone would have said."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dangol.commands.starter_files import STARTER
from dangol_dispatcher.filters import LOCALE, ZONE
from dangol_dispatcher.liquid_language import TemplateProblem, mark, parse, say
from dangol_dispatcher.marks import FIRST, MOST, Marked, plain
from dangol_dispatcher.skeleton import bodies, skeleton
from dangol_dispatcher.zones import zone_or
from tests.support.slow_mail import html_and_text

NAMES = [
    "Kim", "민지", "Ana  Maria", "O'Brien", "<b>x</b>", "a&b", "&lt", "lt;", "x/y", "http", "https:", "javascript:x", " a", "a ",
    "", "\ua000", "\ua001b", "\ua200", "a\u200bb", "a\u00a0b", "10%", "a\nb", "3 < 4", "\"q\"", "x:y", "-->", "a;b", "{{ x }}",
    "1px;display:none", "`", "https://x.example/Kim", ":a", "\u3000", "é" * 40, "\u0301a", "a\u0301", "\ue000", "가\u200d나",
]  # fmt: skip
SHARED = {
    "text": "<p>Hello {{ a }}, {{ b }}!</p>",
    "body and styles": "<html><head><style>p{color:red}</style></head><body><p>{{ a }}</p><p class=x>{{ b }}</p></body></html>",
    "a link": '<a href="https://shop.example/{{ a }}?x=1&amp;y={{ b }}">{{ a }} here</a> <a href="mailto:x@y.z">{{ b }}</a>',
    "rows": "<table>{% for i in (1..3) %}<tr><td>{{ i }}</td><td>{{ a }}</td></tr>{% endfor %}</table>",
    "a condition": "{% if a != '' %}<p>{{ a }}</p>{% else %}<div>no</div>{% endif %}{{ b }}",
    "echoed": "<p>{% echo a %}</p>{% liquid echo b %}",
    "a cycle of words": "{% for i in (1..3) %}<p class='{% cycle 'odd', 'even' %}'>{{ a }}</p>{% endfor %}{{ b }}",
    "a link within": '<a href="#{{ a }}">{{ b }}</a>',
    "captured": "{% capture c %}{{ a }}{% endcapture %}<p>{{ c | upcase }}{{ b }}</p>",
    "an image": '<img alt="{{ a }}" src="https://cdn.example/{{ b }}.png"><br>{{ a }}',
    "blanks": "<p>  {{ a }}   \n\n {{ b }}  </p>\n\n\n\n<p>{{ a }} </p>",
    "no tags": "{{ a }} {{ b }}",
    "a title": "<html><head><title>{{ a }}</title></head><body>{{ b }}</body></html>",
    "a comment": "<!-- for mail --><p>{{ a }}</p><!--[if mso]><p>x</p><![endif]--></body ><p>{{ b }}</p>",
    "a link whose words may be the link": '<a href="https://x.example/Kim">{{ a }}</a>{{ b }}',
    "a link in its own words": '<a href="https://x.example/a">https://x.example/a</a>{{ a }}{{ b }}',
}  # fmt: skip
ALONE = {
    "a link's scheme": '<a href="{{ a }}">x</a>{{ b }}',
    "a link's scheme behind a word": "<a href='java{{ a }}'>x</a>{{ b }}",
    "a link's scheme in numbers": '<a href="http&#115;{{ a }}">x</a>{{ b }}',
    "a link in a link": '<a href="https://x.example/{{ a }}">{{ b }} <a href="https://x.example/">x</a> https://x.example/Kim</a>',
    "a link without quotes": "<a href=https://x.example/{{ a }}>x</a>{{ b }}",
    "the words of a link may be the link": '<a href="https://x.example/{{ a }}">see https://x.example/{{ b }}</a>',
    "a link's words, told by its image": '<a href="https://x.example/{{ a }}"><img alt="https://x.example/Kim">{{ b }}</a>',
    "half a sign": "<p>&{{ a }} &am{{ b }}</p>",
    "a tag": "<{{ a }}>x</{{ b }}>",
    "a style": '<p style="color:{{ a }}">{{ b }}</p>',
    "a style sheet": "<style>p{color:{{ a }}}</style><p>{{ b }}</p>",
    "a comment": "<!-- {{ a }} --><p>{{ b }}</p>",
    "broken": '<p title="a > b">{{ a }}<p {{ b }}',
    "a sign of ours": "<p>\ua200 {{ a }}{{ b }}</p>",
}  # fmt: skip
MJML = "<mjml><mj-body><mj-section><mj-column>%s</mj-column></mj-section></mj-body></mjml>"
IN_MJML = {
    "text and button": '<mj-text>{{ a }} <b>{{ b }}</b></mj-text><mj-button href="https://x.example/{{ a }}">{{ b }}</mj-button>',
    "rows": "{% for i in (1..2) %}<mj-text>{{ i }} {{ a }}</mj-text>{% endfor %}<mj-divider /><mj-text>{{ b }}</mj-text>",
    "an image": '<mj-image src="https://cdn.example/{{ a }}.png" alt="{{ b }}" /><mj-text>{{ a }}</mj-text>',
    "a size": '<mj-text font-size="{{ a }}" padding="{{ b }}px">x</mj-text>',
    "a table": "<mj-table><tr><td>{{ a }}</td><td>{{ b }}</td></tr></mj-table>",
    "raw": "<mj-raw><p>{{ a }}</p></mj-raw><mj-text>{{ b }}</mj-text>",
}  # fmt: skip
SOURCES = {"html": SHARED | ALONE, "mjml": {name: MJML % source for name, source in IN_MJML.items()}}
CASES = [(kind, name) for kind, sources in SOURCES.items() for name in sources]


def held_to_step_by_step(
    source: str, values: dict[str, Any], *, mjml: bool, tracked: bool, preheader: str = ""
) -> None:
    marked = mark(parse(source, html=True), values)
    before = mark(parse(preheader), values, FIRST + MOST)
    follow = (lambda number, url: f"https://msg.example/c/{number}?a&{len(url)}") if tracked else None
    whole, at_first = say(parse(source, html=True), values), say(parse(preheader), values)
    assert (marked.whole(), before.whole()) == (whole, at_first)
    said = bodies(marked, before, follow, mjml=mjml)
    assert (said.before + said.after, said.text, said.urls) == html_and_text(whole, at_first, follow, mjml=mjml)


@pytest.mark.parametrize(("kind", "template"), CASES)
@pytest.mark.parametrize("tracked", [True, False])
def test_each_gets_what_would_have_been_worked_out_for_them(kind: str, template: str, tracked: bool) -> None:
    # caught: a value of two blanks, a slash, a joiner or an accent taken for plain; a mark in a style sheet
    # and, by the test of what is not shared: in a link's scheme, a style, behind half a sign, in words that may be the link
    for number, name in enumerate(NAMES):
        for a, b in ((name, "민지"), ("Kim", name), (name, NAMES[number - 1])):
            held_to_step_by_step(
                SOURCES[kind][template],
                {"a": a, "b": b},
                mjml=kind == "mjml",
                tracked=tracked,
                preheader="{{ b }} & <{{ a }}>",
            )


@given(a=st.text(max_size=12), b=st.text("ab가 &<>/\":'.\u00a0\u0301\ua000", max_size=6), case=st.sampled_from(CASES))
@example(a="Kim", b="Kim", case=("html", "the words of a link may be the link"))
def test_whatever_the_values_are(a: str, b: str, case: tuple[str, str]) -> None:
    source = SOURCES[case[0]][case[1]]
    values, mjml = {"a": a, "b": b}, case[0] == "mjml"
    try:
        html_and_text(say(parse(source, html=True), values), "", None, mjml=mjml)
    except TemplateProblem:
        with pytest.raises(TemplateProblem):
            bodies(mark(parse(source, html=True), values), Marked.of(""), None, mjml=mjml)
    else:
        held_to_step_by_step(source, values, mjml=mjml, tracked=True, preheader="{{ a }}{{ b }}")


def shape(source: str, a: str = "Kim", b: str = "민지") -> Marked:
    return mark(parse(source, html=True), {"a": a, "b": b})


@pytest.mark.parametrize("name", SHARED)
def test_plain_values_share_one(name: str) -> None:
    first, second = shape(SHARED[name]), shape(SHARED[name], "Lee", "지수")
    assert first.apart
    if name != "captured":  # what was upper-cased is not known to be a value any more
        assert first.shape == second.shape
    assert skeleton(first.shape, "", mjml=False, tracked=True) is not None


@pytest.mark.parametrize("said", ["{% cycle a, b %}", "{% ifchanged %}{{ a }}{% endifchanged %}"])
def test_what_writes_a_value_unmarked_is_not_shared(said: str) -> None:
    # caught: a mail with the person's name in its shape, kept as if it were everybody's
    assert not shape(f"<p>{said}</p>").apart


@pytest.mark.parametrize("name", ALONE)
def test_where_a_value_could_be_more_than_its_letters_nothing_is_shared(name: str) -> None:
    made = shape(ALONE[name])
    assert skeleton(made.shape, "", mjml=False, tracked=True) is None


@pytest.mark.parametrize("file", ["welcome.mjml", "cart-reminder.mjml"])
def test_the_starter_s_mails_are_shared(file: str) -> None:
    source = (STARTER / "templates" / file).read_text()
    for name in ("민지", "Kim", "O'Brien", ""):
        gift = {"code": f"HI-{name or 'X'}", "expires_at": "2026-03-04T23:30:00+00:00"}
        here = {ZONE: zone_or(None, "Asia/Seoul"), LOCALE: "ko"}
        values = {"profile": {"name": name}, "gift": gift, "latest": {}, "entry": {"cart_id": f"c{name}"}, **here}
        held_to_step_by_step(source, values, mjml=True, tracked=True, preheader="{{ profile.name }}")
        made = mark(parse(source, html=True), values)
        assert made.apart is plain(name or "X")
        if made.apart:
            assert skeleton(made.shape, "", mjml=True, tracked=True) is not None
