"""What must be true of a simulated month: held against the world's own ledgers, with a model of its own.

The numbers are those of the promises in the design's part 4 that a sentence is about. Nothing here asks the product's
rules: what it says in its tables is compared with what people posted and with what providers were called for.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tests.simulation.providers import HONOURS_KEYS, Call
from tests.simulation.shop import START
from tests.simulation.world import World

SEOUL = "Asia/Seoul"
ROAD = {"email": "email", "sms": "sms", "push": "push"}
READ_WITHIN = timedelta(seconds=1)  # of a statement's reading: a call whose last look was just before it may go on
NIGHT = (time(20, 50), time(8))
MOVING = timedelta(hours=13)  # whoever has just stated another zone may be thought to be in either
OPEN = ("asked", "held", "claimed", "retrying")


@dataclass(frozen=True)
class Seen:
    """What a check looks at."""

    world: World
    rows: Callable[..., list[dict[str, Any]]]
    events: list[dict[str, Any]]
    messages: dict[str, dict[str, Any]]
    zones: dict[str, list[tuple[datetime, datetime, str]]]  # logged, happened, zone
    joined: dict[str, datetime]  # profile → when it was last known to be another's too: until then they were two people

    def zone_names(self, profile: str, at: datetime) -> set[str]:
        """The zones a person may be thought to be in at a moment: the last stated, and one being stated."""
        said = self.zones.get(profile, [])
        heard = [(happened, zone) for logged, happened, zone in said if logged <= at]
        newest = max(reversed(heard), key=lambda one: one[0], default=(at, SEOUL))  # of one moment, the last heard
        return {newest[1], *(zone for logged, _, zone in said if at - MOVING <= logged <= at)}


def everything_wrong(world: World) -> list[str]:
    """A sentence for each thing that is not as it must be."""
    seen = _seen(world)
    return [wrong for check in CHECKS for wrong in check(seen)]


def _seen(world: World) -> Seen:
    raw = world.disk.raw

    def rows(statement: str, *given: Any) -> list[dict[str, Any]]:
        cursor = raw.execute(statement, given)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    events = [
        msgspec.json.decode(row["value"]) | {"logged_at": _at(row["at"]), "offset": row["id"]}
        for row in rows("SELECT id, at, value FROM ever_logged WHERE topic = 'events' ORDER BY id")
    ]
    messages = {
        row["id"]: row | {"payload": msgspec.json.decode(row["payload"])} for row in rows("SELECT * FROM message")
    }
    profiles = dict(raw.execute("SELECT value, profile FROM identity"))
    joined = {
        profiles[event["user_id"]]: event["logged_at"]
        for event in reversed(events)
        if event.get("user_id") and event.get("anonymous_id") and event["name"] == "Signed Up"
    }
    return Seen(world, rows, events, messages, _zones(profiles, events), joined)


def _zones(profiles: dict[str, str], events: list[dict[str, Any]]) -> dict[str, list[tuple[datetime, datetime, str]]]:
    found: dict[str, list[tuple[datetime, datetime, str]]] = defaultdict(list)
    firsts = {event["id"]: event for event in reversed(events)}.values()  # a repeat states nothing
    for event in sorted(firsts, key=lambda event: event["offset"]):
        zone = (event.get("traits") or {}).get("timezone")
        profile = profiles.get(event.get("user_id", ""))
        if zone and profile:
            found[profile].append((event["logged_at"], _at(event["at"]), zone))
    return found


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def nothing_unexpected(seen: Seen) -> Iterator[str]:
    """(5) No input was set aside."""
    for row in seen.rows("SELECT kind, error FROM set_aside"):
        yield f"set aside: {row['kind']} {row['error'][-300:]}"


def nothing_lost(seen: Seen) -> Iterator[str]:
    """(1) What was answered 200 is in the log, and everything in the log was handled."""
    logged = {event["id"] for event in seen.events}
    for accepted in seen.world.accepted:
        if accepted.post.call["messageId"] not in logged:
            yield f"1 lost: {accepted.post.call['messageId']} was accepted at {accepted.at}"
    for row in seen.rows(
        "SELECT topic, min(position) AS p, (SELECT max(id) FROM ever_logged l WHERE l.topic = position.topic) AS last "
        "FROM position GROUP BY topic"
    ):
        if row["p"] <= row["last"]:
            yield f"1 not handled: {row['topic']} up to {row['last']}, only to {row['p']}"


def repeats_change_nothing(seen: Seen) -> Iterator[str]:
    """(2) What is counted of a person is what they did, each id once, by its first body."""
    first: dict[str, dict[str, Any]] = {}
    for event in seen.events:
        first.setdefault(event["id"], event)
    did: Counter[tuple[str, str]] = Counter()
    people = {row["value"]: row["profile"] for row in seen.rows("SELECT value, profile FROM identity")}
    for event in first.values():
        profile = people.get(event.get("user_id") or event.get("anonymous_id") or "")
        did[profile or "", event["name"]] += 1
    names = {"visits": "Visited", "tickets": "Ticket Opened", "carts": "Product Added", "signs": "Signed Up"}
    names["orders"] = "Order Completed"
    for row in seen.rows("SELECT id, state FROM profile WHERE merged_into IS NULL"):
        computed = msgspec.json.decode(row["state"]).get("computed", {})
        for trait, name in names.items():
            counted = computed.get(trait, {}).get("value", 0)
            if counted != did[row["id"], name]:
                yield f"2 counted: {row['id']} did {name} {did[row['id'], name]} times, {trait} says {counted}"


def one_entry_a_rule(seen: Seen) -> Iterator[str]:
    """(2, 10) Nobody enters `welcome` twice, nor a cart or a place again before its span is over."""
    spans = {"welcome": timedelta(days=999), "cart-recovery": timedelta(days=7), "nudge": timedelta(days=2)}
    entered: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    for row in seen.rows(
        "SELECT profile, journey, key, entered_at FROM enrolment WHERE status <> 'merged' ORDER BY entered_at"
    ):
        entered[row["profile"], row["journey"], row["key"]].append(_at(row["entered_at"]))
    for (profile, journey, key), moments in entered.items():
        for before, after in itertools.pairwise(moments):
            if after - before < spans.get(journey, timedelta(0)) and after > seen.joined.get(profile, START):
                yield f"2 entered again: {profile} {journey} {key} {before} and {after}"
    newcomers = {e["user_id"] for e in seen.events if e["name"] == "Signed Up" and not e.get("backfill")}
    people = {
        row["value"]: row["profile"] for row in seen.rows("SELECT value, profile FROM identity WHERE kind = 'user'")
    }
    for user in newcomers:
        if (people[user], "welcome", "") not in entered:
            yield f"1 not entered: {user} signed up, and is not in welcome"


def never_early(seen: Seen) -> Iterator[str]:
    """(6) No message is asked before its moment, nor handed over before; and soon after, where all is well."""
    calm = not seen.world.faults
    for one in seen.messages.values():
        moment, asked = _at(one["payload"]["at"]), _at(one["asked_at"])
        if asked < moment:
            yield f"6 early: {one['journey']}.{one['step']} of {moment} was asked at {asked}"
        if calm and one["payload"]["by"] and asked - moment > timedelta(days=5):
            yield f"6 late: {one['journey']}.{one['step']} of {moment} was asked at {asked}"
    for call in seen.world.ledger.calls:
        if call.at < _at(seen.messages[call.message]["payload"]["at"]):
            yield f"6 early: {call.message} was handed over at {call.at}"


def never_out_of_turn(seen: Seen) -> Iterator[str]:
    """(6) Whose order the log had before the reminder's moment is not reminded of that cart."""
    paid: dict[tuple[str, str], list[tuple[datetime, datetime]]] = defaultdict(list)
    for event in seen.events:
        if event["name"] == "Order Completed":
            paid[event["user_id"], event["properties"].get("cart_id", "")].append(
                (event["logged_at"], _at(event["at"]))
            )
    for one in seen.messages.values():
        if one["journey"] == "cart-recovery":
            values, moment = one["payload"]["values"], _at(one["payload"]["at"])
            entered = _at(values.get("entered_at", START.isoformat()))
            for logged, happened in paid[one["user_id"], values["entry"]["cart_id"]]:
                if logged < moment and entered < happened < moment:
                    yield f"6 out of turn: {one['id']} ({one['status']}) of {moment}, paid for at {logged}"


