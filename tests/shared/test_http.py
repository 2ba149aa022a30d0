"""The one shape of errors, and who may ask."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Depends

from dangol.auth import secret
from dangol.db import open_db
from dangol.errors import Invalid, NotFound, Unavailable
from dangol.http import make_app
from dangol.keys import Key, KeyKind, KeyRing, create_key
from dangol.migrate import migrate
from dangol.settings import read_settings

router = APIRouter()
Reader = Annotated[Key, Depends(secret("messages:read"))]


@router.get("/api/messages")
async def messages(key: Reader, at_most: int = 10) -> dict[str, str]:
    """Something to read."""
    return {"workspace": key.workspace}


@router.get("/refused/{how}")
async def refused(how: str) -> None:
    """Raise it."""
    raise {
        "invalid": Invalid("no_key", "an event without its key", where="batch[0]", hint="give it one"),
        "missing": NotFound("no_journey", "no journey of that name"),
        "later": Unavailable("the log does not answer", retry_after=timedelta(milliseconds=300)),
    }[how]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """The app, with one more key: `tokens` of it in the headers' place."""
    settings = read_settings({"DANGOL_SECRET_KEY": "secret-key", "DANGOL_WRITE_KEY": "write-key"}, data=str(tmp_path))
    db = await open_db(settings.db, lambda: datetime.now(UTC))
    await migrate(db)
    async with db.transaction() as conn:
        narrow, _ = await create_key(db, conn, "default", KeyKind.SECRET, scopes=["keys:write"])
    app = make_app(KeyRing(db, settings, db.clock), [router])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://dangol.test") as opened:
        opened.params = {"narrow": narrow}
        yield opened
    await db.close()


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"Authorization": f"Bearer {token}"}


async def test_a_secret_key_opens(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/messages", headers=bearer("secret-key"))
    assert (answer.status_code, answer.json()) == (200, {"workspace": "default"})


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "no_key"),
        ({"Authorization": "Basic c2VjcmV0LWtleTo="}, 401, "no_key"),
        (bearer("wrong-key"), 401, "unknown_key"),
        (bearer("write-key"), 403, "forbidden"),
    ],
)
async def test_others_do_not(client: httpx2.AsyncClient, headers: dict[str, str], status: int, code: str) -> None:
    answer = await client.get("/api/messages", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_key_without_the_scope_does_not(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/messages", headers=bearer(client.params["narrow"]))
    assert answer.status_code == 403
    assert "messages:read" in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (
            "/refused/invalid",
            400,
            {"code": "no_key", "message": "an event without its key", "where": "batch[0]", "hint": "give it one"},
        ),
        ("/refused/missing", 404, {"code": "no_journey", "message": "no journey of that name"}),
        ("/refused/later", 503, {"code": "unavailable", "message": "the log does not answer"}),
        ("/nowhere", 404, {"code": "not_found", "message": "Not Found"}),
    ],
)
async def test_errors_have_one_shape(client: httpx2.AsyncClient, path: str, status: int, body: dict[str, str]) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (status, body)
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)


async def test_a_malformed_question_says_where(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/messages", params={"at_most": "many"}, headers=bearer("secret-key"))
    assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (422, "invalid", "query.at_most")
