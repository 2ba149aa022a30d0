"""A small shop: it serves its pages, and its backend posts orders with the official Segment client for Python.

Run it:
    pip install segment-analytics-python
    DANGOL_WRITE_KEY=… DANGOL_BROWSER_KEY=… python shop.py        # then open http://127.0.0.1:8500
"""

import json
import os
import uuid
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import segment.analytics as analytics

DANGOL = os.environ.get("DANGOL_URL", "http://127.0.0.1:8420")
SITE = Path(__file__).parent / "site"
LARGEST_ORDER = 16_384


class Shop(SimpleHTTPRequestHandler):
    """GET serves the site; POST /orders is the backend."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, directory=str(SITE), **kwargs)

    def do_GET(self) -> None:
        """The pages, and their settings as a script."""
        if self.path == "/config.js":
            settings = {"host": DANGOL, "writeKey": os.environ["DANGOL_BROWSER_KEY"]}
            self._answer(HTTPStatus.OK, f"window.shop = {json.dumps(settings)};".encode(), "text/javascript")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """Take an order, and tell dangol of it."""
        length = int(self.headers.get("Content-Length", 0))
        if self.path != "/orders" or length > LARGEST_ORDER:
            return self._answer(HTTPStatus.BAD_REQUEST, b"{}", "application/json")
        order = json.loads(self.rfile.read(length))
        person = {"user_id": order["user_id"]} if order.get("user_id") else {"anonymous_id": order["anonymous_id"]}
        properties = {name: order[name] for name in ("cart_id", "revenue", "product_name")}
        analytics.track(**person, event="Order Completed", properties={"order_id": str(uuid.uuid4()), **properties})
        analytics.flush()
        return self._answer(HTTPStatus.OK, b"{}", "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the orders are seen in `dangol tail`."""


def main() -> None:
    """Serve until interrupted."""
    analytics.write_key, analytics.host = os.environ["DANGOL_WRITE_KEY"], DANGOL
    port = int(os.environ.get("SHOP_PORT", "8500"))
    with ThreadingHTTPServer(("127.0.0.1", port), Shop) as server:
        print(f"the shop is at http://127.0.0.1:{server.server_address[1]}", flush=True)  # noqa: T201
        server.serve_forever()


if __name__ == "__main__":
    main()
