"""`dangol import`: a file of events posted with a progress bar; rows not believed are written beside it."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from dangol.commands import show
from dangol.commands.client import answer, product
from dangol.errors import Invalid

PIECE = 1 << 16
TYPES = {".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson", ".csv": "text/csv"}


def run(file: Path, *, backfill: bool) -> int:
    """Post the file to `/api/import`; returns 0, or 1 when some rows were rejected."""
    media = TYPES.get(file.suffix.lower())
    if not file.is_file():
        raise Invalid("no_file", f"{file} is not a file")
    if media is None:
        raise Invalid(
            "bad_file",
            f"{file.name} ends with neither .jsonl nor .csv",
            hint="one JSON event a line, or CSV with a header",
        )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=show.err) as bar:
        task = bar.add_task(file.name, total=file.stat().st_size, said="")
        totals = _post(file, media, backfill, partial(bar.advance, task), lambda said: bar.update(task, said=said))
    show.out.print(f"{totals['read']} rows read, {totals['accepted']} accepted, {totals['rejected']} rejected")
    if totals["rejected"]:
        show.out.print(f"the rejected rows and their reasons are in {rejects_file(file)}")
    return 1 if totals["rejected"] else 0


def rejects_file(file: Path) -> Path:
    """Where the rows not believed are written."""
    return file.with_name(file.name + ".rejects.jsonl")


def _post(file: Path, media: str, backfill: bool, moved: Any, said: Any) -> dict[str, int]:
    totals = {"read": 0, "accepted": 0, "rejected": 0}
    query = {"backfill": "true"} if backfill else {}
    with product() as client:
        headers = {"Content-Type": media}
        with client.stream(
            "POST", "/api/import", content=_pieces(file, moved), headers=headers, params=query, timeout=None
        ) as stream:
            if stream.status_code != 200:
                stream.read()
                answer(stream)
            for line in stream.iter_lines():
                _count(json.loads(line), totals, file)
                said(f"{totals['accepted']} accepted, {totals['rejected']} rejected")
    return totals


def _count(progress: dict[str, Any], totals: dict[str, int], file: Path) -> None:
    if "code" in progress:
        raise Invalid(progress["code"], progress["message"], hint=progress.get("hint", ""))
    for name in totals:
        totals[name] = int(progress.get(name, totals[name]))
    rejects = progress.get("rejects") or []
    if rejects:
        with rejects_file(file).open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(reject, ensure_ascii=False) + "\n" for reject in rejects)


def _pieces(file: Path, moved: Any) -> Iterator[bytes]:
    rejects_file(file).unlink(missing_ok=True)
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            moved(len(piece))
            yield piece
