"""`dangol test`: the journey tests of a folder, on a virtual clock, without a running product."""

from importlib import import_module
from pathlib import Path
from time import perf_counter

import msgspec

from dangol.commands import show
from dangol.documents import DefinitionSet, read_dir
from dangol.errors import Invalid
from dangol.publishing import all_problems

TRIAL = "dangol_journey.trial"


def run(directory: Path) -> int:
    """Run them all and print each; returns the exit code: 0 passed, 1 a test failed, 2 the files are wrong.

    A folder that is no set of definitions itself stands for those within it, two levels down (`examples`).
    Raises `Invalid` where there is no test.
    """
    folders = _folders(directory)
    tried = [_tried(folder, str(folder) if len(folders) > 1 else "") for folder in folders]
    if not any(count for count, _ in tried):
        raise Invalid(
            "no_tests", f"no journey tests in {directory}", hint="write tests/*.yaml; `dangol init` shows some"
        )
    return max(code for _, code in tried)


def _folders(directory: Path) -> list[Path]:
    if not directory.is_dir():
        raise Invalid("no_folder", f"{directory} is not a folder", hint="name a folder of definitions")
    if (directory / "workspace.yaml").is_file() or (directory / "journeys").is_dir():
        return [directory]
    within = [*directory.glob("*/workspace.yaml"), *directory.glob("*/*/workspace.yaml")]
    return sorted(path.parent for path in within) or [directory]


def _tried(directory: Path, title: str) -> tuple[int, int]:
    """How many tests a folder has, or 1 for one that can't be read, and the exit code they ask for."""
    documents, found = read_dir(directory)
    definitions = DefinitionSet(number=1, workspace="default", documents=tuple(documents))
    problems = all_problems(definitions, found)
    if show.problems((msgspec.to_builtins(problem) for problem in problems), directory):
        return 1, 2
    if title:
        show.out.print(title)
    started = perf_counter()
    results = import_module(TRIAL).run_tests(definitions)
    for result in results:
        show.out.print(f"{'passed' if result.passed else 'FAILED'}  {result.journey}: {result.name}")
        if not result.passed:
            show.out.print(result.told)
    failed = sum(not result.passed for result in results)
    show.out.print(f"{len(results) - failed} passed, {failed} failed in {(perf_counter() - started) * 1000:.0f} ms")
    return len(results), 1 if failed else 0
