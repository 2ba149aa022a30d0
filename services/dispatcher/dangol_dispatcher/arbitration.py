"""When several messages compete for one person's slots, the highest priority goes first."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from dangol.decisions import Reason
from dangol_dispatcher.model import Choice, Drop, Go, Hold, SendRequest, Spent, Standing
from dangol_dispatcher.policy import choose
from dangol_dispatcher.rulebook import Rules

A_MOMENT = timedelta(seconds=1)


def arbitrate(
    requests: Sequence[SendRequest],
    here: frozenset[str],
    standing: Standing,
    rules: Rules,
    now: datetime,
    *,
    stuck: Collection[str] = (),
) -> Mapping[str, Choice]:
    """The answers for one person's due messages, by message id, each counting those that rank before it.

    `here` are the ids claimed now; the others wait in other gateways' queues and are only asked whether they
    would go, so that a lower one steps back a moment for them. `stuck`: those that cannot be said for now.
    """
    choices: dict[str, Choice] = {}
    taken: list[Spent] = []
    for request in sorted(requests, key=rank):
        alone = choose(request, standing, rules, now)
        choice = (
            choose(request, replace(standing, recent=standing.recent + tuple(taken)), rules, now) if taken else alone
        )
        if isinstance(alone.answer, Go) and choice != alone:
            choice = _outranked(choice, any(spent.message not in here for spent in taken), now)
        choices[request.message.id] = choice
        answer = choice.answer
        if isinstance(answer, Go) and request.message.id not in stuck and _takes_slot(request, answer, rules):
            taken.append(spent_by(request, answer.channel, now))
    return {id: choice for id, choice in choices.items() if id in here}


def rank(request: SendRequest) -> tuple[bool, int, datetime, str]:
    """The order of competing messages: those already holding a slot, then by priority, then the older."""
    return not request.counted, -request.message.priority, request.message.at, request.message.id


def spent_by(request: SendRequest, channel: str, now: datetime) -> Spent:
    """The slot this message takes when it goes."""
    return Spent(request.message.id, now, request.category, channel, request.message.journey, request.tags)


def _takes_slot(request: SendRequest, go: Go, rules: Rules) -> bool:
    """Whether it takes a slot it does not hold already."""
    if request.counted == go.channel:
        return False
    template = rules.templates.get(request.message.template)
    return template is not None and template.counts


def _outranked(choice: Choice, by_another_queue: bool, now: datetime) -> Choice:
    """Taken by a higher one: the cap's own answer where that goes out with us, else ask again once it went."""
    answer = choice.answer
    if isinstance(answer, Go):
        return choice
    if by_another_queue:
        return Choice(Hold(now + A_MOMENT, Reason.OUTRANKED, answer.details), choice.skipped)
    if isinstance(answer, Hold):
        return Choice(Hold(answer.until, Reason.OUTRANKED, answer.details), choice.skipped)
    if answer.reason == Reason.CAPPED:
        return Choice(Drop(Reason.OUTRANKED, answer.details), choice.skipped)
    return choice
