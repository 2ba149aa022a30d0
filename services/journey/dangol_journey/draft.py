"""A journey while it is compiled: its document, what it may name, the names of its steps, and what is wrong."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dangol.documents import Document, Path, Problem, problem
from dangol.problems import near
from dangol_journey.conditions import Condition, Shifted, compile_condition, compile_moment, compile_value
from dangol_journey.known import BUILT_IN_TRAITS, Known

ALWAYS = ("context", "profile", "now", "zone")
AT_ENTRY = ("event", *ALWAYS)
INSIDE = ("event", "entry", "latest", "seen", *ALWAYS)
LATER = {"item": "each and catalogs are not yet supported", "was": "catalogs are not yet supported"}
RESULTS = {
    "send": ("sent", "delivered", "opened", "clicked", "fate", "channel", "sent_at"),
    "webhook": ("sent", "delivered", "fate", "sent_at"),
    "coupon": ("pool", "issue", "expires_at"),
}
VERBS = ("wait", "branch", "send", "coupon", "set", "webhook", "go", "exit")
Step = Mapping[str, Any]


@dataclass(slots=True)
class Draft:
    """What is known while a document is compiled. `names`: path of a step → its name; `verbs`: name → its verb."""

    document: Document
    known: Known
    problems: list[Problem] = field(default_factory=list)
    names: dict[Path, str] = field(default_factory=dict)
    verbs: dict[str, str] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)

    def wrong(self, path: Path, code: str, message: str, hint: str = "", **more: Any) -> None:
        """Note a problem at a part of the document."""
        self.problems.append(problem(self.document, path, code, message, hint, **more))

    def condition(self, path: Path, source: str | None, roots: Iterable[str], event: str = "") -> Condition | None:
        """A condition, and the names in it looked up; `event` is the one whose properties `event` has."""
        if source is None:
            return None
        condition = compile_condition(source)
        self.look_up(path, condition, roots, event)
        return condition

    def value(self, path: Path, source: str | None, roots: Iterable[str], event: str = "") -> Condition | None:
        """An expression of any kind, looked up."""
        if source is None:
            return None
        condition = compile_value(source)
        self.look_up(path, condition, roots, event)
        return condition

    def moment(self, path: Path, source: str, event: str) -> Shifted:
        """A moment and its shift, looked up."""
        shifted = compile_moment(source)
        self.look_up(path, shifted.moment, INSIDE, event)
        return shifted

    def event(self, path: Path, name: str) -> str:
        """An event's own name; one nobody declared is a warning, since the app may send it all the same."""
        known = self.known
        if known.events and not known.is_event(name):
            hint = near(name, [*known.events, *known.aliases]) or "declare it in events.yaml"
            self.wrong(path, "undeclared_event", f"no event is declared as {name}", hint, warning=True)
        return known.event(name)

    def look_up(self, path: Path, condition: Condition, roots: Iterable[str], event: str) -> None:
        """Check each name a condition mentions against those that exist here."""
        known = (*roots, *self.verbs) if "entry" in roots else tuple(roots)
        for mention, at, _ in condition.mentions:
            root, rest = mention[0], mention[1:]
            if root not in known and self._after_a_dash(root, condition.source, at):
                continue
            if root not in known:
                self.wrong(
                    path, "unknown_name", f"nothing is called {root} here", self._hint(root, known, event), offset=at
                )
            elif rest and root in self.verbs:
                self._result(path, root, rest[0], at)
            elif rest:
                self._property(path, root, rest[0], event, at)

    def _entry(self) -> str:
        """The event that enters: `entry` and `latest` have its properties, whatever event a way waits for."""
        enter = self.document.body.get("enter")
        return self.known.event(str(enter.get("event", ""))) if isinstance(enter, dict) else ""

    def _after_a_dash(self, root: str, source: str, at: int) -> bool:
        """Whether this is the rest of a step's name which reads as a subtraction."""
        return source[:at].endswith("-") and any(f"-{root}" in name for name in self.verbs)

    def _hint(self, root: str, known: tuple[str, ...], event: str) -> str:
        if root in LATER:
            return LATER[root]
        if root in self.known.events.get(event, {}):
            return f"did you mean event.{root}?"
        if root in self.known.traits | BUILT_IN_TRAITS:
            return f"did you mean profile.{root}?"
        dashed = next((name for name in self.verbs if name.startswith(f"{root}-")), "")
        if dashed:
            return f"{dashed} reads as a subtraction: give the step a plain name, as: {dashed.replace('-', '_')}"
        return near(root, known) or f"known: {', '.join(known)}"

    def _result(self, path: Path, step: str, name: str, at: int) -> None:
        results = RESULTS.get(self.verbs[step])
        if results is None:
            self.wrong(
                path, "no_result", f"the step {step} has no result", "only send, coupon and webhook have one", offset=at
            )
        elif name not in results:
            hint = near(name, results) or f"known: {', '.join(results)}"
            if name == "code":
                hint = "a coupon's code is known only when it is said; templates may name it"
            self.wrong(path, "unknown_name", f"{step} has no {name}", hint, offset=at)

    def _property(self, path: Path, root: str, name: str, event: str, at: int) -> None:
        if root == "profile":
            traits = self.known.traits | BUILT_IN_TRAITS
            if name not in traits and (hint := near(name, traits)):
                self.wrong(path, "undeclared_trait", f"no trait is known as {name}", hint, offset=at, warning=True)
            return
        event = event if root == "event" else self._entry()
        has = self.known.events.get(event, {})
        if root in ("event", "entry", "latest") and has and name not in has:
            hint = near(name, has) or f"declared: {', '.join(has)}"
            self.wrong(path, "undeclared_property", f"{event} declares no {name}", hint, offset=at, warning=True)


