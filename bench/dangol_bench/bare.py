"""The reference of ingest: a bare FastAPI route that reads the body and answers the same bytes, nothing more."""

import asyncio
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response

from dangol_bench.talk import answer_lines, live

ANSWER = b'{"success":true,"accepted":1,"rejected":[]}'


def app() -> FastAPI:
    """One route."""
    made = FastAPI(docs_url=None, redoc_url=None)

    @made.post("/v1/track")
    async def track(request: Request) -> Response:
        await request.body()
        return Response(ANSWER, media_type="application/json")

    return made


async def main() -> None:
    """Serve on a free port, with the product's settings of uvicorn, until the input ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app(), lifespan="off", log_config=None, access_log=False, server_header=False, timeout_keep_alive=30
    )
    server = uvicorn.Server(config)

    async def answer(_asked: dict[str, Any]) -> Any:
        return listening.getsockname()[1]

    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await answer_lines(answer)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    live(main())