def one_effect_each(seen: Seen) -> Iterator[str]:
    """(4, 5) A receiver that honours keys had one effect a message, with the same bytes; others by the mode."""
    calls: dict[str, list[Call]] = defaultdict(list)
    for call in seen.world.ledger.calls:
        calls[call.message].append(call)
    for message, made in calls.items():
        taken = [call for call in made if call.taken_at]
        if len({call.key for call in taken}) > 1:
            yield f"4 two deliveries of {message} were taken: {[(c.channel, c.at) for c in taken]}"
        for key in {call.key for call in made}:
            if len({call.content for call in made if call.key == key}) > 1:
                yield f"4 a retry of {key} said something else"
        if made[0].channel not in HONOURS_KEYS and len(taken) > 1:
            wants = 2 if seen.messages[message]["category"] == "transactional" else 1
            if len(taken) > wants or (wants == 2 and not taken[-1].possible_duplicate):
                yield f"5 {message} was taken {len(taken)} times without a key"


def nothing_pretended(seen: Seen) -> Iterator[str]:
    """(5) What was taken is sent or unknown; what says sent was taken; an unknown one has a row that says so."""
    taken = {call.message for call in seen.world.ledger.calls if call.taken_at}
    for id, one in seen.messages.items():
        if id in taken and one["status"] not in ("sent", "delivered", "bounced", "unknown"):
            yield f"5 {id} was taken, and its row says {one['status']} {one['reason']}"
        if id not in taken and one["status"] in ("sent", "delivered"):
            yield f"5 {id} was never taken, and its row says {one['status']}"


