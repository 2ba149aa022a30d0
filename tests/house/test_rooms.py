"""Rooms: a PURE module imports no room that is not; and the sizes of files and functions."""

import ast
import tomllib
from pathlib import Path
from statistics import median

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("dangol_ingest", "dangol_journey", "dangol_dispatcher", "dangol_insights")
OURS = [file for folder in ("shared", "services", "bench", "tests") for file in sorted((ROOT / folder).rglob("*.py"))]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def impure_rooms() -> set[str]:
    """What `pyproject.toml` lists as not PURE: `*.store`, `dangol_journey.batch`."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (pure,) = [contract for contract in contracts if contract["name"].startswith("PURE")]
    return {line.removesuffix(" -> **") for line in pure["ignore_imports"]}


def is_impure(module: str, rooms: set[str]) -> bool:
    package, *rest = module.split(".")
    return bool(rest) and (f"*.{rest[0]}" in rooms or f"{package}.{rest[0]}" in rooms)


def test_pure_modules_import_only_pure_modules_of_their_service() -> None:
    graph, rooms = grimp.build_graph(*SERVICES, cache_dir=None), impure_rooms()
    crossings = [
        f"{importer} imports {imported}"
        for importer in sorted(graph.modules)
        if "." in importer and not is_impure(importer, rooms)
        for imported in graph.find_modules_directly_imported_by(importer)
        if is_impure(imported, rooms)
    ]
    assert crossings == []


def lengths() -> dict[str, int]:
    """Every function of ours and how many lines it takes; migrations are lists of columns."""
    return {
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for file in OURS
        if "migrations" not in file.parts
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, FUNCTIONS)
    }


def test_functions_are_small() -> None:
    sizes = lengths()
    assert [function for function, lines in sizes.items() if lines > 50] == []
    assert sum(lines <= 30 for lines in sizes.values()) >= 0.95 * len(sizes)
    assert median(sizes.values()) <= 10


def test_a_list_over_http_has_a_name() -> None:
    """`{"messages": [...]}`: what else there is to say (`next`) can be added without breaking anybody."""
    bare = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in OURS
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, FUNCTIONS) and node.returns and ast.unparse(node.returns).startswith(("list[", "Sequence["))
        for route in node.decorator_list
        if ast.unparse(route).split(".")[-1].startswith("get(")
    ]
    assert bare == []


@pytest.mark.parametrize("file", OURS, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_is_read_in_one_sitting(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 400
