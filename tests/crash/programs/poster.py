"""A program that posts events until each is accepted, and writes down those that were, as soon as they were."""

import base64
import http.client
import json
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

POSTERS = 4
FEWEST, MOST = 10, 100  # events a post
GIVES_UP_AFTER = 150.0  # seconds of refusals
REPEATED = 0.2  # of posts are posted again, though they were accepted


def post_all(url: str, key: str, shares: Iterator[list[dict[str, Any]]], seed: int, ledger: Path) -> None:
    """Post these shares of events, as fast as they are accepted; the accepted ones to `ledger`."""
    taking, writing = threading.Lock(), threading.Lock()

    def work(chance: Random, written: Any) -> None:
        door = Door(url, key)
        while True:
            with taking:
                share = next(shares, None)
            if share is None:
                return
            door.until_accepted(share)
            with writing:
                written.write("".join(_line(one) for one in share))
                written.flush()
            if chance.random() < REPEATED:
                door.until_accepted(share)

    with ledger.open("a") as written:
        threads = [threading.Thread(target=work, args=(Random(seed + n), written)) for n in range(POSTERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Door:
    """A connection to the product, made anew as often as it breaks."""

    def __init__(self, url: str, key: str) -> None:
        self._host = urlsplit(url).netloc
        named = base64.b64encode(f"{key}:".encode()).decode()
        self._headers = {"authorization": f"Basic {named}", "content-type": "application/json"}
        self._open: http.client.HTTPConnection | None = None

    def until_accepted(self, events: list[dict[str, Any]]) -> None:
        """Post, again and again, with the same message ids."""
        body, until = json.dumps({"batch": events}).encode(), time.monotonic() + GIVES_UP_AFTER
        while not self._accepted(body, len(events)):
            if time.monotonic() > until:
                sys.exit("never accepted")
            time.sleep(0.05)

    def _accepted(self, body: bytes, events: int) -> bool:
        try:
            self._open = self._open or http.client.HTTPConnection(self._host, timeout=10)
            self._open.request("POST", "/v1/batch", body, self._headers)
            answer = self._open.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            if self._open:
                self._open.close()
            self._open = None
            return False
        if answer.status != 200:
            assert answer.status in (429, 502, 503), said
            return False
        assert json.loads(said)["accepted"] == events, said
        return True


def _shares(events: int, mailed: float, chance: Random) -> Iterator[list[dict[str, Any]]]:
    """So many events, each of a person of its own; this share of people gets mails, the others calls."""
    run, made = uuid.uuid4().hex[:8], 0
    while made < events:
        size = min(chance.randint(FEWEST, MOST), events - made)
        yield [_event(f"{run}-{made + number}", mailed=chance.random() < mailed) for number in range(size)]
        made += size


def _event(user: str, *, mailed: bool) -> dict[str, Any]:
    event: dict[str, Any] = {"type": "track", "userId": user, "messageId": str(uuid.uuid4()), "event": "Joined"}
    if mailed:
        traits = {"email": f"{user}@people.example", "marketing_agreed": True}
        event |= {"event": "Lettered", "context": {"traits": traits}}
    return event


def _line(event: dict[str, Any]) -> str:
    said = {"id": event["messageId"], "user": event["userId"], "event": event["event"], "at": time.time()}
    return json.dumps(said) + "\n"


if __name__ == "__main__":
    events = _shares(int(sys.argv[3]), float(sys.argv[4]), Random(int(sys.argv[5])))
    post_all(sys.argv[1], sys.argv[2], events, int(sys.argv[5]), Path(sys.argv[6]))
