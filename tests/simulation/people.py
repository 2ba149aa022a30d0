"""Random lives: what each person does in a month, as the calls an app would post, and when."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.simulation.shop import START

DAYS = 30
# In a month: people come together, for each visit of a quiet shop costs as much as a hundred people's.
WAVES = (2, 2, 3)
H, M, S, MS = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1), timedelta(milliseconds=1)
ZONES = ("Asia/Seoul", "Asia/Seoul", "Asia/Seoul", "Asia/Seoul", "America/New_York", None)
ROADS = ("email", "sms", "push", "kakao")
# Spans between a cart and its order: well before the reminder, after it, and around its very moment.
PAID_AFTER = ((0 * H,), (12 * H,), (24 * H - MS, 24 * H, 24 * H + MS), (48 * H,))
LATER = (12 * H, 24 * H, 48 * H, 72 * H, 7 * 24 * H)  # between other acts of one person


@dataclass(frozen=True, slots=True)
class Post:
    """One call at a moment. `happened`: what its timestamp says, where that is not when it is posted."""

    at: datetime
    call: dict[str, Any]
    happened: datetime | None = None
    secret: bool = False
    just: bool = False  # ahead of a moment of theirs


@dataclass(frozen=True, slots=True)
class Month:
    """When people of a seed come, what they do besides, and the few spans between their acts."""

    waves: Sequence[datetime]
    habits: "Sequence[Callable[[Someone, datetime], None]]"
    paid_after: Sequence[timedelta]
    later: Sequence[timedelta]


@dataclass(slots=True)
class Someone:
    """One person and the posts of their month."""

    user: str
    chance: Random
    waves: Sequence[datetime]
    month: Month
    posts: list[Post] = field(default_factory=list)
    count: int = 0

    def comes(self) -> datetime:
        """The moment of another visit, with one of the shop's waves."""
        return self.chance.choice(self.waves) + (MS if self.chance.random() < 0.03 else 0 * S)

    def later(self) -> timedelta:
        """A span until this person's next act, half of the time no longer than a moment."""
        return self.chance.choice((0 * S, MS, *self.month.later))

    def does(self, at: datetime, name: str, happened: datetime | None = None, **properties: Any) -> Post:
        """A track call."""
        return self.says(at, {"type": "track", "event": name, "properties": properties}, happened)

    def says(self, at: datetime, call: dict[str, Any], happened: datetime | None = None, **more: Any) -> Post:
        """Any call, with an id of its own."""
        self.count += 1
        ids = {"messageId": f"{self.user}-{self.count}", "userId": self.user}
        post = Post(at, {**ids, **call}, happened, **more)
        self.posts.append(post)
        return post


def lives(seed: int, people: int) -> list[Post]:
    """Everybody's posts, in order."""
    chance = Random(f"people {seed}")
    month = _month(chance)
    posts = [post for number in range(people) for post in _life(f"u{number}", Random(chance.random()), month)]
    return sorted(posts, key=lambda post: (post.at, post.call["messageId"]))


def _month(chance: Random) -> Month:
    first = START + chance.randrange(24) * H
    waves = [first + day * 24 * H for day in sorted(chance.sample(range(DAYS - 8), chance.choice(WAVES)))]
    paid_after = [span for spans in chance.sample(PAID_AFTER, chance.choice((1, 2))) for span in spans]
    return Month(
        waves, chance.sample(HABITS, chance.choice((1, 2))), paid_after, chance.sample(LATER, chance.choice((1, 2)))
    )


def _life(user: str, chance: Random, month: Month) -> Sequence[Post]:
    arrives = chance.choice(month.waves[:-1])
    one = Someone(user, chance, [wave for wave in month.waves if wave >= arrives], month)
    _arrives(one, arrives)
    for habit in month.habits:
        if chance.random() < 0.25:
            habit(one, one.comes())
    one.posts += list(_again(one))
    return one.posts


