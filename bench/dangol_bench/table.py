"""How results are told: a table for people, JSON for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dangol_bench.model import Figure, Measured

WIDTH = 150  # columns the table needs


def show(console: Console, machine: Mapping[str, str], measured: Sequence[Measured]) -> None:
    """Print the whole."""
    console.width = max(console.width, WIDTH)
    for name, value in machine.items():
        console.print(f"{name}: {value}", markup=False, highlight=False)
    table = Table()
    for heading in ("row", "side", "what", "measured", "reference", "ratio", "bar", "met"):
        table.add_column(heading, justify="right" if heading in ("measured", "reference", "ratio") else "left")
    for one in measured:
        for figure in one.figures:
            table.add_row(one.row, one.side, *_cells(figure))
        if one.failed:
            table.add_row(one.row, one.side, "[red]FAILED: see below[/red]")
    console.print(table)
    for one in measured:
        if one.failed:
            console.print(f"FAILED {one.row}, {one.side}: {one.failed[:2000]}", style="red", markup=False)
    show_details(console, measured)


def show_details(console: Console, measured: Sequence[Measured]) -> None:
    """Print what is beside the figures: counts, and where the time went."""
    for one in measured:
        for figure in one.figures:
            console.print(f"\n{one.row}, {one.side}: {figure.what}", markup=False, highlight=False)
            for name, value in figure.details.items():
                console.print(f"    {name}: {_plain(value)}", markup=False, highlight=False)


def _plain(value: object) -> str:
    return ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, Mapping) else str(value)


def _cells(figure: Figure) -> tuple[str, ...]:
    reference = f"{_number(figure.reference)} ({figure.against})" if figure.reference else "–"
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else "–"
    met = {True: "[green]yes[/green]", False: "[red]no[/red]", None: "–"}[figure.met]
    measured = f"{_number(figure.value)} {figure.unit}"
    return (escape(figure.what), measured, escape(reference), ratio, str(figure.bar or "–"), met)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def as_json(machine: Mapping[str, str], measured: Sequence[Measured]) -> dict[str, Any]:
    """The same for programs."""
    return {"machine": dict(machine), "rows": [_row(one) for one in measured]}


def _row(one: Measured) -> dict[str, Any]:
    figures = [_figure(figure) for figure in one.figures]
    return {"row": one.row, "side": one.side, "figures": figures, "failed": one.failed, "seconds": one.seconds}


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "what": figure.what,
        "value": figure.value,
        "unit": figure.unit,
        "reference": figure.reference,
        "against": figure.against,
        "ratio": figure.ratio,
        "bar": str(figure.bar or ""),
        "met": figure.met,
        "details": dict(figure.details),
    }
