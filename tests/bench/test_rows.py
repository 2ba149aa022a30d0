"""Every row in a tiny form: it ends, its counts are right, and its figures have their shape. Never how fast."""

from collections.abc import Sequence

import pytest

from dangol_bench.ground import Ground
from dangol_bench.main import measure
from dangol_bench.model import Figure, Side
from dangol_bench.rows import ROWS

TINY = 2


async def figures_of(name: str, ground: Ground) -> Sequence[Figure]:
    measured = await measure(ROWS[name], ground)
    assert measured.failed == ""
    return measured.figures


def well_formed(figure: Figure) -> bool:
    return figure.value > 0 and bool(figure.unit) and (figure.reference is None or bool(figure.against))


@pytest.mark.parametrize("name", ROWS)
async def test_a_row_is_measured_embedded(name: str) -> None:
    figures = await figures_of(name, Ground(Side.EMBEDDED, size=TINY))
    assert figures
    assert all(well_formed(figure) for figure in figures)


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.parametrize("name", ROWS)
async def test_a_row_is_measured_on_servers(name: str, kafka_url: str, postgres_server: str) -> None:
    figures = await figures_of(name, Ground(Side.PRODUCTION, kafka_url, postgres_server, TINY))
    assert figures
    assert all(well_formed(figure) for figure in figures)