def caps_hold(seen: Seen) -> Iterator[str]:
    """(7) By the providers' ledger: 2 adverts a day of the person's calendar, 3 in seven days, never more."""
    taken: dict[str, list[Call]] = defaultdict(list)
    for call in seen.world.ledger.calls:
        counts = call.taken_at and seen.messages[call.message]["category"] == "marketing"
        if counts and call.key not in {one.key for one in taken[call.profile]}:
            taken[call.profile].append(call)
    for profile, calls in taken.items():
        for index, call in enumerate(calls):
            week = [one for one in calls[: index + 1] if one.at > call.at - timedelta(days=7) + timedelta(minutes=1)]
            if len(week) > 3:
                yield f"7 weekly cap: {profile} got {len(week)} by {call.at}"
            days = [
                sum(_same_day(one, call, zone) for one in calls[: index + 1])
                for zone in seen.zone_names(profile, call.at)
            ]
            if min(days) > 2:
                yield f"7 daily cap: {profile} got {min(days)} on the day of {call.at}"


def _same_day(one: Call, other: Call, zone: str) -> bool:
    place = ZoneInfo(zone)
    return one.at.astimezone(place).date() == other.at.astimezone(place).date()


def consent_stands(seen: Seen) -> Iterator[str]:
    """(7) No advert is handed over but to who agreed, by the newest statement that was read by then."""
    said: dict[str, list[tuple[datetime, datetime, dict[str, Any]]]] = defaultdict(list)
    for row in seen.rows("SELECT profile, at, recorded_at, statement FROM consent_statement"):
        said[row["profile"]].append((_at(row["recorded_at"]), _at(row["at"]), msgspec.json.decode(row["statement"])))
    for call in seen.world.ledger.calls:
        if seen.messages[call.message]["category"] == "marketing":
            theirs = said[call.profile]
            lately = [recorded for recorded, _, _ in theirs if call.at - READ_WITHIN <= recorded <= call.at]
            states = {_agreed(theirs, call.channel, at) for at in (call.at, call.at - READ_WITHIN, *lately)}
            if states == {False}:
                yield f"7 no consent: {call.message} was handed over on {call.channel} at {call.at}"


def no_is_no(seen: Seen) -> Iterator[str]:
    """(7) After a page or a kill switch has answered, no call begins: not even what was claimed before."""
    calls = seen.world.ledger.calls
    for off, until in seen.world.silences:
        for call in calls:
            if off < call.at < until:
                yield f"7 silenced: {call.message} was handed over at {call.at}, all was off from {off} to {until}"
    for user, at in seen.world.refused:
        for call in calls:
            one = seen.messages[call.message]
            if one["user_id"] == user and one["category"] == "marketing" and at < call.at < at + READ_WITHIN:
                yield f"7 withdrawn: {call.message} was handed over to {user} at {call.at}, told not to at {at}"


def _agreed(said: list[tuple[datetime, datetime, dict[str, Any]]], channel: str, by: datetime) -> bool:
    theirs = [
        (at, not one["granted"])
        for recorded, at, one in said
        if recorded <= by and one.get("purpose", "marketing") == "marketing"
        and ("all" in one.get("channels", ["all"]) or ROAD[channel] in one.get("channels", ()))
    ]  # fmt: skip
    return bool(theirs) and not max(theirs)[1]


