"""Timers: a million people parked; a thousand due over a minute, then ten thousand in one second."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from dangol.clock import utc_now
from dangol.codec import encode
from dangol.events import Event, key_of
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_bench import crowd
from dangol_bench.children import Child, child
from dangol_bench.crowd import numbered
from dangol_bench.end_to_end import refuse_wrong
from dangol_bench.ground import Ground, Home, home
from dangol_bench.latency import share
from dangol_bench.logged import messages_in
from dangol_bench.model import Bar, Figure, Untrue
from dangol_bench.running import whole
from dangol_bench.workshop import opened

MODEL = "p999999999999"
SPREAD, BURST, WARM, PARKED = 1_000_000, 2_000_000, 3_000_000, 10_000_000  # numbers of the first of each
STARTS_LATER = 2  # times as long as a start just took, and
AT_LEAST = timedelta(seconds=5)  # … more: then the first is due
PAUSE = timedelta(seconds=4)  # between the spread and the burst
WITHIN = 90.0  # seconds after the burst for the last message at the receiver
JOURNEY = """journey: parked
enter: {event: Parked}
steps:
  - {wait: 45d}
  - webhook: hook
    json: {user: "{{ profile.user_id }}"}
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is due when: `spread` people over `over`, then `burst` people within a second."""

    parked: int
    spread: int
    over: timedelta
    burst: int
    start: datetime

    @property
    def burst_at(self) -> datetime:
        """When the burst begins."""
        return self.start + self.over + PAUSE

    def due(self) -> dict[int, datetime]:
        """By person's number; whole milliseconds, since that is what Kafka's moments are."""
        gap, second = self.over / self.spread, timedelta(seconds=1) / self.burst
        spread = {SPREAD + number: _whole(self.start + number * gap) for number in range(self.spread)}
        return spread | {BURST + number: _whole(self.burst_at + number * second) for number in range(self.burst)}


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


async def measure(ground: Ground) -> Sequence[Figure]:
    """Lateness, by the log's moment and at the receiver; the burst's drain."""
    async with home(ground) as place, child("receiver") as receiver:
        definitions = folder(place.place, (await receiver.ask(do="ports"))["http"])
        plan = await _park(ground, place, definitions)
        due = plan.due()
        async with whole(ground, place, definitions):
            if utc_now() > plan.start:
                raise Untrue("the product was not ready before the first was due")
            received = await _received(receiver, due, plan)
        logged = await messages_in(ground, place)
    return _figures(ground, plan, due, {who: at for who, at in logged.items() if who in due}, received)


async def _park(ground: Ground, place: Home, definitions: Path) -> Plan:
    """Everybody in their rows; the plan begins once the product may be up."""
    async with opened(place, definitions) as bench:
        await bench.append([_parked()])
        await bench.settle(1, 1)
        model = await crowd.model_of(bench.shop.db, MODEL)
    parked = ground.count(1_000_000, 50_000, 500)
    far = utc_now() + timedelta(days=30)
    await crowd.fill(place, model, numbered(PARKED, parked, lambda number: far + timedelta(seconds=number)))
    starting = await _start(ground, place, definitions)
    plan = Plan(
        parked,
        ground.count(1_000, 100, 20),
        ground.count(timedelta(seconds=60), timedelta(seconds=6), timedelta(seconds=2)),
        ground.count(10_000, 2_000, 50),
        utc_now() + STARTS_LATER * starting + AT_LEAST,
    )
    warm = numbered(WARM, 20, lambda number: plan.start - timedelta(seconds=2))
    copies = chain(warm, (crowd.Copy(number, at) for number, at in plan.due().items()))
    await crowd.fill(place, model, copies)
    return plan


async def _start(ground: Ground, place: Home, definitions: Path) -> timedelta:
    """How long the product takes to be ready, on this machine, now."""
    began = utc_now()
    async with whole(ground, place, definitions):
        return utc_now() - began


def _parked() -> Outgoing:
    now = utc_now()
    event = Event(workspace="default", id="parked", name="Parked", user_id=MODEL, at=now, received_at=now)
    return Outgoing(Topic.EVENTS, key_of(event), encode(event), event.id)


async def _received(receiver: Child, due: Mapping[int, datetime], plan: Plan) -> dict[int, datetime]:
    """When each message came; raises `Untrue` where one did not, or twice, or one of somebody who is not due."""
    until = (plan.burst_at - utc_now()).total_seconds() + WITHIN
    await receiver.ask(do="wait", wanted=len(due) + 20, seconds=until)
    arrivals = [(who, at) for who, at in await receiver.ask(do="take") if not WARM <= who < WARM + 20]
    refuse_wrong(Counter(who for who, _ in arrivals), due.keys(), WITHIN)
    return {who: datetime.fromtimestamp(at / 1e9, UTC) for who, at in arrivals}


def _figures(
    ground: Ground,
    plan: Plan,
    due: Mapping[int, datetime],
    logged: Mapping[int, datetime],
    received: Mapping[int, datetime],
) -> list[Figure]:
    if due.keys() != logged.keys():
        raise Untrue(f"{len(due.keys() - logged.keys())} due messages are not in the log")
    of_all = late(due, logged)
    seen = {"in the log": logged, "at the receiver": received}
    figures = [Figure("timers: the earliest of all", of_all[0], "ms late", bar=Bar(at_least=0), details=_about(plan))]
    spread = {who: at for who, at in due.items() if who < BURST}
    burst = {who: at for who, at in due.items() if who >= BURST}
    for where, moments in seen.items():
        ordered = late(spread, moments)
        details = {"p50, ms": round(share(ordered, 0.5), 1), "max, ms": round(ordered[-1], 1)}
        what = f"timers: {plan.spread:,} due over {plan.over.seconds} s, {where}: p99"
        figures.append(Figure(what, share(ordered, 0.99), "ms late", bar=Bar(at_most=100), details=details))
    for where, moments in seen.items():
        seconds = (max(moments[who] for who in burst) - plan.burst_at).total_seconds()
        bar = Bar(at_least=4_000) if where == "in the log" and ground.size == 0 else None
        what = f"timers: {plan.burst:,} due in one second, {where}"
        figures.append(Figure(what, len(burst) / seconds, "/s", bar=bar, details=_lateness(late(burst, moments))))
    return figures


def _about(plan: Plan) -> dict[str, object]:
    return {"parked besides": plan.parked, "due, each fired once": plan.spread + plan.burst}


def _lateness(ordered: Sequence[float]) -> dict[str, float]:
    parts = {"p50, ms": share(ordered, 0.5), "p99, ms": share(ordered, 0.99), "max, ms": ordered[-1]}
    return {name: round(value, 1) for name, value in parts.items()}


def late(due: Mapping[int, datetime], moments: Mapping[int, datetime]) -> list[float]:
    """Milliseconds after its moment of each, the least late first."""
    return sorted((moments[who] - at) / timedelta(milliseconds=1) for who, at in due.items())


def folder(place: Path, port: int) -> Path:
    """The journey in a folder of its own."""
    definitions = place / "definitions"
    (definitions / "journeys").mkdir(parents=True)
    (definitions / "workspace.yaml").write_text("workspace: default\nzone: Asia/Seoul\n")
    (definitions / "journeys" / "parked.yaml").write_text(JOURNEY)
    hook = f'- {{gateway: hook, channel: webhook, kind: webhook, url: "http://127.0.0.1:{port}/in"}}\n'
    (definitions / "gateways.yaml").write_text(hook)
    return definitions
