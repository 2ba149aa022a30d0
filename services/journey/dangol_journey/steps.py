"""Steps as written → the flat table of named states a machine walks."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from dangol.documents import Path, part_of
from dangol.errors import Invalid
from dangol.problems import near
from dangol.spans import span
from dangol_journey.conditions import Condition
from dangol_journey.draft import INSIDE, Draft, Step, each, steps_of, verb_of
from dangol_journey.forms import PREFERRED, window_of
from dangol_journey.journey import (
    After,
    Branch,
    Coupon,
    Go,
    Leave,
    OnEvent,
    OnReceipt,
    Receipt,
    Send,
    SetTraits,
    State,
    Until,
    Wait,
    Way,
    Webhook,
    When,
    Window,
)

AT_MOST = 10  # how often a go goes, unless said
Next = str | None


def lay(draft: Draft, states: dict[str, State], block: Any, path: Path, after: Next) -> Next:
    """Make the states of a block; what follows its last is `after`. The name of its first."""
    steps = list(steps_of(block, path))
    if not steps:
        return after
    names: list[Next] = [draft.names[step_path] for step_path, _ in steps]
    for (step_path, step), name, following in zip(steps, names, [*names[1:], after], strict=True):
        states[str(name)] = _BUILDERS[verb_of(step)](_Site(draft, states, str(name), step, step_path, following))
    return names[0]


class _Site:
    """Where a state is built: a step, its path, its name, and what follows it."""

    def __init__(
        self, draft: Draft, states: dict[str, State], name: str, step: Step, path: Path, following: Next
    ) -> None:
        self.draft, self.states = draft, states
        self.name, self.step, self.path, self.following = name, step, path, following
        enter = draft.document.body.get("enter")
        self.entry = draft.known.event(str(enter.get("event", ""))) if isinstance(enter, dict) else ""

    def block(self, holder: Step, word: str, path: Path) -> Next:
        """The first state of a block inside this step; what follows the step, where there is none."""
        if word not in holder:
            return self.following
        return lay(self.draft, self.states, holder[word], (*path, word), self.following)

    def span(self, word: str) -> timedelta | None:
        return span(self.step[word]) if word in self.step else None


def _wait(site: _Site) -> State:
    given, path = site.step["wait"], (*site.path, "wait")
    if isinstance(given, str):
        return Wait(site.name, (_after(site, given, path, site.step, site.following),))
    for word in ("since", "between"):
        if word in site.step:
            site.draft.wrong(
                (*site.path, word), "misplaced", f"{word} belongs to a way", "write it beside after or until", key=True
            )
    taken = [_way(site, way, way_path) for way_path, way in each(given, path)]
    ways = tuple(way for way in taken if way is not None)
    written = each(part_of(site.draft.document.body, path), path)
    if not any("after" in way or "until" in way for _, way in written):
        message = "this wait may never end: no way has after or until"
        site.draft.wrong(path, "endless_wait", message, "add a way such as {after: 7d}")
    return Wait(site.name, ways)


def _way(site: _Site, way: Step, path: Path) -> Way | None:
    then = site.block(way, "then", path)
    if "event" in way:
        event = site.draft.event((*path, "event"), way["event"])
        return OnEvent(event, site.draft.condition((*path, "where"), way.get("where"), INSIDE, event), then)
    for receipt in Receipt:
        if receipt in way:
            return OnReceipt(receipt, _sent(site, way[receipt], (*path, receipt.value)), then)
    if (condition := site.draft.condition((*path, "when"), way.get("when"), INSIDE, site.entry)) is not None:
        return When(condition, then)
    if "until" in way:
        moment = site.draft.moment((*path, "until"), way["until"], site.entry)
        return Until(moment.moment, moment.shift, _window(way), way.get("or") == "earlier", then)
    return _after(site, str(way["after"]), (*path, "after"), way, then) if "after" in way else None


def _after(site: _Site, source: str, path: Path, way: Step, then: Next) -> After:
    length = _plain_span(source) or site.draft.value(path, source, INSIDE, site.entry)
    return After(length or timedelta(), way.get("since") == "latest", _window(way), then)


def _plain_span(source: str) -> timedelta | None:
    try:
        return span(source)
    except Invalid:
        return None


def _window(way: Step) -> Window | None:
    hours = window_of(way["between"]) if "between" in way else None
    return Window(*hours) if hours else None


def _sent(site: _Site, name: str, path: Path) -> str:
    """The send step whose message is waited for."""
    sends = [step for step, verb in site.draft.verbs.items() if verb == "send"]
    if name not in sends:
        verb = site.draft.verbs.get(name)
        message = f"the step {name} is a {verb}, which sends nothing" if verb else f"no step is called {name}"
        site.draft.wrong(path, "unknown_step", message, near(name, sends) or f"known: {', '.join(sends) or 'no send'}")
    return name


def _branch(site: _Site) -> State:
    ways: list[tuple[Condition | None, Next]] = []
    found = list(each(site.step["branch"], (*site.path, "branch")))
    for place, (path, way) in enumerate(found):
        if "else" in way and place + 1 < len(found):
            site.draft.wrong((*path, "else"), "misplaced", "else is not the last way", "move it to the end", key=True)
        condition = site.draft.condition((*path, "when"), way.get("when"), INSIDE, site.entry)
        ways.append((condition, site.block(way, "else" if "else" in way else "then", path)))
    return Branch(site.name, tuple(ways), site.following)


def _send(site: _Site) -> State:
    by = site.step.get("by", ())
    listed = [by] if isinstance(by, str) else list(by)
    template = site.step["send"]
    _look_up(site, "template", "send", template, site.draft.known.templates)
    speaks = site.draft.known.templates.get(template)
    for i, channel in enumerate(listed):
        if speaks is not None and channel not in (PREFERRED, None, *speaks):
            path = (*site.path, "by") if isinstance(by, str) else (*site.path, "by", i)
            hint = f"it speaks on: {', '.join(speaks) or 'no channel'}"
            site.draft.wrong(path, "no_content", f"the template {template} says nothing on {channel}", hint)
    return Send(
        name=site.name,
        template=template,
        by=tuple(channel for channel in listed if channel),
        within=site.span("within"),
        to=site.step.get("to"),
        otherwise=site.block(site.step, "otherwise", site.path),
        has_otherwise="otherwise" in site.step,
        next=site.following,
    )


def _look_up(site: _Site, what: str, word: str, name: str, known: Any) -> None:
    if name not in known:
        hint = near(name, known) or f"known: {', '.join(sorted(known)) or f'no {what}'}"
        site.draft.wrong((*site.path, word), f"unknown_{what}", f"there is no {what} {name}", hint)


def _coupon(site: _Site) -> State:
    pool, known = site.step["coupon"], site.draft.known.coupons
    _look_up(site, "coupon", "coupon", pool, known)
    return Coupon(site.name, pool, known.get(pool), None, site.following)


def _set(site: _Site) -> State:
    traits: dict[str, Any] = {}
    for name, given in site.step["set"].items():
        path = (*site.path, "set", name)
        traits[name] = (
            site.draft.value((*path, "value"), given.get("value"), INSIDE, site.entry)
            if isinstance(given, dict)
            else given
        )
        if name in site.draft.known.traits:
            site.draft.wrong(path, "computed_trait", f"{name} is computed from events, and cannot be set", key=True)
    return SetTraits(site.name, traits, site.following)


def _webhook(site: _Site) -> State:
    known = {name for name, channel in site.draft.known.gateways.items() if channel == "webhook"}
    _look_up(site, "gateway", "webhook", site.step["webhook"], known)
    return Webhook(site.name, site.step["webhook"], site.step.get("json"), site.span("within"), site.following)


def _go(site: _Site) -> State:
    to = site.step["go"]
    if to not in site.draft.verbs:
        hint = near(to, site.draft.verbs) or f"known: {', '.join(site.draft.verbs)}"
        site.draft.wrong((*site.path, "go"), "unknown_step", f"no step is called {to}", hint)
    return Go(site.name, to, site.step.get("at_most", AT_MOST), site.following)


def _exit(site: _Site) -> State:
    return Leave(site.name, site.step["exit"] or "exit")


_BUILDERS: dict[str, Callable[[_Site], State]] = {
    "wait": _wait,
    "branch": _branch,
    "send": _send,
    "coupon": _coupon,
    "set": _set,
    "webhook": _webhook,
    "go": _go,
    "exit": _exit,
}
