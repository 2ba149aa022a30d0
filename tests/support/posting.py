"""A program that posts events until each is accepted, and writes down the ids of those that were."""

import json
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2

POSTERS = 4
EACH = 10  # events a post
GIVES_UP_AFTER = 150.0  # seconds of refusals
REPEATED = 5  # every so many posts is posted again, though it was accepted


def post_all(url: str, key: str, events: int, ledger: Path) -> None:
    """Post so many events, each of a person of its own, the accepted ones' ids and people to `ledger`."""
    with ledger.open("a") as written, ThreadPoolExecutor(POSTERS) as pool:
        for accepted in pool.map(lambda posts: _post(url, key, posts), _shares(events)):
            written.writelines(json.dumps({"id": one["messageId"], "user": one["userId"]}) + "\n" for one in accepted)


def _shares(events: int) -> Iterator[list[dict[str, Any]]]:
    run = uuid.uuid4().hex[:8]
    people = [f"{run}-{number}" for number in range(events)]
    for first in range(0, events, EACH):
        users = people[first : first + EACH]
        yield [{"type": "track", "event": "Joined", "userId": user, "messageId": str(uuid.uuid4())} for user in users]


def _post(url: str, key: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with httpx2.Client(base_url=url, auth=(key, ""), timeout=10, trust_env=False) as client:
        _until_accepted(client, events)
        if uuid.UUID(events[0]["messageId"]).int % REPEATED == 0:
            _until_accepted(client, events)
    return events


def _until_accepted(client: httpx2.Client, events: list[dict[str, Any]]) -> None:
    until = time.monotonic() + GIVES_UP_AFTER
    while True:
        try:
            answer = client.post("/v1/batch", json={"batch": events})
            if answer.status_code == 200:
                assert answer.json()["accepted"] == len(events), answer.text
                return
            said = answer.text
        except httpx2.HTTPError as error:
            said = repr(error)
        if time.monotonic() > until:
            sys.exit(f"never accepted: {said}")
        time.sleep(0.1)


if __name__ == "__main__":
    post_all(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
