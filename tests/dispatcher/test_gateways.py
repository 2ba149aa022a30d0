"""Gateways from their documents: secrets by reference, the inbox where there is none or while the clock moves."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dangol.clock import utc_now
from dangol.db import open_db
from dangol.documents import Document
from dangol.errors import Invalid
from dangol.service import House
from dangol.settings import read_settings
from dangol_dispatcher.credentials import secrets_of
from dangol_dispatcher.gateways import INBOX, open_gateways, targets_of
from dangol_dispatcher.model import Accepted, Later
from tests.support.claims import a_claim, a_hook, a_mail
from tests.support.listening import peer, reply


def document(name: str, **body: object) -> Document:
    return Document("gateway", name, {"gateway": name, **body})


def hook(url: str, **body: object) -> Document:
    return document("hook", channel="webhook", kind="webhook", url=url, **body)


@pytest.fixture
async def house(migrated_url: str) -> AsyncIterator[House]:
    db = await open_db(migrated_url, utc_now)
    log = migrated_url if "sqlite" in migrated_url else "kafka://none"
    settings = read_settings({}, db=migrated_url, log=log)
    yield House(settings=settings, db=db, stream=None, clock=utc_now)  # type: ignore[arg-type]
    await db.close()


async def test_every_channel_has_the_inbox_in_one_process(house: House) -> None:
    opened = open_gateways([document("mail", channel="email", kind="smtp", url="smtp://127.0.0.1:2525")], house)
    assert set(opened) == {"mail", INBOX}
    assert set(open_gateways([], replace(house, embedded=False))) == set()
    for gateway in opened.values():
        await gateway.close()


async def test_nothing_leaves_while_the_clock_moves(house: House) -> None:
    moving = True
    async with peer(reply("200 OK")) as receiver:
        opened = open_gateways([hook(receiver.url)], replace(house, inbox_only=lambda: moving))
        (kept,) = await opened["hook"].send_many([a_claim(a_hook())])
        assert isinstance(kept, Accepted)
        assert receiver.connections == 0
        moving = False
        await opened["hook"].send_many([a_claim(a_hook(), "m2")])
        assert receiver.connections == 1
        await opened["hook"].close()


async def test_a_missing_secret_holds_that_gateway_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    async with peer(reply("200 OK")) as receiver:
        bad = document("bad", channel="webhook", kind="webhook", url=receiver.url, secret={"env": "HOOK_SECRET"})
        opened = open_gateways([bad, hook(receiver.url), document("odd", channel="sms", kind="pigeon")], house)
        (later,) = await opened["bad"].send_many([a_claim(a_hook())])
        assert isinstance(later, Later)
        assert "HOOK_SECRET" in later.said
        assert isinstance((await opened["odd"].send_many([a_claim(a_hook())]))[0], Later)
        assert isinstance((await opened["hook"].send_many([a_claim(a_hook())]))[0], Accepted)
        await opened["hook"].close()


async def test_loopback_is_called_only_where_we_ourselves_are_there(house: House) -> None:
    public = replace(house, settings=replace(house.settings, host="0.0.0.0"))
    assert targets_of(house).loopback
    assert not targets_of(public).loopback
    assert not targets_of(replace(house, embedded=False)).loopback
    async with peer(reply("200 OK")) as silent:
        opened = open_gateways([hook(silent.url)], public)
        await opened["hook"].send_many([a_claim(a_hook())])
        assert silent.connections == 0
        allowed = replace(public, settings=replace(public.settings, allow_private_targets=("127.0.0.0/8",)))
        opened_too = open_gateways([hook(silent.url)], allowed)
        await opened_too["hook"].send_many([a_claim(a_hook())])
        assert silent.connections == 1
        await opened["hook"].close()
        await opened_too["hook"].close()


async def test_the_inbox_keeps_a_key_once(house: House) -> None:
    inbox = open_gateways([], house)[INBOX]
    for _ in range(2):
        outcomes = await inbox.send_many([a_claim(a_mail()), a_claim(a_mail(), "m2")])
        assert all(isinstance(one, Accepted) for one in outcomes)


def test_secrets_are_named_never_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOOK_SECRET", "one")
    (tmp_path / "secret").write_text("two\n")
    file = {"file": str(tmp_path / "secret")}
    assert secrets_of({"env": "HOOK_SECRET"}, "x") == ("one",)
    assert secrets_of([{"env": "HOOK_SECRET"}, file], "x") == ("one", "two")
    assert secrets_of(None, "x") == ()
    for wrong in ("plain", {"env": "NOT_THERE_AT_ALL"}, {"file": "/nowhere"}, {"vault": "x"}, {}):
        with pytest.raises(Invalid):
            secrets_of(wrong, "x")
