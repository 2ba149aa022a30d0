"""Where states lead: those nothing leads to, and circles that never wait."""

from collections.abc import Iterable, Mapping

from dangol_journey.draft import Draft
from dangol_journey.journey import Branch, Coupon, Go, Leave, Send, SetTraits, State, Wait, Webhook

States = Mapping[str, State]


def leads_to(state: State, states: States) -> tuple[str, ...]:
    """The states that may come next."""
    found: Iterable[str | None]
    match state:
        case Wait(_, ways):
            found = (way.then for way in ways)
        case Branch(_, ways, following):
            ended = any(condition is None for condition, _ in ways)
            found = (*(then for _, then in ways), None if ended else following)
        case Send():
            found = (state.next, state.otherwise)
        case Coupon() | SetTraits() | Webhook():
            found = (state.next,)
        case Go():  # what follows it counts only where it can have gone too often
            found = (state.to, state.next if state.name in _within(state.to, states) else None)
        case Leave():
            found = ()
    return tuple(name for name in found if name is not None and name in states)


def _within(first: str, states: States) -> set[str]:
    """All states that can be reached, each go followed where it goes alone."""
    reached: set[str] = set()
    left = [first] if first in states else []
    while left:
        name = left.pop()
        if name in reached:
            continue
        reached.add(name)
        state = states[name]
        left += [state.to] if isinstance(state, Go) and state.to in states else []
        left += leads_to(state, states) if not isinstance(state, Go) else ()
    return reached


def _reached(first: str, states: States, *, through_waits: bool) -> set[str]:
    reached: set[str] = set()
    left = [first] if first in states else []
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            state = states[name]
            left += leads_to(state, states) if through_waits or not isinstance(state, Wait) else ()
    return reached


def check_ways(draft: Draft, states: States, first: str) -> None:
    """Refuse what is never reached, and what goes round without waiting."""
    reached = _reached(first, states, through_waits=True)
    lost = {name for name in states if name not in reached}
    led_to = {name for other in lost for name in leads_to(states[other], states)}
    for name in states:
        if name in lost and name not in led_to:
            draft.wrong(
                draft.places[name], "unreachable", f"nothing leads to the step {name}", "remove it, or go to it"
            )
    for name, state in states.items():
        if isinstance(state, Go) and name in _reached(state.to, states, through_waits=False):
            message = f"this goes back to {state.to} without any wait between"
            draft.wrong((*draft.places[name], "go"), "endless_circle", message, "put a wait between them")
