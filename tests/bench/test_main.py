"""What `dangol bench` takes, and how it tells what it found."""

import pytest
from rich.console import Console

from dangol.errors import Invalid
from dangol_bench import table
from dangol_bench.ground import Ground
from dangol_bench.main import measure, run
from dangol_bench.model import Bar, Figure, Measured, Row, Side, Untrue


def asked(*rows: str, side: str = "", log: str = "", db: str = "") -> int:
    return run(rows, side=side, log=log, db=db, quick=True, json_file=None)


def test_an_unknown_row_is_refused_with_those_there_are() -> None:
    with pytest.raises(Invalid, match="no row nothing") as refused:
        asked("nothing")
    assert "ingest-single" in refused.value.hint


@pytest.mark.parametrize("given", [{"log": "kafka://h:1"}, {"side": "production"}, {"side": "both"}, {"side": "moon"}])
def test_a_side_without_its_servers_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        asked("ingest-single", **given)


def test_a_ratio_is_held_against_the_bar_where_there_is_one() -> None:
    met = Figure("a", 60.0, "events/s", 100.0, "b", Bar(at_least=0.5))
    assert (met.ratio, met.met) == (0.6, True)
    assert Figure("a", 26.0, "ms", bar=Bar(at_most=25)).met is False
    assert Figure("a", 26.0, "ms").met is None


async def wrong(_ground: Ground) -> list[Figure]:
    raise Untrue("9 messages did not come")


async def test_a_wrong_count_is_the_rows_result_and_is_told() -> None:
    measured = await measure(Row("x", "", wrong), Ground(Side.EMBEDDED))
    console = Console(record=True, width=150)
    table.show(console, {"date": "today"}, [measured])
    assert "9 messages did not come" in console.export_text()
    assert table.as_json({}, [measured])["rows"][0]["failed"] == "9 messages did not come"


def test_the_table_says_plainly_whether_a_bar_is_met() -> None:
    figures = [
        Figure("one [of them]", 12.0, "ms", bar=Bar(at_most=25)),
        Figure("other", 1.0, "x/s", bar=Bar(at_least=2)),
    ]
    console = Console(record=True, width=150)
    table.show(console, {}, [Measured("x", Side.EMBEDDED, figures)])
    text = console.export_text()
    assert "one [of them]" in text
    assert [line.split()[-2] for line in text.splitlines() if "≥ 2" in line or "≤ 25" in line] == ["yes", "no"]
