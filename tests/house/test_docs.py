"""What docs/ tells is so: examples compile and pass, words, settings, routes and functions are all there."""

import asyncio
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts
from prometheus_client.metrics import MetricWrapperBase

from dangol import metrics
from dangol.clock import MovingClock
from dangol.db import open_db
from dangol.definitions import DefinitionSet
from dangol.documents import read_dir, read_texts
from dangol.forward import Forward
from dangol.forward_api import clock_router
from dangol.health import Health
from dangol.keys import KeyRing
from dangol.keys_api import keys_router
from dangol.migrate import migrate
from dangol.process import ROLES, open_house, open_services
from dangol.settings import Settings, read_settings
from dangol_journey.forms import JOURNEY
from dangol_journey.trial import run_tests
from tests.support.papers import ROOT, STARTER, Block, blocks, files_of, first_column, problems_of

DOCS = ROOT / "docs"
SETTINGS = fields(Settings)
LANGUAGE = ("docs/journeys.md", "docs/journeys.ko.md")
EXAMPLES = [(paper, block) for paper in LANGUAGE for block in blocks(paper) if block.info.startswith("yaml")]


@pytest.mark.parametrize(("paper", "block"), EXAMPLES, ids=[f"{paper}:{block.line}" for paper, block in EXAMPLES])
def test_each_example_compiles_without_a_warning(paper: str, block: Block) -> None:
    assert [str(problem) for problem in problems_of(block)] == []


@pytest.mark.parametrize("paper", LANGUAGE)
def test_the_journey_test_shown_passes(paper: str) -> None:
    (block,) = (one for one in blocks(paper) if one.info.startswith("yaml tests/"))
    given, _ = read_texts(files_of(block))
    starter, _ = read_dir(STARTER)
    others = [one for one in starter if one.kind != "test"]
    results = run_tests(DefinitionSet(1, "default", (*others, *given)))
    assert [one.told for one in results] == [""]


def test_both_languages_show_the_same_examples() -> None:
    english, korean = ([one.info for one in blocks(paper)] for paper in LANGUAGE)
    assert english == korean


@pytest.mark.parametrize("paper", LANGUAGE)
def test_every_field_of_a_journey_is_told(paper: str) -> None:
    text = (ROOT / paper).read_text()
    assert [name for name in JOURNEY.fields if f"`{name}" not in text] == []


def test_every_setting_is_told() -> None:
    assert first_column("docs/operate.md", "Settings") == [f"DANGOL_{one.name.upper()}" for one in SETTINGS]


def test_every_metric_is_told() -> None:
    named = {sample for one in vars(metrics).values() if isinstance(one, MetricWrapperBase) for sample in _names(one)}
    assert sorted(named) == sorted(first_column("docs/operate.md", "Metrics"))


def _names(metric: MetricWrapperBase) -> list[str]:
    return [f"{one.name}_total" if one.type == "counter" else one.name for one in metric.describe()]


@pytest.fixture
async def routes(tmp_path: Path) -> set[str]:
    """Every route of `dangol up`: `METHOD /path`."""
    settings = read_settings({}, data=str(tmp_path))
    clock = MovingClock()
    db = await open_db(settings.db, clock)
    try:
        await migrate(db)
        async with open_house(settings, db, clock, embedded=True) as house, open_services(house, list(ROLES)) as opened:
            ring = KeyRing(db, settings, clock)
            routers = [*(one.router for one in opened), keys_router(db, ring)]
            routers += [clock_router(Forward(clock, lambda: opened, db), settings)]
            routers += [Health(opened, house.stream, asyncio.Event()).router]
            found = [one for router in routers for one in iter_route_contexts(router.routes)]
    finally:
        await db.close()
    return {f"{method} {one.path}" for one in found for method in one.methods or () if one.path}


async def test_every_route_is_told_and_no_other(routes: set[str]) -> None:
    paper = (ROOT / "docs" / "api.md").read_text()
    told = set(re.findall(r"`((?:GET|POST|DELETE|PUT) /[^`?\s]*)", paper))
    own = {one for one in routes if not one.startswith(("OPTIONS", "HEAD")) and not one.endswith("/")}
    below = {one for one in own if one.startswith(("GET /inbox/", "GET /u/style.css"))}
    assert told == own - below


HOP = re.compile(r"`(\w+)/(\w+)\.py: ([\w.]+)`")


def test_every_function_on_the_way_of_an_event_is_there() -> None:
    hops = HOP.findall((ROOT / "docs" / "architecture.md").read_text())
    assert len(hops) > 25
    assert [hop for hop in hops if not _is_there(*hop)] == []


def _is_there(room: str, module: str, name: str) -> bool:
    found: object = import_module(f"dangol.{module}" if room == "shared" else f"dangol_{room}.{module}")
    for part in name.split("."):
        found = getattr(found, part, None)
    return callable(found)


def test_every_module_of_shared_has_its_place_on_the_map() -> None:
    paper = (ROOT / "docs" / "architecture.md").read_text()
    modules = [path.stem for path in (ROOT / "shared" / "dangol").glob("[a-z]*.py")]
    assert sorted(one for one in modules if f"`{one}`" not in paper) == []


PAPERS = ["README.md", "README.ko.md", "examples/shop/README.md", *(f"docs/{path.name}" for path in DOCS.glob("*.md"))]


@pytest.mark.parametrize("paper", PAPERS)
def test_links_lead_somewhere(paper: str) -> None:
    text = (ROOT / paper).read_text()
    links = re.findall(r"\]\((?!http)([^)#]*)(?:#([\w-]+))?\)", text)
    assert [link for link in links if not _leads(paper, *link)] == []


def _leads(paper: str, file: str, part: str) -> bool:
    target = (ROOT / paper).parent / file if file else ROOT / paper
    if not target.exists() or not part:
        return target.exists()
    headings = re.findall(r"(?m)^#+ (.+)$", target.read_text())
    return part in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
