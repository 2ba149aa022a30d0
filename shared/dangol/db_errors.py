"""What a database says when it cannot: told as `Unavailable`, or left as the bug it is."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dangol.errors import Unavailable

# SQLSTATE classes: connection exceptions, insufficient resources (disk full, too many connections), operator
# intervention (shutting down, starting up), system errors; and single codes.
UNAVAILABLE_CLASSES = ("08", "53", "57", "58")
UNAVAILABLE_CODES = {
    "55P03",  # lock_not_available: lock_timeout
    "25P03",  # idle_in_transaction_session_timeout
    "25006",  # read only: a standby, after a failover
}
COLLISIONS = {"40001", "40P01"}
SQLITE_UNAVAILABLE = (
    "SQLITE_FULL",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_IOERR",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
)


class Collided(Unavailable):
    """A deadlock or a serialization failure: the same transaction may well succeed at once."""


@contextmanager
def told() -> Iterator[None]:
    """Raise what the driver raised as `Unavailable` or `Collided` where that is what it means."""
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, sqlite3.Error) as error:
        meant = _meaning(error)
        if meant is None:
            raise
        raise meant from error
    except PoolTimeout as error:
        raise Unavailable("every connection to the database is busy") from error
    except PendingRollbackError as error:
        raise Unavailable("the transaction was lost with its connection") from error
    except (ConnectionError, TimeoutError, OSError) as error:
        raise Unavailable(f"the database does not answer: {error}") from error


def _meaning(error: Exception) -> Unavailable | None:
    for cause in _causes(error):
        code = getattr(cause, "sqlstate", None)
        if code in COLLISIONS:
            return Collided("two transactions collided")
        if code and (code[:2] in UNAVAILABLE_CLASSES or code in UNAVAILABLE_CODES):
            return Unavailable(f"the database cannot do it now: {cause}")
        if isinstance(cause, sqlite3.Error) and _name(cause).startswith(SQLITE_UNAVAILABLE):
            return Unavailable(f"the database cannot do it now: {cause}")
        if isinstance(cause, ConnectionError | TimeoutError | OSError | asyncpg.InterfaceError):
            return Unavailable(f"the database does not answer: {cause}")
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Unavailable(f"the connection to the database was lost: {error.orig}")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what the driver really raised, and why."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "orig", None) or seen.__cause__


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")
