"""The database: one way in, a transaction, and the little on which PostgreSQL and SQLite disagree."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeDecorator, TypeEngine
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from dangol.db_errors import Collided, told
from dangol.db_open import LONGEST, FileLock, dialect_name, open_engine
from dangol.turns import Haste, Turns

T = TypeVar("T")
Clock = Callable[[], datetime]
ATTEMPTS = 8  # of a transaction that met a deadlock or a serialization failure


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: timestamptz; on SQLite, which drops zones, fixed-width text, so that text compares as time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text of 32 characters on SQLite."""
        return dialect.type_descriptor(String(32) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """A naive moment is refused: whose noon would it be?"""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment without a zone: {value}")
        return moment(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Always in UTC."""
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


def moment(at: datetime) -> str:
    """The text of a moment as SQLite stores it; PostgreSQL reads it too (for JSON parameters)."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class Db:
    """An open database. `transaction()` is the only way in."""

    def __init__(self, engine: AsyncEngine, url: str, clock: Clock, lock: FileLock | None) -> None:
        self.url, self.clock = url, clock
        self.dialect: Literal["sqlite", "postgresql"] = dialect_name(engine)
        self.opened_at: datetime | None = None  # SQLite: when the open transaction began; there is one at most
        self.commits = 0  # so many transactions of this process have committed
        self._engine, self._lock = engine, lock
        # A queue of our own: the pool lets the one who just gave the connection back take it again, ahead of all.
        self._turns = Turns()
        self._inside: set[asyncio.Task[Any]] = set()
        self._then: dict[AsyncConnection, list[Callable[[], None]]] = {}
        self._listeners: list[Callable[[], None]] = []

    @asynccontextmanager
    async def transaction(self, *, durable: bool = True, haste: Haste = Haste.FAIR) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits on leaving and rolls back on a raise. Await nothing but the database inside.

        Not `durable`: on SQLite the commit does not wait for the disk; the next durable one makes both safe, in their
        order. A power cut may undo it as if it had not been done yet, a killed process does not: for work that is
        repeated to the same effect, and of which nobody outside has been told. `haste`: on SQLite, when it is our turn.
        Raises `Unavailable` where the database cannot do it now (then it is unknown whether a commit happened), and
        `Collided`, which is one, for a deadlock.
        """
        async with self._taking_turns(haste):
            with told():
                async with self._engine.connect() as conn, self._marked(conn):
                    conn.sync_connection.info["durable"] = durable  # type: ignore[union-attr] # it is open
                    async with conn.begin():
                        yield conn
                    self.commits += 1
                    done = self._then.pop(conn, [])
        for listener in (*done, *self._listeners):
            listener()

    def then(self, conn: AsyncConnection, listener: Callable[[], None]) -> None:
        """Call `listener` once this transaction has committed; forget it if it rolls back."""
        self._then.setdefault(conn, []).append(listener)

    def after_commit(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every commit."""
        self._listeners.append(listener)

    def inside(self) -> bool:
        """Whether this task holds a transaction: then it must not wait for anything else."""
        return asyncio.current_task() in self._inside

    def holders(self) -> frozenset[asyncio.Task[Any]]:
        """The tasks that hold a transaction now."""
        return frozenset(self._inside)

    async def now(self, conn: AsyncConnection) -> datetime:
        """The database's clock, by which everything due is judged; read it once a transaction."""
        if self.dialect == "sqlite":
            return self.clock()
        found: datetime = (await conn.exec_driver_sql("SELECT clock_timestamp()")).scalar_one()
        return found.astimezone(UTC)

    def upsert(self, table: Any) -> Any:
        """An INSERT that knows ON CONFLICT, in this database's dialect."""
        return sqlite.insert(table) if self.dialect == "sqlite" else postgresql.insert(table)

    async def close(self) -> None:
        """Give the connections, and on SQLite the file, back."""
        await self._engine.dispose()
        if self._lock:
            self._lock.release()

    @asynccontextmanager
    async def _taking_turns(self, haste: Haste) -> AsyncIterator[None]:
        if self.inside():
            raise RuntimeError("this task already holds a transaction")
        if self.dialect == "postgresql":
            yield
            return
        await self._turns.take(haste)
        try:
            self.opened_at = self.clock()
            yield
        finally:
            self.opened_at = None
            self._turns.give()

    @asynccontextmanager
    async def _marked(self, conn: AsyncConnection) -> AsyncIterator[None]:
        task = asyncio.current_task()
        if task:
            self._inside.add(task)
        try:
            yield
        finally:
            self._inside.discard(task) if task else None
            self._then.pop(conn, None)


async def open_db(
    url: str, clock: Clock, *, pool: int = 8, name: str = "dangol", longest: float | None = LONGEST
) -> Db:
    """Open `sqlite:///PATH` (one process at a time) or `postgresql://…` (libpq's URL) with `pool` connections, on which
    no statement may take longer than `longest` seconds.

    Raises `Invalid` for another scheme, `Unavailable` when the file is in use by another process.
    """
    engine, lock = await open_engine(url, pool=pool, name=name, longest=longest)
    return Db(engine, url, clock, lock)


async def in_transaction(
    db: Db, work: Callable[[AsyncConnection], Awaitable[T]], *, durable: bool = True, haste: Haste = Haste.FAIR
) -> T:
    """Do `work` in a transaction; a deadlock or serialization failure repeats it, with jitter, a few times."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Collided),
        wait=wait_random_exponential(multiplier=0.01, max=0.5),
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
    ):
        with attempt:
            async with db.transaction(durable=durable, haste=haste) as conn:
                done = await work(conn)
    return done
