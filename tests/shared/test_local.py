"""What a page of this machine may ask without a key."""

import pytest
from fastapi import Request

from dangol.local import FORWARDED, is_local
from dangol.settings import read_settings

HERE = read_settings({}, db="sqlite:///x.db", log="sqlite:///x.db", host="127.0.0.1")


def asked(host: str = "127.0.0.1:8420", method: str = "GET", **headers: str) -> Request:
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    scope = {"type": "http", "method": method, "path": "/api/why", "query_string": b"", "headers": raw}
    return Request(scope | {"scheme": "http", "server": ("127.0.0.1", 8420)})


def test_this_machines_own_page_needs_no_key() -> None:
    assert is_local(asked(), HERE)
    assert is_local(asked(method="POST", x_dangol_page="1"), HERE)


def test_pages_of_other_sites_and_other_names_of_this_machine_do() -> None:
    assert not is_local(asked(host="evil.example:8420"), HERE)
    assert not is_local(asked(sec_fetch_site="cross-site"), HERE)
    assert not is_local(asked(method="POST"), HERE)


@pytest.mark.parametrize("name", FORWARDED)
def test_who_comes_through_a_proxy_on_this_machine_does(name: str) -> None:
    assert not is_local(asked(**{name: "203.0.113.9"}), HERE)
