"""What browser libraries fetch before they post: their settings, and Segment's script itself where it is configured."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dangol.errors import Invalid, NotFound, Unavailable
from dangol.keys import Key, KeyKind
from dangol_ingest import answers, keyholder
from dangol_ingest.answers import Answer
from dangol_ingest.intake import find_key, refused, respond

PLACEHOLDER = b"__WRITE_KEY__"
CACHED = {"Cache-Control": "public, max-age=300"}


class Pages:
    """Answers by write key. `script` is the file of `DANGOL_ANALYTICS_JS`; we ship none."""

    def __init__(self, script: str) -> None:
        self._script = script

    async def settings(self, request: Request) -> Response:
        """`/v1/projects/KEY/settings`: sends @segment/analytics-next to post here."""
        return await self._answered(request, request.path_params["key"], _segment_settings)

    async def source_config(self, request: Request) -> Response:
        """`/sourceConfig`: tells @rudderstack/analytics-js that the source is live and has no device-mode targets."""
        token = keyholder.in_headers(request.headers) or request.query_params.get("writeKey")
        return await self._answered(request, token, _source_config)

    async def script(self, request: Request) -> Response:
        """`/analytics.js/v1/KEY/analytics.min.js`: the configured file, with the key put in."""
        try:
            key = request.path_params["key"]
            await _public_key(request, key)
            text = await asyncio.to_thread(Path(self._script).read_bytes) if self._script else None
        except (Invalid, Unavailable) as error:
            return respond(request.headers, refused(error))
        except OSError as error:
            return respond(
                request.headers, refused(NotFound("no_script", f"DANGOL_ANALYTICS_JS can't be read: {error}"))
            )
        if text is None:
            return respond(request.headers, refused(_no_script()))
        headers = {**answers.cross_origin(request.headers), **CACHED}
        return Response(text.replace(PLACEHOLDER, key.encode()), 200, headers, "application/javascript")

    async def _answered(self, request: Request, token: str | None, said: Any) -> Response:
        try:
            await _public_key(request, token)
        except (Invalid, Unavailable) as error:
            return respond(request.headers, refused(error))
        return respond(request.headers, Answer(200, msgspec.json.encode(said(request, token)), CACHED))


async def _public_key(request: Request, token: str | None) -> Key:
    key = await find_key(request, token)
    if key.kind is KeyKind.SECRET:
        raise keyholder.unknown()
    return key


def _segment_settings(request: Request, key: str) -> dict[str, Any]:
    segment = {
        "apiKey": key,
        "apiHost": f"{request.url.netloc}/v1",
        "protocol": request.url.scheme,
        "deliveryStrategy": {"strategy": "standard", "config": {}},
        "unbundledIntegrations": [],
        "addBundledMetadata": True,
        "maybeBundledConfigIds": {},
        "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
    }
    return {
        "integrations": {"Segment.io": segment},
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}, "identify": {}, "group": {}},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


def _source_config(_request: Request, key: str) -> dict[str, Any]:
    quiet = {"errors": {"enabled": False}, "metrics": {"enabled": False}}
    source = {
        "id": "dangol",
        "name": "dangol",
        "writeKey": key,
        "enabled": True,
        "workspaceId": "dangol",
        "config": {"statsCollection": quiet},
        "connections": [],
        "destinations": [],
        "dataplanes": {},
        "updatedAt": "2026-01-01T00:00:00.000Z",
    }
    return {"source": source, "updatedAt": source["updatedAt"]}


def _no_script() -> NotFound:
    return NotFound(
        "no_script",
        "no analytics.js is served here: dangol ships none",
        hint="set DANGOL_ANALYTICS_JS to dist/umd/standalone.js of the npm package @segment/analytics-next",
    )
