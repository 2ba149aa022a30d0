"""A program that holds the ledgers against each other and against what the product says of itself over HTTP.

It knows nothing of the product's code: it reads what a poster, a webhook receiver and a mail receiver wrote down in one
folder (`accepted`, `calls`, `mails`, and `kills`), and asks the public API. It prints a report as JSON, exit code 1
where a promise is broken.

    python -m tests.crash.programs.checker FOLDER URL SECRET_KEY
"""

import json
import statistics
import sys
import urllib.parse
import urllib.request
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Ask = Callable[..., Any]  # path, parameters → JSON
SHOWN = 5  # of those a promise was broken for
WAIT = 1.0  # seconds that the journeys wait between their two steps
ENTRIES = CALLED, MAILED = "Joined", "Lettered"  # the events whose journeys make calls, and write mails
COUNTED = "Viewed"  # the event that a trait counts; each message tells how many there were before its person entered
MAILS = MARKETING, TRANSACTIONAL = "newsletter", "receipt"


@dataclass(frozen=True)
class Facts:
    """What others wrote down, and what the product says."""

    accepted: list[Row]
    archived: list[str]  # the ids of the events the product has on record
    calls: list[Row]
    mails: list[Row]
    kills: list[Row]
    entered: list[tuple[str, str]]  # person, enrolment
    finished: list[str]
    unknown: list[tuple[str, str]]  # person, step
    doubted: Callable[[str, str], bool]  # whether the product tells of a mail that it may have gone twice


@dataclass
class Found:
    """The promises that were broken, with a few of whom they were broken for, and the numbers."""

    broken: dict[str, list[str]] = field(default_factory=dict)
    numbers: Row = field(default_factory=dict)

    def none(self, promise: str, those: Iterable[Any]) -> None:
        """A promise is kept if there are none of those."""
        if found := sorted(map(str, those)):
            self.broken[f"{promise}: {len(found)}"] = found[:SHOWN]


def check(facts: Facts) -> Found:
    """Every promise, held against the facts."""
    found = Found()
    _events(facts, found)
    _people(facts, found)
    _calls(facts, found)
    _mails(facts, found)
    _never_early(facts, found)
    _times(facts, found)
    return found


def _events(facts: Facts, found: Found) -> None:
    """Every event accepted is on record, each once, and had its effect once."""
    accepted, archived = {one["id"] for one in facts.accepted}, Counter(facts.archived)
    found.none("accepted and not on record", accepted - archived.keys())
    found.none("on record twice", _more_than_once(archived) & accepted)
    counted = Counter(one["user"] for one in facts.accepted if one["event"] == COUNTED)
    told = [(one["user"], int(one["seen"])) for one in [*facts.calls, *facts.mails]]
    found.none("counted too few", {user for user, seen in told if seen < counted[user]})
    found.none("counted twice", {user for user, seen in told if seen > counted[user]})


def _people(facts: Facts, found: Found) -> None:
    """Accepted = entered = finished, each once."""
    people = Counter(one["user"] for one in facts.accepted if one["event"] in ENTRIES)
    entered = Counter(person for person, _ in set(facts.entered))
    finished = Counter(facts.finished)
    found.none("accepted and never entered", people.keys() - entered.keys())
    found.none("entered and never accepted", entered.keys() - people.keys())
    found.none("entered twice", _more_than_once(entered))
    found.none("never finished", people.keys() - finished.keys())
    found.none("finished twice", _more_than_once(finished))
    found.numbers |= {"accepted": len(facts.accepted), "entered": entered.total(), "finished": finished.total()}


def _calls(facts: Facts, found: Found) -> None:
    """The receiver honours the key: what it takes twice under one key it does once."""
    keys: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for call in facts.calls:
        keys[call["key"]].add((call["user"], call["step"]))
    found.none("one key names two things", (key for key, named in keys.items() if len(named) > 1))
    effects = Counter(effect for named in keys.values() for effect in named)
    called = {one["user"] for one in facts.accepted if one["event"] == CALLED}
    found.none("never called", {(user, step) for user in called for step in ("first", "second")} - effects.keys())
    found.none("done twice at a receiver that honours the key", _more_than_once(effects))
    found.numbers |= {"calls": len(facts.calls), "calls_repeated_with_their_key": len(facts.calls) - len(keys)}


