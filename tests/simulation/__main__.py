"""`python -m tests.simulation [SEEDS] [FIRST]`, or `--seed N` for one with its trace; fails where one is wrong."""

import argparse
import gc
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.run import PEOPLE, Outcome, simulate

say = sys.stdout.write


def main() -> int:
    """Play the seeds asked for."""
    asked = argparse.ArgumentParser(prog="simulate")
    asked.add_argument("seeds", type=int, nargs="?", default=500)
    asked.add_argument("first", type=int, nargs="?", default=1)
    asked.add_argument("--seed", type=int, help="one alone, with its trace")
    asked.add_argument("--people", type=int, default=PEOPLE)
    asked.add_argument("--processes", type=int, default=2)
    given = asked.parse_args()
    if given.seed is not None:
        return _one(simulate(given.seed, given.people))
    return _many(range(given.first, given.first + given.seeds), given.people, given.processes)


def _one(outcome: Outcome) -> int:
    say("\n".join(outcome.trace) + "\n")
    _tell(outcome)
    return bool(outcome.wrong)


def _many(seeds: range, people: int, processes: int) -> int:
    began, sums, wrong = time.monotonic(), Counter[str](), 0
    with ProcessPoolExecutor(processes, initializer=_seldom_collect) as pool:
        for outcome in pool.map(_played, seeds, [people] * len(seeds)):
            sums.update(outcome.counts)
            if outcome.wrong:
                wrong += 1
                _tell(outcome)
    counts = ", ".join(f"{number:,} {name}" for name, number in sums.items())
    say(f"{len(seeds)} seeds of {people} people in {time.monotonic() - began:.0f} s: {counts}; {wrong} seeds wrong\n")
    return bool(wrong)


def _seldom_collect() -> None:
    """A tenth of a seed went into looking at what lives as long as the process: modules, definitions, statements."""
    gc.freeze()
    gc.set_threshold(1_000_000, 50, 1000)


def _played(seed: int, people: int) -> Outcome:
    """A seed, and its world cleared away whole: a hundred took 300 MB."""
    outcome = simulate(seed, people)
    gc.collect()
    return outcome


def _tell(outcome: Outcome) -> None:
    say(f"seed {outcome.seed}: trace {outcome.hash}, {outcome.counts}, {len(outcome.wrong)} wrong\n")
    for sentence in outcome.wrong[:20]:
        say(f"  {sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
