"""Calls to URLs others chose: no spelling of a private address is ever connected to."""

import asyncio
import socket
from datetime import timedelta

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from dangol_dispatcher.egress import KEPT, Egress, NotSent, Unanswered
from dangol_dispatcher.targets import Refused, Targets
from tests.support.listening import peer, reply

HERE = Targets(loopback=True)
SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "127.0.0.1.", "127.255.255.254", "0.0.0.0", "0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "192.168.255.255", "169.254.169.254", "169.254.0.1", "[fd00:ec2::254]", "100.64.0.1",
    "100.127.255.255", "192.0.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "[fe80::1]",
    "[fe80::1%25lo]", "[fec0::1]", "[fc00::1]", "[fdff::1]", "[2002:7f00:1::]", "[2002:a00:1::]",
    "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::1]", "[5f00::1]", "[100::1]", "[2001:db8::1]",
    "[2001::1]", "[2001:20::1]", "[3fff::1]", "[ff02::1]", "localhost", "localhost.", "LOCALHOST",
    "a.localhost", "metadata.google.internal", "instance.internal", "printer.local", "router.lan",
    "user@127.0.0.1", "user:pass@127.0.0.1", "evil%40x@10.0.0.1", "127。0。0。1", "１２７.0.0.1", "⑫⑦.0.0.1",
]  # fmt: skip


class Names(AbstractResolver):
    """Names that answer as they are told, one list of addresses after another."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The next list, the last again and again."""
        found = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=one, port=port, family=socket.AF_INET, proto=0, flags=0) for one in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


def test_there_are_enough_spellings() -> None:
    assert len(set(SPELLINGS)) >= 60


async def test_no_spelling_of_a_private_address_is_connected_to() -> None:
    egress = Egress(Targets())
    async with peer(reply("200 OK")) as silent:
        for spelling in SPELLINGS:
            for port in (silent.port, 80, 443):
                with pytest.raises((Refused, NotSent)):
                    await egress.post(f"http://{spelling}:{port}/", b"{}", {}, timedelta(seconds=5))
        assert silent.connections == 0
    await egress.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://user@evil@10.0.0.1/",
        "http://good.example#@10.0.0.1/",
        "http://good.example\\@10.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://127.0.0.1/",
        "data:text/plain,x",
        "unix:///var/run/docker.sock",
        "javascript:alert(1)",
        "//127.0.0.1/",
        "",
        "http://",
    ],
)
async def test_a_url_that_means_two_things_is_not_called(url: str) -> None:
    egress = Egress(Targets(), names=Names(["127.0.0.1"]))
    with pytest.raises((Refused, NotSent, ValueError)):
        await egress.post(url, b"{}", {})
    await egress.close()


async def test_a_name_of_a_private_address_is_not_connected_to() -> None:
    async with peer(reply("200 OK")) as silent:
        egress = Egress(Targets(), names=Names(["127.0.0.1"]))
        with pytest.raises(Refused):
            await egress.post("http://good.example/", b"{}", {})
        assert silent.connections == 0
        await egress.close()


async def test_of_several_addresses_only_those_allowed_are_used() -> None:
    async with peer(reply("200 OK"), host="127.0.0.2") as allowed, peer(reply("200 OK")) as silent:
        names = Names(["127.0.0.1", "127.0.0.2", "10.0.0.1"])
        egress = Egress(Targets.of(["127.0.0.2/32"], loopback=False), names=names)
        answer = await egress.post(f"http://good.example:{allowed.port}/", b"{}", {})
        assert answer.status == 200
        assert allowed.heads[0]["host"] == f"good.example:{allowed.port}"
        assert silent.connections == 0
        await egress.close()


async def test_a_name_is_looked_up_once_and_connected_to_where_it_was_checked() -> None:
    async with peer(reply("200 OK"), host="127.0.0.2") as allowed, peer(reply("200 OK")) as silent:
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        egress = Egress(Targets.of(["127.0.0.2/32"], loopback=False), names=names)
        await egress.post(f"http://good.example:{allowed.port}/", b"{}", {})
        assert (names.asked, allowed.connections, silent.connections) == (1, 1, 0)
        with pytest.raises(Refused):
            await egress.post(f"http://good.example:{silent.port}/", b"{}", {})
        assert silent.connections == 0
        await egress.close()


@pytest.mark.parametrize("url", ["http://[::1", "http://x:99999/", "http://good.com\\@127.0.0.1/", "", "http://"])
async def test_what_is_no_url_is_refused(url: str) -> None:
    """faults I145."""
    egress = Egress(Targets())
    with pytest.raises(Refused):
        await egress.post(url, b"{}", {})
    await egress.close()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    async with peer(reply("200 OK")) as silent, peer(reply(status, Location=silent.url)) as sending:
        egress = Egress(HERE)
        answer = await egress.post(sending.url, b"{}", {})
        assert answer.status == int(status[:3])
        assert silent.connections == 0
        await egress.close()


async def test_odd_ports_are_for_addresses_the_operator_named() -> None:
    egress = Egress(Targets.of(["127.0.0.2/32"], loopback=False), names=Names(["93.184.215.14"]))
    with pytest.raises(Refused):
        await egress.post("http://good.example:6379/", b"{}", {})
    await egress.close()


async def test_the_environments_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(reply("200 OK")) as silent, peer(reply("200 OK")) as target:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{silent.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        egress = Egress(HERE)
        await egress.post(target.url, b"{}", {})
        assert (target.connections, silent.connections) == (1, 0)
        await egress.close()


async def test_case_66_an_endless_answer_is_cut() -> None:
    """Caught: an answer read to its end."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with peer(endless) as sending:
        egress = Egress(HERE)
        answer = await egress.post(sending.url, b"{}", {}, timedelta(seconds=5))
        assert len(answer.body) == KEPT
        await egress.close()


async def test_a_trickle_ends_at_the_deadline() -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
        await writer.drain()
        await asyncio.Event().wait()

    async with peer(trickle) as sending:
        egress = Egress(HERE)
        with pytest.raises(Unanswered):
            await egress.post(sending.url, b"{}", {}, timedelta(seconds=0.2))
        await egress.close()


async def test_compressed_answers_stay_as_they_came() -> None:
    async with peer(reply("200 OK", b"\x1f\x8bbomb", Content_Encoding="gzip")) as sending:
        egress = Egress(HERE)
        assert (await egress.post(sending.url, b"{}", {})).body == b"\x1f\x8bbomb"
        await egress.close()


async def test_huge_headers_are_no_answer() -> None:
    async with peer(reply("200 OK", X_Big="x" * 1_000_000)) as sending:
        egress = Egress(HERE)
        with pytest.raises(Unanswered):
            await egress.post(sending.url, b"{}", {})
        await egress.close()


def test_public_addresses_are_open() -> None:
    for address in ("93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"):
        assert Targets().open_to(address)
