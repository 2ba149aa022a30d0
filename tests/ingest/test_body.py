"""Bytes over the wire: sniffed, unpacked under a cap, refused in good time."""

import gzip
import time

import pytest

from dangol.errors import Invalid, TooLarge
from dangol_ingest import body
from dangol_ingest.model import MAX_BODY

JSON = b'{"a": 1}'


def test_gzip_is_known_by_its_bytes_whatever_the_headers_say() -> None:
    assert body.plain(gzip.compress(JSON)) == JSON
    assert body.plain(gzip.compress(JSON), "gzip") == JSON
    assert body.plain(JSON, "gzip") == JSON
    assert body.plain(gzip.compress(b'{"a":') + gzip.compress(b" 1}")) == JSON


@pytest.mark.parametrize(
    ("raw", "encoding", "code"),
    [
        (b"", "", "empty_body"),
        (b" \n", "", "empty_body"),
        (b"\xef\xbb\xbf{}", "", "byte_order_mark"),
        ("{}".encode("utf-16"), "", "not_utf8"),
        ("{}".encode("utf-16-le"), "", "not_utf8"),
        ("{}".encode("utf-32-be"), "", "not_utf8"),
        (b"\x1f\x8bnonsense", "", "bad_gzip"),
        (gzip.compress(JSON, mtime=0)[:-9], "", "bad_gzip"),
        (gzip.compress(gzip.compress(JSON, mtime=0), mtime=0), "", "bad_gzip"),
        (gzip.compress(JSON, mtime=0) + b"rest", "", "bad_gzip"),
        (gzip.compress(b"") * 17, "", "bad_gzip"),
        (b"\x0b\x02\x80{}\x03", "br", "unsupported_encoding"),
    ],
)
def test_what_is_no_json_text_is_refused(raw: bytes, encoding: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        body.plain(raw, encoding)
    assert refusal.value.code == code


def test_the_limit_counts_unpacked_bytes() -> None:
    assert len(body.plain(b"1" * MAX_BODY)) == MAX_BODY
    for raw in (b"1" * (MAX_BODY + 1), gzip.compress(b"1" * (MAX_BODY + 1))):
        with pytest.raises(TooLarge):
            body.plain(raw)


@pytest.mark.parametrize("bomb", [gzip.compress(b"0" * 200_000_000, 1), gzip.compress(b"") * 26_000])
def test_a_bomb_costs_little(bomb: bytes) -> None:
    began = time.process_time()
    with pytest.raises(Invalid):
        body.plain(bomb)
    assert time.process_time() - began < 0.1
