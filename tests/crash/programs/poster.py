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

from tests.crash.programs.ledger import Ledger

POSTERS = 4
FEWEST, MOST = 10, 100  # events a post
MESSAGES = 2  # a person
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


def _shares(people: int, views: int, mailed: float, chance: Random) -> Iterator[list[dict[str, Any]]]:
    """The events of so many people, all of one person in one post; this share of them gets mails, the others calls."""
    run, made = uuid.uuid4().hex[:8], 0
    while made < people:
        size = min(max(1, chance.randint(FEWEST, MOST) // (views + 1)), people - made)
        users = [f"{run}-{made + number}" for number in range(size)]
        yield [event for user in users for event in _events(user, views, mailed=chance.random() < mailed)]
        made += size


def _in_step(
    shares: Iterator[list[dict[str, Any]]], ledgers: list[Ledger], ahead: int
) -> Iterator[list[dict[str, Any]]]:
    """The shares, none more than so many people before their messages were taken."""
    made, begun = 0, sum(ledger.count() for ledger in ledgers)
    for share in shares:
        made += len({event["userId"] for event in share})
        while made - (sum(ledger.count() for ledger in ledgers) - begun) / MESSAGES > ahead:
            time.sleep(0.05)
        yield share


def _events(user: str, views: int, *, mailed: bool) -> list[dict[str, Any]]:
    """What one person does, in their order."""
    return [*(_event(user, "Viewed") for _ in range(views)), _entry(user, mailed=mailed)]


def _entry(user: str, *, mailed: bool) -> dict[str, Any]:
    if not mailed:
        return _event(user, "Joined")
    traits = {"email": f"{user}@people.example", "marketing_agreed": True}
    return _event(user, "Lettered") | {"context": {"traits": traits}}


def _event(user: str, name: str) -> dict[str, Any]:
    return {"type": "track", "userId": user, "messageId": str(uuid.uuid4()), "event": name}


def _line(event: dict[str, Any]) -> str:
    said = {"id": event["messageId"], "user": event["userId"], "event": event["event"], "at": time.time()}
    return json.dumps(said) + "\n"


def main(
    url: str, key: str, people: int, mailed: float, seed: int, ledger: Path, views: int = 0, ahead: int = 0
) -> None:
    """Post the events of so many people, no more than `ahead` of those whose messages were taken (0: all at once)."""
    shares = _shares(people, views, mailed, Random(seed))
    if ahead:
        shares = _in_step(shares, [Ledger(ledger.parent / name) for name in ("calls", "mails")], ahead)
    post_all(url, key, shares, seed, ledger)


if __name__ == "__main__":
    url, key, people, mailed, seed, ledger, *more = sys.argv[1:]
    main(url, key, int(people), float(mailed), int(seed), Path(ledger), *map(int, more))