def _mails(facts: Facts, found: Found) -> None:
    """No key there: marketing at most once, and what nobody knows is said to be so; transactional at least once."""
    taken = Counter((mail["user"], mail["step"]) for mail in facts.mails)
    mailed = {one["user"] for one in facts.accepted if one["event"] == MAILED}
    unknown = {user for user, step in facts.unknown if step == MARKETING}
    missing = {user for user in mailed if not taken[user, MARKETING]}
    twice = {user for user, step in _more_than_once(taken) if step == MARKETING}
    found.none("marketing repeated", twice)
    found.none("marketing missing and not said to be unknown", missing - unknown)
    given_up = {user for user, step in facts.unknown if step == TRANSACTIONAL}  # after one blind repeat, by the rule
    untried = {user for user in given_up if not facts.doubted(user, TRANSACTIONAL)}
    found.none("unknown, and never in doubt", untried | {one for one in facts.unknown if one[1] not in MAILS})
    found.none("transactional missing", {user for user in mailed - given_up if not taken[user, TRANSACTIONAL]})
    repeated = {user for user, step in _more_than_once(taken) if step == TRANSACTIONAL}
    untold = {user for user in repeated if not facts.doubted(user, TRANSACTIONAL)}
    found.none("transactional repeated and not told", untold)
    found.numbers |= {
        "mails": len(facts.mails),
        "marketing_unknown": len(unknown),
        "of_those_never_taken": len(missing),
        "transactional_repeated": len(repeated),
        "transactional_unknown": len(given_up),
    }


def _never_early(facts: Facts, found: Found) -> None:
    """The second step comes no sooner after the first than the wait between them."""
    at: dict[tuple[str, str], float] = {}
    for one in [*facts.calls, *facts.mails]:
        at.setdefault((one["user"], one["step"]), one["at"])
    for first, second in (("first", "second"), (MARKETING, TRANSACTIONAL)):
        begun = {user: moment for (user, step), moment in at.items() if step == first}
        waited = {user: at[user, second] - moment for user, moment in begun.items() if (user, second) in at}
        found.none(f"{second} early", {user for user, seconds in waited.items() if seconds < WAIT})


def _times(facts: Facts, found: Found) -> None:
    """How long it was silent at the receivers after each kill, and until who was killed was ready again."""
    taken = sorted(one["at"] for one in [*facts.calls, *facts.mails])
    began = min((one["at"] for one in facts.accepted), default=0.0)
    places = [(one["at"], bisect_right(taken, one["at"])) for one in facts.kills]
    silences = [taken[place] - at for at, place in places if place < len(taken)]
    ready = [one["ready_after"] for one in facts.kills if one.get("ready_after") is not None]
    found.numbers |= {
        "kills": dict(sorted(Counter(one["target"] for one in facts.kills).items())),
        "seconds": round(taken[-1] - began, 1) if taken else 0.0,
        "silent_after_a_kill": _spread(silences),
        "ready_after_a_kill": _spread(ready),
    }


def _spread(seconds: list[float]) -> Row:
    return {"p50": round(statistics.median(seconds), 2), "max": round(max(seconds), 2)} if seconds else {}


def _more_than_once(counted: Counter[Any]) -> set[Any]:
    return {one for one, times in counted.items() if times > 1}


def gather(folder: Path, ask: Ask) -> Facts:
    """The ledgers of a folder and the product's own word."""
    considered = list(_pages(ask, "/api/decisions", "decisions", verdict="considered", after=0, limit=500))
    entries = [(one, entry) for one in considered for entry in one.get("entries", ()) if entry["entered"]]
    finished = _pages(ask, "/api/decisions", "decisions", verdict="finished", after=0, limit=500)
    unknown = list(_pages(ask, "/api/messages", "messages", status="unknown", limit=500))

    def doubted(user: str, step: str) -> bool:
        told = [one for one in ask("/api/messages", user_id=user)["messages"] if one["step"] == step]
        return any(one["possible_duplicate"] for id in told for one in ask(f"/api/messages/{id['id']}")["deliveries"])

    return Facts(
        accepted=lines(folder / "accepted"),
        archived=[one["id"] for one in _pages(ask, "/api/events", "events", after=0, limit=1000)],
        calls=lines(folder / "calls"),
        mails=lines(folder / "mails"),
        kills=lines(folder / "kills"),
        entered=[(one["user_id"], entry["enrolment"]) for one, entry in entries],
        finished=[one["user_id"] for one in finished],
        unknown=[(one["user_id"], one["step"]) for one in unknown],
        doubted=doubted,
    )


def asking(url: str, secret_key: str) -> Ask:
    """The product's public API."""

    def ask(path: str, **parameters: Any) -> Any:
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        request = urllib.request.Request(f"{url}{path}{query}", headers={"Authorization": f"Bearer {secret_key}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    return ask


def _pages(ask: Ask, path: str, name: str, **parameters: Any) -> Iterator[Row]:
    while True:
        page = ask(path, **parameters)
        yield from page[name]
        if page["next"] is None:
            return
        parameters["after"] = page["next"]


def lines(ledger: Path) -> list[Row]:
    """What is written in a ledger; a line that is just being written is left out."""
    if not ledger.exists():
        return []
    return [json.loads(line) for line in ledger.read_text().splitlines(keepends=True) if line.endswith("\n")]


def main(folder: str, url: str, secret_key: str) -> int:
    """Print the report; 1 where a promise is broken."""
    found = check(gather(Path(folder), asking(url, secret_key)))
    report = json.dumps({"broken": found.broken, **found.numbers}, indent=2, ensure_ascii=False)
    (Path(folder) / "report.json").write_text(report)
    print(report)  # noqa: T201 - it is what it is for
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
