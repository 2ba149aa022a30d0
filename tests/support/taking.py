"""A program that takes webhooks and writes down each call, in a ledger that outlives whoever called."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TAKES = 0.02  # seconds a call: so that kills meet calls that are out


def serve(port: int, ledger: Path) -> None:
    """Take calls until killed."""
    writing = threading.Lock()
    with ledger.open("a", buffering=1) as written:

        class Receiver(BaseHTTPRequestHandler):
            """Writes each call down before it answers."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """One call."""
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                with writing:
                    written.write(json.dumps({"key": self.headers["webhook-id"], **body}) + "\n")
                time.sleep(TAKES)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        with Listening(("127.0.0.1", port), Receiver) as server:
            server.serve_forever()


class Listening(ThreadingHTTPServer):
    """As many as come at once are kept waiting, not refused."""

    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers are killed in these tests: silent."""


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
