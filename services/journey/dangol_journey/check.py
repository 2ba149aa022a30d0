"""What is wrong with the journeys, traits, events, workspace and tests of a set, all of it at once."""

from collections.abc import Iterator
from typing import Any

from dangol.documents import DefinitionSet, Document, Problem, in_order, problem
from dangol.problems import near
from dangol.shape_check import check_shape
from dangol_journey.draft import Draft
from dangol_journey.forms import EVENT, LATER_KINDS, TEST, WORKSPACE
from dangol_journey.known import BUILT_IN_EVENTS, Known, known_of
from dangol_journey.language import compile_journey, compile_trait


def check(definitions: DefinitionSet) -> list[Problem]:
    """All problems of what this service reads, in the order of files and lines. Pure."""
    known = known_of(definitions)
    found: list[Problem] = []
    for document in definitions.documents:
        found += _problems(document, known)
    return in_order([*found, *_aliases_twice(definitions)])


def _problems(document: Document, known: Known) -> list[Problem]:
    match document.kind:
        case "journey":
            return compile_journey(document, known)[1]
        case "trait":
            return compile_trait(document, known)[1]
        case "event":
            return check_shape(EVENT, document)[1]
        case "workspace":
            return check_shape(WORKSPACE, document)[1]
        case "test":
            return _test(document, known)
        case kind if kind in LATER_KINDS:
            return [problem(document, (kind,), "not_yet_supported", f"{kind} is not yet supported", key=True)]
        case _:
            return []


def _test(document: Document, known: Known) -> list[Problem]:
    body, problems = check_shape(TEST, document)
    draft = Draft(document, known, problems)
    journey = body.get("journey")
    if journey is not None and journey not in known.journeys:
        hint = near(journey, known.journeys) or f"known: {', '.join(sorted(known.journeys)) or 'no journey'}"
        draft.wrong(("journey",), "unknown_journey", f"there is no journey {journey}", hint)
    for i, given in enumerate(body.get("given") or ()):
        if given and isinstance(given.get("event"), str):
            draft.event(("given", i, "event"), given["event"])
    return draft.problems


def _aliases_twice(definitions: DefinitionSet) -> Iterator[Problem]:
    names: dict[str, str] = {name: name for name in BUILT_IN_EVENTS} | {
        one.name: one.name for one in definitions.of("event")
    }
    for document in definitions.of("event"):
        aka: Any = document.body.get("aka")
        for i, name in enumerate(aka if isinstance(aka, list) else ()):
            if names.setdefault(str(name), document.name) != document.name:
                other = names[str(name)]
                message = f"{name} is an event itself" if other == name else f"{name} is already a name of {other}"
                yield problem(document, ("aka", i), "name_twice", message, "an event's other names are its own")
