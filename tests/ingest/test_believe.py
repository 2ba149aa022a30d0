"""What a call becomes: the rules of belief, one by one."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dangol.errors import Invalid
from dangol.events import Kind, Origin
from dangol_ingest import segment
from dangol_ingest.believe import believe
from dangol_ingest.usual import Whole
from tests.support.posts import RECEIVED, arrival, believed, call, event_of, posted, reject_of, single


def test_a_track_call_becomes_an_event() -> None:
    event = event_of(properties={"cart_value": 42000}, timestamp="2026-11-22T09:59:00+00:00")
    assert (event.workspace, event.id, event.kind, event.name) == ("default", "m1", Kind.TRACK, "Signed Up")
    assert event.user_id == "u1"
    assert event.properties == {"cart_value": 42000}
    assert event.received_at == RECEIVED
    assert event.key_id == "k1"


def test_a_call_without_a_type_but_with_an_event_is_a_track() -> None:
    assert event_of(type=None).kind is Kind.TRACK


@pytest.mark.parametrize(
    ("type_", "name"),
    [("identify", "Identified"), ("page", "Page Viewed"), ("screen", "Screen Viewed"), ("group", "Grouped")],
)
def test_other_calls_have_names_a_journey_can_use(type_: str, name: str) -> None:
    assert event_of(type=type_, event=None).name == name


def test_an_alias_keeps_who_it_was() -> None:
    event = event_of(type="alias", event=None, previousId="anon-7")
    assert (event.name, event.previous_id) == ("Aliased", "anon-7")
    assert reject_of(type="alias", event=None).code == "no_previous_id"


def test_numeric_ids_become_text() -> None:
    event = event_of(userId=42, anonymousId=7.0, messageId=12345)
    assert (event.user_id, event.anonymous_id, event.id) == ("42", "7", "12345")


@pytest.mark.parametrize("nobody", [None, "", "  ", "null", "undefined", "0", 0, "[object Object]", "NaN"])
def test_what_stands_for_nobody_is_no_id(nobody: Any) -> None:
    assert reject_of(userId=nobody).code == "no_person"
    assert event_of(userId=nobody, anonymousId="a1").user_id is None


@pytest.mark.parametrize("wrong", [True, {"id": 1}, ["u1"], 1.5])
def test_an_id_of_another_kind_is_refused_with_its_place(wrong: Any) -> None:
    reject = reject_of(userId=wrong)
    assert (reject.code, reject.where, reject.index) == ("wrong_type", "userId", 0)


def test_ids_and_names_are_trimmed_composed_and_bounded() -> None:
    assert event_of(userId=" u1 ").user_id == "u1"
    assert event_of(userId="단골").user_id == "단골"  # decomposed as it comes from a Mac
    assert reject_of(userId="가" * 86).code == "too_long"
    assert reject_of(event="x" * 257).where == "event"
    assert reject_of(messageId="x" * 257).where == "messageId"


def test_a_track_names_its_event() -> None:
    assert reject_of(event=None).code == "no_event_name"
    assert reject_of(event="  ").code == "no_event_name"
    assert reject_of(type="tracked").code == "unknown_type"


def test_nulls_are_absent() -> None:
    event = event_of(anonymousId=None, category=None, properties={"a": None, "b": {"c": None, "d": 1}, "e": [None]})
    assert event.anonymous_id is None
    assert event.properties == {"b": {"d": 1}, "e": [None]}


def test_traits_come_at_the_root_or_in_the_context() -> None:
    identify = event_of(type="identify", event=None, traits={"email": "a@b.c"}, context={"traits": {"name": "민지"}})
    assert identify.traits == {"email": "a@b.c", "name": "민지"}
    assert event_of(context={"traits": {"tier": "gold"}, "ip": "1.2.3.4"}).traits == {"tier": "gold"}


def test_the_traits_of_a_group_are_not_the_persons() -> None:
    event = event_of(type="group", event=None, groupId=9, traits={"name": "ACME"}, context={"traits": {"vip": True}})
    assert event.properties == {"groupId": "9", "traits": {"name": "ACME"}}
    assert event.traits == {"vip": True}


def test_a_page_keeps_its_name_and_category() -> None:
    event = event_of(type="page", event=None, name="Cart", category="Shop", properties={"url": "/cart"})
    assert event.properties == {"name": "Cart", "category": "Shop", "url": "/cart"}
    assert event_of(type="page", event=None, properties={"name": "Cart"}).properties == {"name": "Cart"}


def test_the_batchs_context_and_integrations_are_every_items() -> None:
    body = posted(
        call(context={"ip": "1.2.3.4"}),
        context={"library": {"name": "java"}, "ip": "0.0.0.0"},
        integrations={"GA4": False},
        sentAt="2026-11-22T10:00:00Z",
    )
    context = believed(body).events[0].context
    assert context == {"library": {"name": "java"}, "ip": "1.2.3.4", "integrations": {"GA4": False}}


def test_the_integrations_everybody_sends_say_nothing() -> None:
    assert event_of(integrations={"All": True}).context == {}


def test_an_item_without_an_id_gets_one_of_its_own() -> None:
    first, second = believed(posted(call(messageId=None), call(messageId=None))).events
    assert first.id != second.id
    again = believed(posted(call(messageId=None), call(messageId=None))).events
    assert (again[0].id, again[1].id) == (first.id, second.id)  # of the same request


def test_a_repeat_has_the_same_hash_and_another_body_has_not() -> None:
    first = event_of(properties={"a": 1, "b": 2}, sentAt="2026-11-22T09:00:00Z")
    assert event_of(properties={"b": 2, "a": 1}, sentAt="2026-11-22T09:30:00Z").body_hash == first.body_hash
    assert event_of(properties={"a": 1, "b": 3}).body_hash != first.body_hash


@pytest.mark.parametrize("flag", ["backfill", "historical"])
def test_history_is_marked_by_the_item_or_the_batch(flag: str) -> None:
    assert event_of(**{flag: True}).backfill
    assert not event_of().backfill
    assert believed(posted(call(), **{flag: True})).events[0].backfill


def test_a_browser_does_not_say_what_only_dangol_says() -> None:
    found = believed(posted(call(event="Message Opened")), origin=Origin.BROWSER)
    assert found.rejects[0].code == "reserved_name"
    assert believed(posted(call(event="Message Opened"))).events


def test_one_bad_item_spoils_no_other() -> None:
    found = believed(posted(call(), "nonsense", call(userId=None), call(properties=[]), call(userId="u2")))
    assert [event.user_id for event in found.events] == ["u1", "u2"]
    assert [(reject.index, reject.code) for reject in found.rejects] == [
        (1, "wrong_type"),
        (2, "no_person"),
        (3, "wrong_type"),
    ]


def test_a_single_call_is_what_its_route_says() -> None:
    found = single(Kind.IDENTIFY, {"userId": "u1", "traits": {"email": "a@b.c"}, "writeKey": "wk"})
    assert found.events[0].kind is Kind.IDENTIFY
    assert single(Kind.TRACK, {"event": "X", "userId": "u"}).events[0].name == "X"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300))
def test_any_bytes_are_believed_or_refused_and_nothing_else(body: bytes) -> None:
    for opened in (segment.many, lambda raw: segment.one(raw, Kind.TRACK)):
        with suppress(Invalid):
            believe(opened(body), arrival())


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.characters(categories=["Cs"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_fields = sorted({field.encode_name for field in msgspec.structs.fields(Whole)})


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*"xyz", *_fields]), _json))
def test_any_json_is_believed_or_refused_and_nothing_else(item: dict[str, Any]) -> None:
    body = json.dumps({"batch": [item, call()]}).encode()
    found = believed(body)
    assert len(found.events) + len(found.rejects) == 2
    assert found.events[-1].id == "m1"


ODD = [
    *(
        "u1",
        " u1 ",
        "NULL",
        "0",
        "",
        "가",
        "a\x00b",
        "\ud800",
        "😀",
        "\\u0000",
        "x" * 257,
        "page",
        "2026-11-22T09:59:00.123456789Z",
    ),
    *(
        0,
        7.0,
        -(2**63),
        2**63 - 1,
        2**63,
        -(2**63) - 1,
        2**64,
        10**40,
        1e308,
        float("inf"),
        float("nan"),
        1_763_800_000,
    ),
    *(None, True, [], [None], {}, {"a": None}, {"a": [{"b": None}]}, {"traits": {"email": "a@b.c"}}, "x" * 33_000),
    *(json.loads('{"a":' * depth + "1" + "}" * depth) for depth in (*range(2, 7), 30, 31, 32, 33)),
    *(json.loads("[" * depth + "1" + "]" * depth) for depth in (*range(2, 7), 30, 31, 32, 33)),
]
PLACES = [*_fields, "unknown", "properties.a", "properties.a\x00", "traits.email", "context.traits", "context.ip"]


@pytest.mark.parametrize("place", PLACES)
def test_the_usual_reading_believes_and_refuses_what_the_careful_one_does(place: str) -> None:
    """`believed` reads both ways. Caught: no look for a NUL, no count of levels, numbers without bounds, a null taken
    for a value, unknown fields passed over."""
    field, inside, name = place.partition(".")
    for odd in ODD:
        item = call(**{field: {name: odd} if inside else odd})
        for ascii in (True, False):
            with suppress(Invalid):  # the body as a whole is no UTF-8
                believed(json.dumps({"batch": [item]}, ensure_ascii=ascii).encode(errors="surrogatepass"))
