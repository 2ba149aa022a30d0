"""The command line: a list of commands, each a line on what it does and where it is done."""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer

from dangol.errors import DangolError, Invalid

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    name="dangol",
    help="Event-driven trigger messaging: events in, the right message at the right moment out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="Write keys and secret keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")


def plainly(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose expected errors are told in a sentence, with exit code 1."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        from dangol.commands import show

        try:
            return command(*args, **kwargs)
        except DangolError as error:
            hint, where = (error.hint, error.where) if isinstance(error, Invalid) else ("", "")
            show.refusal(str(error), hint, where)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return told


@app.command()
@plainly
def up(
    directory: Annotated[Path | None, typer.Argument(help="Definitions to apply and watch (default: starter).")] = None,
    port: Annotated[int, typer.Option(help="Port of everything: API, inbox, pages.")] = 8420,
    host: Annotated[str, typer.Option(help="Address to bind; loopback keeps the inbox to this machine.")] = "127.0.0.1",
    data: Annotated[Path, typer.Option(help="Where the database and keys are kept.")] = Path("data"),
) -> None:
    """Start the product: all roles in one process, SQLite, no other server."""
    _load_quickly()
    from dangol import up as room

    _until_done(room.run(directory, host=host, port=port, data=data))


def _until_done(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop, which halves what a small request costs the loop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _load_quickly() -> None:
    """What is loaded at start stays: looking for garbage in it was a quarter of the start. `process` looks again."""
    gc.disable()


def _role(name: str) -> None:
    _load_quickly()
    from dangol import role

    _until_done(role.run(name))


@app.command()
@plainly
def ingest() -> None:
    """Run the ingest role: events over HTTP into the log."""
    _role("ingest")


@app.command()
@plainly
def journey() -> None:
    """Run the journey role: events into what each person gets next."""
    _role("journey")


@app.command()
@plainly
def dispatcher() -> None:
    """Run the dispatcher role: messages to gateways, within the rules."""
    _role("dispatcher")


@app.command()
@plainly
def insights() -> None:
    """Run the insights role: events and decisions into reasons."""
    _role("insights")


@app.command()
@plainly
def init(directory: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write the starter: a shop's journeys, templates, caps and tests to begin from."""
    from dangol.commands import starter_files

    starter_files.init(directory)


@app.command()
@plainly
def apply(
    directory: Annotated[Path, typer.Argument(help="The folder of definitions.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, publish nothing.")] = False,
) -> None:
    """Check a folder of definitions and publish it: in force when the command returns."""
    from dangol.commands import applying

    applying.apply(directory, dry_run=dry_run)


@app.command()
@plainly
def track(
    user: Annotated[str, typer.Argument(help="The person's user id.")],
    event: Annotated[str, typer.Argument(help='The event\'s name: "Signed Up".')],
    values: Annotated[
        list[str] | None,
        typer.Argument(help="name=value; email, phone, name, locale, timezone, trait.X go to the profile."),
    ] = None,
    consent: Annotated[str, typer.Option(help="Channels the person agrees to: email,sms,push,kakao or all.")] = "",
) -> None:
    """Post one event."""
    from dangol.commands import tracking

    tracking.track(user, event, values or [], consent)


@app.command()
@plainly
def tail(
    count: Annotated[int, typer.Option("--count", "-n", help="Stop after so many lines; 0 goes on.")] = 0,
) -> None:
    """Show each event and what it decided, one line each, live."""
    from dangol.commands import reading

    reading.tail(count)


@app.command()
@plainly
def why(
    user: Annotated[str, typer.Argument(help="The person's user id.")],
    journey_name: Annotated[str | None, typer.Argument(metavar="[JOURNEY]")] = None,
    lang: Annotated[str, typer.Option(help="ko or en; by default as this terminal.")] = "",
) -> None:
    """Say why a person got what they got, and did not get what they did not."""
    from dangol.commands import reading

    reading.why(user, journey_name, lang)


@app.command()
@plainly
def forward(
    span: Annotated[str | None, typer.Argument(help="24h, 90m, 7d.")] = None,
    to_next: Annotated[bool, typer.Option("--next", help="To the next due moment.")] = False,
) -> None:
    """Move the clock of a running `dangol up`, doing all that falls due at its own time."""
    from dangol.commands import reading

    reading.forward(span, to_next)


@app.command()
@plainly
def test(
    directory: Annotated[Path, typer.Argument(help="The folder of definitions with its tests/.")] = Path(),
) -> None:
    """Run the journey tests of a folder, on a virtual clock."""
    from dangol.commands import trying

    raise typer.Exit(trying.run(directory))


@app.command()
@plainly
def simulate(
    journey_name: Annotated[str, typer.Argument(metavar="JOURNEY")],
    events: Annotated[Path, typer.Option(help="Recorded events: .jsonl or .csv, as `import` takes them.")],
    directory: Annotated[Path, typer.Option("--dir", help="The folder of definitions.")] = Path(),
) -> None:
    """Run a draft journey over recorded events: who would enter, and what would be said."""
    from dangol.commands import simulating

    raise typer.Exit(simulating.run(journey_name, directory, events))


@app.command(name="import")
@plainly
def import_(
    file: Annotated[Path, typer.Argument(help="events.jsonl (one event a line) or events.csv.")],
    backfill: Annotated[bool, typer.Option("--backfill", help="Update what is known; trigger nothing.")] = False,
) -> None:
    """Import events from a file; rows that cannot be believed are written beside it with their reason."""
    from dangol.commands import importing

    raise typer.Exit(importing.run(file, backfill=backfill))


@keys.command("create")
@plainly
def keys_create(
    kind: Annotated[str, typer.Argument(help="browser | server | secret")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make a key; it is shown once."""
    from dangol.commands import reading

    reading.create_key(kind, name)


@app.command()
@plainly
def migrate() -> None:
    """Bring the database of DANGOL_DB to this version's tables."""
    from dangol import migrate as room

    asyncio.run(room.from_settings())


@app.command()
@plainly
def doctor() -> None:
    """Check this machine and a running product, and say how to mend what is not well."""
    from dangol.commands import doctoring

    raise typer.Exit(doctoring.run())


@app.command()
@plainly
def bench(
    rows: Annotated[list[str] | None, typer.Argument(help="Rows to measure; all by default.")] = None,
    side: Annotated[str, typer.Option(help="embedded | production | both; by default what --log and --db allow.")] = "",
    log: Annotated[str, typer.Option(help="kafka://host:port of a Kafka to measure with.")] = "",
    db: Annotated[str, typer.Option(help="postgresql://… whose user may create a database.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="A few seconds a row: for development.")] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Measure this machine: each figure beside a reference loop timed in the same run."""
    run = import_module("dangol_bench.main").run  # by name, as services are loaded: it imports them
    raise typer.Exit(run(rows or [], side=side, log=log, db=db, quick=quick, json_file=json))


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line."""
    return app(args=sys.argv[1:] if arguments is None else arguments)
