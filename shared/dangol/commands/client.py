"""The command line's way to a running product: its public HTTP API, with the key of this machine."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from dangol.errors import Invalid, NotFound, Unauthorized, Unavailable
from dangol.keyfile import read_keys

DEFAULT_URL = "http://127.0.0.1:8420"


def product_url() -> str:
    """Where the product is: `DANGOL_URL`, else where `dangol up` is by default."""
    return os.environ.get("DANGOL_URL", DEFAULT_URL).rstrip("/")


def machine_keys(data: Path | None = None) -> dict[str, str]:
    """The keys `dangol up` keeps in DATA/keys, as NAME=value lines; empty where there are none."""
    return read_keys((data or Path(os.environ.get("DANGOL_DATA", "data"))) / "keys")


def key(name: str) -> str:
    """A key by its setting's name, from the environment, else from this machine's file; raises `Unauthorized`."""
    found = os.environ.get(name) or machine_keys().get(name)
    if not found:
        raise Unauthorized(
            "no_key",
            f"no {name} is known here",
            hint=f"run the command in the folder where `dangol up` was started, or set {name} (and DANGOL_URL)",
        )
    return found


@contextmanager
def product(secret: bool = True) -> Iterator[httpx2.Client]:
    """An HTTP client of the product; raises `Unavailable` with a sentence when nothing answers there."""
    url = product_url()
    headers = {"Authorization": f"Bearer {key('DANGOL_SECRET_KEY')}"} if secret else {}
    try:
        with httpx2.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            yield client
    except httpx2.ConnectError as error:
        raise Unavailable(f"nothing answers at {url}: is `dangol up` running? ({error})") from error
    except httpx2.TimeoutException as error:
        raise Unavailable(f"{url} did not answer in time") from error


def answer(response: httpx2.Response) -> Any:
    """The body of a good answer; raises the project's own errors for the others."""
    if response.status_code < 300:
        return response.json()
    said = _error_body(response)
    code, message = str(said.get("code", response.status_code)), str(said.get("message", response.reason_phrase))
    if response.status_code in (429, 503):
        raise Unavailable(message)
    kinds: Mapping[int, type[Invalid]] = {401: Unauthorized, 403: Unauthorized, 404: NotFound}
    raise kinds.get(response.status_code, Invalid)(code, message, hint=str(said.get("hint", "")))


def _error_body(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
