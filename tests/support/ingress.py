"""One address before the roles' processes, routing by deploy/Caddyfile, so that its table is tested too."""

import re
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from fnmatch import fnmatch
from itertools import cycle
from pathlib import Path

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

CADDYFILE = Path(__file__).parents[2] / "deploy" / "Caddyfile"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host"})


def routes(text: str) -> list[tuple[str, str]]:
    """(path pattern, role) in the order of the file."""
    named = re.findall(r"^\s*@(\w+) path (.+)$", text, re.MULTILINE)
    return [(pattern, role) for role, patterns in named for pattern in patterns.split()]


@contextmanager
def ingress(addresses: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The URL of a proxy that gives each path to its role's processes in turn."""
    table = routes(CADDYFILE.read_text())
    turns = {role: cycle(urls) for role, urls in addresses.items()}

    def target(path: str) -> str:
        role = next((role for pattern, role in table if fnmatch(path, pattern)), "ingest")
        return next(turns[role])

    app = Starlette(routes=[Route("/{path:path}", _answer, methods=METHODS)], lifespan=_with_client)
    app.state.target = target
    server = uvicorn.Server(uvicorn.Config(app, port=0, loop="asyncio", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@asynccontextmanager
async def _with_client(app: Starlette) -> AsyncIterator[None]:
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
        app.state.client = client
        yield


async def _answer(request: Request) -> Response:
    """The role's answer, streamed."""
    client: httpx2.AsyncClient = request.app.state.client
    url = request.app.state.target(request.url.path) + request.url.path
    headers = [(name, value) for name, value in request.headers.items() if name not in HOP]
    headers.append(("host", request.headers["host"]))
    try:
        asked = client.build_request(
            request.method, url, params=request.url.query, headers=headers, content=await request.body()
        )
        said = await client.send(asked, stream=True)
    except httpx2.HTTPError as error:
        return PlainTextResponse(f"no answer from {url}: {error}", 502)
    kept = {name: value for name, value in said.headers.items() if name not in HOP}
    return StreamingResponse(_bytes(said), said.status_code, kept)


async def _bytes(said: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in said.aiter_raw():
            yield piece
    finally:
        await said.aclose()
