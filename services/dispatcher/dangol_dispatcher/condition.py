"""The one condition dispatcher knows, `hold_while`: CEL over the traits its facts carry."""

from collections.abc import Callable

import cel

from dangol.errors import Invalid
from dangol_dispatcher.model import Recipient
from dangol_dispatcher.rulebook import HoldWhile

LONGEST = 4096


def hold_while(source: str) -> HoldWhile:
    """The compiled condition; a person without the traits it names does not meet it. Raises `Invalid`."""
    if len(source) > LONGEST:
        raise Invalid("bad_condition", f"a condition has at most {LONGEST} characters")
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise Invalid("bad_condition", str(error).splitlines()[0]) from error
    unknown = set(program.variables()) - {"profile"}
    if unknown:
        raise Invalid("unknown_name", f"hold_while knows `profile` alone, not {', '.join(sorted(unknown))}")
    return HoldWhile(source, _over_traits(program))


def _over_traits(program: cel.Program) -> Callable[[Recipient], bool]:
    def holds(recipient: Recipient) -> bool:
        try:
            return program.execute({"profile": dict(recipient.traits)}) is True
        except (KeyError, TypeError, ValueError, RuntimeError):
            return False

    return holds