def each(block: Any, path: Path) -> Iterator[tuple[Path, Step]]:
    """The maps of a block (one, or a list), with their paths."""
    if isinstance(block, dict):
        yield path, block
    elif isinstance(block, list):
        yield from (((*path, i), step) for i, step in enumerate(block) if isinstance(step, dict))


def verb_of(step: Step) -> str:
    """What a step does; nothing where that was wrong."""
    return next((verb for verb in VERBS if verb in step), "")


def steps_of(block: Any, path: Path) -> Iterator[tuple[Path, Step]]:
    """The steps of a block that say what they do, with their paths."""
    return ((step_path, step) for step_path, step in each(block, path) if verb_of(step))


def blocks_of(step: Step, path: Path) -> Iterator[tuple[Path, Any]]:
    """The blocks of steps inside a step: `then`, `else`, `otherwise`."""
    if "otherwise" in step:
        yield (*path, "otherwise"), step["otherwise"]
    for verb in ("wait", "branch"):
        for way_path, way in each(step.get(verb), (*path, verb)):
            yield from (((*way_path, word), way[word]) for word in ("then", "else") if word in way)


def name_steps(draft: Draft, block: Any, path: Path) -> None:
    """Give every step its name: `as`, else what it sends or promises, else its verb; two of one name are refused."""
    for step_path, step in steps_of(block, path):
        name = name_of(step)
        other = draft.places.get(name)
        if other is not None:
            _twice(draft, name, other, step_path)
            name = f"{name} at {'.'.join(map(str, step_path))}"
        draft.names[step_path], draft.places[name], draft.verbs[name] = name, step_path, verb_of(step)
        for below_path, below in blocks_of(step, step_path):
            name_steps(draft, below, below_path)


def name_of(step: Step) -> str:
    """A step's name, which depends on no position and no duration."""
    verb = verb_of(step)
    if isinstance(step.get("as"), str):
        return str(step["as"])
    if verb in ("send", "coupon"):
        return str(step[verb])
    return f"{verb} {step[verb]}" if verb in ("go", "exit") and step[verb] else verb


def _twice(draft: Draft, name: str, other: Path, path: Path) -> None:
    lines = f"lines {draft.document.at(other)[0]} and {draft.document.at(path)[0]}"
    where = lines if draft.document.text else ".".join(map(str, other))
    draft.wrong(path, "name_twice", f"two steps are called {name}, {where}", "give one `as:`")