def _arrives(one: Someone, at: datetime) -> None:
    chance = one.chance
    traits: dict[str, Any] = {"name": "민지", "email": f"{one.user}@example.test"}
    if chance.random() < 0.6:
        traits["phone"] = f"+8210{int(one.user[1:]):08d}"
    if zone := _zone(chance):
        traits["timezone"] = zone
    context: dict[str, Any] = {"traits": traits}
    if chance.random() < 0.5:
        context["device"] = {"token": f"tok-{one.user}", "type": "ios"}
    if chance.random() < 0.2:
        anonymous = {"anonymousId": f"a-{one.user}"}
        one.says(
            at, {"type": "track", "event": "Visited", "properties": {"place": "home"}, **anonymous, "userId": None}
        )
        one.says(at + MS, {"type": "track", "event": "Signed Up", "properties": {}, "context": context, **anonymous})
    else:
        one.says(at, {"type": "track", "event": "Signed Up", "properties": {}, "context": context})
    if chance.random() < 0.6:
        _agrees(one, at + chance.choice((0 * S, one.later())))


def _agrees(one: Someone, at: datetime) -> None:
    chance = one.chance
    roads = ["all"] if chance.random() < 0.5 else chance.sample(ROADS, chance.randint(1, 3))
    night: dict[str, Any] = {"night": True} if chance.random() < 0.2 else {}
    one.does(at, "Consent Given", purpose="marketing", channels=roads, **night)


def _shops(one: Someone, at: datetime) -> None:
    chance, cart = one.chance, f"c{one.count}"
    bought: dict[str, Any] = {
        "cart_id": cart,
        "cart_value": chance.choice((12_000, 42_000, 90_000)),
        "product_name": "청소기",
    }
    late = at - chance.choice((H, 30 * H, 4 * 24 * H)) if chance.random() < 0.1 else None
    one.does(at, "Product Added", late, **bought)
    latest = late or at
    if chance.random() < 0.3:
        latest = at + one.later()
        one.does(latest, "Product Added", **bought)
    if chance.random() < 0.5:
        paid = latest + chance.choice(one.month.paid_after)
        order = {"order_id": f"o-{cart}", "cart_id": cart, "revenue": bought["cart_value"]}
        post = one.does(max(paid, at), "Order Completed", paid if paid < at else None, **order)
        if paid == latest + 24 * H - MS:
            one.posts[-1] = replace(post, just=True)
        if chance.random() < 0.5:
            one.does(paid + one.later(), "Order Delivered", order_id=order["order_id"])


def _visits(one: Someone, at: datetime) -> None:
    place = one.chance.choice(("home", "sale"))
    one.does(at, "Visited", place=place)
    if one.chance.random() < 0.3:
        one.does(at + one.later(), "Left", place=place)
    if one.chance.random() < 0.3:
        one.does(at + one.later(), "Visited", place=place)


def _asks(one: Someone, at: datetime) -> None:
    ticket = f"t{one.count}"
    due = (at + one.chance.choice(one.month.later)).isoformat()
    one.does(at, "Ticket Opened", ticket_id=ticket, due_on=due)
    if one.chance.random() < 0.6:
        one.does(at + one.later(), "Ticket Closed", ticket_id=ticket)


def _changes_mind(one: Someone, at: datetime) -> None:
    roads = one.chance.choice((["all"], ["email"], ["push", "sms"]))
    one.does(at, "Consent Withdrawn", purpose="marketing", channels=roads)
    if one.chance.random() < 0.4:
        _agrees(one, at + one.later())
    if one.chance.random() < 0.2:  # an older word that comes late must not open what was closed
        one.does(at + one.later(), "Consent Given", at - 24 * H, purpose="marketing", channels=["all"])


def _moves(one: Someone, at: datetime) -> None:
    one.says(at, {"type": "identify", "traits": {"timezone": _zone(one.chance)}})


def _again(one: Someone) -> Iterator[Post]:
    """A client's retries: the same id once more, soon or days later; seldom with another body."""
    for post in one.posts:
        if one.chance.random() < 0.06:
            later = post.at + min(one.later(), 5 * 24 * H)  # ids are remembered for seven days
            if one.chance.random() < 0.2 and "properties" in post.call:
                changed = {**post.call, "properties": {**post.call["properties"], "changed": True}}
                yield Post(later + S, changed, post.happened or post.at, post.secret)
            else:
                yield Post(later, post.call, post.happened or post.at, post.secret)


def _zone(chance: Random) -> str | None:
    return chance.choice(ZONES)


HABITS = (_shops, _shops, _visits, _visits, _asks, _changes_mind, _moves)
