"""What was looked at and rendered ahead: claims take from it as connections come free, a person's messages together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dangol_dispatcher.claims import Prepared
from dangol_dispatcher.considering import Considered, Counter
from dangol_dispatcher.model import Go
from dangol_dispatcher.published import Workspace


@dataclass(slots=True)
class Stock:
    """`left` is not claimed yet, in the queue's order. All of it is asked again by the claim, so it may be stale."""

    counter: Counter
    workspace: Workspace
    left: list[Considered]
    ready: Mapping[str, Prepared] = field(default_factory=dict)

    def going(self) -> list[Considered]:
        """Those that may go."""
        return [one for one in self.left if isinstance(one.choice.answer, Go)]

    def pick(self, at_most: int) -> list[Considered]:
        """The next so many that may go and are rendered, all else of the same people, and what needs no call."""
        ready = [one for one in self.going() if one.waiting.request.message.id in self.ready]
        people = {one.waiting.profile for one in ready[:at_most]}
        return [one for one in self.left if one.waiting.profile in people or not isinstance(one.choice.answer, Go)]

    def forget(self, picked: Sequence[Considered]) -> None:
        """These were claimed, decided, or another's; what is not rendered is found again by the next look."""
        gone = {one.waiting.request.message.id for one in picked}
        self.left = [
            one for one in self.left if (id := one.waiting.request.message.id) not in gone and id in self.ready
        ]
