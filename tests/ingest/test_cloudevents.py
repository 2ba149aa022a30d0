"""CloudEvents in their three modes."""

import json
from typing import Any

import pytest

from dangol.errors import Invalid
from dangol_ingest import cloudevents
from dangol_ingest.believe import believe
from dangol_ingest.model import Reject
from tests.support.posts import Found, arrival, found_in

ATTRIBUTES = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "Order Completed", "subject": "u1"}


def read(headers: dict[str, str], body: Any) -> Found:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return found_in(believe(cloudevents.opened(headers, raw), arrival()))


def test_structured() -> None:
    body = ATTRIBUTES | {"time": "2026-11-22T09:00:00Z", "data": {"revenue": 42000, "traits": {"email": "a@b.c"}}}
    (event,) = read({"content-type": "application/cloudevents+json; charset=utf-8"}, body).events
    assert (event.id, event.name, event.user_id) == ("/shop#e1", "Order Completed", "u1")
    assert event.properties["revenue"] == 42000
    assert event.traits == {"email": "a@b.c"}
    assert event.at.hour == 9


def test_binary_with_percent_encoded_headers() -> None:
    headers = {f"ce-{name}": value for name, value in ATTRIBUTES.items()} | {"content-type": "application/json"}
    (event,) = read(headers | {"ce-subject": "%ED%99%8D%EA%B8%B8%EB%8F%99"}, {"revenue": 1}).events
    assert event.user_id == "홍길동"
    assert event.properties == {"revenue": 1}


def test_a_batch_rejects_one_by_one() -> None:
    body = [ATTRIBUTES, {"id": "e2"}, ATTRIBUTES | {"id": "e3", "data": {"x": float("nan")}}]
    found = read({"content-type": "application/cloudevents-batch+json"}, body)
    assert [event.id for event in found.events] == ["/shop#e1"]
    assert [(reject.index, reject.code) for reject in found.rejects] == [(1, "missing_attribute"), (2, "not_a_number")]


def test_the_person_is_an_extension_or_a_field_before_the_subject() -> None:
    structured = {"content-type": "application/cloudevents+json"}
    (event,) = read(structured, ATTRIBUTES | {"userid": "u7"}).events
    assert event.user_id == "u7"
    (event,) = read(structured, ATTRIBUTES | {"data": {"anonymous_id": "a1", "x": 1}}).events
    assert (event.user_id, event.anonymous_id, event.properties) == (None, "a1", {"x": 1})


def test_two_sources_may_use_one_id() -> None:
    structured = {"content-type": "application/cloudevents+json"}
    ids = [read(structured, ATTRIBUTES | {"source": source}).events[0].id for source in ("/a", "/b", "/b")]
    assert ids[0] != ids[1] == ids[2]


def test_what_is_no_cloudevent_is_refused() -> None:
    with pytest.raises(Invalid, match="no CloudEvent"):
        read({"content-type": "application/json"}, {})
    with pytest.raises(Invalid):
        read({"content-type": "application/cloudevents-batch+json"}, {"a": 1})
    assert read({"ce-specversion": "0.3", "ce-id": "1", "ce-source": "s", "ce-type": "t"}, b"").rejects
    (reject,) = read({"content-type": "application/cloudevents+json"}, ATTRIBUTES | {"data": "text"}).rejects
    assert reject.code == "wrong_type"


def test_an_id_no_database_can_hold_is_in_no_record_of_its_rejection() -> None:
    """faults H129: a NUL comes percent-encoded in a header, and would stop whoever writes the rejection down."""
    for id in ("a%00b", "x" * 300):
        headers = {"ce-specversion": "1.0", "ce-id": id, "ce-source": "/shop", "ce-type": "a%00"}
        (reject,) = cloudevents.opened(headers, b"{}").items
        assert isinstance(reject, Reject)
        assert reject.id is None