def statements_recorded(seen: Seen) -> Iterator[str]:
    """(1, 7) Each statement that was accepted is in the ledger of consent."""
    ledger = {
        msgspec.json.decode(row["statement"])["event_id"]
        for row in seen.rows("SELECT statement FROM consent_statement")
    }
    for event in seen.events:
        if event["name"] in ("Consent Given", "Consent Withdrawn") and event["id"] not in ledger:
            yield f"7 not recorded: {event['id']} {event['name']}"


def nights_are_quiet(seen: Seen) -> Iterator[str]:
    """(7) No advert on a phone between 20:50 and 8:00 of the person's day, whoever agreed to nights."""
    for call in seen.world.ledger.calls:
        if call.channel != "email" and seen.messages[call.message]["category"] == "marketing":
            local = [call.at.astimezone(ZoneInfo(zone)).time() for zone in seen.zone_names(call.profile, call.at)]
            if all(NIGHT[0] <= one or one < NIGHT[1] for one in local):
                yield f"7 quiet hours: {call.message} on {call.channel} at {local[0]} there"


def every_end_has_a_reason(seen: Seen) -> Iterator[str]:
    """(8) Each message was asked by a decision and ended by one; each entering event was considered."""
    told: dict[str, set[str]] = defaultdict(set)
    considered = set()
    for row in seen.rows("SELECT value FROM ever_logged WHERE topic = 'decisions'"):
        decision = msgspec.json.decode(row["value"])
        told[decision.get("message", "")].add(decision["verdict"])
        if not decision.get("reason"):
            yield f"8 without a reason: {decision}"
        considered.add(decision.get("input", ""))
    ends = {"sent": "sent", "delivered": "sent", "bounced": "sent", "dropped": "dropped", "expired": "dropped"}
    ends |= {"cancelled": "dropped", "failed": "failed", "unknown": "unknown"}
    for id, one in seen.messages.items():
        missing = {"asked", ends.get(one["status"], "asked")} - told[id]
        if missing and not (one["status"] in ("delivered", "bounced") and "unknown" in told[id]):
            yield f"8 {id} is {one['status']}, and no decision says {missing}"
    for event in seen.events:
        if event["name"] in ("Signed Up", "Visited", "Ticket Opened") and event["id"] not in considered:
            yield f"8 not considered: {event['id']} {event['name']}"


def numbers_reconcile(seen: Seen) -> Iterator[str]:
    """(11) As many rows as decisions asked; as many fates told as messages ended."""
    asked: Counter[str] = Counter()
    for row in seen.rows("SELECT value FROM ever_logged WHERE topic = 'decisions'"):
        decision = msgspec.json.decode(row["value"])
        if decision["verdict"] == "asked":
            asked[decision["message"]] += 1
    if set(asked) != set(seen.messages) or any(times > 1 for times in asked.values()):
        yield f"11 {len(asked)} asked ({max(asked.values(), default=0)} times at most), {len(seen.messages)} rows"
    fates: Counter[str] = Counter()
    for event in seen.events:
        if event["name"] in ("Message Sent", "Message Dropped", "Message Failed", "Message Expired", "Message Unknown"):
            fates[event["properties"]["message_id"]] += 1
    for id, one in seen.messages.items():
        if one["status"] not in OPEN and fates[id] == 0:
            yield f"11 {id} ended {one['status']}, and no event told its journey"


def nobody_stuck(seen: Seen) -> Iterator[str]:
    """(6) After the calm nothing waits whose moment has come, and who is inside has a moment still to come."""
    now = seen.world.now()
    for row in seen.rows("SELECT id, wake_at FROM profile WHERE wake_at < ?", (now - timedelta(minutes=1)).isoformat()):
        yield f"6 stuck: {row['id']} was to be woken at {row['wake_at']}"
    for id, one in seen.messages.items():
        if one["status"] in OPEN:
            yield f"6 stuck: message {id} is {one['status']} {one['reason']}, due {one['due_at']}"
    for row in seen.rows(
        "SELECT e.id, e.journey, e.step FROM enrolment e JOIN profile p ON p.id = e.profile "
        "WHERE e.status = 'live' AND p.wake_at IS NULL"
    ):
        yield f"6 stuck: {row['id']} stands at {row['journey']}.{row['step']} for ever"


CHECKS: tuple[Callable[[Seen], Iterator[str]], ...] = (
    nothing_unexpected,
    nothing_lost,
    repeats_change_nothing,
    one_entry_a_rule,
    never_early,
    never_out_of_turn,
    one_effect_each,
    nothing_pretended,
    caps_hold,
    consent_stands,
    no_is_no,
    statements_recorded,
    nights_are_quiet,
    every_end_has_a_reason,
    numbers_reconcile,
    nobody_stuck,
)
