"""The front of the HTTP server: the few posts that come by the thousand, answered ahead of the framework's routing."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]
COLD: Mapping[str, Handler] = MappingProxyType({})  # of a service that has none


class Front:
    """An ASGI app: `hot` handlers by the whole path of a POST, everything else through `app`.

    Middlewares and routing took a quarter of what a single event costs. The routes stay in `app` too: it answers
    preflights, other methods and unknown paths.
    """

    def __init__(self, app: ASGIApp, hot: Mapping[str, Handler]) -> None:
        self._app, self._hot = app, hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        handler = self._hot.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        response = await handler(Request(scope, receive, send))
        await response(scope, receive, send)
