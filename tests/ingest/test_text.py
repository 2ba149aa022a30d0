"""Hostile text: what no reader after us could hold is refused, with its place."""

import json

import msgspec
import pytest

from dangol.codec import encode
from dangol.errors import Invalid
from dangol.events import Kind
from dangol_ingest import segment
from dangol_ingest.believe import believe
from tests.support.posts import arrival, believed, call, posted

GOOD = json.dumps(call())


@pytest.mark.parametrize(
    ("properties", "code", "where"),
    [
        ('{"x": NaN}', "not_a_number", "properties.x"),
        ('{"x": -Infinity}', "not_a_number", "properties.x"),
        ('{"x": [1, 1e400]}', "not_a_number", "properties.x[1]"),
        ('{"x": "a\\u0000b"}', "nul_character", "properties.x"),
        ('{"a\\u0000b": 1}', "nul_character", "properties.a\\u0000b"),
        ('{"x": "\\ud800"}', "lone_surrogate", "properties.x"),
        ('{"x": {"y": "cut \\ud83d"}}', "lone_surrogate", "properties.x.y"),
        ('{"x": ' + "9" * 5000 + "}", "number_out_of_range", ""),
        ('{"x": 123456789012345678901234567890}', "number_out_of_range", "properties.x"),
    ],
)
def test_bad_text_spoils_its_item_alone(properties: str, code: str, where: str) -> None:
    body = f'{{"batch": [{GOOD}, {{"type": "track", "userId": "u", "event": "E", "properties": {properties}}}]}}'
    found = believed(body.encode())
    assert [event.id for event in found.events] == ["m1"]
    (reject,) = found.rejects
    assert (reject.index, reject.code, reject.where, reject.unreadable) == (1, code, where, True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"nonsense", "bad_json"),
        (b'{"batch": 1}', "bad_batch"),
        (b'{"batch": NaN}', "bad_json"),
        (b"{}", "bad_batch"),
        (b'"text"', "bad_batch"),
        (b"[" * 100_000, "too_deep"),
        (b'{"batch": [' + b'{"a":' * 100_000, "too_deep"),
    ],
)
def test_what_is_no_batch_is_refused_whole(body: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        believe(segment.many(body), arrival())
    assert refusal.value.code == code


def test_depth_is_bounded() -> None:
    def nested(levels: int) -> dict[str, object]:
        return {} if levels == 0 else {"x": nested(levels - 1)}

    assert believed(posted(call(properties=nested(29)))).events
    assert believed(posted(call(properties=nested(40)))).rejects[0].code == "too_deep"


def test_an_event_is_bounded_in_bytes() -> None:
    found = believed(posted(call(properties={"x": "가" * 11_000}), call()))
    assert [(reject.index, reject.code, reject.status) for reject in found.rejects] == [(0, "event_too_large", 413)]
    assert len(found.events) == 1


def test_a_batch_is_bounded_in_items() -> None:
    with pytest.raises(Invalid, match="2,500"):
        segment.many(posted(*[{}] * 2501))


def test_a_single_call_that_is_no_json_is_a_reject() -> None:
    (reject,) = believe(segment.one(b'{"userId": NaN}', Kind.TRACK), arrival()).rejects
    assert (reject.code, reject.unreadable) == ("not_a_number", True)


def test_emoji_and_odd_but_good_text_pass_whole() -> None:
    said = {"e": "😀", "rtl": "\u202eabc", "zero": "\u200b", "sql": "'; DROP TABLE x; --", "combined": "e\u0301"}
    assert believed(posted(call(properties=said))).events[0].properties == said


def test_what_is_believed_can_be_encoded() -> None:
    event = believed(posted(call(properties={"n": 2**63 - 1, "f": 1e308}))).events[0]
    assert msgspec.json.decode(encode(event))["properties"] == {"n": 2**63 - 1, "f": 1e308}
