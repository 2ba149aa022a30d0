"""What is rendered ahead, and how claims take from it: never part of a person, nothing twice."""

from datetime import timedelta

from dangol_dispatcher.claims import Prepared
from dangol_dispatcher.considering import Considered, Counter
from dangol_dispatcher.ledger import Waiting
from dangol_dispatcher.model import Answer, Choice, Drop, Go, SendRequest, Standing, Status
from dangol_dispatcher.published import Workspace
from dangol_dispatcher.rulebook import Rules
from dangol_dispatcher.stock import Stock
from tests.support.dispatching import NOON, WORKSPACE, a_message

GO = Go("email", "a@example.test")


def considered(id: str, profile: str, answer: Answer = GO) -> Considered:
    request = SendRequest(a_message(id, profile=profile), "marketing", NOON, NOON + timedelta(days=1))
    return Considered(Waiting(request, WORKSPACE, profile, Status.ASKED, NOON), Choice(answer), Standing(None))


def stock_of(*left: Considered, rendered: str) -> Stock:
    rules = Rules(WORKSPACE)
    ready = {id: Prepared(None, rules.number) for id in rendered.split()}
    return Stock(Counter(rules, "email-gate"), Workspace(rules), list(left), ready)


def ids(some: list[Considered]) -> list[str]:
    return [one.waiting.request.message.id for one in some]


def test_one_persons_messages_are_taken_together() -> None:
    """They are arbitrated against each other. Caught: a pick of the first so many messages."""
    stock = stock_of(considered("m1", "p1"), considered("m2", "p2"), considered("m3", "p1"), rendered="m1 m2 m3")
    assert ids(stock.pick(1)) == ["m1", "m3"]


def test_what_needs_no_call_waits_for_no_connection() -> None:
    stock = stock_of(considered("m1", "p1"), considered("m2", "p2", Drop("capped")), rendered="m1")
    assert ids(stock.pick(0)) == ["m2"]


def test_what_is_not_rendered_is_left_to_the_next_look() -> None:
    stock = stock_of(considered("m1", "p1"), considered("m2", "p2"), considered("m3", "p3"), rendered="m1 m3")
    picked = stock.pick(1)
    assert ids(picked) == ["m1"]
    stock.forget(picked)
    assert ids(stock.left) == ["m3"]


def test_nothing_is_picked_twice() -> None:
    stock = stock_of(*(considered(f"m{n}", f"p{n}") for n in range(5)), rendered="m0 m1 m2 m3 m4")
    taken = []
    while picked := stock.pick(2):
        taken += ids(picked)
        stock.forget(picked)
    assert taken == ["m0", "m1", "m2", "m3", "m4"]
