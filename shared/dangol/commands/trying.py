"""`dangol test`: the journey tests of a folder, on a virtual clock, without a running product."""

from importlib import import_module
from pathlib import Path
from time import perf_counter

import msgspec

from dangol.commands import show
from dangol.documents import DefinitionSet, read_dir
from dangol.publishing import all_problems

TRIAL = "dangol_journey.trial"


def run(directory: Path) -> int:
    """Run them all and print each; returns the exit code: 0 passed, 1 a test failed, 2 the files are wrong."""
    documents, found = read_dir(directory)
    definitions = DefinitionSet(number=1, workspace="default", documents=tuple(documents))
    problems = all_problems(definitions, found)
    if show.problems((msgspec.to_builtins(problem) for problem in problems), directory):
        return 2
    started = perf_counter()
    results = import_module(TRIAL).run_tests(definitions)
    for result in results:
        show.out.print(f"{'passed' if result.passed else 'FAILED'}  {result.journey}: {result.name}")
        if not result.passed:
            show.out.print(result.told)
    failed = sum(not result.passed for result in results)
    show.out.print(f"{len(results) - failed} passed, {failed} failed in {(perf_counter() - started) * 1000:.0f} ms")
    return 1 if failed else 0
