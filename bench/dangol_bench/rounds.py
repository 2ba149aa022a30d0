"""Two loops timed in turn, in short rounds, so that whatever else the machine does meets both."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median

Round = Callable[[int], Awaitable[float]]  # a round's number → its rate or cost


@dataclass(frozen=True, slots=True)
class Pair:
    """The medians of both, and of the ratios round by round."""

    ours: float
    theirs: float
    rounds: Sequence[tuple[float, float]]

    @property
    def spread(self) -> str:
        """The lowest and highest ratio of any round."""
        ratios = [ours / theirs for ours, theirs in self.rounds]
        return f"{min(ratios):.2f} to {max(ratios):.2f}"


async def in_turn(ours: Round, theirs: Round, rounds: int) -> Pair:
    """So many rounds of each, after one of each that does not count; who begins changes."""
    await theirs(0)
    await ours(0)
    done: list[tuple[float, float]] = []
    for number in range(1, rounds + 1):
        if number % 2:
            one, other = await ours(number), await theirs(number)
        else:
            other = await theirs(number)
            one = await ours(number)
        done.append((one, other))
    return Pair(median(one for one, _ in done), median(other for _, other in done), done)
